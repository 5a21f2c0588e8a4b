"""Disruption budgets: what their status says of voluntary disruptions (pkg/controller/disruption)."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from gxsim.controllers.deployment import resolve
from gxsim.model.cluster import PodDisruptionBudget
from gxsim.state import NO_OWNER, ClusterState


@dataclass(frozen=True, slots=True)
class Budget:
    """Status of a PodDisruptionBudget."""

    current_healthy: int
    desired_healthy: int
    expected_pods: int
    taken: int = 0  # evictions that the API has let through since the status was written

    @property
    def disruptions_allowed(self) -> int:
        spare = self.current_healthy - self.desired_healthy if self.expected_pods > 0 else 0
        return max(0, spare - self.taken)


class Budgets:
    """Every budget's status as the API holds it: up to date while the disruption controller lives, old without it."""

    def __init__(self) -> None:
        self._old: dict[str, Budget] | None = None  # by the budgets' keys

    def status(self, state: ClusterState, budget: PodDisruptionBudget) -> Budget:
        return budget_status(state, budget) if self._old is None else self._old[key(budget)]

    def take(self, budget: PodDisruptionBudget) -> None:
        """Note an eviction; the API itself counts it, so that nobody overspends a status that is old."""
        if self._old is not None:
            known = self._old[key(budget)]
            self._old[key(budget)] = replace(known, taken=known.taken + 1)

    def stop(self, state: ClusterState) -> None:
        """The disruption controller ends: statuses stay as they are."""
        if self._old is None:
            self._old = {key(budget): budget_status(state, budget) for budget in state.cluster.disruption_budgets}

    def start(self) -> None:
        """The disruption controller is back and looks at everything."""
        self._old = None


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
    existing = np.flatnonzero(state.pod_exists)
    used, which = np.unique(state.pod_template[existing], return_inverse=True)
    templates = (state.templates[index] for index in used)
    covered = np.array([_covers(budget, t.namespace, t.labels) for t in templates], bool)
    rows = existing[covered[which]].tolist()
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
    """Whether *budget* selects pods with these labels."""
    return budget.namespace == namespace and budget.selector is not None and budget.selector.matches(labels)


def key(budget: PodDisruptionBudget) -> str:
    return f"{budget.namespace}/{budget.name}"
