"""NodeVolumeLimits: a CSI driver attaches only so many volumes to a node."""

from collections import Counter
from collections.abc import Iterable

import numpy as np

from gxsim.model.pod import PodTemplate
from gxsim.scheduler.demand import Demand, Situation
from gxsim.scheduler.nodes import NodeTable
from gxsim.scheduler.status import UNSCHEDULABLE, Rows, Verdict, refuse_where
from gxsim.state import PHASE_RUNNING

Attachment = tuple[str, str]  # driver, volume


class NodeVolumeLimits:
    name = "NodeVolumeLimits"
    counts = False

    def __init__(self, nodes: NodeTable):
        self._nodes = nodes
        self._limits = {
            nodes.state.node_index[csi.name]: csi.limits
            for csi in nodes.state.cluster.csi_nodes
            if csi.limits and csi.name in nodes.state.node_index
        }
        self._provisioners = {c.name: c.provisioner for c in nodes.state.cluster.storage_classes}

    def prepare(self, demand: Demand) -> frozenset[Attachment] | None:
        """The pod's own attachable volumes, if any node limits them."""
        if not self._limits or not demand.template.claims:
            return None
        return frozenset(self._attachments(demand.template)) or None

    def refuse(self, demand: Demand, rows: Rows, situation: Situation) -> Verdict | None:
        """Count each volume once per node, however many pods there use it."""
        new: frozenset[Attachment] = demand.prepared[self.name]
        numbers = np.arange(self._nodes.count)[rows]
        refused = np.zeros(len(numbers), bool)
        for row, node in enumerate(numbers):
            limits = self._limits.get(int(node))
            if limits:
                attached = self._attached(int(node), situation)
                there = Counter(driver for driver, _ in attached)
                coming = Counter(driver for driver, _ in new - attached)
                refused[row] = any(there[d] + count > limits[d] for d, count in coming.items() if d in limits)
        return refuse_where(refused, self.name, UNSCHEDULABLE, "node(s) exceed max volume count")

    def _attached(self, node: int, situation: Situation) -> set[Attachment]:
        state = self._nodes.state
        there = (state.pod_node == node) & state.pod_exists & (state.pod_phase <= PHASE_RUNNING)
        pods = set(np.flatnonzero(there).tolist()).union(situation.nominated) - situation.gone
        return {a for pod in pods for a in self._attachments(state.templates[state.pod_template[pod]])}

    def _attachments(self, template: PodTemplate) -> Iterable[Attachment]:
        """The CSI volumes of a pod's claims; a claim without its volume counts as one that is yet to come."""
        state = self._nodes.state
        for name in template.claims:
            claim = state.storage.claims.get(f"{template.namespace}/{name}")
            if claim is None:
                continue
            volume = state.storage.volumes.get(claim.volume)
            if volume is None:
                driver, handle = self._provisioners.get(claim.storage_class or "", ""), f"pending/{claim.key}"
            else:
                driver, handle = volume.csi_driver, volume.csi_handle
            if driver and handle:
                yield driver, handle
