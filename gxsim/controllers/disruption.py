"""Disruption budgets, the eviction API, and kubectl drain on top of it (pkg/controller/disruption, pkg/drain)."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from gxsim.controllers.deletion import delete_pod
from gxsim.controllers.deployment import resolve
from gxsim.controllers.informer import TOLERANCE_S, Informer
from gxsim.model.cluster import PodDisruptionBudget
from gxsim.model.control_plane import ControlPlane
from gxsim.state import NO_OWNER, PHASE_PENDING, PHASE_RUNNING, ClusterState, Event


@dataclass(frozen=True, slots=True)
class Budget:
    """Status of a PodDisruptionBudget."""

    current_healthy: int
    desired_healthy: int
    expected_pods: int

    @property
    def disruptions_allowed(self) -> int:
        return max(0, self.current_healthy - self.desired_healthy) if self.expected_pods > 0 else 0


@dataclass(slots=True)
class Drain:
    """One kubectl drain: pods still to evict and when to try next, and pods evicted but not gone."""

    node: int
    gives_up_s: float
    next_try_s: dict[int, float]
    evicted: dict[int, None] = field(default_factory=dict)


class Disruption:
    """Evictions that respect budgets, and the drains that ask for them."""

    def __init__(self, control_plane: ControlPlane, informer: Informer):
        self.control_plane, self.informer = control_plane, informer
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
                del self.drains[drain.node]
                name = state.nodes[drain.node].name
                state.emit(Event(now, "Node", name, "NodeDrained", f"node/{name} drained"))
        return changed

    def due(self, state: ClusterState, now: float) -> float:
        times = (s for drain in self.drains.values() for s in (drain.gives_up_s, *drain.next_try_s.values()))
        return min(times, default=math.inf)

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
        if refusal:
            drain.next_try_s[pod] = now + self.control_plane.drain_retry_s
            state.emit(Event(now, "Pod", state.pod_key(pod), "EvictionRefused", refusal))
            return False
        del drain.next_try_s[pod]
        drain.evicted[pod] = None
        return True

    # ---- the eviction API ---------------------------------------------------------------------------------------

    def evict(self, state: ClusterState, pod: int, now: float) -> str:
        """Delete *pod* if its budget allows it; else say why not."""
        refusal = self._refusal(state, pod)
        if not refusal:
            message = f"Eviction API: evicting pod {state.pod_key(pod)}"
            state.emit(Event(now, "Pod", state.pod_key(pod), "EvictionByEvictionAPI", message))
            delete_pod(state, pod, now)
        return refusal

    def _refusal(self, state: ClusterState, pod: int) -> str:
        phase = state.pod_phase[pod]
        if phase == PHASE_PENDING or phase > PHASE_RUNNING or state.pod_terminating[pod]:
            return ""
        budgets = covering(state, pod)
        if len(budgets) > 1:
            return "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
        for budget in budgets:
            status = budget_status(state, budget)
            if not state.pod_ready[pod]:
                if budget.unhealthy_pod_eviction_policy == "AlwaysAllow":
                    return ""
                if status.current_healthy >= status.desired_healthy > 0:
                    return ""
            if status.disruptions_allowed < 1:
                return (
                    "Cannot evict pod as it would violate the pod's disruption budget. "
                    f"The disruption budget {budget.name} needs {status.desired_healthy} healthy pods "
                    f"and has {status.current_healthy} currently"
                )
        return ""


def covering(state: ClusterState, pod: int) -> list[PodDisruptionBudget]:
    """The disruption budgets whose selector matches *pod*."""
    template = state.templates[state.pod_template[pod]]
    return [b for b in state.cluster.disruption_budgets if _covers(b, template.namespace, template.labels)]


def live_budgets(state: ClusterState) -> list[PodDisruptionBudget]:
    """The disruption budgets with what they allow now, for preemption."""
    budgets = state.cluster.disruption_budgets
    return [replace(b, disruptions_allowed=budget_status(state, b).disruptions_allowed) for b in budgets]


def budget_status(state: ClusterState, budget: PodDisruptionBudget) -> Budget:
    """What the disruption controller computes for *budget* now."""
    covered = [index for index, t in enumerate(state.templates) if _covers(budget, t.namespace, t.labels)]
    rows = np.flatnonzero(state.pod_exists & np.isin(state.pod_template, covered)).tolist()
    healthy = sum(bool(state.pod_ready[pod] and not state.pod_terminating[pod]) for pod in rows)
    expected = _scale(state, rows)
    if budget.max_unavailable is not None:
        return Budget(healthy, max(0, expected - resolve(budget.max_unavailable, expected, math.ceil)), expected)
    if budget.min_available is None:
        return Budget(healthy, 0, len(rows))
    if isinstance(budget.min_available, int):
        return Budget(healthy, budget.min_available, len(rows))
    return Budget(healthy, resolve(budget.min_available, expected, math.ceil), expected)


def _scale(state: ClusterState, pods: list[int]) -> int:
    """Replicas that the controllers of *pods* want, each counted once (getExpectedScale)."""
    roots = set()
    for pod in pods:
        owner = int(state.pod_owner[pod])
        while owner != NO_OWNER and state.owners[owner].parent != NO_OWNER:
            owner = state.owners[owner].parent
        roots.add(owner)
    return sum(state.owners[owner].replicas for owner in roots if owner != NO_OWNER)


def _covers(budget: PodDisruptionBudget, namespace: str, labels: Mapping[str, str]) -> bool:
    return budget.namespace == namespace and budget.selector is not None and budget.selector.matches(labels)


def _is_daemon(state: ClusterState, pod: int) -> bool:
    owner = int(state.pod_owner[pod])
    return owner != NO_OWNER and state.owners[owner].kind == "DaemonSet"
