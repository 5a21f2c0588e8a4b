"""PersistentVolumes on first consumer: local-path makes a volume on the node the scheduler chose, while it lives."""

import math
from dataclasses import replace

from gxsim.controllers.informer import TOLERANCE_S
from gxsim.controllers.lease import Leases
from gxsim.model.cluster import Claim
from gxsim.model.control_plane import ControlPlane
from gxsim.scheduler.volumes import provisioned_volume
from gxsim.state import ClusterState


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
            claim = state.claims[key]
            provision(state, claim, state.node_index[claim.selected_node])
        return bool(ready)

    def due(self, state: ClusterState, now: float) -> float:
        return min((self._time_s(state, key) for key in self._ready_s), default=math.inf)

    def _time_s(self, state: ClusterState, key: str) -> float:
        """When the helper pod on the chosen node can have made the volume; inf while that node is away."""
        node = state.node_index.get(state.claims[key].selected_node, -1)
        if node < 0 or not self.leases.online[node]:
            return math.inf
        return max(self._ready_s[key], float(self.leases.since_s[node]))


def provision(state: ClusterState, claim: Claim, node: int) -> None:
    """Make a volume of the claim's class on *node* and bind the claim to it."""
    volume = provisioned_volume(state, claim, node)
    state.put_volume(volume)
    state.put_claim(replace(claim, volume=volume.name, bound=True, selected_node=state.nodes[node].name))
