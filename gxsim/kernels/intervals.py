"""Step functions given by their change-points: combining, counting, measuring."""

import numpy as np
from numpy.typing import NDArray

Changes = tuple[NDArray, NDArray, NDArray]  # times_s, rows, values; each sorted by time


def combine(changes: list[Changes], blanks: list[float]) -> tuple[NDArray, NDArray, NDArray]:
    """Merge the change-points of several quantities of the same rows.

    Returns ``times_s`` and ``rows`` (points,), sorted by row and then time, one point per row and time, and ``values``
    (points, quantities): what holds from that time on; a quantity that has not changed yet has its blank.
    """
    times = np.concatenate([c[0] for c in changes])
    rows = np.concatenate([c[1] for c in changes])
    which = np.concatenate([np.full(len(c[0]), q) for q, c in enumerate(changes)])
    given = np.concatenate([np.asarray(c[2], float) for c in changes])
    order = np.lexsort((times, rows))  # stable: later changes at one time stay later
    times, rows, which, given = times[order], rows[order], which[order], given[order]
    index = np.arange(len(times))
    first = np.maximum.accumulate(np.where(_starts(rows), index, 0)) if len(times) else index
    values = np.empty((len(times), len(changes)))
    for quantity, blank in enumerate(blanks):
        latest = np.maximum.accumulate(np.where(which == quantity, index, -1)) if len(times) else index
        values[:, quantity] = np.where(latest >= first, given[latest], blank)
    last = np.ones(len(times), bool)
    last[:-1] = (rows[1:] != rows[:-1]) | (times[1:] != times[:-1])
    return times[last], rows[last], values[last]


def steps(times_s: NDArray, rows: NDArray, holds: NDArray) -> tuple[NDArray, NDArray, NDArray]:
    """Turn a condition per point (sorted by row, then time) into +1 and -1 steps: times, rows and steps.

    Before its first point a row's condition does not hold.
    """
    before = np.zeros(len(holds), bool)
    before[1:] = holds[:-1]
    before[_starts(rows)] = False
    step = holds.astype(np.int64) - before
    changed = step != 0
    return times_s[changed], rows[changed], step[changed]


def count(times_s: NDArray, step: NDArray) -> tuple[NDArray, NDArray]:
    """Sum steps into a level: distinct times and the level from each on, sorted by time."""
    distinct, position = np.unique(times_s, return_inverse=True)
    total = np.zeros(len(distinct), np.int64)
    np.add.at(total, position, step)
    return distinct, np.cumsum(total)


def at(times_s: NDArray, levels: NDArray, when_s: NDArray | float, blank: float = 0) -> NDArray:
    """The level that holds at each of *when_s*; *blank* before the first change."""
    position = np.searchsorted(times_s, when_s, side="right") - 1
    padded = np.append(levels, blank)  # index -1
    return padded[position]


def durations(times_s: NDArray, end_s: float) -> NDArray:
    """How long the level of each change-point holds, up to *end_s*."""
    return np.diff(np.append(times_s, end_s)).clip(min=0.0)


def runs(holds: NDArray) -> tuple[NDArray, NDArray]:
    """First and past-the-end index of each unbroken run of True."""
    edges = np.diff(np.concatenate([[0], holds.astype(np.int8), [0]]))
    return np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)


def bursts(times_s: NDArray, gap_s: float) -> tuple[NDArray, NDArray]:
    """First and past-the-end index of each burst: sorted times of which none lies *gap_s* after the one before."""
    if not len(times_s):
        return np.empty(0, np.int64), np.empty(0, np.int64)
    first = np.flatnonzero(np.concatenate([[True], np.diff(times_s) >= gap_s]))
    return first, np.append(first[1:], len(times_s))


def _starts(rows: NDArray) -> NDArray:
    """True at the first point of each row."""
    starts = np.ones(len(rows), bool)
    starts[1:] = rows[1:] != rows[:-1]
    return starts
