"""The eviction API, and kubectl drain on top of it (pkg/registry/core/pod/storage/eviction.go, pkg/drain)."""

import math
from dataclasses import dataclass, field

from gxsim.controllers.deletion import delete_pod
from gxsim.controllers.disruption import Budgets, covering
from gxsim.controllers.informer import TOLERANCE_S, Informer
from gxsim.model.cluster import PodDisruptionBudget
from gxsim.model.control_plane import ControlPlane
from gxsim.state import NO_OWNER, PHASE_PENDING, PHASE_RUNNING, ClusterState, Event

TOO_MANY_REQUESTS, INTERNAL_SERVER_ERROR = 429, 500
AMBIGUOUS = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an eviction is refused; only what is refused with 429 is worth another try."""

    code: int
    message: str


@dataclass(slots=True)
class Drain:
    """One kubectl drain: pods still to evict and when to try next, pods evicted but not gone, and errors."""

    node: int
    gives_up_s: float
    next_try_s: dict[int, float]
    evicted: dict[int, None] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)  # pod: the error that ended its eviction


class Eviction:
    """Evictions that respect budgets, and the drains that ask for them."""

    def __init__(self, control_plane: ControlPlane, informer: Informer, budgets: Budgets):
        self.control_plane, self.informer, self.budgets = control_plane, informer, budgets
        self.drains: dict[int, Drain] = {}

    # ---- kubectl drain ------------------------------------------------------------------------------------------

    def drain(self, state: ClusterState, node: int, now: float) -> None:
        """Begin to evict all pods of *node* but those of DaemonSets (--ignore-daemonsets --force)."""
        self.informer.follow(state)
        pods = [pod for pod in self.informer.pods_on(node) if not _is_daemon(state, pod)]
        timeout_s = self.control_plane.drain_timeout_s
        self.drains[node] = Drain(node, now + timeout_s if timeout_s else math.inf, dict.fromkeys(pods, now))

    def stop_drain(self, node: int) -> None:
        """End a drain that may still be waiting."""
        self.drains.pop(node, None)

    def reconcile(self, state: ClusterState, now: float) -> bool:
        changed = False
        for drain in list(self.drains.values()):
            if drain.gives_up_s <= now + TOLERANCE_S:
                self._give_up(state, drain, now)
                continue
            for pod, try_s in list(drain.next_try_s.items()):
                if try_s <= now + TOLERANCE_S:
                    changed |= self._try(state, drain, pod, now)
            drain.evicted = {pod: None for pod in drain.evicted if state.pod_exists[pod]}
            if not drain.next_try_s and not drain.evicted:
                self._finish(state, drain, now)
        return changed

    def due(self, state: ClusterState, now: float) -> float:
        times = (s for drain in self.drains.values() for s in (drain.gives_up_s, *drain.next_try_s.values()))
        return min(times, default=math.inf)

    def _finish(self, state: ClusterState, drain: Drain, now: float) -> None:
        """All pods are gone, or their evictions ended in an error."""
        del self.drains[drain.node]
        name = state.nodes[drain.node].name
        if drain.failed:
            said = "; ".join(f"error when evicting pods/{pod}: {message}" for pod, message in drain.failed.items())
            state.emit(Event(now, "Node", name, "DrainFailed", f"unable to drain node {name}: {said}"))
        else:
            state.emit(Event(now, "Node", name, "NodeDrained", f"node/{name} drained"))

    def _give_up(self, state: ClusterState, drain: Drain, now: float) -> None:
        """The node stays cordoned; what was evicted stays evicted."""
        del self.drains[drain.node]
        name = state.nodes[drain.node].name
        left = [state.pod_key(pod) for pod in (*drain.next_try_s, *drain.evicted)]
        message = f"unable to drain node {name}: global timeout reached with {', '.join(left)} left"
        state.emit(Event(now, "Node", name, "DrainFailed", message))

    def _try(self, state: ClusterState, drain: Drain, pod: int, now: float) -> bool:
        if not state.pod_exists[pod]:
            del drain.next_try_s[pod]
            return False
        refusal = self.evict(state, pod, now)
        if refusal is not None:
            state.emit(Event(now, "Pod", state.pod_key(pod), "EvictionRefused", refusal.message))
            drain.next_try_s[pod] = now + self.control_plane.drain_retry_s
            if refusal.code != TOO_MANY_REQUESTS:
                del drain.next_try_s[pod]
                drain.failed[state.pod_key(pod)] = refusal.message
            return False
        del drain.next_try_s[pod]
        drain.evicted[pod] = None
        return True

    # ---- the eviction API ---------------------------------------------------------------------------------------

    def evict(self, state: ClusterState, pod: int, now: float) -> Refusal | None:
        """Delete *pod* if its budget allows it; else say why not."""
        budgets = covering(state, pod)
        if budgets and not _is_unguarded(state, pod):
            if len(budgets) > 1:
                said = (
                    "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
                )
                return Refusal(INTERNAL_SERVER_ERROR, said)
            refusal = self._ask(state, pod, budgets[0])
            if refusal is not None:
                return refusal
        message = f"Eviction API: evicting pod {state.pod_key(pod)}"
        state.emit(Event(now, "Pod", state.pod_key(pod), "EvictionByEvictionAPI", message))
        delete_pod(state, pod, now)
        return None

    def _ask(self, state: ClusterState, pod: int, budget: PodDisruptionBudget) -> Refusal | None:
        """What the pod's budget says; a pod that is not ready may pass without being counted."""
        status = self.budgets.status(state, budget)
        always = budget.unhealthy_pod_eviction_policy == "AlwaysAllow"
        if not state.pod_ready[pod] and (always or status.current_healthy >= status.desired_healthy > 0):
            return None
        if status.disruptions_allowed < 1:
            return Refusal(
                TOO_MANY_REQUESTS,
                "Cannot evict pod as it would violate the pod's disruption budget. "
                f"The disruption budget {budget.name} needs {status.desired_healthy} healthy pods "
                f"and has {status.current_healthy} currently",
            )
        self.budgets.take(budget)
        return None


def _is_unguarded(state: ClusterState, pod: int) -> bool:
    """Whether budgets do not count for the pod: it has not started, is over, or is deleted already (canIgnorePDB)."""
    phase = state.pod_phase[pod]
    return bool(phase == PHASE_PENDING or phase > PHASE_RUNNING or state.pod_terminating[pod])


def _is_daemon(state: ClusterState, pod: int) -> bool:
    owner = int(state.pod_owner[pod])
    return owner != NO_OWNER and state.owners[owner].kind == "DaemonSet"
