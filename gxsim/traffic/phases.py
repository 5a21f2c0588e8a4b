"""Before, during and after: stretches of a run that differ for requests, cut into slots for statistics."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from gxsim.kernels.intervals import at
from gxsim.state.degradation import change_times
from gxsim.traffic.endpoints import NOBODY
from gxsim.traffic.read_only import changes_s, refused
from gxsim.traffic.routes import Plan, Stop

PHASES = ("before", "degraded", "undetected", "outage", "after")
BEFORE, DEGRADED, UNDETECTED, OUTAGE, AFTER = range(5)
SLOTS = 24  # of a stretch: enough for eight batches of three, and for a curve over time
MOST_SLOTS = 480  # of a run with many faults


@dataclass(frozen=True, slots=True, kw_only=True)
class Slots:
    """``edges_s`` (slots + 1,) where slots begin and end; ``phase`` (slots,) as an index of ``PHASES``."""

    edges_s: NDArray
    phase: NDArray

    @property
    def lengths_s(self) -> NDArray:
        return np.diff(self.edges_s)


def slots(plan: Plan, horizon_s: float) -> Slots:
    """The slots of a run.

    ``degraded`` is when everyone answers and a fault slows some link, processor or disk down; ``undetected`` when some
    step of a path has endpoints that are dead and still listed; ``outage`` when one has fewer that answer than at the
    start, or refuses writes because its disk is full, or when a node that DNS answers is down; ``after``
    when all is well again.
    """
    slow_s = change_times(plan.degradations)
    answers_s = (stop.endpoints.times_s for stop in plan.stops)
    writes_s = (changes_s(stop.room) for stop in plan.stops)
    grid = np.unique(np.concatenate([[0.0], plan.down_s, slow_s, *answers_s, *writes_s]))
    grid = grid[grid < horizon_s]
    undetected, missing = np.zeros(len(grid), bool), np.zeros(len(grid), bool)
    for stop in plan.stops:
        times_s = stop.endpoints.times_s
        listed, answering = _counts(stop)
        missing |= at(times_s, answering < answering[0], grid).astype(bool)
        for lane in stop.room:
            missing |= refused(stop.room, np.full(len(grid), lane), grid)
        if stop.edge is None:
            undetected |= at(times_s, listed > answering, grid).astype(bool)
    for node in np.unique(plan.entry):
        missing |= plan.node_down(np.full(len(grid), node), grid)
    slow = np.zeros(len(grid), bool)
    for degradation in plan.degradations:
        slow |= degradation.lasts(grid)
    trouble = undetected | missing | slow
    phase = np.select([undetected, missing, slow], [UNDETECTED, OUTAGE, DEGRADED], BEFORE)
    phase[~trouble & (np.cumsum(trouble) > 0)] = AFTER
    changes = np.flatnonzero(np.diff(phase, prepend=-1))
    return _cut(np.append(grid[changes], horizon_s), phase[changes])


def _counts(stop: Stop) -> tuple[NDArray, NDArray]:
    """(epochs,) endpoints that are listed, and those of them that answer."""
    target = stop.endpoints.target
    return (target != NOBODY).sum(axis=1), (target >= 0).sum(axis=1)


def _cut(edges_s: NDArray, phase: NDArray) -> Slots:
    each = max(1, min(SLOTS, MOST_SLOTS // len(phase)))
    pieces = [np.linspace(begin, end, each, endpoint=False) for begin, end in pairwise(edges_s)]
    return Slots(edges_s=np.append(np.concatenate(pieces), edges_s[-1]), phase=np.repeat(phase, each))
