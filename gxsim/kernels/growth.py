"""Growth of stored data over many paths: what accumulates, what retention leaves, when a limit is first met.

A driver is something that grows; a row is a weighted sum of drivers, such as a volume or a disk. Days come last, so
that one path's days lie side by side: a comparison and a search along them cost a third of a nanosecond per level.
"""

from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Passages(NamedTuple):
    """When rows first reach limits, and their levels on some days."""

    first: NDArray[np.int32]  # (limits, rows, paths) index of the first day at the limit; the number of days if never
    shown: NDArray[np.float64]  # (rows, shown days, paths)


def spread(uniform: NDArray, ends: tuple[float, float], distribution: str = "uniform") -> NDArray:
    """Quantiles of a range at *uniform* (any shape, 0 to 1): evenly between its ends, or

    ``triangular``, most likely in the middle, or ``lognormal``, whose P10 and P90 are the ends.
    """
    low, high = ends
    if distribution == "lognormal":
        normal = NormalDist()
        scores = np.array([normal.inv_cdf(max(one, 1e-300)) for one in np.ravel(uniform)]).reshape(np.shape(uniform))
        sigma = np.log(high / low) / (2 * normal.inv_cdf(0.9))
        return np.sqrt(low * high) * np.exp(sigma * scores)
    share = uniform
    if distribution == "triangular":
        share = np.where(uniform < 0.5, np.sqrt(uniform / 2), 1 - np.sqrt((1 - uniform) / 2))
    return low + (high - low) * share


def accumulated(per_day: NDArray, trend: NDArray, days: NDArray, age: float = 0.0) -> NDArray:
    """(paths, days) what has grown since day 0 less *age*; nothing before that.

    *per_day* and *trend* are (paths,): the amount per day up to day 0, and the share by which a day's amount exceeds
    that of the day before from then on. Day d adds per_day · (1 + trend)^(d − 1), so that d days add the geometric sum
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


def copied(levels: NDArray, days: NDArray, *, every: float, keep: int) -> NDArray:
    """(paths, days) the sum of the copies of *levels* (paths, days) that exist on each day.

    *days* are whole and consecutive. Copies are taken at multiples of *every* days, not before the first of them, and
    the last *keep* copies exist. Between two days a level moves in a straight line.
    """
    last = np.floor(days / every + 1e-9).astype(int)  # number of the newest copy on each day
    first = int(np.ceil(days[0] / every - 1e-9))
    moment = np.arange(first, last[-1] + 1) * every - days[0]
    before = np.floor(moment + 1e-9).astype(int)
    sizes = levels[:, before]
    if np.any(moment != before):
        after = np.minimum(before + 1, len(days) - 1)
        sizes += (moment - before) * (levels[:, after] - sizes)
    sums = np.zeros((len(levels), len(moment) + 1))
    np.cumsum(sizes, axis=1, out=sums[:, 1:])
    count = last - first + 1
    return sums[:, count] - sums[:, np.maximum(count - keep, 0)]


def passages(drivers: NDArray, weights: NDArray, limits: NDArray, shown: NDArray[np.intp]) -> Passages:
    """First days at *limits* (limits, rows), and the levels on the days *shown*, of weighted sums of drivers.

    *drivers* (drivers, paths, days), *weights* (rows, drivers). Levels are never stored as a whole: 60 rows over three
    years of 10 000 paths are 657 million (benchmarks/test_growth.py).
    """
    _, paths, days = drivers.shape
    rows = len(weights)
    first = np.full((len(limits), rows, paths), days, np.int32)
    seen = np.empty((rows, len(shown), paths))
    level, scratch, met = np.empty((paths, days)), np.empty((paths, days)), np.empty((paths, days), bool)
    path = np.arange(paths)
    for row in range(rows):
        _weighted_sum(drivers, weights[row], level, scratch)
        seen[row] = level[:, shown].T
        for number, limit in enumerate(limits[:, row]):
            np.greater_equal(level, limit, out=met)
            day = met.argmax(axis=1)
            first[number, row] = np.where(met[path, day], day, days)
    return Passages(first, seen)


def _weighted_sum(drivers: NDArray, weights: NDArray, out: NDArray, scratch: NDArray) -> None:
    """Write weights · drivers to *out*; most weights are 0, so a matrix product would do many times the work."""
    used = np.flatnonzero(weights)
    if len(used) == 0:
        out.fill(0.0)
        return
    np.multiply(drivers[used[0]], weights[used[0]], out=out)
    for driver in used[1:]:
        if weights[driver] == 1.0:
            out += drivers[driver]
        else:
            out += np.multiply(drivers[driver], weights[driver], out=scratch)
