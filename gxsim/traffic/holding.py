"""Servers that stay taken until what a visit has called is answered: threads of a gateway, connections of a pool.

How long one is taken depends on what happens later on the way, so that it is first assumed, then found, and the piece
of time evaluated again until both agree.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gxsim.kernels.queueing import fifo

HELD = np.dtype([("ident", np.int64), ("start", float), ("lasts", float), ("lane", np.int64), ("cell", np.int64)])


ROUNDING_S = 1e-9


@dataclass(frozen=True, slots=True)
class Releases:
    """(visits,) by ident: when each began, and when its server was free again; ``inf`` where that is not known yet."""

    ident: NDArray
    start_s: NDArray
    free_s: NDArray

    @classmethod
    def none(cls) -> "Releases":
        return cls(np.empty(0, np.int64), np.empty(0), np.empty(0))

    def find(self, ident: NDArray) -> tuple[NDArray, NDArray]:
        """(visits,) where each stands, and whether it does."""
        if len(self.ident) == 0:
            return np.zeros(len(ident), np.int64), np.zeros(len(ident), bool)
        place = np.searchsorted(self.ident, ident).clip(max=len(self.ident) - 1)
        return place, self.ident[place] == ident

    def apart(self, assumed: "Releases") -> tuple[float, float]:
        """How much what was *assumed* of these visits is off, as a share of how long servers were taken, and from when.

        A visit of which nothing was assumed is off by all of it, from when it began.
        """
        place, known = assumed.find(self.ident)
        if not known.any():
            return float(len(self.ident) > 0), float(self.start_s.min(initial=np.inf))
        others_s = np.where(known, assumed.free_s[place], np.inf)
        lasts_s, differ_s = self.free_s - self.start_s, np.zeros(len(self.ident))
        both = np.isfinite(self.free_s) & np.isfinite(others_s) & known
        differ_s[both] = np.abs(lasts_s[both] - (assumed.free_s - assumed.start_s)[place[both]])
        other = ~both & ~(np.isinf(self.free_s) & np.isinf(others_s) & known)
        off = other | (differ_s > ROUNDING_S)
        from_s = np.where(known, np.minimum(self.free_s, others_s), self.start_s)[off].min(initial=np.inf)
        share = differ_s[both].sum() / lasts_s[both].sum() if off.any() and both.any() else 0.0
        return float(share + other.mean()), float(from_s)

    def before(self, until_s: float) -> "Releases":
        """The same as it can be known at *until_s*."""
        return Releases(self.ident, self.start_s, np.where(self.free_s < until_s, self.free_s, np.inf))


@dataclass(slots=True)
class Holders:
    """Of each lane the visits (HELD) that have a server whose end is not known yet."""

    taken: list[NDArray]
    typical_s: float = 0.0  # how long a server was taken beyond its own work, on average: the first assumption

    @classmethod
    def idle(cls, lanes: int) -> "Holders":
        return cls([np.zeros(0, HELD) for _ in range(lanes)])

    def begin(
        self,
        lane: int,
        at_s: NDArray,
        lasts_s: NDArray,
        free: NDArray,
        *,
        assumed: Releases,
        until_s: float,
        cells: NDArray,
        idents: NDArray,
    ) -> tuple[NDArray, NDArray]:
        """Starts of visits in order of arrival, those from *until_s* on not begun, and the state of the lane's servers.

        ``lasts_s`` (visits,) is how long each takes a server; ``inf`` where it is not known to end before *until_s*.
        """
        taken = self.taken[lane]
        place, known = assumed.find(taken["ident"])
        free_s = np.where(known, assumed.free_s[place] if len(assumed.ident) else np.inf, np.inf)
        taken["lasts"] = free_s - taken["start"]
        starts, _ = fifo(at_s, lasts_s, np.sort(np.concatenate([free, free_s])))
        begun = starts < until_s
        ends_s = starts[begun] + lasts_s[begun]
        fresh = np.zeros(int((begun & np.isinf(lasts_s)).sum()), HELD)
        who = np.flatnonzero(begun & np.isinf(lasts_s))
        fresh["ident"], fresh["start"], fresh["lane"], fresh["cell"] = idents[who], starts[who], lane, cells[who]
        fresh["lasts"] = np.inf
        self.taken[lane] = np.concatenate([taken[np.isinf(free_s)], fresh])
        servers = len(free) + len(taken)
        pool = np.sort(np.concatenate([free, free_s[np.isfinite(free_s)], ends_s[np.isfinite(ends_s)]]))
        return starts, pool[len(pool) - (servers - len(self.taken[lane])) :]

    def let_go(self, lane: int, free: NDArray, found: Releases) -> NDArray:
        """The state of the lane's servers when visits that were thought to go on turn out to have ended."""
        place, known = found.find(self.taken[lane]["ident"])
        if not known.any():
            return free
        free_s = np.where(known, found.free_s[place], np.inf)
        self.taken[lane] = self.taken[lane][np.isinf(free_s)]
        return np.sort(np.concatenate([free, free_s[np.isfinite(free_s)]]))


def releases_of(began: list[NDArray], told: list[tuple[NDArray, NDArray]]) -> Releases:
    """What a pass found: *began* are records (HELD) of all who had a server, *told* idents and when it was free."""
    records = np.concatenate([np.zeros(0, HELD), *began])
    records = records[np.argsort(records["ident"], kind="stable")]
    free_s = np.full(len(records), np.inf)
    ident = np.concatenate([np.empty(0, np.int64), *(one for one, _ in told)])
    when_s = np.concatenate([np.empty(0), *(when for _, when in told)])
    if len(records) and len(ident):
        place = np.searchsorted(records["ident"], ident).clip(max=len(records) - 1)
        mine = records["ident"][place] == ident
        free_s[place[mine]] = when_s[mine]
    return Releases(records["ident"], records["start"], free_s)
