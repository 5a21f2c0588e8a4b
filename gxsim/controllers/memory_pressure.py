"""Kubelets whose node runs short of memory: MemoryPressure, and evictions one by one.

The eviction manager of the kubelet (``pkg/kubelet/eviction``): it looks every ten seconds and evicts at most one pod
at a look; evicted pods are waited for, so that the next look comes a second later. The condition stands in the node's
next status. What fills faster than that is the kernel's (``node_memory``).
"""

import math

import numpy as np
from numpy.typing import NDArray

from gxsim.controllers.informer import TOLERANCE_S, Informer, Log, tick_s
from gxsim.controllers.lease import Leases
from gxsim.controllers.node_memory import NodeMemory, service_of
from gxsim.controllers.node_pressure import MEMORY_PRESSURE, NodePressure
from gxsim.controllers.taint_eviction import tolerates
from gxsim.kernels.memory import BEST_EFFORT
from gxsim.kernels.pressure import eviction_order
from gxsim.model.control_plane import Kubelet as Parameters
from gxsim.model.pod import PodTemplate
from gxsim.state import PHASE_FAILED, PHASE_RUNNING, ClusterState, Event


class MemoryPressure:
    """The eviction managers of all kubelets; *leases* says which of them live and reach the API server."""

    def __init__(
        self,
        memory: NodeMemory,
        parameters: Parameters,
        *,
        leases: Leases,
        informer: Informer,
        status_s: NDArray[np.float64],
        eviction_s: NDArray[np.float64],
    ):
        """The last two are (nodes,): times of a status comparison and of a look."""
        self.memory, self.parameters, self.leases, self.informer = memory, parameters, leases, informer
        self.pressure = NodePressure(MEMORY_PRESSURE, parameters, status_s)
        self.eviction_s = eviction_s
        self._earliest_s = np.zeros(len(status_s))  # before which no kubelet looks again
        self._next_s = np.full(len(status_s), np.inf)  # the next look that finds something
        self._nodes = Log()

    # ---- what it does -------------------------------------------------------------------------------------------

    def reconcile(self, state: ClusterState, now: float) -> bool:
        self.informer.follow(state)
        self.memory.follow(state)
        for node in self._nodes.news(self.memory.revised):
            self._expect(state, node, now)
        changed = False
        for node in np.flatnonzero((self._next_s <= now + TOLERANCE_S) & self.leases.online).tolist():
            changed |= self._look(state, node, now)
        changed |= self.pressure.refuse(state, now, _turned_away)
        return self.pressure.tell(state, now, self.leases.online) or changed

    def due(self, state: ClusterState, now: float) -> float:
        looks_s = float(self._next_s[self.leases.online].min(initial=math.inf))
        return min(looks_s, self.pressure.due_s(self.leases.online))

    def _expect(self, state: ClusterState, node: int, now: float) -> None:
        """Set the next look: soon while there is pressure, else the first that will find too little."""
        time_s = float(self._earliest_s[node])
        if not self.pressure.says[node]:
            falls_s = self.memory.falls_to_s(state, node, self.parameters.memory_available_bytes - 1.0, now)
            time_s = float(tick_s(self.eviction_s[node], self.parameters.eviction_period_s, max(time_s, falls_s)))
        self._next_s[node] = time_s

    def _look(self, state: ClusterState, node: int, now: float) -> bool:
        parameters = self.parameters
        available = self.memory.available_bytes(state, node, now)
        starved = available < parameters.memory_available_bytes
        self.pressure.see(node, starved=starved, now=now)
        evicted = starved and self._evict(state, node, now, available)
        self._earliest_s[node] = now + (parameters.eviction_cleanup_s if evicted else parameters.eviction_period_s)
        self._expect(state, node, now)
        return evicted

    # ---- what follows -------------------------------------------------------------------------------------------

    def _evict(self, state: ClusterState, node: int, now: float, available_bytes: float) -> bool:
        """Put out the first pod in the kubelet's order (rankMemoryPressure); whether there was one."""
        pods = [pod for pod in self.informer.pods_on(node) if state.pod_phase[pod] <= PHASE_RUNNING]
        pods = [pod for pod in pods if pod not in self.pressure.arrived]
        templates = [state.templates[state.pod_template[pod]] for pod in pods]
        used = self.memory.pods_bytes(state, node, now)
        order = eviction_order(
            np.array([used.get(pod, 0.0) for pod in pods]),
            np.array([template.requests.get("memory", 0) for template in templates], float),
            np.array([template.priority for template in templates]),
        )
        state.emit(Event(now, "Node", state.nodes[node].name, "EvictionThresholdMet", "Attempting to reclaim memory"))
        if not len(order):
            return False
        first = pods[int(order[0])]
        amounts = f"{_mebibytes(self.parameters.memory_available_bytes)}, available: {_mebibytes(available_bytes)}"
        message = f"The node was low on resource: memory. Threshold quantity: {amounts}."
        state.emit(Event(now, "Pod", state.pod_key(first), "Evicted", message))
        state.finish(first, PHASE_FAILED)
        if state.pod_terminating[first]:
            state.delete(first)
        self.memory.follow(state)
        return True


def _turned_away(template: PodTemplate) -> bool:
    """Admit takes pods that are not BestEffort, and those that tolerate the taint."""
    tolerated = any(tolerates(toleration, MEMORY_PRESSURE.taint) for toleration in template.tolerations)
    return not tolerated and service_of(template) == BEST_EFFORT


def _mebibytes(amount_bytes: float) -> str:
    return f"{amount_bytes / 2**20:.0f}Mi"
