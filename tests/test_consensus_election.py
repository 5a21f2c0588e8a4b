"""The kernel of many elections agrees with the voter it copies, message by message in distribution."""

import math
from dataclasses import replace

import numpy as np
import pytest

from gxsim.consensus.conditions import conditions
from gxsim.consensus.failover import failover
from gxsim.consensus.group import Group, Timeout, symmetric
from gxsim.consensus.members import Members
from gxsim.consensus.profiles import Profile, profile_of
from gxsim.consensus.voter import Role
from gxsim.engine.raft_groups import leader_history
from gxsim.kernels.election import NEVER, NOBODY, Contest, Elections, elections, last_heard
from gxsim.model.model import ConsensusGroup
from gxsim.state.degradation import OUTSIDE

VOTER_TRIALS, KERNEL_TRIALS = 400, 20_000
CASES = {
    "lan": (Profile(tick_s=0.1, persist_s=0.0), 5, 0.0005),
    "lan, split terms": (Profile(tick_s=0.1, persist_s=0.0, pre_vote=False), 3, 0.0005),
    "ocean": (Profile(tick_s=0.1, persist_s=0.0), 5, 0.04),
    "ocean, no lease": (Profile(tick_s=0.1, persist_s=0.0, pre_vote=False, check_quorum=False), 5, 0.04),
    "slow disks": (Profile(tick_s=0.1, persist_s=0.03), 4, 0.002),
}


def by_voters(
    profile: Profile, voters: int, delay_s: float, rng: np.random.Generator
) -> list[tuple[float, float, int]]:
    """First campaign, new leader and terms used of one crash after another, by the voters themselves."""
    results = []
    group = Group(profile, symmetric(delay_s, voters), rng)
    while len(results) < VOTER_TRIALS:
        while not group.steady():
            list(group.advance(group.now_s + profile.election_timeout_s))
        list(group.advance(group.now_s + profile.election_timeout_s * rng.uniform(2, 3)))
        if not group.steady():
            continue
        killed, start_s, campaign_s = group.leader, group.now_s, math.nan
        term = group.voters[killed].term
        group.crash(killed)
        while group.leader < 0:
            for moment in group.advance(group.next_s):
                if math.isnan(campaign_s) and moment.after.role in (Role.PRE_CANDIDATE, Role.CANDIDATE):
                    campaign_s = moment.time_s - start_s
        results.append((campaign_s, group.now_s - start_s, group.voters[group.leader].term - term))
        list(group.advance(group.now_s + profile.tick_s * rng.uniform(0, 1)))  # a new phase has nothing to do with it
        list(group.restart(killed))
    return results


def by_kernel(profile: Profile, voters: int, delay_s: float, rng: np.random.Generator, **changes: object) -> Elections:
    tick_us, delay_us, persist_us = (round(s * 1e6) for s in (profile.tick_s, delay_s, profile.persist_s))
    contest = Contest(
        voters=voters,
        tick_us=tick_us,
        delays_us=np.full((voters - 1, voters - 1), delay_us),
        persist_us=persist_us,
        pre_vote=profile.pre_vote,
        check_quorum=profile.check_quorum,
        **changes,
    )
    heard_us = last_heard(np.full(voters - 1, delay_us), tick_us=tick_us, trials=KERNEL_TRIALS, rng=rng)
    return elections(contest, heard_us, rng.integers(0, tick_us, heard_us.shape), rng)


@pytest.mark.parametrize("case", CASES)
def test_kernel_and_voter_agree(case: str) -> None:
    rng = np.random.default_rng(11)
    voter = np.array(by_voters(*CASES[case], rng))
    kernel = by_kernel(*CASES[case], rng)
    for mine, theirs in ((voter[:, 0], kernel.first_campaign_us), (voter[:, 1], kernel.new_leader_us)):
        both = np.sort(np.concatenate([mine, theirs / 1e6]))
        steps = [np.searchsorted(np.sort(x), both, side="right") / len(x) for x in (mine, theirs / 1e6)]
        # 1 % point of the two-sample Kolmogorov-Smirnov distance
        assert np.abs(steps[0] - steps[1]).max() < 1.63 * math.sqrt(1 / len(mine) + 1 / len(theirs))
        assert abs(mine.mean() - theirs.mean() / 1e6) < 3 * mine.std() / math.sqrt(len(mine)) + 0.002
    wasted = np.mean(kernel.terms > 1)
    allowed = 3 * math.sqrt((wasted * (1 - wasted) + 1 / VOTER_TRIALS) / VOTER_TRIALS)
    assert abs(np.mean(voter[:, 2] > 1) - wasted) < allowed


def test_an_election_that_cannot_be_won_has_no_result() -> None:
    contest = Contest(voters=5, tick_us=100_000, delays_us=np.full((2, 2), 500), give_up_ticks=100)
    found = elections(contest, np.zeros((50, 2), np.int64), np.zeros((50, 2), np.int64), np.random.default_rng(1))
    assert (found.new_leader_us == NEVER).all()
    assert (found.leader == NOBODY).all()
    assert (found.first_campaign_us < NEVER).all()


def test_the_first_message_of_a_stale_link_is_lost() -> None:
    """Every link stale: the first round of PreVotes comes to nothing, as after restarts of Fabric's orderers."""
    profile, voters, delay_s = Profile(tick_s=0.5, persist_s=0.0), 5, 0.0003
    fresh = by_kernel(profile, voters, delay_s, np.random.default_rng(1))
    stale = by_kernel(profile, voters, delay_s, np.random.default_rng(1), stale=np.ones((4, 4), bool))
    assert stale.first_campaign_us.mean() == pytest.approx(fresh.first_campaign_us.mean(), rel=0.01)
    assert np.mean(stale.new_leader_us - stale.first_campaign_us > 600_000) > 0.5
    assert np.mean(fresh.new_leader_us - fresh.first_campaign_us > 600_000) < 0.2


def test_far_members_lose_elections_they_would_win_nearby() -> None:
    """Links may differ: a survivor 140 ms away from the others is elected less often than its neighbours."""
    far_us = np.full((4, 4), 1_000)
    far_us[3, :] = far_us[:, 3] = 140_000
    contest = Contest(voters=5, tick_us=100_000, delays_us=far_us)
    rng = np.random.default_rng(4)
    heard_us = last_heard(far_us[0], tick_us=100_000, trials=20_000, rng=rng)
    won = np.bincount(elections(contest, heard_us, rng.integers(0, 100_000, (20_000, 4)), rng).leader, minlength=4)
    assert won[3] < 0.5 * won[:3].mean()


class Scripted:
    """Election timeouts that are known beforehand: those of the survivors, and one for every later draw."""

    def __init__(self, first: np.ndarray, later: int):
        self.first, self.later = first, later

    def integers(self, low: int, high: int, count: int) -> np.ndarray:
        drawn, self.first = self.first, np.empty(0, np.int64)
        return drawn if len(drawn) else np.full(count, self.later)


@pytest.mark.parametrize("pre_vote", [True, False])
@pytest.mark.parametrize("check_quorum", [True, False])
def test_kernel_and_voters_agree_to_the_microsecond(pre_vote: bool, check_quorum: bool) -> None:
    """The same timeouts, phases and last heartbeats make the same election, message by message."""
    terms = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        voters, later = int(rng.integers(3, 8)), int(rng.integers(10, 20))
        delay_us, persist_us = int(rng.integers(200, 60_000)), int(rng.choice([0, 2_000, 30_000]))
        profile = Profile(tick_s=0.1, persist_s=persist_us / 1e6, pre_vote=pre_vote, check_quorum=check_quorum)
        phases_us = rng.integers(0, 100_000, voters)
        group = Group(profile, symmetric(delay_us / 1e6, voters), rng, phases_s=phases_us / 1e6)
        while not group.steady():
            group.run(1.0)
        group.run(round(rng.uniform(2, 3), 6))
        leader, start_us, term = group.leader, round(group.now_s * 1e6), group.voters[group.leader].term
        alive = [i for i in range(voters) if i != leader]
        group._offered, group._timeouts = Timeout(later), iter(lambda: Timeout(later), None)  # noqa: B023
        timeouts = np.array([group.voters[i].timeout for i in alive])
        sent_us = start_us - (start_us - phases_us[leader]) % 100_000
        group.crash(leader)
        while group.leader == NOBODY and group.now_s < start_us / 1e6 + 60:
            list(group.advance(group.next_s))
        contest = Contest(
            voters=voters,
            tick_us=100_000,
            delays_us=np.full((voters - 1, voters - 1), delay_us),
            persist_us=persist_us,
            pre_vote=pre_vote,
            check_quorum=check_quorum,
        )
        heard_us = np.full((1, voters - 1), sent_us - start_us + delay_us)
        found = elections(contest, heard_us, (phases_us[alive] - start_us)[None] % 100_000, Scripted(timeouts, later))
        if group.leader == NOBODY:
            assert found.new_leader_us[0] == NEVER or found.new_leader_us[0] > 60_000_000
            continue
        assert found.new_leader_us[0] == pytest.approx((group.now_s * 1e6) - start_us, abs=2)
        assert alive[found.leader[0]] == group.leader
        assert found.terms[0] == group.voters[group.leader].term - term
        terms.append(found.terms[0])
    assert len(terms) > 40
    assert pre_vote or not check_quorum or max(terms) > 1, "some terms were wasted, and the same ones"


def test_histories_of_a_run_agree_with_the_kernel() -> None:
    """The leader of a run's group crashes, 250 seeds: the gap is distributed as the kernel says."""
    group = ConsensusGroup(name="g", protocol="etcd", source="test")
    members = Members(
        group=group,
        names=tuple("abcde"),
        times_s=np.zeros(1),
        up=np.ones((1, 5), bool),
        running=np.ones((1, 5), bool),
        node=np.arange(5)[None],
        pod=np.full((1, 5), OUTSIDE),
    )
    delays_s = symmetric(0.0025, 5)
    gaps_s, used = [], []
    for seed in range(250):
        (whole,) = conditions(members, delays_s)
        crash_s = 100.0 + seed / 250  # every phase of the ticks
        leader = int(leader_history(members, [whole], crash_s, np.random.default_rng(seed)).leader[0])
        without = replace(whole, time_s=crash_s, running=np.arange(5) != leader)
        history = leader_history(members, [whole, without], crash_s + 20, np.random.default_rng(seed))
        found = np.flatnonzero(history.writable & (history.times_s > crash_s))[0]
        gaps_s.append(history.times_s[found] - crash_s)
        used.append(history.term[found] - history.term[0])
    kernel = failover(profile_of(group), delays_s, [0], np.random.default_rng(1), trials=20_000)
    both = np.sort(np.concatenate([gaps_s, kernel.write_gap_s]))
    mine, theirs = (np.searchsorted(np.sort(x), both, side="right") / len(x) for x in (gaps_s, kernel.write_gap_s))
    assert np.abs(mine - theirs).max() < 1.63 * math.sqrt(1 / 250 + 1 / 20_000)  # 1 % point of Kolmogorov and Smirnov
    assert abs(np.mean(gaps_s) - kernel.write_gap_s.mean()) < 3 * np.std(gaps_s) / math.sqrt(250)
    assert abs(np.mean(np.array(used) > 1) - np.mean(kernel.terms > 1)) < 3 * math.sqrt(1 / 250**2 + 0.001 / 250)
