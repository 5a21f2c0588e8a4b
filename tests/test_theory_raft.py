"""Elections, commits and blocks against closed forms."""

import numpy as np
import pytest

from gxsim.consensus.group import Group, symmetric
from gxsim.consensus.profiles import PROFILES, Profile
from gxsim.consensus.voter import Role
from gxsim.kernels.batching import Cutting, cut_blocks
from gxsim.kernels.commit import commit_latency
from gxsim.kernels.election import Contest, Elections, elections, last_heard

TRIALS = 40_000
TICK_US, DELAY_US = 100_000, 500


def crash(survivors: int, *, pre_vote: bool = True, check_quorum: bool = True, delay_us: int = DELAY_US) -> Elections:
    """Elections of an idle group of equal links after its leader's crash."""
    rng = np.random.default_rng(survivors)
    contest = Contest(
        voters=survivors + 1,
        tick_us=TICK_US,
        delays_us=np.full((survivors, survivors), delay_us),
        pre_vote=pre_vote,
        check_quorum=check_quorum,
    )
    heard_us = last_heard(np.full(survivors, delay_us), tick_us=TICK_US, trials=TRIALS, rng=rng)
    return elections(contest, heard_us, rng.integers(0, TICK_US, heard_us.shape), rng)


@pytest.mark.parametrize("survivors", [2, 4, 6])
def test_the_first_campaign_is_the_least_of_uniform_timeouts(survivors: int) -> None:
    """A timeout of k ticks from a random phase is uniform on 9 to 19 ticks; the last heartbeat is half a tick old."""
    found = crash(survivors).first_campaign_us
    expected = TICK_US * (9 + 10 / (survivors + 1) - 0.5) + DELAY_US
    assert abs(found.mean() - expected) < 3 * found.std() / np.sqrt(TRIALS)
    assert found.min() >= 8 * TICK_US
    assert found.max() <= 19 * TICK_US + DELAY_US


def test_without_a_lease_and_delay_the_first_campaign_wins() -> None:
    """Only two timeouts within a round trip of each other can split a vote: about 2 d f(x) per pair."""
    found = crash(4, pre_vote=False, check_quorum=False, delay_us=1)
    assert np.mean(found.new_leader_us - found.first_campaign_us == 2) > 0.999
    assert set(found.terms) == {1}


def test_a_lease_refuses_the_candidate_that_is_ahead_by_less_than_a_tick() -> None:
    """With two survivors: refused when the first timeout is the least possible and the other's tenth tick is later.

    The first has drawn 10 and the other any k, and the phases put the other's tenth tick after the first one's: 1/10
    of all draws for either being 10, less both, times the half that is in order, counted for both: 0.1.
    """
    wasted = np.mean(crash(2, pre_vote=False).terms > 1)
    share = 2 * (0.1 * 0.9 * 0.5 + 0.1 * 0.1 * 0.5)
    assert abs(wasted - share) < 3 * np.sqrt(share * (1 - share) / TRIALS) + 2e-3  # 2e-3: campaigns 2 d apart


def test_a_deaf_leader_believes_for_one_to_two_election_timeouts() -> None:
    rng = np.random.default_rng(1)
    lasted = []
    group = Group(Profile(tick_s=0.1), symmetric(0.0005, 3), rng)
    while len(lasted) < 120:
        while not group.steady():
            list(group.advance(group.now_s + 1.0))
        list(group.advance(group.now_s + rng.uniform(2.0, 3.0)))
        leader, start_s = group.leader, group.now_s
        group.cut([(i, leader) for i in range(3)] + [(leader, i) for i in range(3)])
        while group.voters[leader].role is Role.LEADER:
            list(group.advance(group.next_s))
        lasted.append((group.now_s - start_s) / 1.0)
        group.heal()
    assert min(lasted) >= 0.99
    assert max(lasted) <= 2.01
    assert abs(np.mean(lasted) - 1.5) < 3 * np.std(lasted) / np.sqrt(len(lasted))


def test_a_commit_waits_for_the_nearest_majority() -> None:
    delays_s = np.array(
        [[0, 1, 2, 100, 100], [1, 0, 1, 99, 99], [2, 1, 0, 98, 98], [100, 99, 98, 0, 1], [100, 99, 98, 1, 0]]
    )
    up = np.ones(5, bool)
    found = commit_latency(delays_s / 1000, up, persist_s=0.002, leader_writes_first=False)
    np.testing.assert_allclose(found, [0.006, 0.004, 0.006, 0.198, 0.198])
    behind = commit_latency(delays_s / 1000, up, persist_s=0.002, leader_writes_first=True)
    np.testing.assert_allclose(behind, found + 0.002)


def test_two_regions_an_ocean_apart_commit_at_the_speed_of_the_ocean() -> None:
    """The documented 1 to 5 ms against Kuala Lumpur, Boston and Frankfurt: 2 + 1 + 2 orderers on three continents."""
    site = np.array([0, 1, 2, 0, 1])
    near_s, far_s = np.full((3, 3), 0.0025), np.array([[0, 0.111, 0.073], [0.111, 0, 0.044], [0.073, 0.044, 0]])
    persist_s = PROFILES["fabric"].persist_s
    for between_s, expected_s in ((near_s * (1 - np.eye(3)), 0.005), (far_s, 2 * 0.073)):
        delays_s = between_s[np.ix_(site, site)]
        found = commit_latency(delays_s, np.ones(5, bool), persist_s=persist_s, leader_writes_first=True)
        assert found[0] == pytest.approx(expected_s + 2 * persist_s)


def test_one_orderer_commits_as_soon_as_it_has_written() -> None:
    found = commit_latency(np.zeros((1, 1)), np.ones(1, bool), persist_s=0.002, leader_writes_first=True)
    assert found == pytest.approx([0.002])
    assert commit_latency(np.zeros((1, 1)), np.zeros(1, bool), persist_s=0.002, leader_writes_first=True) == [np.inf]


@pytest.mark.parametrize(("rate", "timeout_s"), [(1.0, 2.0), (5.0, 1.0)])
def test_a_batch_timer_is_a_renewal_process(rate: float, timeout_s: float) -> None:
    """A block waits for its first transaction, then for the timeout; what came meanwhile is in it."""
    arrivals_s = np.cumsum(np.random.default_rng(3).exponential(1 / rate, 60_000))
    rules = Cutting(batch_timeout_s=timeout_s, max_message_count=10**6, preferred_max_bytes=10**9)
    blocks, _ = cut_blocks(arrivals_s, np.ones(len(arrivals_s)), rules, arrivals_s[-1])
    intervals_s, sizes = np.diff(blocks.cut_s), blocks.end - blocks.first
    assert intervals_s.mean() == pytest.approx(timeout_s + 1 / rate, abs=3 * intervals_s.std() / np.sqrt(len(sizes)))
    assert sizes.mean() == pytest.approx(1 + rate * timeout_s, abs=3 * sizes.std() / np.sqrt(len(sizes)))
