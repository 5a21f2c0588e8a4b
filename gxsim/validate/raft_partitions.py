"""Recordings of partitions of a Raft group, trial by trial with the voters of ``consensus``."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gxsim.consensus.group import Group, Moment, symmetric
from gxsim.consensus.profiles import Profile
from gxsim.consensus.voter import Role
from gxsim.rng import Streams
from gxsim.validate.record import Check, Family
from gxsim.validate.sampled import of_library, same_mean, same_share

TRIALS = 12  # of every configuration; one takes 30 to 100 ms, and a recording holds some fifty configurations
FLOOR_MS = 30.0  # between two proposals of the client and the way there and back; no gap is told apart below it
Links = list[tuple[int, int]]


def _sides(ours: set[int], voters: int) -> Links:
    """Both directions of every link between *ours* and the rest."""
    theirs = set(range(voters)) - ours
    return [pair for i in sorted(ours) for j in sorted(theirs) for pair in ((i, j), (j, i))]


def _deaf(member: int, voters: int) -> Links:
    return [(i, member) for i in range(voters) if i != member]


# Links that each scenario cuts, given the leader, the followers in random order, and the number of voters.
CUTS: Mapping[str, Callable[[int, list[int], int], Links]] = {
    "leader_in_minority": lambda leader, rest, n: _sides({leader, *rest[: (n - 1) // 2 - 1]}, n),
    "leader_alone": lambda leader, rest, n: _sides({leader}, n),
    "followers_in_minority": lambda leader, rest, n: _sides(set(rest[: (n - 1) // 2]), n),
    "one_follower_isolated": lambda leader, rest, n: _sides({rest[0]}, n),
    "leader_follower_link_cut": lambda leader, rest, n: [(leader, rest[0]), (rest[0], leader)],
    "deaf_follower": lambda leader, rest, n: _deaf(rest[0], n),
    "deaf_leader": lambda leader, rest, n: _deaf(leader, n),
}


@dataclass(slots=True)
class Trial:
    """What one partition did; times in milliseconds since the cut, gaps between commits as a client sees them."""

    new_leader_ms: float = math.nan
    stepdown_ms: float = math.nan
    terms_gained: int = 0
    elections_after_heal: int = 0
    last_election_ms: float = math.nan  # since the heal
    commits_ms: list[float] = field(default_factory=list)


def trial(config: Mapping[str, Any], after_heal_ticks: int, rng: np.random.Generator) -> Trial:
    """Cut links of a steady group under a steady load, restore them, and watch."""
    tick_s, voters = config["tick_ms"] / 1000, config["nodes"]
    group = _steady_group(config, rng)
    interval_s = tick_s / config["proposals_per_tick"]
    leader, start_s = group.leader, group.now_s
    accepted = _Accepted()
    for _ in _loaded(group, interval_s, start_s + rng.uniform(1, 2) * tick_s):
        pass
    cut_s, term = group.now_s, group.voters[leader].term
    followers = [int(i) for i in rng.permutation(voters) if i != leader]
    group.cut(CUTS[config["scenario"]](leader, followers, voters))
    result, heal_s = Trial(), cut_s + tick_s * config["partition_ticks"]
    for moment in _loaded(group, interval_s, heal_s):
        since_ms = (moment.time_s - cut_s) * 1000
        if accepted.see(moment):
            result.commits_ms.append(since_ms)
        if _won(moment) and moment.after.id != leader and math.isnan(result.new_leader_ms):
            result.new_leader_ms = since_ms
        if moment.after.id == leader and moment.after.role is not Role.LEADER and math.isnan(result.stepdown_ms):
            result.stepdown_ms = since_ms
    result.terms_gained = max(v.term for v in group.voters) - term
    group.heal()
    for moment in _loaded(group, interval_s, heal_s + tick_s * after_heal_ticks):
        if accepted.see(moment):
            result.commits_ms.append((moment.time_s - cut_s) * 1000)
        if _won(moment):
            result.elections_after_heal += 1
            result.last_election_ms = (moment.time_s - heal_s) * 1000
    return result


class _Accepted:
    """Tells commits of a client's proposals, at the leader that took them, from those of a new leader's empty entry."""

    def __init__(self) -> None:
        self.beyond: dict[int, int] = {}  # by leader: its empty entry

    def see(self, moment: Moment) -> bool:
        """Whether this moment commits a proposal."""
        if _won(moment):
            self.beyond[moment.after.id] = moment.after.log.last_index
        leads = moment.after.role is Role.LEADER and moment.before.role is Role.LEADER
        return leads and moment.after.commit > max(moment.before.commit, self.beyond.get(moment.after.id, 0))


def _won(moment: Moment) -> bool:
    return moment.after.role is Role.LEADER and moment.before.role is not Role.LEADER


def _steady_group(config: Mapping[str, Any], rng: np.random.Generator) -> Group:
    """A group that has followed one leader for 2 E to 3 E ticks."""
    tick_s = config["tick_ms"] / 1000
    low_s, high_s = config["one_way_delay_min_ms"] / 1000, config["one_way_delay_max_ms"] / 1000
    profile = Profile(
        tick_s=tick_s,
        election_ticks=config["election_tick"],
        heartbeat_ticks=config["heartbeat_tick"],
        pre_vote=config["prevote"],
        check_quorum=config["check_quorum"],
        persist_s=config["persist_ms"] / 1000,
    )
    delays_s = symmetric(low_s, config["nodes"])
    group = Group(profile, delays_s, rng, jitter_s=high_s - low_s, loss=config["loss_probability"])
    while True:
        while not group.steady():
            group.run(tick_s)
        leader, term = group.leader, group.voters[group.leader].term
        group.run(profile.election_timeout_s * rng.uniform(2, 3))
        if group.leader == leader and group.voters[leader].term == term and group.steady():
            return group


def _loaded(group: Group, interval_s: float, until_s: float) -> Iterator[Moment]:
    """Run to *until_s* while a client proposes at every voter that believes it leads."""
    start_s = group.now_s
    for i in range(1, math.floor((until_s - start_s) / interval_s) + 1):
        yield from group.advance(start_s + i * interval_s)
        for voter in group.voters:
            if voter.role is Role.LEADER:
                yield from group.propose(voter.id)
    yield from group.advance(until_s)


def longest_gap_ms(commits_ms: NDArray, start_ms: float, end_ms: float) -> float:
    """Longest time without a commit between two instants."""
    inside = commits_ms[(commits_ms > start_ms) & (commits_ms <= end_ms)]
    return float(np.diff(np.concatenate([[start_ms], inside, [end_ms]])).max())


# Mean of what was measured, by the recording's name for it, given a trial and the ends of the cut and of the watch.
MEANS: Mapping[str, Callable[[Trial, float, float], float]] = {
    "time_to_new_leader_ms": lambda t, heal, end: t.new_leader_ms,
    "time_to_old_leader_stepdown_ms": lambda t, heal, end: t.stepdown_ms,
    "longest_commit_gap_during_partition_ms": lambda t, heal, end: longest_gap_ms(np.array(t.commits_ms), 0.0, heal),
    "longest_commit_gap_after_heal_ms": lambda t, heal, end: longest_gap_ms(np.array(t.commits_ms), heal, end),
    "highest_term_growth_during_partition": lambda t, heal, end: t.terms_gained,
}
SHARES: Mapping[str, Callable[[Trial], bool]] = {
    "p_new_leader_during_partition": lambda t: not math.isnan(t.new_leader_ms),
    "p_old_leader_stepped_down_during_partition": lambda t: not math.isnan(t.stepdown_ms),
    "p_election_after_heal": lambda t: t.elections_after_heal > 0,
}


def recognises(document: Any) -> bool:
    return of_library(document, "partition")


def replay(document: Mapping[str, Any]) -> list[Check]:
    """Play every configuration TRIALS times; one check per recorded share and mean."""
    return [check for recorded in document["configurations"] for check in _compared(recorded)]


def _compared(recorded: Mapping[str, Any]) -> Iterator[Check]:
    config = recorded["config"] | {"partition_ticks": recorded["partition_ticks"]}
    rng = Streams(0).take(f"validate/{recorded['name']}")
    ticks = recorded["observed_after_heal_ticks"]
    trials = [trial(config, ticks, rng) for _ in range(TRIALS)]
    heal_ms = config["tick_ms"] * config["partition_ticks"]
    end_ms = heal_ms + config["tick_ms"] * ticks
    for name, holds in SHARES.items():
        yield same_share(
            f"{recorded['name']} {name}", np.array([holds(t) for t in trials]), recorded[name]["p"], config["trials"]
        )
    for name, value in MEANS.items():
        values = np.array([value(t, heal_ms, end_ms) for t in trials])
        values = values[~np.isnan(values)]
        if recorded[name] and len(values):
            slack = FLOOR_MS if name.endswith("_ms") else 0.0
            yield same_mean(f"{recorded['name']} {name}", values, recorded[name], slack=slack)


FAMILY = Family(name="raft_partitions", bound=0.98, recognises=recognises, replay=replay)
