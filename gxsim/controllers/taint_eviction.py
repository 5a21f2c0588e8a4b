"""Taint eviction: pods leave a node whose NoExecute taints they do not tolerate (pkg/controller/tainteviction)."""

import heapq
import math
from collections.abc import Sequence

from gxsim.controllers.deletion import delete_pod
from gxsim.controllers.informer import TOLERANCE_S, Informer, Log
from gxsim.model.node import Taint
from gxsim.model.pod import Toleration
from gxsim.state import PENDING, ClusterState, Event


class TaintEviction:
    """Timers count from the moment this controller sees the taint, by its own clock."""

    def __init__(self, state: ClusterState, informer: Informer):
        self.informer = informer
        self.taints: list[tuple[Taint, ...]] = [()] * len(state.nodes)  # NoExecute only, as last seen
        self.revision = -1
        self._pods = Log()
        self._created_s: dict[int, float] = {}  # pod: when its timer was made
        self._fires_s: dict[int, float] = {}
        self._heap: list[tuple[float, int]] = []

    def reconcile(self, state: ClusterState, now: float) -> bool:
        self.informer.follow(state)
        if state.node_revision != self.revision:
            self.revision = state.node_revision
            for node, taints in enumerate(state.taints):
                self._see_node(state, node, taints, now)
        for pod in self._pods.news(state.touched):
            self._see_pod(state, pod, now)
        return self._fire(state, now)

    def due(self, state: ClusterState, now: float) -> float:
        while self._heap and self._fires_s.get(self._heap[0][1]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else math.inf

    def _see_node(self, state: ClusterState, node: int, taints: tuple[Taint, ...], now: float) -> None:
        if not state.node_exists[node]:
            self.taints[node] = ()  # timers of its pods go on
            return
        execute = tuple(taint for taint in taints if taint.effect == "NoExecute")
        if execute == self.taints[node]:
            return
        self.taints[node] = execute
        for pod in self.informer.pods_on(node):
            self._see_pod(state, pod, now)

    def _see_pod(self, state: ClusterState, pod: int, now: float) -> None:
        node = int(state.pod_node[pod])
        if not state.pod_exists[pod]:
            self._cancel(pod)
            return
        if node == PENDING or not state.node_exists[node]:
            return
        if not self.taints[node]:
            if self._cancel(pod):
                message = f"Cancelling deletion of Pod {state.pod_key(pod)}"
                state.emit(Event(now, "Pod", state.pod_key(pod), "TaintManagerEviction", message))
            return
        wait_s = toleration_s(state.templates[state.pod_template[pod]].tolerations, self.taints[node])
        created_s = self._created_s.get(pod, now)
        self._cancel(pod)
        if not math.isinf(wait_s):
            self._created_s[pod] = created_s if wait_s > 0 else now
            self._fires_s[pod] = self._created_s[pod] + wait_s
            heapq.heappush(self._heap, (self._fires_s[pod], pod))

    def _cancel(self, pod: int) -> bool:
        self._created_s.pop(pod, None)
        return self._fires_s.pop(pod, None) is not None

    def _fire(self, state: ClusterState, now: float) -> bool:
        changed = False
        while self.due(state, now) <= now + TOLERANCE_S:
            pod = heapq.heappop(self._heap)[1]
            self._cancel(pod)
            key = state.pod_key(pod)
            state.emit(Event(now, "Pod", key, "TaintManagerEviction", f"Marking for deletion Pod {key}"))
            delete_pod(state, pod, now)
            changed = True
        return changed


def toleration_s(tolerations: Sequence[Toleration], taints: Sequence[Taint]) -> float:
    """How long a pod stays under NoExecute *taints*: 0 where one is not tolerated, inf where nothing ends it."""
    shortest = math.inf
    for taint in taints:
        matching = [t for t in tolerations if tolerates(t, taint)]
        if not matching:
            return 0.0
        limits = [t.toleration_s for t in matching if t.toleration_s is not None]
        shortest = min([shortest, *(max(0.0, limit) for limit in limits)])
    return shortest


def tolerates(toleration: Toleration, taint: Taint) -> bool:
    """Whether *toleration* matches *taint* (ToleratesTaint)."""
    if toleration.effect and toleration.effect != taint.effect:
        return False
    if toleration.key and toleration.key != taint.key:
        return False
    return toleration.operator == "Exists" or (toleration.operator == "Equal" and toleration.value == taint.value)
