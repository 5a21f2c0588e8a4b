"""Memory that fills: when a sum of growing amounts passes a bound, and whom the kernel kills when none is left.

The scores are those of the kubelet (``pkg/kubelet/qos/policy.go``) and of Linux (``mm/oom_kill.c``, oom_badness).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

BEST_EFFORT, BURSTABLE, GUARANTEED = range(3)  # quality of service classes
ADJ_BEST_EFFORT, ADJ_GUARANTEED = 1000, -997
ADJ_BURSTABLE = (3, 999)  # lowest and highest of a Burstable container


class Ramps(NamedTuple):
    """Amounts that are there from ``begins_s`` on and grow until ``ends_s``; each array is (ramps,)."""

    begins_s: NDArray[np.float64]
    ends_s: NDArray[np.float64]  # inf: grows for ever
    step_bytes: NDArray[np.float64]  # what is there at once
    rate_bytes_per_s: NDArray[np.float64]  # at least 0


def used_bytes(ramps: Ramps, now: float) -> NDArray[np.float64]:
    """(ramps,) amounts at *now*; 0 before a ramp begins."""
    begun = now >= ramps.begins_s
    grown_s = np.minimum(now, ramps.ends_s) - np.minimum(ramps.begins_s, now)
    return np.where(begun, ramps.step_bytes + ramps.rate_bytes_per_s * grown_s, 0.0)


def reaches_s(ramps: Ramps, bound_bytes: float, now: float) -> float:
    """The first time from *now* on at which the sum of *ramps* is *bound_bytes* or more; inf if never."""
    turns = np.concatenate([[now], ramps.begins_s, ramps.ends_s])
    turns = np.unique(turns[(turns >= now) & np.isfinite(turns)])
    for begin_s, end_s in zip(turns, [*turns[1:], np.inf], strict=True):
        total = float(used_bytes(ramps, begin_s).sum())
        if total >= bound_bytes:
            return float(begin_s)
        grows = (ramps.begins_s <= begin_s) & (ramps.ends_s > begin_s)
        rate = float(ramps.rate_bytes_per_s[grows].sum())
        if rate > 0 and begin_s + (bound_bytes - total) / rate <= end_s:
            return float(begin_s + (bound_bytes - total) / rate)
    return float("inf")


def oom_score_adj(service: NDArray, requested_bytes: NDArray, capacity_bytes: float) -> NDArray[np.int64]:
    """(pods,) what the kubelet writes to oom_score_adj, by quality of service class and memory request."""
    burstable = 1000 - (1000 * np.asarray(requested_bytes, np.int64)) // int(capacity_bytes)
    burstable = np.clip(burstable, *ADJ_BURSTABLE)
    return np.select(
        [service == BEST_EFFORT, service == GUARANTEED], [ADJ_BEST_EFFORT, ADJ_GUARANTEED], default=burstable
    ).astype(np.int64)


def badness(usage_bytes: NDArray, adj: NDArray, capacity_bytes: float) -> NDArray[np.float64]:
    """(processes,) points of the kernel's OOM killer: the memory in use, and *adj* thousandths of the whole memory.

    The highest is killed. -1000 is never killed (-inf).
    """
    points = usage_bytes + np.asarray(adj) * (capacity_bytes / 1000.0)
    return np.where(np.asarray(adj) <= -1000, -np.inf, points)
