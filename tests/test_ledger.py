"""The ledger pipeline: nothing is lost or doubled, outages stall it and it recovers, and a rate too high is found."""

from dataclasses import replace

import numpy as np
import pytest

from gxsim.model.ledger import Ledger, LedgerCosts, LedgerPatience
from gxsim.observe.ledger import LATENCIES, ledger_series
from gxsim.observe.ledger_tables import ledger_history, ledger_table, stage_capacities
from gxsim.observe.saturation import saturation_point, saturation_sweep
from gxsim.traffic.ledger import Channel, Passage, passages, poisson
from gxsim.traffic.peers import Peers
from gxsim.traffic.reigns import Reigns

LEDGER = Ledger(
    name="mainnet",
    outbox="db",
    submitter="backend/submitter",
    poll_s=0.1,
    endorsers={"org1": ("peer",), "org2": ("other",)},
    chaincode="chaincode",
    orderers="orderers",
    batch_timeout_s=1.0,
    event_peer="peer",
    projector="backend/projector",
    source="test",
)
LOST_S, NOTICED_S, BACK_S = 300.85, 305.6, 306.1
ELECTION = Reigns.of([(-np.inf, LOST_S, NOTICED_S), (BACK_S, np.inf, np.inf)], 0.004)


def run(channel: Channel, rate: float, horizon_s: float, chunk: int = 500_000) -> Passage:
    """Everything that passed, in one piece."""
    created = poisson(rate, horizon_s, np.random.default_rng(7), chunk)
    parts = list(passages(channel, created, horizon_s))
    arrays = {n: np.concatenate([getattr(p, n) for p in parts], axis=-1) for n in Passage.__slots__ if n != "lost"}
    return Passage(**arrays, lost=sum(p.lost for p in parts))


def created(rate: float, horizon_s: float) -> np.ndarray:
    return np.concatenate(list(poisson(rate, horizon_s, np.random.default_rng(7))))


def test_what_is_created_is_committed_once_and_in_order() -> None:
    passed = run(Channel(ledger=LEDGER), 50, 600)
    everything = created(50, 600)
    assert len(everything) - len(passed.created_s) < 120  # under way at the end: about a batch
    np.testing.assert_array_equal(passed.created_s, everything[: len(passed.created_s)])
    for earlier, later in (("created", "acknowledged"), ("acknowledged", "ordered"), ("ordered", "committed")):
        assert (getattr(passed, f"{earlier}_s") < getattr(passed, f"{later}_s")).all()
    assert (passed.committed_s < passed.projected_s).all()
    assert passed.block_transactions.sum() == len(passed.created_s)


def test_a_transaction_waits_for_the_poll_and_for_its_block() -> None:
    """A block is cut one timeout after its first transaction; in between they come poll by poll, ten to a block."""
    passed = run(Channel(ledger=LEDGER), 50, 2000)
    ordering_s = passed.ordered_s - passed.acknowledged_s
    assert ordering_s.max() == pytest.approx(1.0, abs=0.05)
    assert ordering_s.mean() == pytest.approx(0.5, abs=0.03)
    assert np.diff(passed.block_s).mean() == pytest.approx(1.0 + 0.1 / 2, abs=0.06)


def test_chunks_do_not_show() -> None:
    """The batch timeout is no multiple of the poll: else arrivals meet the timer's instant, and rounding decides."""
    ledger = replace(LEDGER, batch_timeout_s=0.983)
    channel = Channel(ledger=ledger, reigns=ELECTION, projector=np.array([[-np.inf, 100.0], [200.0, np.inf]]))
    whole, pieces = run(channel, 40, 700), run(channel, 40, 700, chunk=997)
    np.testing.assert_allclose(whole.block_s, pieces.block_s)
    np.testing.assert_array_equal(whole.block_transactions, pieces.block_transactions)
    orders = [np.argsort(p.created_s) for p in (whole, pieces)]  # two submitters end at one instant, in either order
    for name in ("created_s", "acknowledged_s", "ordered_s", "committed_s", "attempts"):
        columns = [getattr(p, name)[order] for p, order in zip((whole, pieces), orders, strict=True)]
        np.testing.assert_allclose(*columns)


def test_acknowledged_but_not_ordered_is_lost_and_submitted_again() -> None:
    """What stood in the dead leader's batch comes back after the commit time-out, nothing else does."""
    passed = run(Channel(ledger=LEDGER, reigns=ELECTION), 40, 700)
    again = passed.attempts > 1
    assert 1 <= again.sum() <= 45
    assert (passed.created_s[again] < LOST_S).all()
    assert (passed.committed_s[again] > LOST_S + 29).all()
    assert len(np.unique(passed.created_s)) == len(passed.created_s)
    assert len(created(40, 700)) - len(passed.created_s) < 120


def test_a_submission_in_the_hole_waits_for_the_forwarding_timeout() -> None:
    """Sent while the followers still believe: 7 s; sent when they know better: tried until there is a leader."""
    passed = run(Channel(ledger=LEDGER, reigns=ELECTION), 40, 700)
    hole = (passed.created_s > LOST_S) & (passed.created_s < NOTICED_S - 0.2)
    assert (passed.acknowledged_s[hole] - passed.created_s[hole]).min() > 7.0
    after = (passed.created_s > NOTICED_S) & (passed.created_s < BACK_S)
    assert passed.acknowledged_s[after].min() >= BACK_S
    assert passed.acknowledged_s[after].max() < BACK_S + 1.0
    assert not ((passed.block_s > LOST_S + 0.1) & (passed.block_s < BACK_S)).any()


def test_lost_quorum_fills_the_outbox_and_its_return_empties_it() -> None:
    """Peers ask for blocks again within seconds here, so that only the outbox is told of."""
    reigns = Reigns.of([(-np.inf, 600.0, 602.0), (1800.0, np.inf, np.inf)], 0.004)
    ledger = replace(LEDGER, patience=LedgerPatience(reconnect_cap_s=5.0))
    series = ledger_series(Channel(ledger=ledger, reigns=reigns), poisson(40, 3600, np.random.default_rng(1)), 3600)
    minute = {int(t): i for i, t in enumerate(series.time_s)}
    assert series.outbox[minute[600]] < 100
    assert series.outbox[minute[1800]] == pytest.approx(40 * 1200, rel=0.03)
    assert (series.blocks[minute[600] + 2 : minute[1800] + 1] == 0).all()
    assert series.outbox[minute[3600]] < 100
    drained = series.time_s[np.flatnonzero(series.outbox > 1000)[-1]]
    # 48 000 rows and 40 more each second, two submitters of 7.5 ms each
    assert drained == pytest.approx(1800 + 40 * 1200 / (2 / 0.0075 - 40), rel=0.05)


def test_a_peer_that_was_refused_for_long_asks_again_late() -> None:
    """100 ms, then a fifth more each time, at most an hour: refused for six hours, it comes up to an hour too late."""
    lost_s, back_s = 600.0, 600.0 + 6 * 3600
    reigns = Reigns.of([(-np.inf, lost_s, lost_s), (back_s, np.inf, np.inf)], 0.004)
    channel = Channel(ledger=LEDGER, reigns=reigns)
    pauses = np.minimum(0.1 * 1.2 ** np.arange(100), 3600.0)
    tries_s = lost_s + np.cumsum(pauses)
    again_s = tries_s[tries_s >= back_s][0]
    streams = Peers(channel, np.random.default_rng(1)).streams["peer"]
    np.testing.assert_allclose(streams, [[-np.inf, lost_s], [again_s, np.inf]])
    passed = run(channel, 5, back_s + 5000)
    after = passed.block_s > back_s
    assert passed.block_s[after].min() < back_s + 2.0
    assert passed.committed_s[passed.created_s > lost_s + 1].min() > again_s
    restarted = replace(channel, peers={"peer": np.array([[-np.inf, lost_s], [back_s - 3.0, np.inf]])})
    streams = Peers(restarted, np.random.default_rng(1)).streams["peer"]
    assert streams[1, 0] - back_s < 0.8  # a fresh process begins with short pauses


def test_a_projector_that_was_away_catches_up_from_its_checkpoint() -> None:
    away = np.array([[-np.inf, 600.0], [1200.0, np.inf]])
    series = ledger_series(
        Channel(ledger=LEDGER, projector=away), poisson(100, 2400, np.random.default_rng(1)), 2400, bin_s=60
    )
    lag_s = series.projector_lag_s
    assert lag_s[5] < 1.0
    assert lag_s[18] == pytest.approx(480 + 60, abs=65)
    assert lag_s[-1] < 1.0
    assert series.projected.sum() == pytest.approx(series.committed.sum(), abs=200)
    assert series.uncommitted.max() < 500  # blocks went on


def test_an_organisation_without_peers_stops_endorsement() -> None:
    gone = np.array([[-np.inf, 100.0], [200.0, np.inf]])
    passed = run(Channel(ledger=LEDGER, peers={"other": gone}), 40, 600)
    assert not ((passed.acknowledged_s > 100.1) & (passed.acknowledged_s < 200)).any()
    assert len(created(40, 600)) - len(passed.created_s) < 120


def test_commands_on_few_keys_void_each_other() -> None:
    """A key is written at most once between endorsement and commit, some 0.6 s: the rest of its writers are void."""
    rng = np.random.default_rng(3)
    shares = []
    for keys in (10, 1000, 100_000):
        channel = Channel(ledger=replace(LEDGER, keys=keys))
        series = ledger_series(channel, poisson(50, 600, np.random.default_rng(7)), 600, rng=rng)
        shares.append(series.void / series.committed.sum())
    assert shares[0] > 0.6
    assert shares[1] == pytest.approx(50 * 0.6 / 1000, rel=0.4)
    assert shares[2] < 0.001
    assert ledger_series(Channel(ledger=LEDGER), poisson(50, 600, rng), 600).void == 0


def test_the_saturation_point_is_the_least_capacity_and_a_sweep_finds_it() -> None:
    channel = Channel(ledger=LEDGER)
    capacities = stage_capacities(channel).columns
    assert capacities["stage"][0] == "submission"
    least = capacities["per_s"][0]
    sweep = saturation_sweep(channel, [0.5 * least, 0.95 * least, 1.2 * least])
    assert sweep.columns["saturated"] == [False, False, True]
    assert sweep.columns["committed_per_s"][2] == pytest.approx(least, rel=0.02)
    assert sweep.columns["stage"][2] == "submission"


@pytest.mark.parametrize(
    ("stage", "costs"),
    [
        ("outbox", LedgerCosts(outbox_batch=10, submitters=100)),
        ("submission", LedgerCosts()),
        ("endorsement", LedgerCosts(endorse_servers=1)),
        ("ordering", LedgerCosts(order_s=0.01)),
        ("validation and commit", LedgerCosts(commit_s=0.01)),
        ("projection", LedgerCosts(project_s=0.01)),
    ],
)
def test_a_search_finds_every_stage_that_saturates_where_its_costs_say(stage: str, costs: LedgerCosts) -> None:
    """A queue must gain 2 % of the time that passes, and the search stops at 2 %: 4 % together."""
    channel = Channel(ledger=replace(LEDGER, costs=costs))
    point = saturation_point(saturation_sweep(channel), "mainnet")
    assert point is not None
    capacities = stage_capacities(channel).columns
    assert point[0] == stage == capacities["stage"][0]
    assert point[1] == pytest.approx(capacities["per_s"][0], rel=0.04)


def test_blocks_that_take_long_to_agree_on_saturate_consensus() -> None:
    """Half a second per write of a log and blocks of at most 20: 40 a second."""
    ledger = replace(LEDGER, max_message_count=20, costs=LedgerCosts(write_s=0.5))
    point = saturation_point(saturation_sweep(Channel(ledger=ledger)), "mainnet")
    assert point == ("consensus", pytest.approx(40.0, rel=0.04))


def test_tables_name_every_latency_and_every_bin() -> None:
    series = ledger_series(Channel(ledger=LEDGER), poisson(20, 600, np.random.default_rng(1)), 600)
    latencies = ledger_table([series])
    assert latencies.columns["latency"] == [*LATENCIES, "block_interval"]
    assert latencies.columns["median_s"][1] == pytest.approx(0.7, abs=0.2)
    history = ledger_history([series])
    assert len(history) == 10
    assert history.columns["height"][-1] == pytest.approx(600 / 1.06, rel=0.03)
