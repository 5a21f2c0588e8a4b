"""Clients of a channel: persistent streams at a leader change, what is lost, what is sent again and takes effect."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import gxsim
from gxsim.errors import ScenarioError
from gxsim.kernels.histogram import BINS
from gxsim.load.scenario import Case
from gxsim.model.ledger import Ledger, LedgerPatience
from gxsim.observe.ledger import LedgerSeries, ledger_series
from gxsim.observe.ledger_tables import client_table, ledger_table
from gxsim.study.simulate import simulate
from gxsim.traffic.broadcast import PersistentStreams
from gxsim.traffic.ledger import Channel, Passage, passages, poisson
from gxsim.traffic.reigns import Reigns
from tests.reference import ledger as reference

ROOT = Path(__file__).parent.parent
LOST_S, NOTICED_S, BACK_S = 300.85, 305.6, 306.1
ELECTION = Reigns.of([(-np.inf, LOST_S, NOTICED_S), (BACK_S, np.inf, np.inf)], 0.004)
LEDGER = Ledger(
    name="mainnet",
    endorsers={"org1": ("peer",), "org2": ("other",)},
    orderers="orderers",
    batch_timeout_s=0.983,
    event_peer="peer",
    source="test",
)
AWAY = np.array([[-np.inf, 300.0], [420.0, np.inf]])
CUT = {"deliver/peer": AWAY, "deliver/other": AWAY}  # peers endorse, but get no blocks for two minutes


def passed(channel: Channel, rate: float, horizon_s: float, chunk: int = 250_000) -> list[Passage]:
    created = poisson(rate, horizon_s, np.random.default_rng(7), chunk)
    return list(passages(channel, created, horizon_s))


def column(parts: list[Passage], name: str) -> np.ndarray:
    return np.concatenate([getattr(part, name) for part in parts])


def watched(ledger: Ledger, rate: float = 40.0, horizon_s: float = 900.0) -> LedgerSeries:
    """A channel whose peers are cut off from the orderers for two minutes."""
    return ledger_series(
        Channel(ledger=ledger, open=CUT), poisson(rate, horizon_s, np.random.default_rng(3)), horizon_s
    )


gaps = st.lists(st.floats(0.001, 9.0), min_size=1, max_size=30)


@given(gaps, st.floats(0.0, 20.0), st.floats(0.0, 25.0), st.floats(0.0, 10.0))
def test_a_persistent_stream_is_served_as_a_loop_would(
    gap_s: list, lost_s: float, hidden_s: float, more_s: float
) -> None:
    sent_s, noticed_s = np.cumsum(gap_s), lost_s + hidden_s
    reigns = Reigns.of([(-np.inf, lost_s, noticed_s), (noticed_s + more_s, np.inf, np.inf)], 0.0)
    whole = PersistentStreams(1, reigns, LedgerPatience())
    expected = reference.persistent(sent_s.tolist(), lost_s, noticed_s, noticed_s + more_s)
    np.testing.assert_allclose(whole.taken_s(sent_s), expected)
    pieces = PersistentStreams(1, reigns, LedgerPatience())
    split = [pieces.taken_s(part) for part in np.array_split(sent_s, 3)]
    np.testing.assert_allclose(np.concatenate(split), expected)


def test_a_persistent_stream_is_held_up_although_somebody_leads() -> None:
    """Seven seconds from the first transaction that met the lost leader; a fresh stream gets through before that."""
    first_s = {}
    for broadcast in ("gateway", "persistent"):
        parts = passed(Channel(ledger=replace(LEDGER, broadcast=broadcast), reigns=ELECTION), 40, 600)
        block_s = column(parts, "block_s")
        first_s[broadcast] = block_s[block_s > BACK_S].min()
    assert BACK_S < first_s["gateway"] - 0.983 < BACK_S + 0.2
    assert LOST_S + 7.0 < first_s["persistent"] - 0.983 < LOST_S + 7.3


@pytest.mark.parametrize("broadcast", ["gateway", "persistent"])
def test_nothing_is_lost_for_good_at_a_leader_change(broadcast: str) -> None:
    parts = passed(Channel(ledger=replace(LEDGER, broadcast=broadcast), reigns=ELECTION), 40, 700)
    created_s = np.concatenate(list(poisson(40, 700, np.random.default_rng(7))))
    through_s = column(parts, "created_s")
    assert len(np.unique(through_s)) == len(through_s)
    assert len(created_s) - len(through_s) < 120
    assert sum(part.lost for part in parts) == (column(parts, "attempts") > 1).sum()
    assert 1 <= sum(part.lost for part in parts) <= 45, "at most one batch"


def test_what_a_leader_without_a_majority_acknowledges_is_lost_and_sent_again() -> None:
    """Two of five orderers follow it for ten seconds: two in five of 400 submissions, each sent again later."""
    stray = (np.array([0.0, 100.0, 110.0]), np.array([0.0, 0.4, 0.0]))
    parts = passed(Channel(ledger=LEDGER, stray=stray), 40, 300)
    again = column(parts, "attempts") > 1
    assert sum(part.lost for part in parts) == again.sum() == pytest.approx(160, abs=40)
    assert len(np.unique(column(parts, "created_s"))) == len(column(parts, "created_s"))
    late_s = column(parts, "ordered_s")[again] - column(parts, "acknowledged_s")[again]
    assert late_s.min() >= LEDGER.patience.commit_timeout_s


def test_a_client_that_follows_the_blocks_sends_nothing_twice() -> None:
    series = watched(LEDGER)
    assert (series.resubmitted, series.duplicates, series.applied_twice) == (0, 0, 0)


def test_an_envelope_sent_again_is_void() -> None:
    """40 a second for the first 90 of 120 seconds wait longer than half a minute, and what piled up after that."""
    series = watched(replace(LEDGER, resubmission="envelope"))
    assert series.duplicates > 40 * 90
    assert series.applied_twice == 0
    assert series.committed.sum() == pytest.approx(series.created.sum(), abs=100)


def test_a_command_endorsed_anew_may_happen_twice() -> None:
    """Its second endorsement has to see the first one's writes: those that peers commit while it is on its way."""
    series = watched(replace(LEDGER, resubmission="anew"))
    assert series.duplicates > 40 * 90
    assert 0 < series.applied_twice < series.duplicates
    (row,) = client_table([series]).rows()
    assert (row["duplicates"], row["applied_twice"]) == (series.duplicates, series.applied_twice)


def test_chunks_do_not_show_where_clients_are_impatient() -> None:
    channel = Channel(ledger=replace(LEDGER, resubmission="anew"), reigns=ELECTION, open=CUT)
    whole, pieces = passed(channel, 40, 800), passed(channel, 40, 800, chunk=499)
    for name in ("created_s", "committed_s", "attempts", "again"):
        np.testing.assert_allclose(np.sort(column(whole, name)), np.sort(column(pieces, name)))


def test_impatient_clients_keep_a_channel_from_recovering() -> None:
    """Commits lag behind submissions by more than clients wait, so that what they send again fills every block."""
    ledger = replace(LEDGER, state_database="CouchDB")
    calm, storm = (watched(replace(ledger, resubmission=how), 150.0, 1800.0) for how in ("lost", "anew"))
    assert calm.uncommitted[-1] < 300
    assert storm.uncommitted[-1] > 20 * calm.uncommitted[-1]
    assert storm.duplicates > storm.committed.sum() / 10


def test_a_quantile_needs_a_hundred_beyond_it() -> None:
    series = watched(LEDGER)
    latencies = {row["latency"]: row for row in ledger_table([series]).rows()}
    assert latencies["block_interval"]["count"] < 1000
    assert latencies["block_interval"]["p90_s"] is None
    assert latencies["block_interval"]["median_s"] == pytest.approx(1.0, abs=0.1)
    assert latencies["created_to_committed"]["p99_s"] is not None
    assert latencies["created_to_committed"]["p999_s"] is None, "36 000 are not enough"
    assert all(len(histogram) == BINS for histogram in series.histograms.values())


@pytest.fixture(scope="module")
def case() -> Case:
    loaded = gxsim.load(ROOT / "scenarios" / "node-loss.yaml")
    scenario = replace(loaded.scenario, data_plane=("ledger",), horizon_s=900.0, faults=(), expect=())
    return replace(loaded, scenario=scenario)


def with_ledgers(case: Case, *changes: dict) -> Case:
    (ledger,) = case.model.ledgers
    model = replace(case.model, ledgers=tuple(replace(ledger, **change) for change in changes))
    return replace(case, model=model)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (
            {"event_peer": "fabric/peer0-org11"},
            "there is no Service 'fabric/peer0-org11'; did you mean 'fabric/peer0-org1'?",
        ),
        ({"orderers": "orderer"}, "there is no consensus group 'orderer'; did you mean 'orderers'?"),
        ({"chaincode": "fabric/chaincod"}, "there is no Service 'fabric/chaincod'; did you mean 'fabric/chaincode'?"),
        (
            {"projector": "backend-mainnet/projectr"},
            "there is no workload 'backend-mainnet/projectr'; did you mean 'backend-mainnet/projector'?",
        ),
    ],
)
def test_a_name_that_nothing_has_is_the_users_error(case: Case, change: dict, problem: str) -> None:
    with pytest.raises(ScenarioError) as error:
        simulate(with_ledgers(case, change))
    assert str(error.value) == f"ledger mainnet: {problem}"


def test_channels_share_the_outbox_and_elect_for_themselves(case: Case) -> None:
    shares = ({"name": "payments", "share": 0.75}, {"name": "audit", "share": 0.25, "keys": 50})
    payments, audit = simulate(with_ledgers(case, *shares)).ledgers
    assert (payments.name, audit.name) == ("payments", "audit")
    assert payments.created.sum() == pytest.approx(3 * audit.created.sum(), rel=0.1)
    assert payments.void == 0
    assert audit.void > 0


def test_a_ledger_of_its_own_rate_needs_neither_users_nor_a_submitter_in_the_cluster(case: Case) -> None:
    outside = {"rate": 5.0, "outbox": "", "submitter": "", "projector": "", "chaincode": ""}
    (series,) = simulate(with_ledgers(case, outside)).ledgers
    assert series.created.sum() == pytest.approx(5.0 * 900.0, rel=0.1)
    assert series.uncommitted[-1] < 30
