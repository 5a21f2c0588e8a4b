"""A pressure condition of the nodes: what their kubelets find, and when the API server is told and taints them."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gxsim.controllers.informer import TOLERANCE_S, Log, tick_s
from gxsim.kernels.pressure import CRITICAL_PRIORITY, condition
from gxsim.model.control_plane import Kubelet as Parameters
from gxsim.model.node import Taint
from gxsim.model.pod import PodTemplate
from gxsim.state import PENDING, PHASE_FAILED, PHASE_PENDING, ClusterState, Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Pressure:
    """One kind of pressure: its condition, and the taint that the node lifecycle controller puts for it.

    *reasons* are those of the Events that it ended and that it began.
    """

    condition: str
    taint: Taint
    reasons: tuple[str, str]


DISK_PRESSURE = Pressure(
    condition="DiskPressure",
    taint=Taint("node.kubernetes.io/disk-pressure", "", "NoSchedule"),
    reasons=("NodeHasNoDiskPressure", "NodeHasDiskPressure"),
)
MEMORY_PRESSURE = Pressure(
    condition="MemoryPressure",
    taint=Taint("node.kubernetes.io/memory-pressure", "", "NoSchedule"),
    reasons=("NodeHasSufficientMemory", "NodeHasInsufficientMemory"),
)


class NodePressure:
    """One kind of pressure on every node.

    A kubelet ``says`` that there is pressure from the look that finds a threshold met until the first look a transition
    period after the last that did; it refuses pods from then on. The API server is ``told`` with the next node status,
    at most a status period later, and the taint follows at once.
    """

    def __init__(self, pressure: Pressure, parameters: Parameters, status_s: NDArray[np.float64]):
        """*status_s* (nodes,) are times at which kubelets compare their node's status with the API's."""
        self.pressure, self.parameters, self.status_s = pressure, parameters, status_s
        count = len(status_s)
        self.starved, self.says, self.told = np.zeros((3, count), bool)
        self._starved_s = np.full(count, -math.inf)  # when each node was last starved
        self._said_s = np.full(count, -math.inf)  # when what its kubelet says last changed
        self._pods = Log()
        self.arrived: dict[int, float] = {}  # pods that a kubelet has yet to turn away, and when it will have

    def see(self, node: int, *, starved: bool, now: float) -> None:
        """Take note of what a look at *node* found."""
        self.starved[node] = starved
        if starved:
            self._starved_s[node] = now
        says = condition(starved, float(self._starved_s[node]), now, self.parameters.pressure_transition_s)
        if says != self.says[node]:
            self.says[node], self._said_s[node] = says, now

    def tell(self, state: ClusterState, now: float, online: NDArray[np.bool_]) -> bool:
        """Post the statuses that are due, and put or remove the taints; whether anything changed."""
        changed = False
        for node in np.flatnonzero((self.says != self.told) & online).tolist():
            if self._post_s(node) <= now + TOLERANCE_S:
                self.told[node] = self.says[node]
                self._taint(state, node, now)
                changed = True
        return changed

    def refuse(self, state: ClusterState, now: float, turns_away: Callable[[PodTemplate], bool]) -> bool:
        """Turn away pods that come under pressure, unless they are critical; whether any was."""
        for pod in self._pods.news(state.touched):
            node = int(state.pod_node[pod])
            if node == PENDING or pod in self.arrived or not self.says[node]:
                continue
            template = state.templates[state.pod_template[pod]]
            arrives = state.pod_exists[pod] and state.pod_phase[pod] == PHASE_PENDING
            if arrives and template.priority < CRITICAL_PRIORITY and turns_away(template):
                self.arrived[pod] = now + self.parameters.admission_s
        refused = [pod for pod, time_s in self.arrived.items() if time_s <= now + TOLERANCE_S]
        for pod in refused:
            del self.arrived[pod]
            if state.pod_exists[pod] and state.pod_phase[pod] == PHASE_PENDING:
                message = f"Pod was rejected: The node had condition: [{self.pressure.condition}]."
                state.emit(Event(now, "Pod", state.pod_key(pod), "Evicted", message))
                state.finish(pod, PHASE_FAILED)
        return bool(refused)

    def due_s(self, online: NDArray[np.bool_]) -> float:
        """When the next status is posted or the next pod turned away; inf if none is."""
        posts_s = (self._post_s(node) for node in np.flatnonzero((self.says != self.told) & online).tolist())
        return min([*posts_s, *self.arrived.values()], default=math.inf)

    def _post_s(self, node: int) -> float:
        return float(tick_s(self.status_s[node], self.parameters.status_period_s, self._said_s[node]))

    def _taint(self, state: ClusterState, node: int, now: float) -> None:
        taint, told = self.pressure.taint, bool(self.told[node])
        if told:
            state.taint(node, taint)
        else:
            state.untaint(node, taint.key, taint.effect)
        name, reason = state.nodes[node].name, self.pressure.reasons[told]
        state.emit(Event(now, "Node", name, reason, f"Node {name} status is now: {reason}"))
