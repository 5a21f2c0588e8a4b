"""Consensus members on slow disks: commits that wait for them, and leaders whose heartbeats do."""

import numpy as np
import pytest

from gxsim.consensus.conditions import conditions
from gxsim.consensus.history import LeaderHistory
from gxsim.engine.raft_groups import leader_history
from gxsim.observe.consensus import write_gaps
from gxsim.state.degradation import Degradation, Ends
from tests.test_consensus_partitions import DELAYS_S, ETCD, at, five

FROM_S, TO_S, END_S = 1000.0, 1060.0, 1100.0


def played(write_s: float, seed: int, *, leads: bool) -> tuple[int, LeaderHistory]:
    """A member whose writes take so much longer for a minute, the leader or another one; and what the group does."""
    members = five(ETCD)
    before = leader_history(members, conditions(members, DELAYS_S), FROM_S, np.random.default_rng(seed))
    slow = (int(before.leader[0]) + (0 if leads else 1)) % 5
    fault = Degradation(
        fault="f", action="disk-slow", amount=write_s, near=Ends(nodes=(slow,)), begin_s=FROM_S, end_s=TO_S
    )
    meets = conditions(members, DELAYS_S, [fault])
    return slow, leader_history(members, meets, END_S, np.random.default_rng(seed))


@pytest.mark.parametrize("seed", range(5))
def test_a_write_well_below_the_election_timeout_moves_nobody(seed: int) -> None:
    """etcd's default timers: heartbeats of 100 ms, elections after 1 s."""
    slow, history = played(0.3, seed, leads=True)
    assert (history.leader == slow).all()
    assert len(write_gaps([history], END_S)) == 0


@pytest.mark.parametrize("write_s", [1.2, 3.0])
@pytest.mark.parametrize("seed", range(5))
def test_a_leader_that_writes_for_longer_than_an_election_timeout_is_replaced_once(write_s: float, seed: int) -> None:
    slow, history = played(write_s, seed, leads=True)
    assert at(history, TO_S - 1, "leader") != slow
    assert history.leader[-1] != slow, "with PreVote it does not come back"
    assert 1 <= history.term[-1] - history.term[0] <= 2


@pytest.mark.parametrize("seed", range(5))
def test_a_follower_on_a_slow_disk_is_outvoted(seed: int) -> None:
    """Three of the other four are a majority, so no commit waits for it either."""
    _, history = played(3.0, seed, leads=False)
    assert len(set(history.leader.tolist())) == 1
    assert at(history, FROM_S + 1, "commit_s") == pytest.approx(at(history, FROM_S - 1, "commit_s"))


def test_a_group_whose_every_disk_is_slow_commits_as_slowly() -> None:
    members = five(ETCD)
    fault = Degradation(
        fault="f", action="disk-slow", amount=0.3, near=Ends(nodes=tuple(range(5))), begin_s=FROM_S, end_s=TO_S
    )
    history = leader_history(members, conditions(members, DELAYS_S, [fault]), END_S, np.random.default_rng(1))
    assert at(history, FROM_S + 1, "commit_s") == pytest.approx(0.302 + 0.001)
