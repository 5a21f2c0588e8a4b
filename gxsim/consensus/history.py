"""Who led a group of a model, in which term, and when a write could be committed."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gxsim.consensus.group import Group, Moment
from gxsim.consensus.members import Members
from gxsim.consensus.profiles import profile_of
from gxsim.consensus.voter import NOBODY
from gxsim.kernels.commit import commit_latency

WARM_UP_TRIES = 100  # waits of E ticks for a first leader
QUIET_TIMEOUTS = 20  # election timeouts without quorum after which one is like another


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaderHistory:
    """(changes,) from ``times_s`` on ``leader`` (a member's position, -1: nobody) leads in ``term``.

    ``writable``: whether a write would be committed. ``believed``: whether no live member doubts that there is a
    leader, so that requests are still forwarded to it. ``commit_s``: from a proposal to its commit; inf where not.
    """

    members: Members
    times_s: NDArray
    leader: NDArray
    term: NDArray
    writable: NDArray
    believed: NDArray
    commit_s: NDArray


@dataclass(slots=True)
class _Record:
    """Change-points as they are seen; the group's clock is ``offset_s`` ahead of the scenario's."""

    group: Group
    offset_s: float
    rows: list[tuple[float, int, int, bool, bool]] = field(default_factory=list)

    def follow(self, moments: Iterable[Moment]) -> None:
        for moment in moments:
            self.note(moment.time_s)

    def note(self, time_s: float, *, anyway: bool = False) -> None:
        """What holds after everything at this instant, if it differs from what held before, or *anyway*."""
        group = self.group
        leader = group.leader
        alive = [v for v in group.voters if group.alive[v.id]]
        term = max((v.term for v in alive), default=0)
        believed = bool(alive) and all(v.leader != NOBODY for v in alive)
        row = (max(0.0, time_s - self.offset_s), leader, term, group.writable(), believed)
        if self.rows and self.rows[-1][0] == row[0]:
            self.rows.pop()
        if anyway or not self.rows or self.rows[-1][1:] != row[1:]:
            self.rows.append(row)


def leader_history(members: Members, delays_s: NDArray, horizon_s: float, rng: np.random.Generator) -> LeaderHistory:
    """Play the group of *members* through the run; *delays_s* is (nodes, nodes), one way.

    Messages are exchanged around changes only: between them a steady group leaps over its heartbeats, and a group
    that has lost its quorum for long over its vain campaigns. A group that starts with a majority has a leader at 0.
    """
    profile = profile_of(members.group)
    group = Group(profile, _between(delays_s, members.node[0]), rng)
    for member in np.flatnonzero(~members.up[0]):
        group.crash(int(member))
    _warm_up(group, bool(members.up[0].sum() > len(members.names) // 2))
    record = _Record(group, group.now_s)
    record.note(group.now_s)
    for change in range(1, len(members.times_s)):
        _run(group, record, float(members.times_s[change]) + record.offset_s)
        group.delays_s = _between(delays_s, members.node[change]).tolist()
        _apply(group, record, members.up[change - 1], members.up[change])
    _run(group, record, horizon_s + record.offset_s)
    return _as_history(members, delays_s, record)


def _apply(group: Group, record: _Record, before: NDArray, after: NDArray) -> None:
    for member in np.flatnonzero(before & ~after):
        group.crash(int(member))
    for member in np.flatnonzero(~before & after):
        record.follow(group.restart(int(member)))
    record.note(group.now_s, anyway=True)  # who is up decides how long a commit takes


def _warm_up(group: Group, quorum: bool) -> None:
    """Let the group find its first leader and forget how; without a quorum, or on links too slow for it, just try."""
    timeout_s = group.profile.election_timeout_s
    for _ in range(WARM_UP_TRIES):
        group.run(timeout_s)
        if not quorum:
            return
        if group.steady():
            group.run(timeout_s * group.rng.uniform(2.0, 3.0))
            if group.steady():
                return


def _run(group: Group, record: _Record, until_s: float) -> None:
    """Go on to *until_s*: message by message until nothing new can happen, then in one leap."""
    tick_s, timeout_s = group.profile.tick_s, group.profile.election_timeout_s
    without_s = 0.0
    while group.now_s < until_s:
        record.follow(group.advance(min(until_s, group.now_s + timeout_s)))
        without_s = without_s + timeout_s if group.leader == NOBODY else 0.0
        idle = group.profile.pre_vote and without_s > QUIET_TIMEOUTS * timeout_s
        if group.steady() or idle:
            ticks = int((until_s - group.now_s) / tick_s) - 1
            if ticks > 0:
                group.leap(ticks * tick_s)


def _between(delays_s: NDArray, node: NDArray) -> NDArray:
    """(members, members) delays of the nodes where members are; one that never ran counts as on the first node."""
    at = np.maximum(node, 0)
    return delays_s[np.ix_(at, at)]


def _as_history(members: Members, delays_s: NDArray, record: _Record) -> LeaderHistory:
    times_s, leader, term, writable, believed = (np.array(column) for column in zip(*record.rows, strict=True))
    change = np.searchsorted(members.times_s, times_s, side="right") - 1
    profile = profile_of(members.group)
    latency_s = np.full(len(times_s), np.inf)
    for row in np.flatnonzero(writable):
        at = change[row]
        everyone = commit_latency(
            _between(delays_s, members.node[at]),
            members.up[at],
            persist_s=profile.persist_s,
            leader_writes_first=profile.leader_writes_first,
        )
        latency_s[row] = everyone[leader[row]]
    return LeaderHistory(
        members=members,
        times_s=times_s,
        leader=leader,
        term=term,
        writable=writable,
        believed=believed,
        commit_s=latency_s,
    )
