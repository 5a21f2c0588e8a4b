"""From a plugin's raw scores to 0..100 over the feasible nodes; what other nodes get means nothing."""

import numpy as np
from numpy.typing import NDArray

MAX_SCORE = 100


def by_maximum(raw: NDArray[np.int64], feasible: NDArray[np.bool_], *, reverse: bool = False) -> NDArray[np.int64]:
    """``100 · raw / max`` in integers, or 100 minus that; a maximum of 0 gives 0 everywhere, reversed 100."""
    highest = int((raw * feasible).max(initial=0))
    scaled = raw * MAX_SCORE // highest if highest else np.zeros_like(raw)
    return MAX_SCORE - scaled if reverse else scaled


def by_range(raw: NDArray[np.int64], feasible: NDArray[np.bool_]) -> NDArray[np.int64]:
    """``100 · (raw − min) / (max − min)`` in float, truncated; 0 everywhere when all are equal."""
    low, high = bounds(raw, feasible)
    if low == high:
        return np.zeros_like(raw)
    scaled = (raw - low) / (high - low)
    scaled *= MAX_SCORE
    return scaled.astype(np.int64)


def inverted(raw: NDArray[np.int64], counted: NDArray[np.bool_]) -> NDArray[np.int64]:
    """``100 · (max + min − raw) / max`` over *counted* in integers; a maximum of 0 gives 100; 0 for the others."""
    if not counted.any():
        return np.zeros_like(raw)
    low, high = bounds(raw, counted)
    if high == 0:
        return np.where(counted, MAX_SCORE, 0)
    scaled = (high + low) - raw
    scaled *= MAX_SCORE
    scaled //= high
    return scaled if counted.all() else np.where(counted, scaled, 0)


def bounds(raw: NDArray[np.int64], counted: NDArray[np.bool_]) -> tuple[int, int]:
    """The least and the greatest counted value; at least one is counted."""
    if counted.all():  # spares two copies of the array: the usual case in a large cluster
        return int(raw.min()), int(raw.max())
    chosen = raw[counted]
    return int(chosen.min()), int(chosen.max())
