"""Pod topology spread: skew against the emptiest domain, and the score that favours emptier ones."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def global_minimum(matching: NDArray[np.int64], eligible: NDArray[np.bool_], min_domains: int) -> int:
    """The fewest matching pods in an eligible domain; 0 when there are fewer domains than *min_domains*, or none."""
    domains = int(np.count_nonzero(eligible))
    if domains < max(min_domains, 1):
        return 0
    return int(matching.min() if domains == len(matching) else matching[eligible].min())


def crowding(
    matching: Sequence[NDArray[np.int64]], domains: Sequence[int], max_skew: Sequence[int]
) -> NDArray[np.int64]:
    """(nodes,) the sum over constraints of ``count · ln(domains + 2) + maxSkew − 1``, rounded half away from zero.

    *matching* holds (nodes,) counts in each node's domain, −1 where the node lacks the key and the constraint is left
    out.
    """
    total = np.zeros(len(matching[0]))
    for counts, size, skew in zip(matching, domains, max_skew, strict=True):
        term = counts * math.log(size + 2) + (skew - 1)
        if counts.min(initial=0) < 0:
            term[counts < 0] = 0.0
        total += term
    # floor(x + 0.5) would round 0.49999999999999994 up.
    whole = np.trunc(total)
    return (whole + (total - whole >= 0.5)).astype(np.int64)
