"""What a kubelet does when its node runs short: thresholds, the condition, image collection, the order of evictions.

From the kubelet's eviction manager (``pkg/kubelet/eviction``) and its image garbage collector (``pkg/kubelet/images``).
The same rules hold for every resource it watches; amounts may be bytes of memory, bytes of disk, or inodes.
"""

import numpy as np
from numpy.typing import NDArray

CRITICAL_PRIORITY = 2_000_000_000  # of system-cluster-critical and above: such pods are never evicted


def starved(available: NDArray, least: NDArray, reclaim: NDArray, met: NDArray) -> NDArray:
    """Whether the threshold is met, for any number of nodes; *met* is what this said at the look before.

    It is met below *least* (eviction-hard), and once met it stays so until the minimum reclaim is there too: K3s asks
    for 15 % of a disk after less than 5 % were left.
    """
    return available < least + np.where(met, reclaim, 0.0)


def threshold(share: float, capacity: NDArray | float) -> NDArray:
    """A threshold written as a share of *capacity*, in whole units, rounded down as the kubelet does."""
    return np.floor(share * np.asarray(capacity, float))


def condition(starved_now: bool, last_starved_s: float, now: float, transition_s: float) -> bool:
    """Whether the node says so: while it is starved, and for a transition period from when it last was."""
    return starved_now or now - last_starved_s < transition_s


def collected_bytes(
    used_bytes: NDArray, disk_bytes: NDArray, unused_image_bytes: NDArray, *, high_share: float, low_share: float
) -> NDArray:
    """What image garbage collection frees at one look: nothing below the high share, else down to the low one."""
    wanted = np.where(used_bytes >= high_share * disk_bytes, used_bytes - low_share * disk_bytes, 0.0)
    return np.minimum(np.maximum(wanted, 0.0), unused_image_bytes)


def eviction_order(
    usage: NDArray, request: NDArray, priority: NDArray, *, exempt: NDArray | None = None
) -> NDArray[np.intp]:
    """Positions of pods in the order in which a kubelet that lacks a resource evicts them.

    Pods that use more of it than they request go first, then the lower priority, then the larger usage over the
    request (``rankMemoryPressure``, ``rankDiskPressureFunc``). Of a disk, *usage* is what a pod writes to its
    containers' own layers, logs and emptyDirs. Critical pods and those marked *exempt* (static ones) are left out.
    """
    over = usage - request
    order = np.lexsort((-over, priority, ~(over > 0)))
    left = priority[order] < CRITICAL_PRIORITY
    if exempt is not None:
        left &= ~exempt[order]
    return order[left]
