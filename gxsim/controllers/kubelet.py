"""Kubelets: start, readiness, restarts and end of the containers on every node that has a living kubelet.

One object stands for all of them. A plan is the next thing to happen to one pod; it is made anew whenever the pod or
its node changes, so that what is planned is always what the pod's present state calls for.
"""

import heapq
import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gxsim.controllers.attach_detach import Attachments
from gxsim.controllers.durations import Timing, Timings
from gxsim.controllers.image_pulls import ImagePulls
from gxsim.controllers.informer import TOLERANCE_S, Informer, Log, tick_s
from gxsim.controllers.lease import Leases
from gxsim.controllers.probes import Failure, Run, hanging, passing_s, starting, unready_s
from gxsim.model.control_plane import Kubelet as Parameters
from gxsim.state import PENDING, PHASE_FAILED, PHASE_RUNNING, PHASE_SUCCEEDED, READY, ClusterState, Event

Plan = tuple[float, str]  # when, and which method of Kubelet carries it out


@dataclass(slots=True)
class Memory:
    """What a kubelet remembers of one pod."""

    seen_s: float  # when it learned of the pod
    running: bool = False
    ready: bool = False
    gone_s: float = math.inf  # when containers ended whose end it has not seen yet
    killed_s: float = math.inf  # when containers end that it kills
    stalled_s: float = math.inf  # when the pod stopped answering
    answers_s: float = -math.inf  # when it answered again
    exits: int = 0  # in a row, for CrashLoopBackOff
    exited_s: float = -math.inf
    rebooted: bool = False


class Kubelet:
    """All kubelets; *leases* says which of them live and reach the API server."""

    def __init__(
        self,
        parameters: Parameters,
        timings: Timings,
        *,
        leases: Leases,
        informer: Informer,
        attachments: Attachments,
        status_s: NDArray[np.float64],
        reconcile_s: NDArray[np.float64],
        relist_s: NDArray[np.float64],
        probe_share: Callable[[int], float],
    ):
        """*status_s*, *reconcile_s* and *relist_s* (nodes,) are times at which kubelets compare nodes and pods with the
        API's, and look at their containers.

        A time that is nan is unknown: pods are compared half a period after there is something to put right.
        *probe_share* says of each pod which share of its probes' periods passes before they first run.
        """
        self.parameters, self.timings = parameters, timings
        self.leases, self.informer = leases, informer
        self.status_s, self.reconcile_s, self.relist_s = status_s, reconcile_s, relist_s
        self.probe_share = probe_share
        self.attachments = attachments
        self._attachments_seen = 0
        self.images = ImagePulls(parameters)
        self.crash_after_s: dict[int, float] = {}  # pods whose containers end so long after each start
        self._unmounted: set[int] = set()  # pods that wait for a volume to be attached
        self._posts: dict[int, float] = {}  # node the API does not hold for ready: when its kubelet says that it is
        self.online = leases.online.copy()
        self._knows = leases.alive.copy()  # which kubelets live and have heard of their pods: these they keep up alone
        self._pods = Log()
        self._memory: dict[int, Memory] = {}
        self._plans: dict[int, Plan] = {}
        self._heap: list[tuple[float, int]] = []

    # ---- what it does -------------------------------------------------------------------------------------------

    def reconcile(self, state: ClusterState, now: float) -> bool:
        self.informer.follow(state)
        changed = False
        if not np.array_equal(self.online, self.leases.online):
            back = np.flatnonzero(self.leases.online & ~self.online)
            self.online = self.leases.online.copy()
            for node in back:
                changed |= self._return(state, int(node), now)
        self._knows = (self._knows | self.online) & self.leases.alive
        changed |= self._post(state, now)
        for pod in self._pods.news(state.touched):
            changed |= self._look(state, pod, now)
        if self.attachments.revision != self._attachments_seen:
            self._attachments_seen = self.attachments.revision
            for pod in sorted(self._unmounted):
                changed |= self._look(state, pod, now)
        for pod in self.images.woken():
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
            node = state.pod_node[pod]
            if self.online[node] or (self._knows[node] and action in ALONE):
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
            self.images.forget(pod)
            return False
        memory = self._memory.get(pod)
        alone = not self.online[node] and self._knows[node] and memory is not None
        if node == PENDING or not (self.online[node] or alone):
            self._plans.pop(pod, None)
            return False
        if memory is None:
            ready = bool(state.pod_ready[pod])
            if state.pod_running[pod]:
                self.images.keep(state, pod)
            memory = self._memory[pod] = Memory(now, running=bool(state.pod_running[pod]), ready=ready)
        changed = self._notice(state, pod, memory, now)
        plan = self._plan_alone(state, pod, memory, now) if alone else self._plan(state, pod, memory, now)
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
        memory.gone_s = min(memory.gone_s, now)
        memory.rebooted = self._back_s(state, pod) == now
        if not memory.rebooted and self._relists_s(state, pod, memory.gone_s) > now + TOLERANCE_S:
            return False
        reset = memory.gone_s - memory.exited_s > self.parameters.crash_backoff_reset_s
        memory.exits = 0 if memory.rebooted else (1 if reset else memory.exits + 1)
        memory.exited_s = memory.gone_s
        memory.gone_s = memory.killed_s = math.inf
        memory.running = memory.ready = False
        if state.pod_ready[pod] and not memory.rebooted and self.online[state.pod_node[pod]]:
            state.mark_pod_not_ready(pod)
            return True
        return False

    def _plan(self, state: ClusterState, pod: int, memory: Memory, now: float) -> Plan | None:
        """The next thing that will happen to *pod* if nothing else does."""
        timing = self.timings.of(state, pod)
        resumed_s = self._back_s(state, pod) + self.parameters.resync_s
        if state.pod_terminating[pod]:
            stops_s = timing.stops_after_s(float(state.pod_grace_s[pod]))
            return max(float(state.pod_deleted_s[pod]), resumed_s) + stops_s, "stop"
        if not state.pod_running[pod] and memory.running:
            return self._relists_s(state, pod, memory.gone_s), "notice"
        if not memory.running and state.pod_ready[pod]:
            return max(resumed_s, now), "lost"
        if not memory.running and memory.exits and timing.never_restarts:
            return now, "fail"
        if not memory.running:
            return self._start_s(state, pod, memory, timing), "start"
        plans = [*self._ends(state, pod, memory, timing), *self._readiness(state, pod, memory, timing, now)]
        first = min(plans, default=None)
        return None if first is None else (max(first[0], now), first[1])

    def _plan_alone(self, state: ClusterState, pod: int, memory: Memory, now: float) -> Plan | None:
        """The same without an API server: containers are kept running, and nobody is told anything."""
        timing = self.timings.of(state, pod)
        if state.pod_terminating[pod]:
            return None
        if not state.pod_running[pod] and memory.running:
            return self._relists_s(state, pod, memory.gone_s), "notice"
        if memory.running:
            time_s, action = min(plan for plan in self._ends(state, pod, memory, timing) if plan[1] in ALONE)
            return max(time_s, now), action
        if not memory.exits or timing.never_restarts:
            return None
        return max(now, self._start_s(state, pod, memory, timing)), "start"

    def _ends(self, state: ClusterState, pod: int, memory: Memory, timing: Timing) -> list[Plan]:
        """How the running containers of *pod* may end."""
        started_s = float(state.pod_started_s[pod])
        ends = [(started_s + timing.run_s, "complete")]
        if pod in self.crash_after_s:
            ends.append((started_s + self.crash_after_s[pod], "exit"))
        if memory.killed_s < math.inf:
            ends.append((memory.killed_s, "exit"))
        else:
            ends.append((self._failure(state, pod, memory, timing).time_s, "kill"))
        return ends

    def _failure(self, state: ClusterState, pod: int, memory: Memory, timing: Timing) -> Failure:
        """When startup or liveness probes have the containers of *pod* killed."""
        run = self._run(state, pod, timing)
        if state.pod_stalled[pod]:
            return hanging(timing.liveness, run, memory.stalled_s)
        if not state.pod_answering[pod]:
            return starting(timing.startup, timing.liveness, run)
        return Failure()

    def _readiness(self, state: ClusterState, pod: int, memory: Memory, timing: Timing, now: float) -> list[Plan]:
        """When *pod* gets Ready, or ceases to be."""
        run, resumed_s = self._run(state, pod, timing), self._back_s(state, pod) + self.parameters.resync_s
        if memory.ready and not state.pod_ready[pod]:  # the node controller thought otherwise
            return [(resumed_s if resumed_s >= now else self._compares_s(int(state.pod_node[pod]), now), "ready")]
        if state.pod_stalled[pod]:
            failed_s = unready_s(timing.readiness, timing.startup, run, memory.stalled_s)
            return [(failed_s, "unready")] if state.pod_ready[pod] else []
        if state.pod_ready[pod] and memory.ready:
            return []
        run = replace(run, answers_s=max(run.answers_s, memory.answers_s))
        ready_s = passing_s(timing.readiness, timing.startup, run)
        if not timing.readiness:
            ready_s = max(ready_s, run.started_s + timing.unprobed_ready_s)
        if state.pod_ready[pod] and ready_s > now:  # it restarted while nobody could be told
            return [(max(now, resumed_s), "unready")]
        return [(max(ready_s, resumed_s), "ready")]

    def _run(self, state: ClusterState, pod: int, timing: Timing) -> Run:
        started_s = float(state.pod_started_s[pod])
        return Run(
            started_s=started_s,
            seen_s=self._relists_s(state, pod, started_s),
            answers_s=started_s + timing.ready_s,
            share=self.probe_share(pod),
        )

    def _relists_s(self, state: ClusterState, pod: int, time_s: float) -> float:
        """When the kubelet sees what happened to containers of *pod* at *time_s*."""
        if self.parameters.relist_s == 0:
            return time_s
        return float(tick_s(self.relist_s[state.pod_node[pod]], self.parameters.relist_s, time_s))

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
            tries_s = seen_s + self.parameters.resync_s + self.parameters.reboot_s
            return self.images.ready_s(state, pod, tries_s) + timing.start_s
        if memory.exits:
            restarts_s = memory.exited_s + self._backoff_s(memory.exits)
            return self.images.ready_s(state, pod, restarts_s) + self.parameters.restart_s
        pulled_s = self.images.ready_s(state, pod, max(memory.seen_s, self._back_s(state, pod)))
        return max(seen_s, pulled_s) + timing.start_s

    def _backoff_s(self, exits: int) -> float:
        """CrashLoopBackOff: the first restart at once, then doubling pauses."""
        if exits <= 1:
            return 0.0
        parameters = self.parameters
        return min(parameters.crash_backoff_cap_s, parameters.crash_backoff_s * 2.0 ** min(exits - 2, 60))

    def _back_s(self, state: ClusterState, pod: int) -> float:
        """When the pod's node came back; -inf if it was never away."""
        return float(self.leases.since_s[state.pod_node[pod]])

    # ---- what it then does --------------------------------------------------------------------------------------

    def _start(self, state: ClusterState, pod: int, now: float) -> None:
        memory = self._memory[pod]
        if memory.rebooted or memory.exits:
            state.restart(pod)
        state.start(pod, now, answering=self.timings.of(state, pod).ready_s == 0)
        memory.running, memory.rebooted = True, False
        self.images.keep(state, pod)
        state.emit(Event(now, "Pod", state.pod_key(pod), "Started", "Started containers"))
        self._look(state, pod, now)

    def _notice_end(self, state: ClusterState, pod: int, now: float) -> None:
        self._look(state, pod, now)

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
        """A startup or liveness probe has failed: the containers get their grace period, and end."""
        memory, timing = self._memory[pod], self.timings.of(state, pod)
        grace_s = self._failure(state, pod, memory, timing).grace_s
        if grace_s is None:
            grace_s = state.templates[state.pod_template[pod]].termination_grace_period_s
        hangs = bool(state.pod_stalled[pod])
        memory.killed_s = now + (timing.hangs_for_s(grace_s) if hangs else timing.stops_after_s(grace_s))
        which = "liveness" if hangs or not timing.startup else "startup"
        message = f"Container failed {which} probe, will be restarted"
        state.emit(Event(now, "Pod", state.pod_key(pod), "Killing", message))
        self._look(state, pod, now)

    def _exit(self, state: ClusterState, pod: int, now: float) -> None:
        state.crash(pod)
        while state.pod_stalled[pod]:  # a restart cures what hangs
            state.unstall(pod)

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


ALONE = frozenset({"start", "notice", "exit", "kill"})  # what a kubelet does without an API server
ACTIONS = {
    "start": Kubelet._start,
    "ready": Kubelet._ready,
    "lost": Kubelet._lost,
    "unready": Kubelet._unready,
    "kill": Kubelet._kill,
    "exit": Kubelet._exit,
    "notice": Kubelet._notice_end,
    "complete": Kubelet._complete,
    "fail": Kubelet._fail,
    "stop": Kubelet._stop,
}
