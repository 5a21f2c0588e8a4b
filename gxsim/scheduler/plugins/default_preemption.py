"""DefaultPreemption: which pods of lower priority would have to go, and from which node."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from gxsim.model.cluster import PodDisruptionBudget
from gxsim.scheduler.decision import NO_VICTIMS, NOT_HELPFUL, Candidate, Diagnosis, Nomination, unavailable
from gxsim.scheduler.demand import Demand
from gxsim.scheduler.status import UNRESOLVABLE, Refusal
from gxsim.scheduler.trial import Trial
from gxsim.state import PENDING, PHASE_RUNNING, ClusterState

NAME = "DefaultPreemption"
_NEVER = "not eligible due to preemptionPolicy=Never."
_WAITING = "not eligible due to terminating pod on the nominated node."


class DefaultPreemption:
    """*trial* starts a supposition about one demand."""

    def __init__(self, state: ClusterState, trial: Callable[[Demand], Trial]):
        self._state = state
        self._trial = trial
        self._priorities = np.zeros(0, np.int64)  # (templates,) as far as seen

    def nominate(
        self, demand: Demand, diagnosis: Diagnosis, nominated: int, budgets: Sequence[PodDisruptionBudget]
    ) -> Nomination:
        """The node whose victims cost least; *nominated* is an earlier nomination, or PENDING.

        ``node`` is PENDING, with the scheduler's sentence, when there is none.
        """
        problem = self._ineligible(demand, diagnosis, nominated)
        if problem:
            return Nomination(PENDING, message=f"preemption: {problem}")
        lower = self._lower_pods(demand.template.priority)
        candidates: list[Candidate] = []
        refused: Counter[Refusal] = Counter()
        resolvable = np.flatnonzero(diagnosis.resolvable()).tolist()
        refused[NOT_HELPFUL] = diagnosis.node_count - len(resolvable)
        promising = [node for node in resolvable if node in lower]
        refused[NO_VICTIMS] = len(resolvable) - len(promising)
        trial = self._trial(demand)
        for node in promising:
            found = self._select_victims(trial, node, lower[node], budgets)
            trial.undo()
            if isinstance(found, Candidate):
                candidates.append(found)
            else:
                refused[found] += 1
        if not candidates:
            sentence = unavailable(diagnosis.node_count, refused.items())
            return Nomination(PENDING, message=f"preemption: {sentence}")
        tied = self._cheapest(candidates)
        return Nomination(tied[0].node, tied[0].victims, tuple(candidates), tuple(c.node for c in tied))

    def _ineligible(self, demand: Demand, diagnosis: Diagnosis, nominated: int) -> str:
        """Why the pod may not preempt at all; empty when it may."""
        if demand.template.preemption_policy == "Never":
            return _NEVER
        if nominated == PENDING:
            return ""
        refusal = diagnosis.refusal(nominated)
        if refusal is not None and refusal.code == UNRESOLVABLE:
            return ""
        leaving = any(
            self._state.pod_terminating[p] for p in self._lower_pods(demand.template.priority).get(nominated, [])
        )
        return _WAITING if leaving else ""

    def _lower_pods(self, priority: int) -> dict[int, list[int]]:
        """Node → its pods of lower priority."""
        state = self._state
        unseen = state.templates[len(self._priorities) :]
        if unseen:
            self._priorities = np.append(self._priorities, [template.priority for template in unseen])
        lower = self._priorities < priority
        if not lower.any():
            return {}
        there = (state.pod_node >= 0) & state.pod_exists & (state.pod_phase <= PHASE_RUNNING)
        found: dict[int, list[int]] = {}
        for pod in np.flatnonzero(there & lower[state.pod_template]).tolist():
            found.setdefault(int(state.pod_node[pod]), []).append(pod)
        return found

    def _select_victims(
        self, trial: Trial, node: int, lower: list[int], budgets: Sequence[PodDisruptionBudget]
    ) -> Candidate | Refusal:
        """Remove all lower pods, then take back as many as possible: those with spent budgets first."""
        for pod in lower:
            trial.remove(pod, node)
        refusal = trial.refusal(node)
        if refusal is not None:
            return refusal
        ordered = sorted(lower, key=self._importance)
        violating = self._violating(ordered, budgets)
        victims, violations = [], 0
        for pod in (*violating, *(p for p in ordered if p not in violating)):
            trial.add(pod, node)
            if not trial.admits(node):
                trial.remove(pod, node)
                victims.append(pod)
                violations += pod in violating
        return Candidate(node, tuple(sorted(victims, key=self._importance)), violations)

    def _violating(self, pods: Iterable[int], budgets: Sequence[PodDisruptionBudget]) -> list[int]:
        """Pods whose eviction would overdraw a disruption budget, counted in order."""
        allowed = [budget.disruptions_allowed for budget in budgets]
        violating = []
        for pod in pods:
            template = self._state.templates[self._state.pod_template[pod]]
            overdrawn = False
            for i, budget in enumerate(budgets):
                selector = budget.selector
                if (
                    budget.namespace == template.namespace
                    and template.labels
                    and selector is not None
                    and selector.requirements
                    and selector.matches(template.labels)
                ):
                    allowed[i] -= 1
                    overdrawn = overdrawn or allowed[i] < 0
            if overdrawn:
                violating.append(pod)
        return violating

    def _cheapest(self, candidates: list[Candidate]) -> list[Candidate]:
        """The candidates that no rule tells apart, by node name."""
        best = min(self._cost(c) for c in candidates)
        tied = [c for c in candidates if self._cost(c) == best]
        return sorted(tied, key=lambda c: self._state.nodes[c.node].name.encode())

    def _cost(self, candidate: Candidate) -> tuple[float, ...]:
        """Budgets broken, top priority, sum of priorities, count, and how early the oldest top victim started."""
        priorities = [self._priority(pod) for pod in candidate.victims]
        top = max(priorities, default=0)
        earliest = min((self._start(p) for p in candidate.victims if self._priority(p) == top), default=0.0)
        return (candidate.violations, top, sum(p + 2**31 for p in priorities), len(priorities), -earliest)

    def _importance(self, pod: int) -> tuple[float, float, int]:
        """Sorts pods by descending priority, then by age."""
        return (-self._priority(pod), self._start(pod), pod)

    def _priority(self, pod: int) -> int:
        return self._state.templates[self._state.pod_template[pod]].priority

    def _start(self, pod: int) -> float:
        """Start time; a pod that has not started counts as started now."""
        started = float(self._state.pod_started_s[pod])
        return np.inf if np.isnan(started) else started
