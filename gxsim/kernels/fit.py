"""Scores from requested and allocatable amounts: the arithmetic of NodeResourcesFit and balanced allocation.

Arrays are (nodes, resources). ``capacity`` is allocatable with 1 in place of 0, and a resource that a node does not
have gets weight 0 there. Divisions run in float64, which is exact here: a quotient of at most 100 that is no integer
stays at least 1 / capacity away from one, which is more than the rounding error for capacities below 2^46.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

MAX_SCORE = 100

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


class Weights(NamedTuple):
    """What each resource counts, and the sum: (resources,) and a number, or (nodes, resources) and (nodes,)."""

    each: Floats
    total: float | Floats


def weights_for(allocatable: Ints, weights: Sequence[int]) -> Weights:
    """*weights* for nodes that offer *allocatable*; nothing where a node has none of a resource."""
    each = np.array(weights, np.float64)
    if allocatable.all():
        return Weights(each, float(each.sum()))
    there = each * (allocatable > 0)
    return Weights(there, there.sum(axis=1))


def least_allocated(requested: Ints, capacity: Floats, weights: Weights) -> Floats:
    """(nodes,) ``(capacity − requested) · 100 / capacity`` per resource and their weighted mean, both floored."""
    score = capacity - requested
    np.maximum(score, 0.0, out=score)
    score *= MAX_SCORE
    score /= capacity
    return _floored_mean(np.floor(score, out=score), weights)


def most_allocated(requested: Ints, capacity: Floats, weights: Weights) -> Floats:
    """(nodes,) ``requested · 100 / capacity`` per resource and their weighted mean, both floored."""
    return _floored_mean(_utilisation(requested, capacity), weights)


def requested_to_capacity_ratio(
    requested: Ints, capacity: Floats, weights: Weights, shape: Sequence[tuple[int, int]]
) -> Floats:
    """(nodes,) the broken line through *shape* at each utilisation; resources that score 0 drop out of the mean.

    *shape* is (utilisation %, score 0..10) by ascending utilisation. The mean is rounded half up.
    """
    line = [(utilisation, score * MAX_SCORE // 10) for utilisation, score in shape]
    score = broken_line(_utilisation(requested, capacity).astype(np.int64), line)
    counted = np.where(score > 0, weights.each, 0.0)
    total = counted.sum(axis=1)
    mean = np.divide((score * counted).sum(axis=1), total, out=np.zeros(len(score)), where=total > 0)
    return np.floor(mean + 0.5)


def broken_line(at: Ints, shape: Sequence[tuple[int, int]]) -> Ints:
    """The line through the points of *shape*, level outside them; integer division towards zero."""
    value = np.full(at.shape, shape[-1][1], np.int64)
    for last in range(len(shape) - 1, 0, -1):
        (x0, y0), (x1, y1) = shape[last - 1], shape[last]
        rise = (y1 - y0) * (at - x0)
        value = np.where(at <= x1, y0 + np.sign(rise) * (np.abs(rise) // (x1 - x0)), value)
    return np.where(at <= shape[0][0], shape[0][1], value)


def balanced_allocation(requested: Ints, capacity: Floats, weights: Weights) -> Floats:
    """(nodes,) ``(1 − std) · 100`` of the used fractions, truncated; fractions are capped at 1, weights are 0 or 1."""
    fraction = requested / capacity
    np.minimum(fraction, 1.0, out=fraction)
    if weights.each.ndim == 1 and fraction.shape[1] == 2:
        spread = np.abs(fraction[:, 0] - fraction[:, 1])
        spread /= 2
    else:
        spread = _standard_deviation(fraction, np.broadcast_to(weights.each > 0, fraction.shape))
    score = 1 - spread
    score *= MAX_SCORE
    return np.floor(score, out=score)


def _standard_deviation(fraction: Floats, there: NDArray[np.bool_]) -> Floats:
    """(nodes,) population standard deviation over the resources a node has; half the difference for two."""
    count = there.sum(axis=1)
    mean = np.where(there, fraction, 0.0).sum(axis=1) / np.maximum(count, 1)
    squares = np.where(there, (fraction - mean[:, None]) ** 2, 0.0).sum(axis=1)
    low = np.where(there, fraction, np.inf).min(axis=1, initial=np.inf)
    high = np.where(there, fraction, -np.inf).max(axis=1, initial=-np.inf)
    return np.where(count == 2, np.abs(high - low) / 2, np.sqrt(squares / np.maximum(count, 1)))


def _utilisation(requested: Ints, capacity: Floats) -> Floats:
    """Used share in whole percent, at most 100."""
    used = np.minimum(capacity, requested)
    used *= MAX_SCORE
    used /= capacity
    return np.floor(used, out=used)


def _floored_mean(score: Floats, weights: Weights) -> Floats:
    """(nodes,) weighted mean over the resources; 0 where no weight is left."""
    if weights.each.ndim == 1:
        return np.floor(score @ weights.each / weights.total)
    total = weights.total
    return np.floor(np.divide((score * weights.each).sum(axis=1), total, out=np.zeros(len(score)), where=total > 0))


Strategy = Callable[[Ints, Floats, Weights], Floats]
STRATEGIES: dict[str, Strategy] = {"LeastAllocated": least_allocated, "MostAllocated": most_allocated}
