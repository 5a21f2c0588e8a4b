"""Many histograms of durations at once, on the float's own logarithmic scale: no logarithm is taken."""

import math

import numpy as np
from numpy.typing import NDArray

LEAST_EXPONENT, MOST_EXPONENT = -17, 17  # 8 us to 36 h; what lies outside counts as the nearest
MANTISSA_BITS = 6
BINS = (MOST_EXPONENT - LEAST_EXPONENT) << MANTISSA_BITS
_SHIFT = 52 - MANTISSA_BITS
_FIRST = int(np.float64(2.0**LEAST_EXPONENT).view(np.int64)) >> _SHIFT


def bins_of(durations_s: NDArray) -> NDArray:
    """(values,) the bin of each duration: its exponent and the first bits of its mantissa."""
    return ((np.ascontiguousarray(durations_s).view(np.int64) >> _SHIFT) - _FIRST).clip(0, BINS - 1)


def edges_s() -> NDArray:
    """(BINS + 1,) where bins begin and end; each is at most 1/64 wider than its beginning."""
    return ((np.arange(BINS + 1) + _FIRST) << _SHIFT).view(np.float64)


def quantile(counts: NDArray, probability: float) -> NDArray:
    """(...,) durations within 0.8 % from counts (..., BINS); NaN where there are none."""
    total = counts.sum(axis=-1)
    rank = np.maximum(np.ceil(probability * total), 1)
    bin_ = (np.cumsum(counts, axis=-1) < rank[..., None]).sum(axis=-1)
    edges = edges_s()
    middle = (edges[:-1] + edges[1:]) / 2
    return np.where(total > 0, middle[np.minimum(bin_, BINS - 1)], math.nan)
