"""Who led a group of a model, in which term, and when a write could be committed."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gxsim.consensus.conditions import Conditions
from gxsim.consensus.group import Group
from gxsim.consensus.members import Members
from gxsim.consensus.profiles import Profile
from gxsim.consensus.voter import NOBODY
from gxsim.kernels.commit import commit_latency
from gxsim.kernels.retransmission import MIN_RTO_S, mean_retransmission_s


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaderHistory:
    """(changes,) from ``times_s`` on ``leader`` (a member's position, -1: nobody) leads in ``term``.

    Without a leader ``term`` is the highest that anybody alive has entered. ``rival``: a member cut off from the others
    that still believes it leads, in an older term; -1: none. ``writable``: whether a write would be committed.
    ``believed``: whether no live member doubts that there is a leader, so that requests are still forwarded to it.
    ``commit_s``: from a proposal to its commit; inf where not.
    """

    members: Members
    times_s: NDArray
    leader: NDArray
    term: NDArray
    rival: NDArray
    writable: NDArray
    believed: NDArray
    commit_s: NDArray


@dataclass(slots=True)
class Record:
    """Change-points of one group as they are seen."""

    group: Group
    rows: list[tuple[float, int, int, int, bool, bool, float]] = field(default_factory=list)

    def note(self, time_s: float, now: Conditions) -> None:
        """Take down what holds after everything at this instant, if it differs from what held before."""
        group = self.group
        leader, writable = group.leader, group.writable()
        alive = [v for v in group.voters if group.alive[v.id]]
        term = group.voters[leader].term if leader != NOBODY else max((v.term for v in alive), default=0)
        believed = bool(alive) and all(v.leader != NOBODY for v in alive)
        commit_s = _commit_s(group.profile, leader, now) if writable else float("inf")
        row = (
            max(0.0, round(time_s, 9)),
            leader,
            term,
            max(group.rivals, default=NOBODY),
            writable,
            believed,
            commit_s,
        )
        if self.rows and self.rows[-1][0] == row[0]:
            self.rows.pop()
        if not self.rows or self.rows[-1][1:] != row[1:]:
            self.rows.append(row)

    def history(self, members: Members) -> LeaderHistory:
        """The record as arrays."""
        times_s, leader, term, rival, writable, believed, commit_s = map(np.array, zip(*self.rows, strict=True))
        return LeaderHistory(
            members=members,
            times_s=times_s,
            leader=leader,
            term=term,
            rival=rival,
            writable=writable,
            believed=believed,
            commit_s=commit_s,
        )


def _commit_s(profile: Profile, leader: int, now: Conditions) -> float:
    """What a write at *leader* takes on average, by the members that it reaches and that reach it."""
    reached = now.running & now.passes[leader] & now.passes[:, leader]
    delays_s = now.delays_s + now.jitter_s / 2
    if now.loss.any():
        delays_s = delays_s + mean_retransmission_s(now.loss, MIN_RTO_S + delays_s + delays_s.T)
    everyone = commit_latency(
        delays_s, reached, persist_s=now.persist_s, leader_writes_first=profile.leader_writes_first
    )
    return float(everyone[leader])
