"""The scheduling framework: filters, scores, the choice among the best, and binding."""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

from gxsim.model.cluster import PodDisruptionBudget
from gxsim.model.pod import PodTemplate
from gxsim.model.scheduler_profile import DEFAULT_PROFILE, Profile
from gxsim.scheduler.decision import Decision, Diagnosis, Explanation, Nomination
from gxsim.scheduler.demand import Constraints, Demand, Situation
from gxsim.scheduler.ledger import Ledger
from gxsim.scheduler.nodes import NodeTable
from gxsim.scheduler.plugins.default_preemption import DefaultPreemption
from gxsim.scheduler.plugins.scheduling_gates import gate
from gxsim.scheduler.registry import Plugins
from gxsim.scheduler.standing import NOWHERE, Standing
from gxsim.scheduler.status import ALL, Refusal
from gxsim.scheduler.trial import Trial
from gxsim.scheduler.volumes import PodVolumes, bind_volumes
from gxsim.state import PENDING, ClusterState

_KEPT_DEMANDS = 512


class Framework:
    """Decides for one pod at a time, on the state as it is.

    Ties go to the first node by name (byte-wise), or with *rng* to a random one as in the real scheduler. *budgets*
    returns the disruption budgets with what they allow now; without it, what the input says counts.
    """

    def __init__(
        self,
        state: ClusterState,
        profile: Profile = DEFAULT_PROFILE,
        rng: np.random.Generator | None = None,
        budgets: Callable[[], Sequence[PodDisruptionBudget]] | None = None,
    ):
        self.state = state
        self.profile = profile
        self.nominated: dict[int, int] = {}  # pod → node it was promised by preemption
        self.assumed: dict[int, int] = {}  # pod → node it will be bound to when its volumes are there
        self._rng = rng
        self._budgets = budgets or (lambda: state.cluster.disruption_budgets)
        self._read_labels()
        self._node_revision = state.node_revision
        self._volume_revision = state.storage.revision
        self._constraints: OrderedDict[Hashable, Constraints] = OrderedDict()
        self._demands: OrderedDict[tuple[int, int], tuple[Demand, Standing]] = OrderedDict()

    def _read_labels(self) -> None:
        """Build what holds node labels as codes."""
        self._label_revision = self.state.label_revision
        self._nodes = NodeTable(self.state)
        self._ledger = Ledger(self.state)
        self._long = 4 * len(self._ledger) + 1000
        self._plugins = Plugins(self._nodes, self._ledger, self.profile)
        self._preemption = DefaultPreemption(self.state, self._trial)

    # ---- one attempt -------------------------------------------------------------------------------------------

    def decide(self, pod: int) -> Decision:
        """One scheduling attempt; binds nothing. What fails is diagnosed, and preemption tried, at once."""
        template = self.state.templates[self.state.pod_template[pod]]
        if template.scheduling_gates and self.profile.scheduling_gates:
            return self._gated(pod, template)
        demand, standing = self._look_up(pod)
        feasible = self._feasible(pod, demand, standing)
        count = int(np.count_nonzero(feasible))
        if count == 0:
            return self._failed(pod, demand)
        ranked = standing.ranked
        changing = self._plugins.changing_scores(demand, feasible)
        if changing is not None:
            ranked = ranked + changing * self._nodes.count
        if feasible is not standing.feasible:
            ranked = np.where(feasible, ranked, NOWHERE)
        return Decision(pod, self._choose(ranked), count, self._nodes.names)

    def explain(self, pod: int) -> Explanation:
        """The same attempt with every refusal and every score."""
        demand, standing = self._look_up(pod)
        diagnosis = self._diagnose(pod, demand)
        feasible = self._feasible(pod, demand, standing)
        if not feasible.any():
            return Explanation(pod, diagnosis, feasible, {}, np.full(self._nodes.count, -1), ())
        scores = self._plugins.scores(demand, feasible)
        total = np.where(feasible, sum(scores.values(), np.zeros(self._nodes.count, np.int64)), -1)
        best = np.flatnonzero(total == total.max())
        by_name = best[np.argsort(self._nodes.rank[best])]
        return Explanation(pod, diagnosis, feasible, scores, total, tuple(by_name.tolist()))

    def preempt(self, pod: int, decision: Decision) -> Nomination | None:
        """The nomination found with *decision*; None when preemption does not help, or was not needed."""
        nomination = decision.nomination
        return nomination if nomination is not None and nomination.node != PENDING else None

    def bind(self, pod: int, node: int) -> None:
        """Bind *pod*, and first the volumes it waits for."""
        self.bind_volumes(pod, node)
        self.state.bind(pod, node)
        self.forget(pod)

    def volumes_for(self, pod: int, node: int) -> PodVolumes:
        """The claims that binding *pod* to *node* would bind, and the volumes it would make."""
        template = self.state.templates[self.state.pod_template[pod]]
        return self._plugins.binding.volumes_for(template, node) if template.claims else PodVolumes()

    def bind_volumes(self, pod: int, node: int) -> None:
        """Bind the claims *pod* waits for as its going to *node* does."""
        planned = self.volumes_for(pod, node)
        if planned.matched or planned.provisioned:
            bind_volumes(self.state, planned, node)

    def nominate(self, pod: int, node: int) -> None:
        """Promise *node* to *pod*: it is tried first, and pods of lower priority leave room for it."""
        self.nominated[pod] = node

    def assume(self, pod: int, node: int) -> None:
        """Leave room on *node* for *pod*, which is decided but waits for its volumes to be bound."""
        self.assumed[pod] = node

    def forget(self, pod: int) -> None:
        """Take back what was promised to *pod*."""
        self.nominated.pop(pod, None)
        self.assumed.pop(pod, None)

    # ---- filters and the choice --------------------------------------------------------------------------------

    def _feasible(self, pod: int, demand: Demand, standing: Standing) -> NDArray[np.bool_]:
        """(nodes,) True where the pod fits; only the nominated node when it does."""
        feasible = standing.feasible
        situation = Situation(self.state.requested)
        for plugin in demand.filters:
            verdict = plugin.refuse(demand, ALL, situation)
            if verdict is not None:
                feasible = feasible & verdict.passes
        if self.nominated or self.assumed:
            feasible = feasible.copy()
            feasible[list(self._promised_away(pod, demand, feasible))] = False
            own = self.nominated.get(pod, PENDING)
            if own != PENDING and feasible[own]:
                feasible = np.arange(self._nodes.count) == own
        return feasible

    def _promised_away(self, pod: int, demand: Demand, feasible: NDArray[np.bool_]) -> dict[int, Refusal]:
        """Feasible nodes that lack room beside assumed pods, or nominated ones of at least the same priority."""
        state = self.state
        others: dict[int, list[int]] = {}
        for other, node in {**self.nominated, **self.assumed}.items():
            waits = other != pod and state.pod_exists[other] and state.pod_node[other] == PENDING
            priority = state.templates[state.pod_template[other]].priority
            if waits and feasible[node] and (other in self.assumed or priority >= demand.template.priority):
                others.setdefault(node, []).append(other)
        refusals = ((node, self._trial(demand).refusal_beside(pods, node)) for node, pods in others.items())
        return {node: refusal for node, refusal in refusals if refusal is not None}

    def _choose(self, ranked: NDArray[np.int64]) -> int:
        """A node with the highest score: the first by name, or a random one."""
        best = int(ranked.argmax())
        if self._rng is None:
            return best
        equal = np.flatnonzero(ranked >= ranked[best] - ranked[best] % self._nodes.count)
        return int(equal[self._rng.integers(len(equal))])

    # ---- failures ----------------------------------------------------------------------------------------------

    def _failed(self, pod: int, demand: Demand) -> Decision:
        diagnosis = self._diagnose(pod, demand)
        decision = Decision(pod, PENDING, 0, self._nodes.names, diagnosis)
        if self.profile.preemption:
            nominated = self.nominated.get(pod, PENDING)
            decision.nomination = self._preemption.nominate(demand, diagnosis, nominated, self._budgets())
        return decision

    def _diagnose(self, pod: int, demand: Demand) -> Diagnosis:
        diagnosis = self._plugins.diagnose(demand, Situation(self.state.requested))
        if (self.nominated or self.assumed) and diagnosis.pod is None:
            return diagnosis.refused_also(self._promised_away(pod, demand, diagnosis.codes == 0))
        return diagnosis

    def _gated(self, pod: int, template: PodTemplate) -> Decision:
        diagnosis = Diagnosis(np.where(self.state.node_exists, 0, -1), (), gate(template))
        return Decision(pod, PENDING, 0, self._nodes.names, diagnosis, gated=True)

    def _trial(self, demand: Demand) -> Trial:
        return Trial(self._plugins, self._ledger, demand)

    # ---- what is worked out once -------------------------------------------------------------------------------

    def _look_up(self, pod: int) -> tuple[Demand, Standing]:
        """The pod's demand, current as of now."""
        self._notice_changes()
        template = int(self.state.pod_template[pod])
        key = (template, int(self.state.pod_owner[pod]))
        found = self._demands.get(key)
        if found is None:
            demand = self._demand(template, key[1])
            found = self._demands[key] = (demand, Standing(self._plugins, self._ledger, demand))
            if len(self._demands) > _KEPT_DEMANDS:
                self._demands.popitem(last=False)
        else:
            self._demands.move_to_end(key)
        demand, standing = found
        standing.catch_up()
        for part in demand.counts:
            part.catch_up()
        return found

    def _notice_changes(self) -> None:
        """Drop what node or volume changes made stale, and read the journal."""
        state = self.state
        grown = state.node_revision != self._node_revision and len(self._ledger) > self._long
        if state.label_revision != self._label_revision or grown:  # a long history is dropped with the counts
            self._read_labels()
        if state.node_revision != self._node_revision:
            self._node_revision = state.node_revision
            self._constraints.clear()
            self._demands.clear()
            self._plugins.forget()
        if state.storage.revision != self._volume_revision:
            self._volume_revision = state.storage.revision
            for key in [key for key, (demand, _) in self._demands.items() if demand.template.claims]:
                del self._demands[key]
        self._ledger.catch_up()

    def _demand(self, index: int, owner: int) -> Demand:
        state = self.state
        template = state.templates[index]
        constraints = self._constraints_of(template)
        requests = state.template_requests[index]
        ignores = self._plugins.fit.ignores
        verdicts, mask, rejection = dict(constraints.verdicts), constraints.mask, constraints.rejection
        if template.claims and rejection is None:
            rejection = self._plugins.rejection(template)
            for plugin in self._plugins.by_claims if rejection is None else ():
                verdict = plugin.refuse(template)
                if verdict is not None:
                    verdicts[plugin.name] = verdict
                    mask = mask & verdict.passes
        demand = Demand(
            template=template,
            owner=owner,
            signature=self._ledger.signature_of(index),
            constraints=constraints,
            requests=requests,
            wanted=tuple(r for r in np.flatnonzero(requests > 0).tolist() if not ignores(state.resources[r])),
            unknown=tuple(
                name
                for name, amount in template.requests.items()
                if amount > 0 and name not in state.resource_index and not ignores(name)
            ),
            scored_requests=state.template_scored[index],
            verdicts=verdicts,
            mask=mask if rejection is None else np.zeros_like(mask),
            rejection=rejection,
        )
        self._plugins.prepare(demand)
        return demand

    def _constraints_of(self, template: PodTemplate) -> Constraints:
        key = (
            template.tolerations,
            tuple(template.node_selector.items()),
            template.node_affinity,
            template.preferred_node_terms,
            tuple(container.image for container in (*template.init_containers, *template.containers)),
        )
        found = self._constraints.get(key)
        if found is None:
            found = self._constraints[key] = self._plugins.constraints(key, template)
            if len(self._constraints) > _KEPT_DEMANDS:
                self._constraints.popitem(last=False)
        return found
