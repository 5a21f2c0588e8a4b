"""How long a group is without a leader when it loses the one it has: distributions, from many elections at once."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gxsim.consensus.profiles import Profile
from gxsim.kernels.commit import commit_latency
from gxsim.kernels.election import NEVER, Contest, elections, last_heard

TRIALS = 2_000  # the mean is known to 1 %, the 99 % quantile from 20 of them


@dataclass(frozen=True, slots=True, kw_only=True)
class Failover:
    """(trials,) from the loss of the leader; inf without a majority, or on links slower than the election timeout.

    ``write_gap_s`` ends when the new leader has committed the empty entry of its term: then writes are taken again.
    """

    new_leader_s: NDArray
    write_gap_s: NDArray
    terms: NDArray


def any_leader(
    profile: Profile,
    delays_s: NDArray,  # (voters, voters), one way
    up: NDArray,  # (voters,) those that run
    rng: np.random.Generator,
    *,
    trials: int = TRIALS,
) -> Failover:
    """Crash each voter that is *up* equally often while it leads an idle group, about *trials* times in all."""
    down, leaders = np.flatnonzero(~up).tolist(), np.flatnonzero(up).tolist() or [0]
    each = [
        failover(profile, delays_s, leader, rng, down=down, trials=-(-trials // len(leaders))) for leader in leaders
    ]
    return Failover(
        new_leader_s=np.concatenate([one.new_leader_s for one in each]),
        write_gap_s=np.concatenate([one.write_gap_s for one in each]),
        terms=np.concatenate([one.terms for one in each]),
    )


def failover(
    profile: Profile,
    delays_s: NDArray,  # (voters, voters), one way
    leader: int,
    rng: np.random.Generator,
    *,
    down: Sequence[int] = (),
    trials: int = TRIALS,
) -> Failover:
    """Crash *leader* of an idle group again and again, with the voters *down* gone before."""
    voters = len(delays_s)
    alive = [i for i in range(voters) if i != leader and i not in down]
    slow = delays_s.max() + profile.persist_s >= profile.election_timeout_s
    if len(alive) <= voters // 2 or slow:
        never = np.full(trials, np.inf)
        return Failover(new_leader_s=never, write_gap_s=never, terms=np.zeros(trials, np.int64))
    tick_us, delays_us = round(profile.tick_s * 1e6), np.rint(delays_s * 1e6).astype(np.int64)
    contest = Contest(
        voters=voters,
        tick_us=tick_us,
        delays_us=delays_us[np.ix_(alive, alive)],
        persist_us=round(profile.persist_s * 1e6),
        election_ticks=profile.election_ticks,
        pre_vote=profile.pre_vote,
        check_quorum=profile.check_quorum,
    )
    heard_us = last_heard(
        delays_us[leader, alive], tick_us=tick_us, trials=trials, rng=rng, heartbeat_ticks=profile.heartbeat_ticks
    )
    found = elections(contest, heard_us, rng.integers(0, tick_us, heard_us.shape), rng)
    new_leader_s = np.where(found.new_leader_us < NEVER, found.new_leader_us / 1e6, np.inf)
    commit_s = commit_latency(
        delays_s,
        np.isin(np.arange(voters), alive),
        persist_s=profile.persist_s,
        leader_writes_first=profile.leader_writes_first,
    )
    write_gap_s = new_leader_s + commit_s[np.array(alive)[found.leader]]
    return Failover(new_leader_s=new_leader_s, write_gap_s=write_gap_s, terms=found.terms)
