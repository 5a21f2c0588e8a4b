"""Peers of a channel: who gets blocks from orderers, how the others get them, and how a lost one comes back."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gxsim.kernels.uptime import ALWAYS, next_up
from gxsim.model.ledger import Ledger, LedgerCosts, LedgerPatience
from gxsim.observe.ledger import LedgerSeries, ledger_series
from gxsim.observe.ledger_tables import peer_history, peer_table
from gxsim.traffic.delivery import Orderer, elected, fetched, passed_on, pulling, streams
from gxsim.traffic.ledger import Channel, poisson
from gxsim.traffic.peers import Peers
from gxsim.traffic.reigns import Reigns
from tests.reference import ledger as reference

PATIENCE = LedgerPatience()
PEERS = {"org1": ("peer0-org1", "peer1-org1"), "org2": ("peer0-org2", "peer1-org2")}
LEDGER = Ledger(
    name="mainnet",
    endorsers=PEERS,
    endorsement="ANY",
    orderers="orderers",
    batch_timeout_s=1.0,
    event_peer="peer0-org1",
    source="test",
)
GOSSIPING = replace(LEDGER, gossip=True)
AWAY = np.array([[-np.inf, 600.0], [900.0, np.inf]])

windows = st.lists(st.integers(0, 200), min_size=2, max_size=8, unique=True).map(
    lambda edges: [(float(a), float(b)) for a, b in zip(sorted(edges)[::2], sorted(edges)[1::2], strict=False)]
)
times = st.lists(st.integers(0, 1760).map(lambda eighths: eighths / 8), max_size=20).map(sorted)


def watched(channel: Channel, rate: float = 40.0, horizon_s: float = 1800.0) -> LedgerSeries:
    return ledger_series(channel, poisson(rate, horizon_s, np.random.default_rng(3)), horizon_s, bin_s=10.0)


@given(times, windows)
def test_the_next_moment_in_a_window_is_found(at: list[float], up: list[reference.Window]) -> None:
    found = next_up(np.array(at), np.array(up).reshape(-1, 2))
    assert found.tolist() == [reference.next_time(up, one) for one in at]


@given(times, windows, windows)
def test_blocks_are_passed_on_as_a_loop_would(at: list[float], source: list, to: list) -> None:
    found = passed_on([np.array(at)], [np.array(source)], np.array(to), 0.5)
    assert found.tolist() == reference.passed_on(at, source, to, 0.5)


@given(times, windows, windows)
def test_missing_blocks_are_fetched_as_a_loop_would(kept: list[float], source: list, to: list) -> None:
    """A look that falls between two windows is the loop's next look; here it is at the window's beginning."""
    grid = [(10.0 * round(a / 10), 10.0 * round(b / 10) + 10.0) for a, b in to]
    merged = [one for one, after in zip(grid, [*grid[1:], (np.inf, 0.0)], strict=True) if one[1] < after[0]]
    if len(merged) < len(grid):
        return
    found = fetched([np.array(kept)], [np.array([[0.0, 500.0]])], np.array(grid), 10.0)
    assert found.tolist() == reference.fetched(kept, [(0.0, 500.0)], grid, 10.0, 500.0)


def test_the_first_of_an_organisation_leads_where_leaders_are_static() -> None:
    ledger = replace(GOSSIPING, leader_peers="static")
    up = {peer: AWAY if peer == "peer0-org2" else ALWAYS for peer in ledger.peers}
    pulls = pulling(ledger, up)
    assert [len(pulls[peer]) for peer in ledger.peers] == [1, 0, 2, 0]


def test_a_lost_leader_is_missed_for_ten_seconds_and_replaced_in_five() -> None:
    led = elected(["a", "b"], {"a": AWAY, "b": ALWAYS}, PATIENCE)
    assert led["a"].tolist() == [[-np.inf, 600.0]]
    assert led["b"].tolist() == [[615.0, np.inf]]


def test_an_organisation_that_was_away_elects_when_it_is_back() -> None:
    led = elected(["a", "b"], {"a": AWAY, "b": AWAY}, PATIENCE)
    assert led["a"].tolist() == [[-np.inf, 600.0], [915.0, np.inf]]
    assert len(led["b"]) == 0


def test_a_stream_is_moved_to_another_orderer() -> None:
    """Killed, its stream is closed at once; vanished with its node, it hangs for the keepalive."""
    for vanished, gap_s in (([], PATIENCE.reconnect_s), ([600.0], PATIENCE.keepalive_s + PATIENCE.reconnect_s)):
        lost = Orderer(up=np.array([[-np.inf, 600.0]]), vanished_s=np.array(vanished))
        for seed in range(8):
            found = streams(ALWAYS, [lost, Orderer.always()], ALWAYS, PATIENCE, np.random.default_rng(seed))
            assert found[-1, 1] == np.inf
            if len(found) > 1:
                break
        else:
            pytest.fail("no seed has the peer begin at the orderer that is lost")
        assert found[0].tolist() == [-np.inf, 600.0]
        late_s = found[1, 0] - 600.0 - gap_s  # it may dial the dead one again first
        assert late_s == pytest.approx(0.0, abs=1e-9) or late_s > PATIENCE.connect_timeout_s


def test_a_vanished_orderer_that_returns_closes_its_streams() -> None:
    orderer = Orderer(up=np.array([[-np.inf, 600.0], [620.0, np.inf]]), vanished_s=np.array([600.0]))
    found = streams(ALWAYS, [orderer], ALWAYS, PATIENCE, np.random.default_rng(1))
    np.testing.assert_allclose(found, [[-np.inf, 600.0], [620.1, np.inf]])


@pytest.mark.parametrize("leader_peers", ["every", "static", "elected"])
def test_gossip_brings_every_block_to_every_peer(leader_peers: str) -> None:
    series = watched(Channel(ledger=replace(GOSSIPING, leader_peers=leader_peers)), horizon_s=300.0)
    assert series.peer_height[:, -1].min() >= series.height[-1] - 1


def test_peers_without_a_static_leader_ask_another_organisation() -> None:
    """The first of org1 is away: nobody of org1 pulls, and its other peer gets blocks every ten seconds."""
    ledger = replace(GOSSIPING, leader_peers="static", event_peer="peer1-org1")
    channel = Channel(ledger=ledger, peers={"peer0-org1": AWAY})
    peers = Peers(channel, np.random.default_rng(1))
    sent_s = np.arange(500.0, 1000.0)
    delivered_s, _ = peers.commit(sent_s, np.full(len(sent_s), 10))
    waits_s = dict(zip(peers.up, delivered_s - sent_s, strict=True))
    inside = (sent_s >= 600.0) & (sent_s < 900.0)
    assert waits_s["peer1-org1"][inside].max() <= PATIENCE.state_check_s + 0.1
    assert waits_s["peer1-org1"][inside].mean() == pytest.approx(PATIENCE.state_check_s / 2, abs=1.0)
    assert waits_s["peer1-org1"][~inside].max() < 0.1
    assert waits_s["peer1-org2"].max() < 0.1


def test_a_peer_that_was_away_catches_up_as_fast_as_it_commits() -> None:
    """300 blocks of 40 behind, 80 ms and 10 ms each: it gains on the orderers until it is level."""
    ledger = replace(LEDGER, costs=LedgerCosts(block_s=0.01, commit_s=0.002))
    series = watched(Channel(ledger=ledger, peers={"peer1-org2": AWAY}))
    rows = {row["peer"]: row for row in peer_table([series]).rows()}
    late = rows["peer1-org2"]
    interval_s, each_s = 1.05, 0.01 + 42 * 0.002  # the timer and half a poll
    assert late["behind"] == pytest.approx(300 / interval_s, rel=0.05)
    assert late["behind_from_s"] == pytest.approx(600.0, abs=20.0)
    gained = 1 / each_s - 1 / interval_s
    assert late["level_s"] == pytest.approx(900.0 + late["behind"] / gained, abs=15.0)
    assert late["catch_up_per_s"] == pytest.approx(1 / each_s, rel=0.35)
    assert rows["peer0-org1"]["behind_from_s"] is None
    heights = [row for row in peer_history([series]).rows() if row["peer"] == "peer1-org2"]
    assert max(row["behind"] for row in heights) == late["behind"]


def test_commits_are_as_late_as_the_event_peer_is_behind() -> None:
    """The others go on, and so does ordering; whoever waits for the event peer sees nothing."""
    series = watched(Channel(ledger=LEDGER, peers={"peer0-org1": AWAY}))
    assert series.outbox.max() < 50
    assert series.committed[61:90].sum() == 0
    assert series.peer_blocks[1, 61:90].min() > 5
    assert series.uncommitted.max() == pytest.approx(40 * 300, rel=0.02)
    assert series.projector_lag_s.max() == pytest.approx(300.0, abs=15.0)
    assert series.uncommitted[-1] < 100


@pytest.mark.parametrize(("policy", "stalled"), [("ANY", False), ("MAJORITY", True), ("ALL", True)])
def test_an_organisation_that_is_away_stalls_what_its_endorsement_is_needed_for(policy: str, stalled: bool) -> None:
    gone = dict.fromkeys(PEERS["org2"], AWAY)
    series = watched(Channel(ledger=replace(LEDGER, endorsement=policy), peers=gone))
    assert (series.committed[61:90].sum() == 0) == stalled


def test_a_majority_of_three_does_without_one() -> None:
    ledger = replace(LEDGER, endorsement="MAJORITY", endorsers={**PEERS, "org3": ("peer0-org3",)})
    series = watched(Channel(ledger=ledger, peers={"peer0-org3": AWAY}))
    assert series.committed[61:90].min() > 0


def test_commits_follow_delays_that_change_within_a_reign() -> None:
    """One leader throughout; from 600 to 900 s its followers are 200 ms further away."""
    steps = {"commit_from_s": np.array([-np.inf, 600.0, 900.0]), "commit_s": np.array([0.004, 0.204, 0.004])}
    reigns = replace(Reigns.unbroken(0.004), **steps)
    points = watched(Channel(ledger=LEDGER, reigns=reigns), rate=200.0).curves["submitted_to_committed", 0.5]
    near, far = np.median(points[20:58]), np.median(points[62:88])
    assert far - near == pytest.approx(0.2, abs=0.02)
    assert np.median(points[95:]) == pytest.approx(near, abs=0.02)


def test_legs_of_the_network_add_up() -> None:
    """Endorsement there and back, to an orderer, to the leader, to the peer, to the projector: 50 ms each."""
    legs = {f"endorse/{org}": (np.zeros(1), np.array([0.05])) for org in PEERS}
    legs |= {name: (np.zeros(1), np.array([0.05])) for name in ("submit", "forward", "deliver/peer0-org1", "event")}
    near, far = watched(Channel(ledger=LEDGER)), watched(Channel(ledger=LEDGER, legs=legs))
    waits = [one.curves["committed_to_projected", 0.5] for one in (near, far)]
    assert np.nanmedian(waits[1]) - np.nanmedian(waits[0]) == pytest.approx(0.05, abs=0.002)
    waits = [one.curves["submitted_to_committed", 0.5] for one in (near, far)]
    assert np.nanmedian(waits[1]) - np.nanmedian(waits[0]) == pytest.approx(5 * 0.05, abs=0.03)


def test_a_leg_that_is_cut_keeps_blocks_and_proposals() -> None:
    cut = Channel(ledger=LEDGER, open={"deliver/peer1-org2": AWAY, "submit": AWAY})
    series = watched(cut)
    assert series.outbox.max() == pytest.approx(40 * 300, rel=0.02)
    assert series.peer_blocks[3, 61:90].sum() == 0
    assert series.peer_height[3, -1] >= series.height[-1] - 1


def test_leaders_among_peers_need_gossip() -> None:
    with pytest.raises(ValueError, match=r"^leaderPeers: static leaves the other peers without blocks; write gossip"):
        replace(LEDGER, leader_peers="static")
