"""Where in their period the periodic loops of a cluster stand at t = 0; chance, unless given."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gxsim.model.control_plane import ControlPlane, Kubelet
from gxsim.rng import Streams


@dataclass(frozen=True, slots=True, kw_only=True)
class Phases:
    """First passes after t = 0 in seconds, and the last lease renewal of each node before it."""

    monitor_s: float
    pod_gc_s: float
    flush_s: float
    quota_s: float
    leases_s: NDArray[np.float64]  # (nodes,) at most 0


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
    )
