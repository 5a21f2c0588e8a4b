"""What chance decides about a cluster's own machinery unless it is given: where loops stand at t = 0, and ties."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gxsim.model.control_plane import ControlPlane, Kubelet
from gxsim.rng import Streams
from gxsim.state import ClusterState


@dataclass(frozen=True, slots=True, kw_only=True)
class Phases:
    """First passes after t = 0 in seconds, and the last lease renewal of each node before it."""

    monitor_s: float
    pod_gc_s: float
    flush_s: float
    quota_s: float
    leases_s: NDArray[np.float64]  # (nodes,) at most 0
    status_s: NDArray[np.float64]  # (nodes,) when each kubelet compares its node's status with the API's
    reconcile_s: NDArray[np.float64]  # (nodes,) when it compares its pods' statuses
    eviction_s: NDArray[np.float64] | None = None  # (nodes,) when each kubelet looks at its disk; None: at 0
    image_gc_s: NDArray[np.float64] | None = None  # (nodes,) when it looks for images to remove; None: at 0
    relist_s: NDArray[np.float64] | None = None  # (nodes,) when it looks at its containers; None: at 0
    probe_share: Callable[[int], float] | None = None  # of a probe's period before its first tick in a pod; None: 0
    watch_jitter: float = 0.5  # share of a watch's back-off that is added to it, from 0 to 1
    component_start_s: float | None = None  # from a restart to the first pass; None: as the parameters say
    raced: frozenset[str] = frozenset()  # nodes whose NoExecute taint is written while a pass cancels all of them
    node_order: tuple[str, ...] = ()  # in which a pass of the node monitor looks at nodes; others follow
    victim_order: Callable[[int], float] | None = None  # among equal victims of a ReplicaSet, the lowest goes first


def or_zeros(phases_s: NDArray[np.float64] | None, state: ClusterState) -> NDArray[np.float64]:
    """(nodes,) phases, all zero where none are given."""
    return np.zeros(len(state.nodes)) if phases_s is None else phases_s


class Shares:
    """A number from 0 to 1 for each row, whatever the order in which rows are asked for."""

    def __init__(self, rng: np.random.Generator):
        self._rng, self._drawn = rng, rng.random(64)

    def __call__(self, row: int) -> float:
        while row >= len(self._drawn):
            self._drawn = np.concatenate([self._drawn, self._rng.random(len(self._drawn))])
        return float(self._drawn[row])


def draw_phases(streams: Streams, nodes: int, control_plane: ControlPlane, kubelet: Kubelet) -> Phases:
    """Phases that are uniform over their periods."""
    rng = streams.take("control-plane/phases")
    monitor, pod_gc, flush, quota = rng.random(4)
    return Phases(
        monitor_s=float(monitor) * control_plane.node_monitor_period_s,
        pod_gc_s=float(pod_gc) * control_plane.pod_gc_period_s,
        flush_s=float(flush) * control_plane.unschedulable_flush_period_s,
        quota_s=float(quota) * control_plane.quota_sync_s,
        leases_s=-streams.take("kubelet/lease-phases").random(nodes) * kubelet.lease_renew_s,
        status_s=streams.take("kubelet/status-phases").random(nodes) * kubelet.status_period_s,
        reconcile_s=streams.take("kubelet/pod-status-phases").random(nodes) * kubelet.status_period_s,
        eviction_s=streams.take("kubelet/eviction-phases").random(nodes) * kubelet.eviction_period_s,
        image_gc_s=streams.take("kubelet/image-gc-phases").random(nodes) * kubelet.image_gc_period_s,
        relist_s=streams.take("kubelet/relist-phases").random(nodes) * kubelet.relist_s,
        probe_share=Shares(streams.take("kubelet/probe-phases")),
        watch_jitter=float(streams.take("control-plane/watch-jitter").random()),
    )
