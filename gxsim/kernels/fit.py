"""Scores from requested and allocatable amounts: the arithmetic of NodeResourcesFit and balanced allocation.

Arrays are (nodes, resources); a resource whose allocatable is 0 on a node drops out there. Divisions run in float64,
which is exact here: a quotient below 100 that is no integer stays 1 / allocatable away from one, and that is more than
the rounding error as long as allocatable is below 2^46 (``EXACT_BELOW``).
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

EXACT_BELOW = 2**46
MAX_SCORE = 100


def least_allocated(
    requested: NDArray[np.int64], allocatable: NDArray[np.float64], weights: NDArray[np.float64]
) -> NDArray[np.int64]:
    """(nodes,) ``(allocatable − requested) · 100 / allocatable`` per resource, then their weighted mean; both floored."""
    free = np.maximum(allocatable - requested, 0.0)
    free *= MAX_SCORE
    return _weighted_mean(_floor_quotient(free, allocatable), allocatable, weights)


def most_allocated(
    requested: NDArray[np.int64], allocatable: NDArray[np.float64], weights: NDArray[np.float64]
) -> NDArray[np.int64]:
    """(nodes,) ``requested · 100 / allocatable`` per resource, then their weighted mean; both floored."""
    used = np.minimum(allocatable, requested) * MAX_SCORE
    return _weighted_mean(_floor_quotient(used, allocatable), allocatable, weights)


def requested_to_capacity_ratio(
    requested: NDArray[np.int64],
    allocatable: NDArray[np.float64],
    weights: NDArray[np.float64],
    shape: Sequence[tuple[int, int]],
) -> NDArray[np.int64]:
    """(nodes,) the broken line through *shape* at each utilisation; resources that score 0 drop out of the mean.

    *shape* is (utilisation %, score 0..10) by ascending utilisation. The mean is rounded half up.
    """
    used = np.minimum(allocatable, requested) * MAX_SCORE
    utilisation = np.where(requested > allocatable, 100.0, _floor_quotient(used, allocatable))
    score = broken_line(utilisation.astype(np.int64), [(u, s * MAX_SCORE // 10) for u, s in shape])
    score[allocatable == 0] = 0
    counted = (score > 0) @ weights
    return np.floor(np.divide(score @ weights, counted, out=np.zeros(len(score)), where=counted > 0) + 0.5).astype(
        np.int64
    )


def broken_line(at: NDArray[np.int64], shape: Sequence[tuple[int, int]]) -> NDArray[np.int64]:
    """The line through the points of *shape*, level outside them; integer division towards zero."""
    value = np.full(at.shape, shape[-1][1], np.int64)
    for (x0, y0), (x1, y1) in reversed(list(zip(shape, shape[1:], strict=False))):
        slope = (y1 - y0) * (at - x0)
        value = np.where(at <= x1, y0 + np.sign(slope) * (np.abs(slope) // (x1 - x0)), value)
    return np.where(at <= shape[0][0], shape[0][1], value)


def balanced_allocation(requested: NDArray[np.int64], allocatable: NDArray[np.float64]) -> NDArray[np.int64]:
    """(nodes,) ``(1 − std) · 100`` of the used fractions, truncated; fractions are capped at 1."""
    if allocatable.shape[1] == 2 and allocatable.all():
        fraction = np.minimum(requested / allocatable, 1.0)
        spread = np.abs(fraction[:, 0] - fraction[:, 1]) / 2
    else:
        spread = _standard_deviation(requested, allocatable)
    return ((1 - spread) * MAX_SCORE).astype(np.int64)


def _standard_deviation(requested: NDArray[np.int64], allocatable: NDArray[np.float64]) -> NDArray[np.float64]:
    """(nodes,) population standard deviation over the resources a node has; half the difference for two."""
    there = allocatable > 0
    count = there.sum(axis=1)
    fraction = np.divide(requested, allocatable, out=np.zeros(allocatable.shape), where=there)
    fraction = np.minimum(fraction, 1.0) * there
    mean = fraction.sum(axis=1) / np.maximum(count, 1)
    squares = np.where(there, (fraction - mean[:, None]) ** 2, 0.0).sum(axis=1)
    low = np.where(there, fraction, np.inf).min(axis=1, initial=np.inf)
    high = np.where(there, fraction, -np.inf).max(axis=1, initial=-np.inf)
    return np.select([count == 2, count > 2], [np.abs(high - low) / 2, np.sqrt(squares / np.maximum(count, 1))], 0.0)


def _floor_quotient(amount: NDArray[np.float64], allocatable: NDArray[np.float64]) -> NDArray[np.float64]:
    """Floor of the quotient; 0 where nothing is allocatable."""
    if allocatable.all():
        return np.floor(amount / allocatable)
    return np.floor(np.divide(amount, allocatable, out=np.zeros(amount.shape), where=allocatable > 0))


def _weighted_mean(
    score: NDArray[np.float64], allocatable: NDArray[np.float64], weights: NDArray[np.float64]
) -> NDArray[np.int64]:
    if allocatable.all():
        return (score @ weights / weights.sum()).astype(np.int64)
    counted = (allocatable > 0) @ weights
    return np.divide(score @ weights, counted, out=np.zeros(len(score)), where=counted > 0).astype(np.int64)


Strategy = Callable[[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]], NDArray[np.int64]]
STRATEGIES: dict[str, Strategy] = {"LeastAllocated": least_allocated, "MostAllocated": most_allocated}
