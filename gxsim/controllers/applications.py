"""Programs in containers: a start is not an answer yet. What is true of them needs neither kubelet nor API server."""

import heapq
import math

from gxsim.controllers.durations import Timings
from gxsim.controllers.informer import TOLERANCE_S, Log
from gxsim.state import ClusterState


class Applications:
    """Lets the applications of all pods answer as long after each start as their Timing says."""

    def __init__(self, timings: Timings):
        self.timings = timings
        self._pods = Log()
        self._answers: list[tuple[float, int, float]] = []  # when, which pod, of which start

    def reconcile(self, state: ClusterState, now: float) -> bool:
        for pod in self._pods.news(state.touched):
            started_s, ready_s = float(state.pod_started_s[pod]), self.timings.of(state, pod).ready_s
            if state.pod_running[pod] and not state.pod_answering[pod] and not math.isinf(ready_s):
                heapq.heappush(self._answers, (started_s + ready_s, pod, started_s))
        changed = False
        while self._answers and self._answers[0][0] <= now + TOLERANCE_S:
            _, pod, started_s = heapq.heappop(self._answers)
            if state.pod_running[pod] and not state.pod_answering[pod] and state.pod_started_s[pod] == started_s:
                state.answer(pod)
                changed = True
        return changed

    def due(self, state: ClusterState, now: float) -> float:
        return self._answers[0][0] if self._answers else math.inf
