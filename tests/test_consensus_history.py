"""Groups of a model over a run: who leads, when nothing can be written, and what else may fail."""

from dataclasses import replace

import numpy as np
import pytest
import simpy

from gxsim.consensus.conditions import conditions
from gxsim.consensus.failover import failover
from gxsim.consensus.group import Group, Moment, symmetric
from gxsim.consensus.history import LeaderHistory
from gxsim.consensus.members import Members
from gxsim.consensus.profiles import PROFILES, profile_of
from gxsim.consensus.subsets import member_subsets, node_subsets
from gxsim.consensus.voter import Role
from gxsim.engine.raft_groups import RaftGroup, leader_history
from gxsim.errors import InvariantError, ScenarioError
from gxsim.model.model import ConsensusGroup
from gxsim.observe.consensus import leader_table, write_gaps
from gxsim.observe.quorum_answers import (
    failover_table,
    group_table,
    latency_table,
    round_trip_table,
    subset_table,
)
from gxsim.rng import Streams
from gxsim.state.degradation import OUTSIDE
from gxsim.traffic.reigns import reigns_of

ORDERERS = ConsensusGroup(name="orderers", protocol="fabric", heartbeat_s=0.1, source="test")
DAY_S = 86_400.0
DELAYS_S = 0.0025 * (1 - np.eye(3))
DOCUMENTED = np.array([0, 1, 2, 0, 1])  # orderers 0 to 4 on three nodes


def over_time(
    changes: list[tuple[float, str]], node: np.ndarray = DOCUMENTED, group: ConsensusGroup = ORDERERS
) -> Members:
    """Members by change: ``11010`` says who is up."""
    return Members(
        group=group,
        names=tuple(f"orderer{i}" for i in range(len(node))),
        times_s=np.array([time_s for time_s, _ in changes]),
        up=np.array([[flag == "1" for flag in flags] for _, flags in changes]),
        running=np.array([[flag == "1" for flag in flags] for _, flags in changes]),
        node=np.tile(node, (len(changes), 1)),
        pod=np.full((len(changes), len(node)), OUTSIDE),
    )


def played(changes: list[tuple[float, str]], seed: int = 1, horizon_s: float = DAY_S, **given: object) -> LeaderHistory:
    members = over_time(changes, **given)
    return leader_history(members, conditions(members, DELAYS_S), horizon_s, np.random.default_rng(seed))


def test_a_quiet_group_has_one_leader_all_day() -> None:
    history = played([(0.0, "11111")])
    assert len(history.times_s) == 1
    assert history.writable.all()
    assert history.commit_s[0] == pytest.approx(0.009)  # two writes of 2 ms, and 5 ms there and back


def test_the_loss_of_a_leader_costs_an_election() -> None:
    """Heartbeats of 100 ms: the gap is what 10 000 trials of the library say, 0.9 to 1.5 s."""
    gaps = []
    for seed in range(30):
        leader = int(played([(0.0, "11111")], seed).leader[0])
        without = "".join("0" if i == leader else "1" for i in range(5))
        history = played([(0.0, "11111"), (3600.0, without), (7200.0, "11111")], seed)
        rows = list(write_gaps([history], DAY_S).rows())
        assert len(rows) == 1
        assert rows[0]["from_s"] == 3600.0
        assert rows[0]["led"] == f"orderer{leader}" != rows[0]["leads"]
        gaps.append(rows[0]["gap_s"])
    assert min(gaps) > 0.8
    assert 1.0 < np.mean(gaps) < 1.3
    assert max(gaps) < 2.5


def test_the_loss_of_a_follower_costs_nothing() -> None:
    leader = int(played([(0.0, "11111")]).leader[0])
    without = "".join("0" if i == (leader + 1) % 5 else "1" for i in range(5))
    assert len(write_gaps([played([(0.0, "11111"), (3600.0, without)])], DAY_S)) == 0


def test_a_lost_quorum_lasts_until_a_majority_is_back() -> None:
    history = played([(0.0, "11111"), (3600.0, "00100"), (7200.0, "10100"), (10_800.0, "11111")])
    (gap,) = write_gaps([history], DAY_S).rows()
    assert gap["from_s"] == 3600.0
    assert 10_800.0 < gap["to_s"] < 10_804.0
    (leaders,) = ([row["leader"] for row in leader_table([history], DAY_S).rows()],)
    assert "" in leaders
    assert leaders[-1] != ""


def test_a_tick_comes_at_its_instant_however_late_in_a_run() -> None:
    """After a hundred days a tick of 100 ms is told from the next by fewer digits than on the first day."""
    days = np.arange(1, 1000, 9)
    changes = [(0.0, "11111")]
    for day in days:
        changes += [(day * DAY_S, "00100"), (day * DAY_S + 0.37, "11111")]
    history = played(changes, horizon_s=1001 * DAY_S)
    gaps = [gap["gap_s"] for gap in write_gaps([history], 1001 * DAY_S).rows()]
    assert len(gaps) == len(days)
    assert max(gaps) < 6.0


def test_a_group_that_starts_without_a_majority_has_no_leader() -> None:
    history = played([(0.0, "10100")])
    assert not history.writable.any()
    assert (history.leader == -1).all()
    reigns = reigns_of(history)
    assert (reigns.from_s == np.inf).all()


def test_solo_ordering_is_lost_with_its_node() -> None:
    solo = played([(0.0, "1"), (100.0, "0"), (200.0, "1")], node=np.array([0]))
    (gap,) = write_gaps([solo], DAY_S).rows()
    assert (gap["from_s"], gap["to_s"]) == (100.0, 200.0)
    assert solo.commit_s[0] == pytest.approx(0.002)
    reigns = reigns_of(solo)
    assert reigns.to_s.tolist() == [100.0, np.inf]


def test_reigns_are_noticed_after_they_end() -> None:
    leader = int(played([(0.0, "11111")]).leader[0])
    without = "".join("0" if i == leader else "1" for i in range(5))
    reigns = reigns_of(played([(0.0, "11111"), (3600.0, without)]))
    assert reigns.from_s[0] == -np.inf
    assert reigns.to_s[0] == 3600.0
    assert 3600.5 < reigns.noticed_s[0] < reigns.from_s[1] < 3602.5


def test_a_leap_is_what_the_heartbeats_would_have_done() -> None:
    groups = [Group(PROFILES["etcd"], symmetric(0.001, 3), np.random.default_rng(5)) for _ in range(2)]
    told: list[list[tuple[float, int, Role]]] = [[], []]
    for group, heard, leap in zip(groups, told, (True, False), strict=True):
        list(group.advance(10.0))
        group.leap(50.0) if leap else list(group.advance(60.0))
        group.crash(group.leader)
        heard += [(round(m.time_s, 6), m.after.id, m.after.role) for m in group.advance(64.0)]
    assert told[0] == told[1]
    with pytest.raises(InvariantError, match=r"a leap of 0\.25 s is not a whole number of ticks"):
        groups[0].leap(0.25)


def test_a_heartbeat_of_the_model_replaces_the_profile_s() -> None:
    assert profile_of(ORDERERS).tick_s == 0.1
    assert profile_of(ConsensusGroup(name="g", protocol="fabric", source="test")).tick_s == 0.5
    assert profile_of(ConsensusGroup(name="g", protocol="k3s", source="test")).election_timeout_s == 5.0


@pytest.mark.parametrize(
    ("group", "voters", "expected_s"),
    [
        # means of 10 000 trials of the raft library: virtual_time_leader_crash_grid.json, 2.5 ms one way
        (ConsensusGroup(name="g", protocol="k3s", source="test"), 3, 6.156),
        (ConsensusGroup(name="g", protocol="etcd", source="test"), 5, 1.108),
        (ORDERERS, 5, 1.108),
    ],
)
def test_each_profile_fails_over_as_recorded(group: ConsensusGroup, voters: int, expected_s: float) -> None:
    profile = replace(profile_of(group), persist_s=0.0)
    found = failover(profile, symmetric(0.0025, voters), [0], np.random.default_rng(1), trials=10_000)
    assert found.new_leader_s.mean() == pytest.approx(expected_s, rel=0.02)
    assert found.write_gap_s.mean() - found.new_leader_s.mean() == pytest.approx(0.005)


def test_a_group_without_another_majority_does_not_fail_over() -> None:
    found = failover(PROFILES["etcd"], symmetric(0.001, 3), [0], np.random.default_rng(1), down=[1], trials=10)
    assert (found.write_gap_s == np.inf).all()
    solo = failover(PROFILES["fabric"], symmetric(0.001, 1), [0], np.random.default_rng(1), trials=10)
    assert (solo.new_leader_s == np.inf).all()


def test_links_slower_than_the_timeout_leave_a_group_without_a_leader() -> None:
    hasty = ConsensusGroup(name="hasty", protocol="etcd", heartbeat_s=0.01, source="test")
    members = over_time([(0.0, "11111")], group=hasty)
    far_s = 0.12 * (1 - np.eye(3))
    history = leader_history(members, conditions(members, far_s), 60.0, np.random.default_rng(1))
    assert history.writable.mean() < 0.5
    found = failover(profile_of(hasty), far_s[np.ix_(DOCUMENTED, DOCUMENTED)], [0], np.random.default_rng(1), trials=10)
    assert (found.new_leader_s == np.inf).all()


def test_a_lost_follower_changes_how_long_a_commit_takes() -> None:
    """The leader's neighbour is gone, so it waits for the one that is far away."""
    delays_s = np.array([[0.0, 0.05, 0.05], [0.05, 0.0, 0.001], [0.05, 0.001, 0.0]])
    changes = [(0.0, "111"), (100.0, "110"), (200.0, "111")]
    for seed in range(20):
        members = over_time(changes, np.array([0, 1, 2]))
        history = leader_history(members, conditions(members, delays_s), 300.0, np.random.default_rng(seed))
        if history.leader[0] == 1:
            break
    assert history.times_s[:3].tolist() == [0.0, 100.0, 200.0]
    np.testing.assert_allclose(history.commit_s[:3], [0.006, 0.104, 0.006])


def test_every_subset_of_the_documented_orderers_is_judged() -> None:
    """Any two orderers may be lost; but of the three nodes only one."""
    everyone = np.ones(5, bool)
    members, nodes = member_subsets(DOCUMENTED, everyone), node_subsets(DOCUMENTED, everyone)
    assert len(members.lost) == 32
    lost = members.lost.sum(axis=1)
    np.testing.assert_array_equal(members.quorum, lost <= 2)
    assert sorted(nodes.nodes_lost.sum(axis=1)[nodes.quorum]) == [0, 1, 1, 1]
    assert not nodes.quorum[nodes.nodes_lost.sum(axis=1) >= 2].any()
    assert members.tolerates_nodes[0] == 1
    assert members.tolerates_members[0] == 2
    for i, gone in enumerate(members.lost):  # by the definition: every further node, tried
        if members.quorum[i]:
            left = np.bincount(DOCUMENTED[~gone], minlength=3)
            assert (members.tolerates_nodes[i] >= 1) == (left.sum() - left.max() >= 3)


def test_too_many_members_are_refused() -> None:
    with pytest.raises(ScenarioError, match="17 members have too many subsets; at most 16 can be listed"):
        member_subsets(np.arange(17), np.ones(17, bool))


def test_a_member_that_does_not_run_is_lost_already() -> None:
    """The third of three was never placed: no further loss is survived, and its place is no node."""
    members = over_time([(0.0, "110")], np.array([0, 0, -1]))
    subsets = node_subsets(members.node[0], members.up[0])
    assert subsets.nodes_lost.tolist() == [[False], [True]]
    assert subsets.up.tolist() == [2, 0]
    assert subsets.tolerates_members.tolist() == [0, -1]
    (row,) = group_table([members], DELAYS_S, Streams(1)).rows()
    assert (row["members"], row["up"], row["nodes"], row["mean_gap_s"]) == (3, 2, 1, np.inf)


def test_tables_have_a_row_for_each_subset_and_leader() -> None:
    members = over_time([(0.0, "11111")])
    table = subset_table([members], ["a", "b", "c"])
    assert len(table) == 32 + 8
    assert table.columns["lost"][-1] == "a, b, c"
    latencies = latency_table([members], DELAYS_S)
    assert latencies.columns["commit_s"] == pytest.approx([0.009] * 5)
    assert latencies.columns["forwarded_s"] == pytest.approx([0.014] * 5)


def test_failovers_stand_side_by_side_by_timers() -> None:
    """The raft library, 5 voters and 2.5 ms: 1.11 s at 100 ms; PreVote wastes hardly a term, without it one in ten."""
    solo = over_time([(0.0, "1")], np.array([0]))
    table = failover_table([over_time([(0.0, "11111")]), solo], DELAYS_S, Streams(1), trials=4000)
    rows = {row["timers"]: row for row in table.rows()}
    assert list(rows) == ["as modelled", "etcd", "etcd, no PreVote", "k3s", "fabric", "fabric, 100ms"]
    assert rows["as modelled"]["mean_s"] == pytest.approx(rows["fabric, 100ms"]["mean_s"], rel=0.02)
    assert rows["etcd"]["mean_s"] == pytest.approx(1.108, rel=0.02)
    assert rows["k3s"]["mean_s"] == pytest.approx(5 * 1.1, rel=0.02)
    assert rows["etcd"]["more_than_one_term"] < 0.02 < 0.08 < rows["etcd, no PreVote"]["more_than_one_term"]
    assert rows["etcd"]["mean_s"] < rows["etcd"]["mean_gap_s"] < rows["etcd"]["p99_s"]


def test_continents_cost_a_round_trip_where_milliseconds_cost_a_write() -> None:
    far_s = 0.1 * (1 - np.eye(3))
    table = round_trip_table([over_time([(0.0, "11111")])], {"near": DELAYS_S, "far": far_s}, Streams(1))
    near, far = table.rows()
    assert (near["round_trip_s"], far["round_trip_s"]) == (0.005, 0.2)
    assert near["least_commit_s"] == pytest.approx(0.009)
    assert far["least_commit_s"] == pytest.approx(0.204)
    assert far["forwarded_s"] == pytest.approx(0.404)
    assert far["mean_gap_s"] > near["mean_gap_s"] + 0.2


def test_a_group_lives_on_the_clock_of_simpy() -> None:
    env = simpy.Environment()
    told: list[Moment] = []
    raft = RaftGroup(env, Group(PROFILES["etcd"], symmetric(0.001, 3), np.random.default_rng(1)), told.extend)

    def story() -> object:
        yield env.timeout(5.0)
        raft.act(raft.group.crash, raft.group.leader)
        yield env.timeout(5.0)
        raft.act(raft.group.propose, raft.group.leader, 3)

    env.process(story())
    env.run(until=15.0)
    won = [m.time_s for m in told if m.after.role is Role.LEADER and m.before.role is not Role.LEADER]
    assert won[0] < 5.0 < won[1] < 8.0
    plain = Group(PROFILES["etcd"], symmetric(0.001, 3), np.random.default_rng(1))
    moments = list(plain.advance(5.0))
    plain.crash(plain.leader)
    moments += plain.advance(10.0)
    moments += plain.propose(plain.leader, 3)
    moments += plain.advance(15.0)
    assert [(m.time_s, m.after) for m in told] == [(m.time_s, m.after) for m in moments]


@pytest.mark.parametrize("seed", range(3))
def test_a_history_with_leaps_is_the_history_without(seed: int) -> None:
    """Members die and come back within a quarter of an hour: leaping over heartbeats moves no moment of any voter."""
    rng = np.random.default_rng(seed)
    fates, gone = [], -1
    for time_s in np.cumsum(rng.uniform(5.0, 150.0, 10)):
        member = int(rng.integers(0, 5))
        fates.append((float(time_s), "restart", gone) if gone >= 0 else (float(time_s), "crash", member))
        gone = -1 if gone >= 0 else member

    def leaping() -> list[Moment]:
        env, told = simpy.Environment(), []
        raft = RaftGroup(env, Group(PROFILES["etcd"], symmetric(0.002, 5), np.random.default_rng(seed)), told.extend)

        def story() -> object:
            for time_s, verb, member in fates:
                yield env.timeout(time_s - env.now)
                raft.act(getattr(raft.group, verb), member)

        env.process(story())
        env.run(until=1000.0)
        return told

    plain = Group(PROFILES["etcd"], symmetric(0.002, 5), np.random.default_rng(seed))
    moments = []
    for time_s, verb, member in fates:
        moments += plain.advance(time_s)
        moments += getattr(plain, verb)(member) or ()
    moments += plain.advance(1000.0)
    seen = [[(round(m.time_s, 6), m.after._replace(elapsed=0)) for m in told] for told in (leaping(), moments)]
    assert len(seen[0]) > 20
    assert seen[0] == seen[1]
