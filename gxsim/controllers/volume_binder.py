"""PersistentVolumes on first consumer: local-path makes a volume on the node the scheduler chose, while it lives."""

import math
from dataclasses import replace

from gxsim.controllers.informer import TOLERANCE_S
from gxsim.controllers.lease import Leases
from gxsim.model.cluster import Claim, Volume
from gxsim.model.control_plane import ControlPlane
from gxsim.model.selectors import NodeSelector, NodeSelectorTerm, Requirement
from gxsim.state import ClusterState

HOSTNAME_KEY = "kubernetes.io/hostname"


class VolumeBinder:
    """Provisions claims that the scheduler gave a node (the PV controller and the provisioner together)."""

    def __init__(self, control_plane: ControlPlane, leases: Leases):
        self.control_plane, self.leases = control_plane, leases
        self._revision = -1
        self._ready_s: dict[str, float] = {}  # claim: when its volume is made, if its node lives then

    def reconcile(self, state: ClusterState, now: float) -> bool:
        if state.volume_revision != self._revision:
            self._revision = state.volume_revision
            wanted = [c for c in state.claims.values() if c.selected_node and not c.bound]
            self._ready_s = {
                c.key: self._ready_s.get(c.key, now + self.control_plane.provision_s) for c in wanted if c.selected_node
            }
        ready = [key for key in self._ready_s if self._time_s(state, key) <= now + TOLERANCE_S]
        for key in ready:
            del self._ready_s[key]
            provision(state, state.claims[key], state.claims[key].selected_node)
        return bool(ready)

    def due(self, state: ClusterState, now: float) -> float:
        return min((self._time_s(state, key) for key in self._ready_s), default=math.inf)

    def _time_s(self, state: ClusterState, key: str) -> float:
        """When the helper pod on the chosen node can have made the volume; inf while that node is away."""
        node = state.node_index.get(state.claims[key].selected_node, -1)
        if node < 0 or not self.leases.online[node]:
            return math.inf
        return max(self._ready_s[key], float(self.leases.since_s[node]))


def provision(state: ClusterState, claim: Claim, node_name: str) -> None:
    """Make a volume of the claim's class on *node_name* and bind the claim to it."""
    storage = next((s for s in state.cluster.storage_classes if s.name == claim.storage_class), None)
    labels = state.nodes[state.node_index[node_name]].labels
    affinity = Requirement(HOSTNAME_KEY, "In", (labels.get(HOSTNAME_KEY, node_name),))
    name = f"pvc-{claim.namespace}-{claim.name}"
    state.put_volume(
        Volume(
            name=name,
            storage_class=claim.storage_class or "",
            size_bytes=claim.size_bytes,
            access_modes=claim.access_modes,
            node_affinity=NodeSelector((NodeSelectorTerm((affinity,)),)),
            claim=claim.key,
            phase="Bound",
            reclaim_policy=storage.reclaim_policy if storage else "Delete",
        )
    )
    state.put_claim(replace(claim, volume=name, bound=True, selected_node=node_name))
