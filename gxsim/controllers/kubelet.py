"""Kubelets: start, readiness, restarts and end of the containers on every node that has a living kubelet.

One object stands for all of them. A plan is the next thing to happen to one pod; it is made anew whenever the pod or
its node changes, so that what is planned is always what the pod's present state calls for.
"""

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gxsim.controllers.attach_detach import Attachments
from gxsim.controllers.informer import TOLERANCE_S, Informer, Log, tick_s
from gxsim.controllers.lease import Leases
from gxsim.controllers.probes import failing_s, passing_s
from gxsim.model.control_plane import Kubelet as Parameters
from gxsim.model.control_plane import PodTiming
from gxsim.model.pod import PodTemplate, Probe
from gxsim.state import PENDING, PHASE_FAILED, PHASE_RUNNING, PHASE_SUCCEEDED, READY, ClusterState, Event

Plan = tuple[float, str]  # when, and which method of Kubelet carries it out


@dataclass(slots=True)
class Timing:
    """Durations of the pods of one template, and its probes."""

    start_s: float
    ready_s: float
    never_restarts: bool
    run_s: float  # inf for containers that are always restarted
    stop_s: float
    startup: tuple[Probe, ...]
    readiness: tuple[Probe, ...]
    liveness: tuple[Probe, ...]


@dataclass(slots=True)
class Memory:
    """What a kubelet remembers of one pod."""

    seen_s: float  # when it learned of the pod
    running: bool = False
    ready: bool = False
    stalled_s: float = math.inf  # when the pod stopped answering
    answers_s: float = -math.inf  # when it answered again
    exits: int = 0  # in a row, for CrashLoopBackOff
    exited_s: float = -math.inf
    rebooted: bool = False


class Kubelet:
    """All kubelets; *leases* says which of them live and reach the API server."""

    def __init__(
        self,
        state: ClusterState,
        parameters: Parameters,
        pod_timings: Sequence[PodTiming],
        *,
        leases: Leases,
        informer: Informer,
        attachments: Attachments,
        status_s: NDArray[np.float64],
        reconcile_s: NDArray[np.float64],
    ):
        """*status_s* and *reconcile_s* (nodes,) are times at which kubelets compare nodes and pods with the API's.

        A time that is nan is unknown: pods are compared half a period after there is something to put right.
        """
        self.parameters, self.pod_timings = parameters, tuple(pod_timings)
        self.leases, self.informer = leases, informer
        self.status_s, self.reconcile_s = status_s, reconcile_s
        self.attachments = attachments
        self._attachments_seen = 0
        self.crash_after_s: dict[int, float] = {}  # pods whose containers end so long after each start
        self._unmounted: set[int] = set()  # pods that wait for a volume to be attached
        self._posts: dict[int, float] = {}  # node the API does not hold for ready: when its kubelet says that it is
        self.online = leases.online.copy()
        self._pods = Log()
        self._memory: dict[int, Memory] = {}
        self._timings: dict[int, Timing] = {}
        self._plans: dict[int, Plan] = {}
        self._heap: list[tuple[float, int]] = []
        self._pulled: set[tuple[int, str]] = set()  # (node, image) that is there
        self._unpulled: set[int] = set()  # pods that wait for a registry
        self.registry_back_s = -math.inf  # since when images can be pulled; inf while they cannot
        self._registry_seen_s = -math.inf

    # ---- what it does -------------------------------------------------------------------------------------------

    def reconcile(self, state: ClusterState, now: float) -> bool:
        self.informer.follow(state)
        changed = False
        if not np.array_equal(self.online, self.leases.online):
            back = np.flatnonzero(self.leases.online & ~self.online)
            self.online = self.leases.online.copy()
            for node in back:
                changed |= self._return(state, int(node), now)
        changed |= self._post(state, now)
        for pod in self._pods.news(state.touched):
            changed |= self._look(state, pod, now)
        if self.attachments.revision != self._attachments_seen:
            self._attachments_seen = self.attachments.revision
            for pod in sorted(self._unmounted):
                changed |= self._look(state, pod, now)
        if self.registry_back_s != self._registry_seen_s:
            self._registry_seen_s = self.registry_back_s
            for pod in sorted(self._unpulled):
                changed |= self._look(state, pod, now)
        return self._act(state, now) or changed

    def due(self, state: ClusterState, now: float) -> float:
        return min(self._next_s(), min(self._posts.values(), default=math.inf))

    def _next_s(self) -> float:
        while self._heap and not self._is_current(*self._heap[0]):
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else math.inf

    def _post(self, state: ClusterState, now: float) -> bool:
        """Node status: at once after a return, else at the next comparison."""
        wrong = np.flatnonzero(self.online & (state.node_ready != READY) & state.node_exists).tolist()
        self._posts = {node: self._posts.get(node, self._post_s(node, now)) for node in wrong}
        ready = [node for node, time_s in self._posts.items() if time_s <= now + TOLERANCE_S]
        for node in ready:
            state.mark_ready(node, READY)
            del self._posts[node]
        return bool(ready)

    def _post_s(self, node: int, now: float) -> float:
        if self.leases.since_s[node] == now:
            return now
        return float(tick_s(self.status_s[node], self.parameters.status_period_s, now))

    def _is_current(self, time_s: float, pod: int) -> bool:
        plan = self._plans.get(pod)
        return plan is not None and plan[0] == time_s

    def _act(self, state: ClusterState, now: float) -> bool:
        changed = False
        while self._next_s() <= now + TOLERANCE_S:
            pod = heapq.heappop(self._heap)[1]
            _, action = self._plans.pop(pod)
            if self.online[state.pod_node[pod]]:
                ACTIONS[action](self, state, pod, now)
                changed = True
        return changed

    # ---- what it sees -------------------------------------------------------------------------------------------

    def _return(self, state: ClusterState, node: int, now: float) -> bool:
        """A kubelet that is back looks at all its pods."""
        changed = False
        for pod in self.informer.pods_on(node):
            changed |= self._look(state, pod, now)
        return changed

    def _look(self, state: ClusterState, pod: int, now: float) -> bool:
        """Notice what happened to the containers of *pod*, and plan what comes next."""
        node = int(state.pod_node[pod])
        if not state.pod_exists[pod] or state.pod_phase[pod] > PHASE_RUNNING:
            self._memory.pop(pod, None)
            self._plans.pop(pod, None)
            self._unmounted.discard(pod)
            self._unpulled.discard(pod)
            return False
        if node == PENDING or not self.online[node]:
            self._plans.pop(pod, None)
            return False
        memory = self._memory.get(pod)
        if memory is None:
            ready = bool(state.pod_ready[pod])
            if state.pod_running[pod]:
                self._keep_images(state, pod)
            memory = self._memory[pod] = Memory(now, running=bool(state.pod_running[pod]), ready=ready)
        changed = self._notice(state, pod, memory, now)
        plan = self._plan(state, pod, memory, now)
        if plan is None or math.isinf(plan[0]):
            self._plans.pop(pod, None)
        elif self._plans.get(pod) != plan:
            self._plans[pod] = plan
            heapq.heappush(self._heap, (plan[0], pod))
        return changed

    def _notice(self, state: ClusterState, pod: int, memory: Memory, now: float) -> bool:
        """Compare the containers with the memory of them."""
        if state.pod_stalled[pod] and math.isinf(memory.stalled_s):
            memory.stalled_s = now
        elif not state.pod_stalled[pod] and not math.isinf(memory.stalled_s):
            memory.stalled_s, memory.answers_s = math.inf, now
        if state.pod_running[pod] or not memory.running:
            memory.running = bool(state.pod_running[pod])
            return False
        memory.running = memory.ready = False
        memory.rebooted = self._back_s(state, pod) == now
        reset = now - memory.exited_s > self.parameters.crash_backoff_reset_s
        memory.exits = 0 if memory.rebooted else (1 if reset else memory.exits + 1)
        memory.exited_s = now
        if state.pod_ready[pod] and not memory.rebooted:
            state.mark_pod_not_ready(pod)
            return True
        return False

    def _plan(self, state: ClusterState, pod: int, memory: Memory, now: float) -> Plan | None:
        """The next thing that will happen to *pod* if nothing else does."""
        timing = self._timing(state, pod)
        resumed_s = self._back_s(state, pod) + self.parameters.resync_s
        if state.pod_terminating[pod]:
            stop_s = min(timing.stop_s, float(state.pod_grace_s[pod]))
            return max(float(state.pod_deleted_s[pod]), resumed_s) + stop_s, "stop"
        if not memory.running and state.pod_ready[pod]:
            return max(resumed_s, now), "lost"
        if not memory.running and memory.exits and timing.never_restarts:
            return now, "fail"
        if not memory.running:
            return self._start_s(state, pod, memory, timing), "start"
        if pod in self.crash_after_s:
            return max(now, float(state.pod_started_s[pod]) + self.crash_after_s[pod]), "exit"
        if memory.ready and not state.pod_ready[pod]:  # the node controller thought otherwise
            return (resumed_s if resumed_s >= now else self._compares_s(int(state.pod_node[pod]), now)), "ready"
        if not state.pod_ready[pod] and not state.pod_stalled[pod]:
            answers_s = max(float(state.pod_started_s[pod]) + timing.ready_s, memory.answers_s)
            ready_s = passing_s(timing.readiness, timing.startup, float(state.pod_started_s[pod]), answers_s)
            return max(ready_s, resumed_s, now), "ready"
        if state.pod_stalled[pod]:
            return self._stalled_plan(state, pod, memory, timing)
        ends_s = float(state.pod_started_s[pod]) + timing.run_s
        return None if math.isinf(ends_s) else (max(now, ends_s), "complete")

    def _compares_s(self, node: int, now: float) -> float:
        """When the kubelet of *node* next compares its pods with the API's; on average where its phase is unknown."""
        phase_s, period_s = float(self.reconcile_s[node]), self.parameters.status_period_s
        return now + period_s / 2 if math.isnan(phase_s) else float(tick_s(phase_s, period_s, now))

    def _start_s(self, state: ClusterState, pod: int, memory: Memory, timing: Timing) -> float:
        """When containers that do not run will: after the start delay, or after the crash back-off."""
        node, template = int(state.pod_node[pod]), state.templates[state.pod_template[pod]]
        mounted_s = self.attachments.mountable_s(state, template, node)
        if math.isinf(mounted_s) and mounted_s > 0:
            self._unmounted.add(pod)
            return math.inf
        self._unmounted.discard(pod)
        seen_s = max(memory.seen_s, self._back_s(state, pod), mounted_s)
        if memory.rebooted:
            return seen_s + self.parameters.resync_s + self.parameters.reboot_s + timing.start_s
        if memory.exits:
            return memory.exited_s + self._backoff_s(memory.exits) + self.parameters.restart_s
        if all((node, image) in self._pulled for image in _images(template)):
            return seen_s + timing.start_s
        pull_s = self._pull_s(state, pod, max(memory.seen_s, self._back_s(state, pod)))
        return max(seen_s, pull_s) + self.parameters.image_pull_s + timing.start_s

    def _pull_s(self, state: ClusterState, pod: int, tries_s: float) -> float:
        """The first try at or after *tries_s* that finds the registry; pauses double up to their cap."""
        if math.isinf(self.registry_back_s) and self.registry_back_s > 0:
            if pod not in self._unpulled:
                self._unpulled.add(pod)
                message = "Back-off pulling image"
                state.emit(Event(tries_s, "Pod", state.pod_key(pod), "ImagePullBackOff", message))
            return math.inf
        if pod not in self._unpulled:
            return tries_s
        pause_s = self.parameters.pull_backoff_s
        while tries_s < self.registry_back_s:
            tries_s += pause_s
            pause_s = min(2 * pause_s, self.parameters.pull_backoff_cap_s)
        return tries_s

    def _backoff_s(self, exits: int) -> float:
        """CrashLoopBackOff: the first restart at once, then doubling pauses."""
        if exits <= 1:
            return 0.0
        parameters = self.parameters
        return min(parameters.crash_backoff_cap_s, parameters.crash_backoff_s * 2.0 ** min(exits - 2, 60))

    def _stalled_plan(self, state: ClusterState, pod: int, memory: Memory, timing: Timing) -> Plan | None:
        """An application that does not answer: out of service by readiness, restarted by liveness."""
        started_s = float(state.pod_started_s[pod])
        unready_s = failing_s(timing.readiness, started_s, memory.stalled_s) if state.pod_ready[pod] else math.inf
        killed_s = failing_s(timing.liveness, started_s, memory.stalled_s)
        return (unready_s, "unready") if unready_s <= killed_s else (killed_s, "kill")

    def _back_s(self, state: ClusterState, pod: int) -> float:
        """When the pod's node came back; -inf if it was never away."""
        return float(self.leases.since_s[state.pod_node[pod]])

    def _timing(self, state: ClusterState, pod: int) -> Timing:
        index = int(state.pod_template[pod])
        if index not in self._timings:
            self._timings[index] = _timing(state.templates[index], self.parameters, self.pod_timings)
        return self._timings[index]

    # ---- what it then does --------------------------------------------------------------------------------------

    def _start(self, state: ClusterState, pod: int, now: float) -> None:
        memory = self._memory[pod]
        if memory.rebooted or memory.exits:
            state.restart(pod)
        state.start(pod, now)
        memory.running, memory.rebooted = True, False
        self._keep_images(state, pod)
        self._unpulled.discard(pod)
        state.emit(Event(now, "Pod", state.pod_key(pod), "Started", "Started containers"))
        self._look(state, pod, now)

    def _keep_images(self, state: ClusterState, pod: int) -> None:
        """What runs on a node has been pulled there, and stays."""
        images = _images(state.templates[state.pod_template[pod]])
        self._pulled.update((int(state.pod_node[pod]), image) for image in images)

    def _ready(self, state: ClusterState, pod: int, now: float) -> None:
        self._memory[pod].ready = True
        state.mark_pod_ready(pod, now)

    def _lost(self, state: ClusterState, pod: int, now: float) -> None:
        """Report that the containers are gone since a reboot."""
        state.mark_pod_not_ready(pod)

    def _unready(self, state: ClusterState, pod: int, now: float) -> None:
        self._memory[pod].ready = False
        state.mark_pod_not_ready(pod)
        state.emit(Event(now, "Pod", state.pod_key(pod), "Unhealthy", "Readiness probe failed"))

    def _kill(self, state: ClusterState, pod: int, now: float) -> None:
        message = "Container failed liveness probe, will be restarted"
        state.emit(Event(now, "Pod", state.pod_key(pod), "Killing", message))
        state.crash(pod)
        while state.pod_stalled[pod]:  # a restart cures what hangs
            state.unstall(pod)

    def _exit(self, state: ClusterState, pod: int, now: float) -> None:
        state.crash(pod)

    def _complete(self, state: ClusterState, pod: int, now: float) -> None:
        """The containers have ended well and are not restarted."""
        state.finish(pod, PHASE_SUCCEEDED)

    def _fail(self, state: ClusterState, pod: int, now: float) -> None:
        """The containers have ended badly and are not restarted."""
        state.finish(pod, PHASE_FAILED)

    def _stop(self, state: ClusterState, pod: int, now: float) -> None:
        state.emit(Event(now, "Pod", state.pod_key(pod), "Killing", "Stopping containers"))
        state.finish(pod, PHASE_SUCCEEDED)
        state.delete(pod)


ACTIONS = {
    "start": Kubelet._start,
    "ready": Kubelet._ready,
    "lost": Kubelet._lost,
    "unready": Kubelet._unready,
    "kill": Kubelet._kill,
    "exit": Kubelet._exit,
    "complete": Kubelet._complete,
    "fail": Kubelet._fail,
    "stop": Kubelet._stop,
}


def _images(template: PodTemplate) -> list[str]:
    return [container.image for container in (*template.init_containers, *template.containers)]


def _timing(template: PodTemplate, parameters: Parameters, pod_timings: Sequence[PodTiming]) -> Timing:
    """What the first matching PodTiming says, and the kubelet's own durations where it is silent."""
    given = next(
        (t for t in pod_timings if t.selects(template.namespace, template.labels, template.annotations)), PodTiming()
    )

    def probes(name: str) -> tuple[Probe, ...]:
        return tuple(probe for c in template.containers if (probe := getattr(c, name)) is not None)

    run_s = parameters.run_s if given.run_s is None else given.run_s
    return Timing(
        start_s=parameters.start_s if given.start_s is None else given.start_s,
        ready_s=parameters.ready_s if given.ready_s is None else given.ready_s,
        never_restarts=template.restart_policy == "Never",
        run_s=math.inf if template.restart_policy == "Always" else run_s,
        stop_s=parameters.stop_s if given.stop_s is None else given.stop_s,
        startup=probes("startup_probe"),
        readiness=probes("readiness_probe"),
        liveness=probes("liveness_probe"),
    )
