"""Pod topology spread: skew against the emptiest domain, and the score that favours emptier ones."""

import math

import numpy as np
from numpy.typing import NDArray


def global_minimum(matching: NDArray[np.int64], eligible: NDArray[np.bool_], min_domains: int) -> int:
    """The fewest matching pods in an eligible domain; 0 when there are fewer domains than *min_domains*, or none."""
    domains = int(np.count_nonzero(eligible))
    if domains < max(min_domains, 1):
        return 0
    return int(matching.min() if domains == len(matching) else matching[eligible].min())


def crowding(matching: NDArray[np.int64], domains: int, max_skew: int) -> NDArray[np.float64]:
    """``count · ln(domains + 2) + maxSkew − 1``: one constraint's part of a node's raw score."""
    part: NDArray[np.float64] = matching * np.float64(math.log(domains + 2))
    if max_skew != 1:
        part += max_skew - 1
    return part


def rounded(total: NDArray[np.float64]) -> NDArray[np.int64]:
    """Round half away from zero; exact because sums of crowding are 0 or at least 1."""
    return np.floor(total + 0.5).astype(np.int64)
