"""VolumeZone: a bound volume's zone and region labels must be the node's."""

import numpy as np

from gxsim.model.cluster import Volume
from gxsim.model.pod import PodTemplate
from gxsim.scheduler.nodes import NodeTable
from gxsim.scheduler.status import UNRESOLVABLE, Refusal, Verdict, refuse_where

_STABLE = {
    "failure-domain.beta.kubernetes.io/zone": "topology.kubernetes.io/zone",
    "failure-domain.beta.kubernetes.io/region": "topology.kubernetes.io/region",
}
_KEYS = (*_STABLE, *_STABLE.values())


class VolumeZone:
    name = "VolumeZone"

    def __init__(self, nodes: NodeTable):
        self._nodes = nodes
        self._state = nodes.state
        self._zoned = np.zeros(nodes.count, bool)  # nodes with any zone or region label
        for key in _KEYS:
            self._zoned |= nodes.topology(key).codes >= 0

    def reject(self, template: PodTemplate) -> Refusal | None:
        """Refuse a pod whose claim is bound to a volume that is not there."""
        for name in template.claims:
            claim = self._state.storage.claims.get(f"{template.namespace}/{name}")
            if claim is not None and claim.volume and claim.volume not in self._state.storage.volumes:
                return Refusal(self.name, UNRESOLVABLE, (f'persistentvolume "{claim.volume}" not found',))
        return None

    def refuse(self, template: PodTemplate) -> Verdict | None:
        refused = np.zeros(self._nodes.count, bool)
        for name in template.claims:
            claim = self._state.storage.claims.get(f"{template.namespace}/{name}")
            if claim is not None and claim.volume in self._state.storage.volumes:
                refused |= self._elsewhere(self._state.storage.volumes[claim.volume])
        if not refused.any():
            return None
        return refuse_where(refused, self.name, UNRESOLVABLE, "node(s) had no available volume zone")

    def _elsewhere(self, volume: Volume) -> np.ndarray:
        """(nodes,) True where a label of *volume* is missing or different; never on nodes without any such label."""
        refused = np.zeros(self._nodes.count, bool)
        for key in _KEYS:
            if key in volume.labels:
                allowed = [part.strip() for part in volume.labels[key].split("__")]
                if all(allowed):
                    refused |= ~np.isin(self._values(key), allowed)
        return refused & self._zoned

    def _values(self, key: str) -> np.ndarray:
        """(nodes,) the node's value of *key*, or of the stable key that took its place; empty where it has neither."""
        topology = self._nodes.topology(key)
        values = np.array([*topology.values, ""])[topology.codes]
        stable = _STABLE.get(key)
        return np.where(values == "", self._values(stable), values) if stable else values
