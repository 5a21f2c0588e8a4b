"""PodTopologySpread: matching pods spread evenly over topology domains, as a rule or as a wish."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gxsim.kernels.normalise import inverted
from gxsim.kernels.spread import crowding, global_minimum, rounded
from gxsim.model.pod import PodTemplate, TopologySpreadConstraint
from gxsim.model.scheduler_profile import Profile
from gxsim.model.selectors import LabelSelector, Requirement
from gxsim.scheduler.demand import Demand, Situation
from gxsim.scheduler.ledger import Addend, Ledger, Tally
from gxsim.scheduler.nodes import HOSTNAME, NodeTable, Topology
from gxsim.scheduler.plugins.default_selector import default_selector
from gxsim.scheduler.plugins.node_affinity import NodeAffinity
from gxsim.scheduler.plugins.taint_toleration import first_untolerated
from gxsim.scheduler.status import UNRESOLVABLE, UNSCHEDULABLE, Refusal, Rows, Verdict
from gxsim.state import NO_OWNER

_KEPT = 512
_MISMATCH = "node(s) didn't match pod topology spread constraints"


class MatchingPods(Tally):
    """Pods of one namespace that a selector matches, per domain; pods being deleted are left out."""

    def __init__(
        self, ledger: Ledger, namespace: str, selector: LabelSelector | None, codes: NDArray[np.intp], size: int
    ):
        self._codes = codes
        self.counts = np.zeros(size + 1, np.int64)  # (domains + 1,) last: the spare slot
        # The real one counts nothing for an empty selector, although it matches the pod itself.
        counted = ledger.selected(namespace, selector) if selector is not None and selector.requirements else []
        super().__init__(ledger, self._adds, among=counted, staying=True)

    def _adds(self, template: PodTemplate) -> tuple[Addend, ...]:
        return (Addend(self.counts, self._codes, 1),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Constraint:
    """A constraint over the nodes of a cluster. ``domains`` (size,) is True for those with an eligible node."""

    rule: TopologySpreadConstraint
    topology: Topology
    domains: NDArray[np.bool_]
    pods: MatchingPods
    matches_itself: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """A template's constraints; ``scored`` (nodes,) is True where a node takes part in the score.

    It needs every key a wish names; with the system's own wishes, any node will do.
    """

    hard: tuple[Constraint, ...]
    soft: tuple[Constraint, ...]
    scored: NDArray[np.bool_]

    @property
    def inert(self) -> bool:
        return all(constraint.pods.inert for constraint in (*self.hard, *self.soft))

    def catch_up(self) -> None:
        for constraint in (*self.hard, *self.soft):
            constraint.pods.catch_up()

    def suppose(self, signature: int, node: int, sign: int) -> None:
        for pods in {id(c.pods): c.pods for c in (*self.hard, *self.soft)}.values():
            pods.suppose(signature, node, sign)


class PodTopologySpread:
    name = "PodTopologySpread"
    counts = True

    def __init__(self, nodes: NodeTable, ledger: Ledger, affinity: NodeAffinity, profile: Profile):
        self._nodes = nodes
        self._ledger = ledger
        self._affinity = affinity
        self._profile = profile
        self._tallies: dict[tuple[str, LabelSelector | None, str, bytes], MatchingPods] = {}
        self._prepared: dict[Hashable, Spread | None] = {}

    def forget(self) -> None:
        """Drop what was counted."""
        self._tallies.clear()
        self._prepared.clear()

    def prepare(self, demand: Demand) -> Spread | None:
        """The constraints of *demand*, shared by all that differ in size only."""
        rules = demand.template.topology_spread_constraints
        key = (rules, demand.signature, demand.constraints.key, NO_OWNER if rules else demand.owner)
        if key not in self._prepared:
            if len(self._prepared) >= _KEPT:
                self.forget()  # those in use live on in their demands
            self._prepared[key] = self._prepare(demand)
        return self._prepared[key]

    def _prepare(self, demand: Demand) -> Spread | None:
        rules = self._rules(demand)
        if not rules:
            return None
        lenient = not demand.template.topology_spread_constraints and self._profile.system_spread
        hard = tuple(r for r in rules if r.when_unsatisfiable == "DoNotSchedule")
        soft = tuple(r for r in rules if r.when_unsatisfiable == "ScheduleAnyway")
        return Spread(
            hard=self._constraints(demand, hard, lenient=False, own_node=False),
            soft=self._constraints(demand, soft, lenient=lenient, own_node=True),
            scored=self._nodes.state.node_exists & (lenient | self._has_keys(soft)),
        )

    def refuse(self, demand: Demand, rows: Rows, situation: Situation) -> Verdict | None:
        """The first constraint, in the pod's order, that a node breaks."""
        spread: Spread = demand.prepared[self.name]
        if not spread.hard:
            return None
        missing = Refusal(self.name, UNRESOLVABLE, (f"{_MISMATCH} (missing required label)",))
        uneven = Refusal(self.name, UNSCHEDULABLE, (_MISMATCH,))
        verdict = np.zeros(len(self._nodes.rank[rows]), np.int8)
        for constraint in reversed(spread.hard):
            codes = constraint.topology.codes[rows]
            verdict[_too_many(constraint)[codes]] = 2
            verdict[codes < 0] = 1
        return Verdict(verdict, (missing, uneven))

    def score(self, demand: Demand, feasible: NDArray[np.bool_]) -> NDArray[np.int64] | None:
        """(nodes,) 0..100 over the feasible nodes; None without a wish."""
        spread: Spread = demand.prepared[self.name]
        if not spread.soft:
            return None
        counted = feasible & spread.scored
        total = np.zeros(self._nodes.count)
        for constraint in spread.soft:
            topology = constraint.topology
            if constraint.rule.topology_key == HOSTNAME:
                matching, domains = constraint.pods.counts[:-1], int(np.count_nonzero(counted))
            else:
                there = np.zeros(topology.size + 1, bool)
                there[topology.codes[counted]] = True  # nodes without the key are one domain more
                matching, domains = topology.spread_out(constraint.pods.counts), int(np.count_nonzero(there))
            part = crowding(matching, domains, constraint.rule.max_skew)
            if not topology.complete:
                part[topology.codes < 0] = 0.0
            total += part
        return inverted(rounded(total), counted)

    # ---- preparation -------------------------------------------------------------------------------------------

    def _rules(self, demand: Demand) -> Sequence[TopologySpreadConstraint]:
        """The pod's own constraints with their label keys resolved, or the defaults for its controller's pods."""
        template = demand.template
        if template.topology_spread_constraints:
            return [_resolved(rule, template) for rule in template.topology_spread_constraints]
        if not self._profile.default_spread:
            return ()
        selector = default_selector(self._nodes.state, template, demand.owner)
        if selector is None:
            return ()
        return [_with_selector(rule, selector) for rule in self._profile.default_spread]

    def _constraints(
        self, demand: Demand, rules: Sequence[TopologySpreadConstraint], *, lenient: bool, own_node: bool
    ) -> tuple[Constraint, ...]:
        template = demand.template
        everywhere = self._nodes.state.node_exists & (lenient | self._has_keys(rules))
        return tuple(
            Constraint(
                rule=rule,
                topology=(topology := self._nodes.topology(rule.topology_key)),
                domains=_occupied(topology, eligible := everywhere & self._included(rule, template)),
                pods=self._pods(template.namespace, rule, topology, eligible, own_node=own_node),
                matches_itself=rule.selector is not None and rule.selector.matches(template.labels),
            )
            for rule in rules
        )

    def _pods(
        self,
        namespace: str,
        rule: TopologySpreadConstraint,
        topology: Topology,
        eligible: NDArray[np.bool_],
        *,
        own_node: bool,
    ) -> MatchingPods:
        """The count to use; a wish for hostnames counts on the node itself, whatever the policies say."""
        if own_node and rule.topology_key == HOSTNAME:
            codes, size = np.arange(self._nodes.count), self._nodes.count
        else:
            codes, size = np.where(eligible, topology.codes, -1), topology.size
        key = (namespace, rule.selector, rule.topology_key, codes.tobytes())
        if key not in self._tallies:
            self._tallies[key] = MatchingPods(self._ledger, namespace, rule.selector, codes, size)
        return self._tallies[key]

    def _has_keys(self, rules: Sequence[TopologySpreadConstraint]) -> NDArray[np.bool_]:
        mask = np.ones(self._nodes.count, bool)
        for rule in rules:
            mask &= self._nodes.topology(rule.topology_key).codes >= 0
        return mask

    def _included(self, rule: TopologySpreadConstraint, template: PodTemplate) -> NDArray[np.bool_]:
        """(nodes,) True where the inclusion policies let a node count."""
        mask = np.ones(self._nodes.count, bool)
        if rule.node_affinity_policy == "Honor":
            required = self._affinity.required(template)
            if required is not None:
                mask &= required
        if rule.node_taints_policy == "Honor":
            taints = self._nodes.state.taints
            mask &= np.array([first_untolerated(t, template.tolerations) is None for t in taints], bool)
        return mask


def _too_many(constraint: Constraint) -> NDArray[np.bool_]:
    """(domains + 1,) True where one more pod would break the constraint; the spare slot is never asked."""
    counts = constraint.pods.counts
    rule = constraint.rule
    fewest = global_minimum(counts[:-1], constraint.domains, rule.min_domains or 1)
    return counts + int(constraint.matches_itself) - fewest > rule.max_skew


def _occupied(topology: Topology, eligible: NDArray[np.bool_]) -> NDArray[np.bool_]:
    domains = np.zeros(topology.size + 1, bool)
    domains[np.where(eligible, topology.codes, -1)] = True
    return domains[:-1]


def _resolved(rule: TopologySpreadConstraint, template: PodTemplate) -> TopologySpreadConstraint:
    """The constraint with ``matchLabelKeys`` as part of its selector; keys the pod lacks are ignored."""
    same = tuple(
        Requirement(key, "In", (template.labels[key],)) for key in rule.match_label_keys if key in template.labels
    )
    if not same:
        return rule
    return _with_selector(rule, LabelSelector(same + (rule.selector.requirements if rule.selector else ())))


def _with_selector(rule: TopologySpreadConstraint, selector: LabelSelector) -> TopologySpreadConstraint:
    return replace(rule, selector=selector)
