"""Who orders a channel's transactions, and when: from the moment a leader commits to its loss."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gxsim.consensus.history import LeaderHistory
from gxsim.kernels.uptime import Windows


@dataclass(frozen=True, slots=True, kw_only=True)
class Reigns:
    """(reigns,) who orders, and when: from the moment a leader commits to its loss.

    ``noticed_s`` is when the orderers stop believing in the lost leader. ``commit_s`` is what a block takes from the
    leader's disk to a majority from each of ``commit_from_s`` (changes,) on: members come, go and are delayed within
    one reign.
    """

    from_s: NDArray
    to_s: NDArray
    noticed_s: NDArray
    leader: NDArray
    commit_from_s: NDArray
    commit_s: NDArray

    @classmethod
    def unbroken(cls, commit_s: float) -> "Reigns":
        """One leader for ever."""
        return cls.of([(-np.inf, np.inf, np.inf)], commit_s)

    @classmethod
    def of(cls, reigns: list[tuple[float, float, float]], commit_s: float) -> "Reigns":
        """Reigns by from, to and noticed, one leader after the other; every commit takes as long."""
        from_s, to_s, noticed_s = np.array(reigns, float).reshape(-1, 3).T
        return cls(
            from_s=from_s,
            to_s=to_s,
            noticed_s=noticed_s,
            leader=np.arange(len(from_s)),
            commit_from_s=np.array([-np.inf]),
            commit_s=np.array([commit_s]),
        )

    @property
    def accepting(self) -> Windows:
        """When a submission is not refused at once: from a leader's first commit until its loss is noticed."""
        last = np.append(self.from_s[1:], np.inf)
        return np.column_stack([self.from_s, np.minimum(self.noticed_s, last)])

    @property
    def orphaned(self) -> Windows:
        """When followers forward to a leader that is lost, and nobody notices."""
        last = np.append(self.from_s[1:], np.inf)
        return np.column_stack([self.to_s, np.minimum(self.noticed_s, last)])

    def following(self, time_s: NDArray) -> NDArray:
        """The next beginning of a reign after each time; inf when there is none."""
        return np.append(self.from_s, np.inf)[np.searchsorted(self.from_s, time_s, side="right")]

    def reached(self, time_s: NDArray) -> NDArray[np.bool_]:
        """Whether there is a leader that orders."""
        reign = np.searchsorted(self.from_s, time_s, side="right") - 1
        return (reign >= 0) & (time_s < self.to_s[np.maximum(reign, 0)])


def reigns_of(history: LeaderHistory) -> Reigns:
    """The stretches of a group's history in which it ordered, each under one leader in one term."""
    who = np.where(history.writable, history.leader, -1)
    starts = np.flatnonzero((who >= 0) & ((np.diff(who, prepend=-2) != 0) | (np.diff(history.term, prepend=-1) != 0)))
    if len(starts) == 0:
        return Reigns.of([(np.inf, np.inf, np.inf)], 0.0)
    times_s = np.append(history.times_s, np.inf)
    ends, doubts = [], []
    for start in starts:
        changed = np.flatnonzero((who[start:] != who[start]) | (history.term[start:] != history.term[start]))
        end = start + int(changed[0]) if len(changed) else len(who)
        doubt = np.flatnonzero(~history.believed[end:])
        ends.append(times_s[end])
        doubts.append(times_s[end + int(doubt[0])] if len(doubt) else times_s[end])
    from_s = history.times_s[starts].astype(float)
    from_s[0] = -np.inf if starts[0] == 0 else from_s[0]
    orders = who >= 0
    return Reigns(
        from_s=from_s,
        to_s=np.array(ends),
        noticed_s=np.array(doubts),
        leader=history.leader[starts],
        commit_from_s=history.times_s[orders].astype(float),
        commit_s=history.commit_s[orders],
    )
