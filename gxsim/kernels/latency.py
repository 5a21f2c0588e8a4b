"""Latencies in bulk: counts on a logarithmic scale, so that memory stays flat and quantiles keep 1 %."""

import numpy as np
from numpy.typing import NDArray

LEAST_S, MOST_S, STEP = 1e-6, 1e7, np.log(1.01)
CELLS = int(np.ceil(np.log(MOST_S / LEAST_S) / STEP)) + 2


def empty_histogram() -> NDArray:
    """(CELLS,) counts of nothing; latencies below a microsecond count as one."""
    return np.zeros(CELLS, np.int64)


def count_latencies(histogram: NDArray, latencies_s: NDArray) -> None:
    """Add (finite) latencies to a histogram, in place."""
    cells = np.log(np.clip(latencies_s, LEAST_S, MOST_S) / LEAST_S) / STEP
    histogram += np.bincount(cells.astype(np.int64), minlength=CELLS)


def quantiles(histogram: NDArray, probabilities: NDArray) -> NDArray:
    """(probabilities,) latencies, each within 1 %; nan for an empty histogram."""
    total = histogram.sum()
    if total == 0:
        return np.full(len(probabilities), np.nan)
    cell = np.searchsorted(np.cumsum(histogram), np.ceil(np.asarray(probabilities) * total).clip(min=1))
    return LEAST_S * np.exp((cell + 0.5) * STEP)
