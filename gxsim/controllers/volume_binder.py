"""PersistentVolumes on first consumer: local-path makes a volume on the node the scheduler chose, while it lives."""

import math
from dataclasses import replace

from gxsim.controllers.deletion import RELEASED
from gxsim.controllers.informer import TOLERANCE_S
from gxsim.controllers.lease import Leases
from gxsim.model.cluster import Claim, Volume
from gxsim.model.control_plane import ControlPlane
from gxsim.scheduler.volumes import provisioned_volume
from gxsim.state import ClusterState


class VolumeBinder:
    """Provisions claims that the scheduler gave a node (the PV controller and the provisioner together)."""

    def __init__(self, control_plane: ControlPlane, leases: Leases):
        self.control_plane, self.leases = control_plane, leases
        self._revision = -1
        self._orphans: list[str] = []  # volumes to delete once their node answers
        self._ready_s: dict[str, float] = {}  # claim: when its volume is made, if its node lives then

    def reconcile(self, state: ClusterState, now: float) -> bool:
        if state.storage.revision != self._revision:
            self._revision = state.storage.revision
            wanted = [c for c in state.storage.claims.values() if c.selected_node and not c.bound]
            self._ready_s = {
                c.key: self._ready_s.get(c.key, now + self.control_plane.provision_s) for c in wanted if c.selected_node
            }
            self._orphans = [volume.name for volume in state.storage.volumes.values() if _is_orphan(volume)]
        changed = self._reclaim(state)
        ready = [key for key in self._ready_s if self._time_s(state, key) <= now + TOLERANCE_S]
        for key in ready:
            del self._ready_s[key]
            claim = state.storage.claims[key]
            provision(state, claim, state.node_index[claim.selected_node])
        return bool(ready) or changed

    def _reclaim(self, state: ClusterState) -> bool:
        """Delete released volumes; one that lies on a node needs that node's kubelet for it."""
        gone = [name for name in self._orphans if self._reachable(state, state.storage.volumes[name])]
        for name in gone:
            self._orphans.remove(name)
            state.storage.delete_volume(name)
        return bool(gone)

    def _reachable(self, state: ClusterState, volume: Volume) -> bool:
        affinity = volume.node_affinity
        return affinity is None or any(
            self.leases.online[row] and affinity.matches(node.name, node.labels) for row, node in enumerate(state.nodes)
        )

    def due(self, state: ClusterState, now: float) -> float:
        return min((self._time_s(state, key) for key in self._ready_s), default=math.inf)

    def _time_s(self, state: ClusterState, key: str) -> float:
        """When the helper pod on the chosen node can have made the volume; inf while that node is away."""
        node = state.node_index.get(state.storage.claims[key].selected_node, -1)
        if node < 0 or not self.leases.online[node]:
            return math.inf
        return max(self._ready_s[key], float(self.leases.since_s[node]))


def _is_orphan(volume: Volume) -> bool:
    """Whether the claim of a volume is gone and its class says Delete."""
    return volume.phase == RELEASED and volume.reclaim_policy == "Delete"


def provision(state: ClusterState, claim: Claim, node: int) -> None:
    """Make a volume of the claim's class on *node* and bind the claim to it."""
    volume = provisioned_volume(state, claim, node)
    state.storage.put_volume(volume)
    state.storage.put_claim(replace(claim, volume=volume.name, bound=True, selected_node=state.nodes[node].name))
