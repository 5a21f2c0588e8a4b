"""Groups of a model over a torn network: who goes on leading, who is elected, and what the heal brings."""

import math
from dataclasses import replace

import numpy as np
import pytest

from gxsim.consensus.conditions import conditions
from gxsim.consensus.history import LeaderHistory
from gxsim.consensus.members import Members
from gxsim.engine.raft_groups import leader_history
from gxsim.model.model import ConsensusGroup
from gxsim.observe.consensus import leader_table, write_gaps
from gxsim.state.degradation import OUTSIDE, Degradation, Ends

ETCD = ConsensusGroup(name="etcd", protocol="etcd", source="test")
CUT_S, HEAL_S, END_S = 1000.0, 1004.0, 1024.0
DELAYS_S = 0.0005 * (1 - np.eye(5))


def torn(near: list[int], direction: str = "both", from_s: float = CUT_S, to_s: float = HEAL_S) -> list[Degradation]:
    """The nodes *near* are torn from the others for a while."""
    ends = Ends(nodes=tuple(near)), Ends(nodes=tuple(i for i in range(5) if i not in near))
    times = {"begin_s": from_s, "end_s": to_s}
    return [
        Degradation(
            fault="cut", action="partition", amount=0.0, near=ends[0], far=ends[1], direction=direction, **times
        )
    ]


def five(group: ConsensusGroup) -> Members:
    """One member on each of five nodes, all of them up all the time."""
    up = np.ones((1, 5), bool)
    names = tuple("abcde")
    pods, nodes = np.full((1, 5), OUTSIDE), np.arange(5)[None]
    return Members(group=group, names=names, times_s=np.zeros(1), up=up, running=up, node=nodes, pod=pods)


def played(group: ConsensusGroup, near: list[int], direction: str = "both", seed: int = 1) -> LeaderHistory:
    """The history of the group when *near* is torn off; position 0 of *near* stands for the leader."""
    members = five(group)
    before = leader_history(members, conditions(members, DELAYS_S), END_S, np.random.default_rng(seed))
    leader = int(before.leader[0])
    sides = [(leader + i) % 5 for i in near]
    meets = conditions(members, DELAYS_S, torn(sides, direction))
    return leader_history(members, meets, END_S, np.random.default_rng(seed))


def at(history: LeaderHistory, time_s: float, column: str) -> float:
    return getattr(history, column)[np.searchsorted(history.times_s, time_s, side="right") - 1]


@pytest.mark.parametrize("minority", [[0], [0, 1]], ids=["leader alone", "leader with a follower"])
def test_a_leader_in_the_minority_is_replaced_and_steps_down(minority: list[int]) -> None:
    """The library, 10 000 times: a new leader after 1.14 to 1.2 s on average, the old one gone after 1.5 s."""
    gaps, rivals = [], []
    for seed in range(40):
        history = played(ETCD, minority, seed=seed)
        (gap,) = write_gaps([history], END_S).rows()
        assert gap["from_s"] == CUT_S
        gaps.append(gap["gap_s"])
        assert at(history, CUT_S + 0.5, "leader") == history.leader[0], "it does not know yet"
        assert not at(history, CUT_S + 0.5, "writable")
        rivals.append(sum(row["rival_s"] for row in leader_table([history], END_S).rows()))
        assert (history.rival[history.times_s > CUT_S + 2.1] == -1).all(), "at the latest after two election timeouts"
        assert at(history, HEAL_S - 0.1, "term") == at(history, END_S, "term"), "with PreVote the heal costs no term"
        assert at(history, HEAL_S - 0.1, "leader") == at(history, END_S, "leader")
    assert 1.05 < np.mean(gaps) < 1.35
    assert 0.2 < np.mean(rivals) < 0.7
    assert min(rivals) >= 0.0


def test_without_check_quorum_the_old_leader_believes_until_the_heal() -> None:
    history = played(replace(ETCD, check_quorum=False), [0])
    assert at(history, HEAL_S - 0.01, "rival") == history.leader[0]
    assert at(history, HEAL_S + 0.5, "rival") == -1
    assert at(history, END_S, "term") == at(history, HEAL_S - 0.01, "term") == 2


def test_a_follower_that_is_cut_off_disturbs_nobody_with_pre_vote() -> None:
    for seed in range(10):
        history = played(ETCD, [1], seed=seed)
        assert len(write_gaps([history], END_S)) == 0
        assert (history.leader == history.leader[0]).all()


def test_without_pre_vote_its_return_costs_the_leader_its_term() -> None:
    """The library: every time, and writes stop for 2.4 to 3.2 s on average after 4 s of isolation."""
    gaps = []
    for seed in range(20):
        history = played(replace(ETCD, pre_vote=False), [1], seed=seed)
        assert at(history, HEAL_S - 0.01, "term") == 1, "the leader and its followers hear nothing of the other's terms"
        (gap,) = (row for row in write_gaps([history], END_S).rows() if row["from_s"] > CUT_S)
        assert HEAL_S < gap["from_s"] < HEAL_S + 0.2
        assert at(history, END_S, "term") >= 3
        gaps.append(gap["gap_s"])
    assert 2.2 < np.mean(gaps) < 4.0


def test_a_leader_that_hears_nobody_keeps_the_others_quiet_until_it_checks() -> None:
    """Its heartbeats arrive, so nobody stands; the library: a new leader 2.6 s after, 1.1 s after the step-down."""
    gaps = []
    for seed in range(40):
        history = played(ETCD, [0], "from", seed=seed)
        (gap,) = write_gaps([history], END_S).rows()
        first = history.times_s[(history.leader == -1) & (history.times_s > CUT_S)][0]
        assert CUT_S + 0.99 < first < CUT_S + 2.01
        gaps.append(gap["gap_s"])
    assert abs(np.mean(gaps) - 2.65) < 3 * 0.4 / math.sqrt(40)  # 0.4: the recorded spread


def test_a_long_cut_is_leapt_over() -> None:
    """A day of a torn network costs what its elections cost."""
    members = five(ETCD)
    meets = conditions(members, DELAYS_S, torn([0, 1], from_s=100.0, to_s=86_000.0))
    history = leader_history(members, meets, 86_400.0, np.random.default_rng(3))
    assert len(history.times_s) < 40
    assert at(history, 86_399.0, "term") <= 3


def test_a_cut_in_one_direction_stops_one_direction() -> None:
    members = five(ETCD)
    for direction, hears in (("to", (False, True)), ("from", (True, False)), ("both", (False, False))):
        _, cut, healed = conditions(members, DELAYS_S, torn([0], direction))
        assert (cut.passes[0, 1], cut.passes[1, 0]) == hears
        assert cut.passes[1, 2]
        assert healed.passes.all()


def on(near: list[int], action: str, amount: float, spread: float = 0.0) -> Degradation:
    """A fault at some nodes, or on the links between them and all others."""
    ends = Ends(nodes=tuple(near))
    return Degradation(
        fault=action, action=action, amount=amount, spread=spread, near=ends, begin_s=CUT_S, end_s=HEAL_S
    )


def test_a_slow_link_and_a_slow_disk_delay_every_commit_that_waits_for_them() -> None:
    members = five(ETCD)
    slow = [on([0, 1, 2], "delay", 0.05), on([0, 1, 2], "disk-slow", 0.03)]
    before, during, after = conditions(members, DELAYS_S, slow)
    assert during.delays_s[0, 4] == pytest.approx(0.0505)
    assert during.delays_s[3, 4] == pytest.approx(0.0005)
    assert during.persist_s.tolist() == pytest.approx([0.032] * 3 + [0.002] * 2)
    assert before.persist_s.tolist() == after.persist_s.tolist() == [0.002] * 5
    for seed in range(20):
        history = leader_history(members, [before, during, after], END_S, np.random.default_rng(seed))
        assert len(write_gaps([history], END_S)) == 0, "slow, but nobody misses a heartbeat"
        if history.leader[0] == 3:
            break
    # Voter 3 has only voter 4 near; the third of the majority is over a slow link, and on a slow disk.
    assert at(history, CUT_S + 1, "commit_s") == pytest.approx(0.101 + 0.032)
    assert at(history, HEAL_S + 1, "commit_s") == pytest.approx(0.001 + 0.002)


def test_jitter_spreads_a_delay_and_links_keep_the_order() -> None:
    meets = conditions(five(ETCD), DELAYS_S, [on([0], "delay", 0.05, 0.02)])
    assert meets[1].delays_s[0, 1] == pytest.approx(0.0305)
    assert meets[1].jitter_s[0, 1] == pytest.approx(0.04)


def test_lost_packets_are_sent_again_and_cost_elections_only_when_they_pile_up() -> None:
    """A lost packet costs 200 ms; only several in a row keep a heartbeat beyond an election timeout."""
    members = five(ETCD)
    gaps = {}
    for loss in (0.02, 0.5):
        each = [on([i], "loss", loss) for i in range(5)]
        meets = conditions(members, DELAYS_S, each)
        assert meets[1].loss[0, 1] == pytest.approx(1 - (1 - loss) ** 2), "both ends lose packets"
        histories = [leader_history(members, meets, END_S, np.random.default_rng(seed)) for seed in range(5)]
        gaps[loss] = sum(len(write_gaps([one], END_S)) for one in histories)
        assert all(at(one, END_S, "writable") for one in histories)
    assert gaps[0.02] == 0
    assert gaps[0.5] > 0
