"""What a kubelet does about a full disk: DiskPressure, image garbage collection, which pods it evicts in which order.

From the kubelet's eviction manager and image garbage collector. The kubelet counts what pods write outside volumes: a
claim's data is never counted for a pod and never freed by evicting it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CRITICAL_PRIORITY = 2_000_000_000  # of system-cluster-critical and above: such pods are never evicted


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """Thresholds of one kubelet, as shares of the disk that volumes, images and logs share.

    The defaults are those of K3s, which sets eviction-hard to 5 % and eviction-minimum-reclaim to 10 %; a kubelet by
    itself has 10 % and 0 (``KUBELET``).
    """

    available_share: float = 0.05
    minimum_reclaim_share: float = 0.10
    transition_s: float = 300.0  # eviction-pressure-transition-period
    monitoring_s: float = 10.0  # pause between two looks when nothing was evicted
    cleanup_s: float = 1.0  # an evicted pod is waited for, looking every second
    image_gc_high_share: float = 0.85
    image_gc_low_share: float = 0.80
    image_gc_period_s: float = 300.0


K3S = Thresholds()
KUBELET = Thresholds(available_share=0.10, minimum_reclaim_share=0.0)


def starved(available_bytes: NDArray, disk_bytes: NDArray, met: NDArray, limits: Thresholds = K3S) -> NDArray:
    """Whether the threshold is met, for any number of nodes; *met* is what this said at the look before.

    Once met it stays so until the minimum reclaim is there too: K3s asks for 15 % after it fell below 5 %.
    """
    least, more = least_available(disk_bytes, limits)
    return available_bytes < least + np.where(met, more, 0.0)


def least_available(disk_bytes: NDArray | float, limits: Thresholds = K3S) -> tuple[NDArray, NDArray]:
    """The threshold and the minimum reclaim of disks in whole bytes, each rounded down as the kubelet does."""
    disk = np.asarray(disk_bytes)
    return np.floor(limits.available_share * disk), np.floor(limits.minimum_reclaim_share * disk)


def condition(starved_now: bool, last_starved_s: float, now: float, limits: Thresholds = K3S) -> bool:
    """Whether the node says DiskPressure: while it is starved, and for a transition period from when it last was."""
    return starved_now or now - last_starved_s < limits.transition_s


def collected_bytes(
    used_bytes: NDArray, disk_bytes: NDArray, unused_image_bytes: NDArray, limits: Thresholds = K3S
) -> NDArray:
    """What image garbage collection frees at one look: nothing below the high share, else down to the low one."""
    wanted = np.where(
        used_bytes >= limits.image_gc_high_share * disk_bytes, used_bytes - limits.image_gc_low_share * disk_bytes, 0.0
    )
    return np.minimum(np.maximum(wanted, 0.0), unused_image_bytes)


def eviction_order(
    usage_bytes: NDArray, request_bytes: NDArray, priority: NDArray, *, exempt: NDArray | None = None
) -> NDArray[np.intp]:
    """Positions of pods in the order in which a kubelet that lacks disk evicts them.

    Pods that use more ephemeral storage than they request go first, then the lower priority, then the larger usage over
    the request. *usage_bytes* is what a pod writes to its containers' own layers, logs and emptyDirs. Critical
    pods and those marked *exempt* (static ones) are left out.
    """
    over = usage_bytes - request_bytes
    order = np.lexsort((-over, priority, ~(over > 0)))
    left = priority[order] < CRITICAL_PRIORITY
    if exempt is not None:
        left &= ~exempt[order]
    return order[left]


@dataclass(frozen=True, slots=True, kw_only=True)
class Eviction:
    """One pod put out at a time, with what that freed and what is available then."""

    time_s: float
    pod: int
    freed_bytes: float
    available_bytes: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Starvation:
    """What happens from the moment a disk runs low: pods that are put out, and how it ends.

    *relieved_s* is when enough is free again, None if nobody is left to evict before; *full_s* when nothing can be
    written, None if it does not come to that.
    """

    evictions: tuple[Eviction, ...]
    relieved_s: float | None
    full_s: float | None


def starvation(
    available_bytes: float,
    disk_bytes: float,
    *,
    usage_bytes: NDArray,
    request_bytes: NDArray,
    priority: NDArray,
    writes_bytes_per_s: NDArray,
    host_bytes_per_s: float = 0.0,
    unused_image_bytes: float = 0.0,
    limits: Thresholds = K3S,
) -> Starvation:
    """Evict pod after pod until enough is free or nobody is left; time 0 is the look that finds the disk starved.

    *writes_bytes_per_s* is what each pod writes to its volumes, which ends when it is evicted; *host_bytes_per_s* goes
    on. Unused images and dead containers are removed first. Evicting frees a pod's *usage_bytes* only.
    """
    target = float(sum(least_available(disk_bytes, limits)))
    available = available_bytes + unused_image_bytes
    rate, now = float(writes_bytes_per_s.sum()) + host_bytes_per_s, 0.0
    evictions: list[Eviction] = []
    for pod in eviction_order(usage_bytes, request_bytes, priority).tolist():
        if available >= target:
            return Starvation(evictions=tuple(evictions), relieved_s=now, full_s=None)
        available += usage_bytes[pod]
        rate -= float(writes_bytes_per_s[pod])
        evictions.append(Eviction(time_s=now, pod=pod, freed_bytes=float(usage_bytes[pod]), available_bytes=available))
        if rate > 0 and available - rate * limits.cleanup_s <= 0:
            return Starvation(evictions=tuple(evictions), relieved_s=None, full_s=now + available / rate)
        now += limits.cleanup_s
        available -= rate * limits.cleanup_s
    relieved = now if available >= target else None
    full = now + available / rate if relieved is None and rate > 0 else None
    return Starvation(evictions=tuple(evictions), relieved_s=relieved, full_s=full)
