"""From a plugin's raw scores to 0..100 over the feasible nodes."""

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
    chosen = raw[feasible]
    low, high = int(chosen.min()), int(chosen.max())
    if low == high:
        return np.zeros_like(raw)
    return (MAX_SCORE * ((raw - low) / (high - low))).astype(np.int64)


def inverted(raw: NDArray[np.int64], counted: NDArray[np.bool_]) -> NDArray[np.int64]:
    """``100 · (max + min − raw) / max`` over *counted* in integers; a maximum of 0 gives 100; 0 for the others."""
    chosen = raw[counted]
    if not len(chosen):
        return np.zeros_like(raw)
    low, high = int(chosen.min()), int(chosen.max())
    if high == 0:
        return np.where(counted, MAX_SCORE, 0)
    return np.where(counted, MAX_SCORE * (high + low - raw) // high, 0)
