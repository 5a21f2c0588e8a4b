"""Growth of stored data over many paths: what accumulates, what retention leaves, when a limit is first met.

A driver is something that grows; a row is a weighted sum of drivers, such as a volume or a disk. Days come last, so that
one path's days lie side by side: a comparison and a search along them then cost a third of a nanosecond per level.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Passages(NamedTuple):
    """When rows first reach limits, and their levels on some days."""

    first: NDArray[np.int32]  # (limits, rows, paths) index of the first day at the limit; the number of days if never
    shown: NDArray[np.float64]  # (rows, shown days, paths)


def accumulated(per_day: NDArray, trend: NDArray, days: NDArray, age: float = 0.0) -> NDArray:
    """(paths, days) what has grown since day 0 less *age*; nothing before that.

    *per_day* and *trend* are (paths,): the amount per day up to day 0, and the share by which a day's amount exceeds the
    day's before it from then on. Day d adds per_day · (1 + trend)^(d − 1), so that d days add the geometric sum
    per_day · ((1 + trend)^d − 1) / trend.
    """
    before = np.clip(days + age, 0.0, age)
    after = np.maximum(days, 0.0)
    if not np.any(trend):
        return per_day[:, None] * (before + after)
    exact = np.expm1(np.log1p(trend)[:, None] * after)
    with np.errstate(invalid="ignore", divide="ignore"):
        exact = np.where(trend[:, None] != 0, exact / trend[:, None], after)
    return per_day[:, None] * (before + exact)


def oldest_kept(days: NDArray, retention: float | None, purge_every: float = 1.0) -> NDArray:
    """(days,) the day after which data is still there: minus infinity where nothing is removed.

    Every *purge_every* days what is older than *retention* goes, so that between *retention* and *retention* +
    *purge_every* days of data are there: a saw.
    """
    if retention is None:
        return np.full(len(days), -np.inf)
    return np.floor(days / purge_every) * purge_every - retention


def copy_weights(days: NDArray, *, every: float, keep: int) -> NDArray:
    """(lags, days) weights of the levels of lag days before in the sum of the copies that exist on each of *days*.

    Copies are taken at multiples of *every* days, not before the first of *days*, and the last *keep* of them exist.
    *days* are consecutive whole days; between two of them a level moves in a straight line.
    """
    weights = np.zeros((int(np.ceil(keep * every)) + 2, len(days)))
    position = np.arange(len(days))
    last = np.floor(days / every + 1e-9) * every
    for number in range(keep):
        lag = days - (last - number * every)
        exists = lag <= position + 1e-9
        before = np.ceil(lag - 1e-9).astype(int)
        share = before - lag  # of the way from the day before the copy to the day after it
        np.add.at(weights, (before, position), (1.0 - share) * exists)
        np.add.at(weights, (np.maximum(before - 1, 0), position), share * exists)
    return weights[: int(np.flatnonzero(weights.any(axis=1)).max(initial=0)) + 1]


def copied(levels: NDArray, weights: NDArray) -> NDArray:
    """(paths, days) the sum of the copies of *levels* (paths, days); before the first day there were none."""
    total = levels * weights[0]
    scratch = np.empty_like(total)
    for lag in range(1, min(len(weights), levels.shape[-1])):
        earlier = scratch[:, lag:]
        np.multiply(levels[:, :-lag], weights[lag, lag:], out=earlier)
        total[:, lag:] += earlier
    return total


def passages(drivers: NDArray, weights: NDArray, base: NDArray, limits: NDArray, shown: NDArray[np.intp]) -> Passages:
    """First days at *limits* (limits, rows), and the levels on the days *shown*, of weighted sums of drivers.

    *drivers* (drivers, paths, days), *weights* (rows, drivers), *base* (rows,) is what is there besides. Levels are
    never stored as a whole: 60 rows over three years of 10 000 paths are 657 million (benchmarks/test_growth.py).
    """
    _, paths, days = drivers.shape
    rows = len(weights)
    first = np.full((len(limits), rows, paths), days, np.int32)
    seen = np.empty((rows, len(shown), paths))
    level, scratch, met = np.empty((paths, days)), np.empty((paths, days)), np.empty((paths, days), bool)
    path = np.arange(paths)
    for row in range(rows):
        _weighted_sum(drivers, weights[row], base[row], level, scratch)
        seen[row] = level[:, shown].T
        for number, limit in enumerate(limits[:, row]):
            np.greater_equal(level, limit, out=met)
            day = met.argmax(axis=1)
            first[number, row] = np.where(met[path, day], day, days)
    return Passages(first, seen)


def _weighted_sum(drivers: NDArray, weights: NDArray, base: float, out: NDArray, scratch: NDArray) -> None:
    """Write base + weights · drivers to *out*. Few weights are not 0, so a matrix product would do many times the work."""
    out.fill(base)
    for driver in np.flatnonzero(weights):
        if weights[driver] == 1.0:
            out += drivers[driver]
        else:
            out += np.multiply(drivers[driver], weights[driver], out=scratch)
