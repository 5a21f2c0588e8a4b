"""The forecast of volumes and disks: what fills what, dates, copies, statements, and the verb."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from gxsim.cli import app
from gxsim.errors import ScenarioError
from gxsim.load.scenario import Case, load
from gxsim.model.model import Model
from gxsim.model.storage import Backup, Growth, HostGrowth, StorageStatement
from gxsim.report.coupling import coupling_grid
from gxsim.rng import Streams
from gxsim.state import ClusterState
from gxsim.storage.amounts import decimal, span
from gxsim.storage.coupling import couplings
from gxsim.storage.drivers import Draws, levels
from gxsim.storage.forecast import Forecast, forecast, moves, purchases
from gxsim.storage.moves import restarts_s
from gxsim.storage.places import places
from gxsim.storage.plan import plan
from gxsim.storage.statements import judge
from gxsim.study.start import started

DAY_S, GB = 86_400.0, 1e9
DATABASE, DISK = "backend-mainnet/postgres-data-postgres-0", "srv1089618"


@pytest.fixture(scope="module")
def case() -> Case:
    return load("gx/node-loss")


@pytest.fixture(scope="module")
def state(case: Case) -> ClusterState:
    return started(case, case.placement)[0]


def rows(growth: Growth) -> Model:
    return Model(growth=(growth,))


def growth(low: float, high: float, **given: object) -> Growth:
    named = {"name": "rows", "namespace": "backend-mainnet", "workload": "postgres", "ordinal": 0, "source": "test"}
    return Growth(**{**named, "per_day_bytes": (int(low), int(high)), **given})


def made(state: ClusterState, model: Model, **given: object) -> Forecast:
    return forecast(state, model, Streams(1), **{"paths": 400, "horizon_days": 400, **given})


def row(found: Forecast, name: str) -> int:
    return [one.name for one in found.rows].index(name)


def test_places_are_the_claims_that_one_node_holds(state: ClusterState) -> None:
    found = {place.claim: place for place in places(state)}
    database = found[DATABASE]
    assert (database.workload, database.ordinal, state.nodes[database.node].name) == ("postgres", 0, DISK)
    assert len(found) == 27
    assert not database.expandable


def test_a_fixed_rate_fills_a_claim_on_the_day_that_division_says(state: ClusterState) -> None:
    found = made(state, rows(growth(GB, GB)))
    at = row(found, DATABASE)
    assert found.dates[0, at].tolist() == [92.0] * 3  # 0.85 · 100 Gi / 1 GB = 91.3
    assert found.dates[1, at].tolist() == [108.0] * 3
    assert found.reached[1, at] == 1.0


def test_a_range_gives_dates_at_the_quantiles_of_the_rate(state: ClusterState) -> None:
    found = made(state, rows(growth(GB, 2 * GB)), paths=20_000)
    dates = found.dates[1, row(found, DATABASE)]
    expected = 107.374 / np.array([1.9, 1.5, 1.1])
    assert np.allclose(dates, np.ceil(expected), atol=1)  # 20 000 paths: a day of spread


def test_a_distribution_decides_how_far_dates_spread(state: ClusterState) -> None:
    width = {}
    for distribution in ("uniform", "triangular", "lognormal"):
        found = made(state, rows(growth(GB, 2 * GB, distribution=distribution)), paths=5000)
        early, _, late = found.dates[1, row(found, DATABASE)]
        width[distribution] = late - early
    assert width["triangular"] < width["uniform"] < width["lognormal"]


def test_a_lognormal_rate_cannot_be_nothing() -> None:
    with pytest.raises(ValueError, match="distribution: lognormal needs rates above 0; write a lower end such as 1M"):
        growth(0, GB, distribution="lognormal")


def test_what_is_not_reached_within_the_horizon_has_no_date(state: ClusterState) -> None:
    found = made(state, rows(growth(GB, GB)), horizon_days=107)
    assert np.isinf(found.dates[1, row(found, DATABASE)]).all()
    assert found.reached[1, row(found, DATABASE)] == 0.0


def test_retention_stops_growth(state: ClusterState) -> None:
    found = made(state, rows(growth(GB, GB, retention_s=90 * DAY_S)))
    assert found.levels_bytes[row(found, DATABASE), -1].tolist() == [90 * GB] * 3


def test_entries_of_one_name_grow_alike_and_others_do_not(state: ClusterState) -> None:
    everywhere = {"namespace": "fabric", "ordinal": None}
    ledgers = tuple(
        growth(GB, 3 * GB, name="ledger", workload=pattern, **everywhere) for pattern in ("orderer*", "peer*")
    )
    together = made(state, Model(growth=ledgers), paths=4000)
    apart = made(state, Model(growth=(ledgers[0], dataclasses.replace(ledgers[1], name="other"))), paths=4000)
    cluster = row(together, "cluster")
    width = [float(np.ptp(found.levels_bytes[cluster, -1])) for found in (together, apart)]
    assert width[0] == pytest.approx(9 * 0.8 * 2 * GB * 400, rel=0.05)  # nine ledgers, P10 to P90 of an even range
    assert width[1] < 0.9 * width[0]


def test_a_node_holds_the_sum_of_its_volumes_and_of_what_lies_outside_them(state: ClusterState) -> None:
    host = HostGrowth(name="images", level_bytes=(7, 7), source="test")
    logs = HostGrowth(name="logs", each="container", level_bytes=(10, 10), source="test")
    planned = plan(state, Model(growth=(growth(5, 5),), host_growth=(host, logs)), Draws(Streams(1), 3))
    drivers = levels(planned.drivers, np.array([0.0, 1.0]), slice(0, 3))
    filled = np.einsum("rd,dpt->rpt", planned.weights, drivers)
    by_name = dict(zip([one.name for one in planned.rows], filled[:, 0, 1], strict=True))
    containers = sum(len(state.templates[t].containers) for t in state.pod_template)
    assert by_name["srv1117946"] < by_name["srv1092158"]
    assert by_name["cluster"] == 5 + 4 * 7 + 10 * containers
    assert by_name["cluster"] == sum(by_name[node.name] for node in state.nodes)


def test_copies_lie_in_their_reserved_space_and_on_the_node(state: ClusterState) -> None:
    backup = Backup(
        name="dump",
        namespace="backend-mainnet",
        workload="postgres",
        every_s=DAY_S,
        keep=3,
        restore_s=(0, 0),
        size_ratio=(0.5, 0.5),
        reserved_bytes=1000,
        source="test",
    )
    found = made(state, dataclasses.replace(rows(growth(100, 100)), backups=(backup,)), horizon_days=30)
    copies = row(found, f"{DATABASE} (dump)")
    assert found.levels_bytes[copies, -1, 1] == 0.5 * 100 * (30 + 29 + 28)
    assert found.levels_bytes[row(found, DISK), -1, 1] == 100 * 30 + 0.5 * 100 * (30 + 29 + 28)
    beside = dataclasses.replace(backup, reserved_bytes=None)
    found = made(state, dataclasses.replace(rows(growth(100, 100)), backups=(beside,)), horizon_days=30)
    assert found.levels_bytes[row(found, DATABASE), -1, 1] == 100 * 30 + 0.5 * 100 * (30 + 29 + 28)


def test_copies_off_the_node_and_of_what_they_leave_out_take_nothing(state: ClusterState) -> None:
    backup = Backup(
        name="dump",
        namespace="backend-mainnet",
        workload="postgres",
        every_s=DAY_S,
        keep=3,
        restore_s=(0, 0),
        source="t",
    )
    away = dataclasses.replace(rows(growth(100, 100)), backups=(dataclasses.replace(backup, off_node=True),))
    unsaved = dataclasses.replace(rows(growth(100, 100, saved=False)), backups=(backup,))
    for model in (away, unsaved):
        found = made(state, model, horizon_days=30)
        assert found.levels_bytes[row(found, DISK), -1, 1] == 3000
    found = made(state, away, horizon_days=30)
    elsewhere = row(found, "copies away from the nodes")
    assert found.levels_bytes[elsewhere, -1, 1] == 100 * (30 + 29 + 28)
    assert np.isinf(found.dates[:, elsewhere]).all()


def test_growth_from_the_traffic_is_bytes_per_write_times_writes(case: Case, state: ClusterState) -> None:
    entry = growth(1, 1, per_write_bytes=(1000, 1000))
    model = dataclasses.replace(rows(entry), populations=case.model.populations, paths=case.model.paths)
    found = made(state, model, from_traffic=True, horizon_days=10)
    assert found.levels_bytes[row(found, DATABASE), -1, 1] == pytest.approx(10 * 36.0 * DAY_S * 1000)


def test_growth_given_per_write_alone_follows_the_traffic_unasked(case: Case, state: ClusterState) -> None:
    entry = growth(0, 0, per_write_bytes=(1000, 1000))
    model = dataclasses.replace(rows(entry), populations=case.model.populations, paths=case.model.paths)
    found = made(state, model, horizon_days=10)
    assert found.levels_bytes[row(found, DATABASE), -1, 1] == pytest.approx(10 * 36.0 * DAY_S * 1000)


def test_growth_per_write_alone_needs_paths_that_write(state: ClusterState) -> None:
    with pytest.raises(
        ScenarioError, match=r"^growth rows: no request path writes and perWrite says nothing; give perDay$"
    ):
        made(state, rows(growth(0, 0, per_write_bytes=(1000, 1000))))


def test_what_is_stated_and_what_the_traffic_makes_of_it_stand_side_by_side(case: Case) -> None:
    told = {one.growth.name: one for one in couplings(case.model)}
    assert told["ledger"].by_traffic_bytes == (round(4000 * 36.0 * DAY_S), round(10_000 * 36.0 * DAY_S))
    grid = coupling_grid(list(told.values()), from_traffic=False)
    ledger = next(line for line in grid.rows if line[0].text == "ledger")
    assert [cell.text for cell in ledger] == ["ledger", "100–200 MB", "4–10 kB", "12.4–31.1 GB", "stated"]
    assert ledger[3].tone == "bad"  # a hundred times what is stated


def test_the_same_seed_gives_the_same_forecast(case: Case, state: ClusterState) -> None:
    one, other = (forecast(state, case.model, Streams(7), paths=300, horizon_days=200) for _ in range(2))
    assert np.array_equal(one.levels_bytes, other.levels_bytes)
    assert np.array_equal(one.dates, other.dates)


def test_another_entry_does_not_shift_the_draws_of_the_first(state: ClusterState) -> None:
    first = rows(growth(GB, 2 * GB))
    second = growth(GB, 5 * GB, name="other", workload="redis", ordinal=None)
    alone, beside = made(state, first), made(state, dataclasses.replace(first, growth=(second, *first.growth)))
    assert np.array_equal(alone.levels_bytes[row(alone, DATABASE)], beside.levels_bytes[row(beside, DATABASE)])


def test_a_purchase_is_due_at_the_cautious_date_and_lasts_to_the_horizon(state: ClusterState) -> None:
    bought = purchases(made(state, rows(growth(GB, GB))), {DATABASE: 8.0})
    assert [one.row.name for one in bought] == [DATABASE]
    assert bought[0].by_days == 92
    assert bought[0].needed_bytes == pytest.approx(400 * GB / 0.85)
    assert bought[0].move is not None
    assert bought[0].move.away_s == pytest.approx((92 * GB / 500e6 + 8.0, 92 * GB / 100e6 + 8.0))


def test_a_move_takes_the_copy_of_the_level_and_a_restart(state: ClusterState) -> None:
    found = moves(made(state, rows(growth(GB, GB))), {DATABASE: 8.0}, days=100.0)
    assert len(found) == 27  # every volume is local, so none can be expanded
    assert (found[0].claim, found[0].level_bytes) == (DATABASE, pytest.approx(100 * GB))
    assert found[0].copy_s == pytest.approx((200.0, 1000.0))
    assert found[-1].away_s == (0.0, 0.0)  # empty, and nobody knows its restart


def test_the_restart_of_a_pod_is_what_its_timings_say(case: Case, state: ClusterState) -> None:
    found = restarts_s(state, case.model)
    assert found[DATABASE] == 2.0 + case.model.kubelet.start_s + 3.0  # stop and ready of the model's app: postgres
    assert len(found) == 27


def test_a_node_shows_what_its_claims_promise_beside_its_disk(state: ClusterState, case: Case) -> None:
    found = made(state, case.model, paths=100)
    promised = {one.name: one.promised_bytes / 2**30 for one in found.rows if one.kind == "node"}
    # The claims of the documented placement, and 50Gi for dumps beside the only database that is written to.
    assert promised == {"srv1089618": 490.0, "srv1089624": 480.0, "srv1092158": 540.0, "srv1117946": 0.0}


def test_a_statement_about_what_is_only_partly_there_is_not_judged(state: ClusterState, case: Case) -> None:
    both = ("backend-mainnet", "backend-testnet")
    model = dataclasses.replace(case.model, storage_statements=(said("claims", namespaces=both, amount_bytes=(1, 1)),))
    assert judge(state, model)[0].arithmetic == "not all of that is deployed or modelled"


def test_a_forecast_needs_some_growth(state: ClusterState) -> None:
    with pytest.raises(ScenarioError, match="there is no growth to forecast"):
        made(state, Model())


# ---- statements -----------------------------------------------------------------------------------------------------


def said(figure: str, **given: object) -> StorageStatement:
    return StorageStatement(text="stated", figure=figure, source="test", **given)


@pytest.mark.parametrize(
    ("statement", "verdict", "arithmetic"),
    [
        (
            said("growth", names=("rows",), amount_bytes=(15_000_000_000, 20_000_000_000)),
            "contradicted",
            "(rows 1–2 GB) a day × 30.44 days = 30.4–60.9 GB",
        ),
        (
            said("growth", names=("rows",), amount_bytes=(30_000_000_000, 70_000_000_000)),
            "holds",
            "(rows 1–2 GB) a day × 30.44 days = 30.4–60.9 GB",
        ),
        (
            said("fits", names=("rows",), amount_bytes=(0, 150_000_000_000)),
            "depends",
            "rows 1–2 GB a day × 91 days = 91–182 GB",
        ),
        (
            said("claims", namespaces=("backend-mainnet",), amount_bytes=(360 * 2**30, 360 * 2**30)),
            "holds",
            "3 × 100Gi + 3 × 20Gi = 360Gi = 387 GB",
        ),
        (
            said("claimsShare", namespaces=("backend-mainnet",), share=(0.3, 0.3)),
            "contradicted",
            "3 × 100Gi + 3 × 20Gi = 387 GB, of 4 TB of disks",
        ),
        (
            said("claims", namespaces=("nowhere",), amount_bytes=(1, 1)),
            "depends",
            "not all of that is deployed or modelled",
        ),
        (said("reach", names=("dump",), time_s=(30 * DAY_S, 30 * DAY_S)), "contradicted", "30 copies × 6h = 7d12h"),
        (
            said("fits", names=("dump",), amount_bytes=(0, 50 * 2**30)),
            "contradicted",
            "30 copies × 0.25–0.5 × 91–182 GB of data = 0.682–2.73 TB",
        ),
    ],
)
def test_a_statement_is_judged_with_its_arithmetic(
    state: ClusterState, statement: StorageStatement, verdict: str, arithmetic: str
) -> None:
    backup = Backup(
        name="dump",
        namespace="backend-mainnet",
        workload="postgres",
        every_s=6 * 3600.0,
        keep=30,
        restore_s=(0, 0),
        size_ratio=(0.25, 0.5),
        source="test",
    )
    model = rows(growth(GB, 2 * GB, retention_s=90 * DAY_S))
    model = dataclasses.replace(model, backups=(backup,), storage_statements=(statement,))
    (finding,) = judge(state, model)
    assert (finding.verdict, finding.arithmetic) == (verdict, arithmetic)


def test_amounts_are_written_in_decimal_units() -> None:
    assert [decimal(x) for x in (0, 999, 1500, 63.7e9, 999.6e9, 1.31e12)] == [
        "0 B",
        "999 B",
        "1.5 kB",
        "63.7 GB",
        "1 TB",
        "1.31 TB",
    ]
    assert span(63.7e9, 109.2e9) == "63.7–109 GB"
    assert span(5e6, 5e6) == "5 MB"


def test_a_range_the_wrong_way_round_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^perDay: expected the lower end first, got \[5, 1\]$"):
        growth(5, 1)


def test_a_statement_without_its_figure_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^the figure reach needs the field 'time'$"):
        said("reach", names=("dump",))


# ---- the verb -------------------------------------------------------------------------------------------------------


def test_the_verb_writes_a_document_and_a_picture(tmp_path: Path) -> None:
    picture = tmp_path / "levels.svg"
    arguments = ["forecast", "gx/node-loss", "--paths", "100", "--horizon", "90d", "--plot", str(picture), "-o", "json"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    document = json.loads(done.output)
    assert document["horizon_days"] == 90
    assert document["first_full"][0].endswith("(pg_dump)")
    assert {"rows", "purchases", "statements", "exposures", "second_losses"} <= document.keys()
    assert "<svg" in picture.read_text()


def test_a_horizon_that_is_no_duration_is_refused() -> None:
    done = CliRunner().invoke(app, ["forecast", "gx/node-loss", "--horizon", "soon"])
    assert done.exit_code == 2
