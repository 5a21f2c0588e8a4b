"""The kernel of many elections agrees with the voter it copies, message by message in distribution."""

import math

import numpy as np
import pytest

from gxsim.consensus.group import Group, symmetric
from gxsim.consensus.profiles import Profile
from gxsim.consensus.voter import Role
from gxsim.kernels.election import NEVER, NOBODY, Contest, Elections, elections, last_heard

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
