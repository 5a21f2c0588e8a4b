"""Pod GC: pods of nodes that are gone or declared out of service (pkg/controller/podgc)."""

import math

import numpy as np

from gxsim.controllers.informer import TOLERANCE_S, Informer
from gxsim.model.control_plane import ControlPlane
from gxsim.state import PHASE_FAILED, PHASE_RUNNING, READY, ClusterState, Event

OUT_OF_SERVICE_KEY = "node.kubernetes.io/out-of-service"


class PodGC:
    """Looks every ``pod_gc_period_s``, first at *first_pass_s*."""

    def __init__(
        self, state: ClusterState, control_plane: ControlPlane, *, informer: Informer, now: float, first_pass_s: float
    ):
        self.control_plane, self.informer = control_plane, informer
        self.first_pass_s = first_pass_s
        self.next_pass_s = max(now, first_pass_s)
        self._missing_s: dict[int, float] = {}  # node: the pass that noticed its absence
        self._revision = -1
        self._off: list[int] = []  # nodes declared out of service
        self._gone: list[int] = []  # nodes without a Node object

    def reconcile(self, state: ClusterState, now: float) -> bool:
        if now < self.next_pass_s - TOLERANCE_S or self._tick(now) > now + TOLERANCE_S or not self._has_work(state):
            return False
        self.informer.follow(state)
        self.next_pass_s = self._tick(now + self.control_plane.pod_gc_period_s / 2)
        changed = self._collect_finished(state)
        changed |= self._collect_orphans(state, now)
        return self._collect_out_of_service(state, now) or changed

    def due(self, state: ClusterState, now: float) -> float:
        if not self._has_work(state):
            return math.inf
        return max(self.next_pass_s, self._tick(now + TOLERANCE_S))

    def _has_work(self, state: ClusterState) -> bool:
        """Whether a pass could find something now or later."""
        if state.node_revision != self._revision:
            self._revision = state.node_revision
            self._off = [node for node in range(len(state.nodes)) if is_out_of_service(state, node)]
            self._gone = np.flatnonzero(~state.node_exists).tolist()
        if self._surplus(state) > 0:
            return True
        if not self._off and not self._gone:
            self._missing_s.clear()
            return False
        self.informer.follow(state)
        return any(self.informer.on_node[n] for n in self._gone) or any(self._stuck(state, n) for n in self._off)

    def _stuck(self, state: ClusterState, node: int) -> list[int]:
        """Terminating pods of an out-of-service node, unless it is ready after all."""
        if state.node_ready[node] == READY:
            return []
        return [pod for pod in self.informer.pods_on(node) if state.pod_terminating[pod]]

    def _surplus(self, state: ClusterState) -> int:
        """How many finished pods there are beyond the threshold."""
        threshold = self.control_plane.terminated_pod_gc_threshold
        if not 0 < threshold < len(state.pod_names):
            return 0
        return int(np.count_nonzero(state.pod_exists & (state.pod_phase > PHASE_RUNNING))) - threshold

    def _collect_finished(self, state: ClusterState) -> bool:
        """Delete the oldest finished pods beyond the threshold."""
        surplus = self._surplus(state)
        if surplus > 0:
            for pod in np.flatnonzero(state.pod_exists & (state.pod_phase > PHASE_RUNNING))[:surplus].tolist():
                state.delete(pod)
        return surplus > 0

    def _tick(self, time_s: float) -> float:
        period_s = self.control_plane.pod_gc_period_s
        return self.first_pass_s + math.ceil((time_s - TOLERANCE_S - self.first_pass_s) / period_s) * period_s

    def _collect_orphans(self, state: ClusterState, now: float) -> bool:
        changed = False
        for node in range(len(state.nodes)):
            if state.node_exists[node]:
                self._missing_s.pop(node, None)
                continue
            noticed_s = self._missing_s.setdefault(node, now)
            if now + TOLERANCE_S < noticed_s + self.control_plane.pod_gc_quarantine_s:
                continue
            for pod in self.informer.pods_on(node):
                self._force_delete(state, pod, now, "PodGC: node no longer exists")
                changed = True
        return changed

    def _collect_out_of_service(self, state: ClusterState, now: float) -> bool:
        stuck = [pod for node in self._off for pod in self._stuck(state, node)]
        for pod in stuck:
            self._force_delete(state, pod, now, "PodGC: node is out of service")
        return bool(stuck)

    def _force_delete(self, state: ClusterState, pod: int, now: float, message: str) -> None:
        state.emit(Event(now, "Pod", state.pod_key(pod), "DeletionByPodGC", message))
        if not state.pod_terminating[pod]:
            state.terminate(pod, now, 0.0)
        if state.pod_phase[pod] < PHASE_FAILED - 1:
            state.finish(pod, PHASE_FAILED)
        state.delete(pod)


def is_out_of_service(state: ClusterState, node: int) -> bool:
    """Whether somebody vouches with a taint that the node is off."""
    return any(taint.key == OUT_OF_SERVICE_KEY for taint in state.taints[node])
