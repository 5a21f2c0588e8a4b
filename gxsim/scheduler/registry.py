"""All plugins of a profile, sorted by what their answers depend on, and the questions asked of all of them."""

from collections.abc import Hashable, Iterator, Mapping
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from gxsim.model.pod import PodTemplate
from gxsim.model.scheduler_profile import Profile
from gxsim.scheduler.decision import Diagnosis
from gxsim.scheduler.demand import Constraints, Counts, Demand, PodFilter, Situation
from gxsim.scheduler.ledger import Ledger
from gxsim.scheduler.nodes import NodeTable
from gxsim.scheduler.plugins.image_locality import ImageLocality
from gxsim.scheduler.plugins.inter_pod_affinity import InterPodAffinity
from gxsim.scheduler.plugins.node_affinity import NodeAffinity
from gxsim.scheduler.plugins.node_name import NodeName
from gxsim.scheduler.plugins.node_ports import NodePorts
from gxsim.scheduler.plugins.node_resources_balanced_allocation import NodeResourcesBalancedAllocation
from gxsim.scheduler.plugins.node_resources_fit import NodeResourcesFit
from gxsim.scheduler.plugins.node_unschedulable import NodeUnschedulable
from gxsim.scheduler.plugins.node_volume_limits import NodeVolumeLimits
from gxsim.scheduler.plugins.pod_topology_spread import PodTopologySpread
from gxsim.scheduler.plugins.taint_toleration import TaintToleration
from gxsim.scheduler.plugins.volume_binding import VolumeBinding
from gxsim.scheduler.plugins.volume_restrictions import VolumeRestrictions
from gxsim.scheduler.plugins.volume_zone import VolumeZone
from gxsim.scheduler.status import ALL, UNRESOLVABLE, Refusal, Rows, Verdict

_PRUNED = Refusal("", UNRESOLVABLE, ("node(s) didn't satisfy plugin(s) [NodeAffinity]",))


class RuleFilter(Protocol):
    """Depends on a template and the nodes' properties; also on claims and volumes, if it says so."""

    name: str

    def refuse(self, template: PodTemplate) -> Verdict | None: ...


class Plugins:
    """The plugins of *profile* over one state."""

    def __init__(self, nodes: NodeTable, ledger: Ledger, profile: Profile):
        self.nodes = nodes
        self.profile = profile
        self.taints = TaintToleration(nodes)
        self.affinity = NodeAffinity(nodes, profile.added_affinity, profile.added_preferences)
        self.fit = NodeResourcesFit(nodes, profile)
        self.balanced = NodeResourcesBalancedAllocation(nodes, profile.balanced_resources)
        self.images = ImageLocality(nodes)
        self.binding = VolumeBinding(nodes)
        self.zone = VolumeZone(nodes)
        self.restrictions = VolumeRestrictions(nodes, ledger)
        self.spread = PodTopologySpread(nodes, ledger, self.affinity, profile)
        self.neighbours = InterPodAffinity(nodes, ledger, profile)
        rules: tuple[RuleFilter, ...] = (NodeUnschedulable(nodes), NodeName(nodes), self.taints, self.affinity)
        claims: tuple[RuleFilter, ...] = (self.binding, self.zone)
        pods: tuple[PodFilter, ...] = (
            NodePorts(nodes, ledger),
            self.fit,
            self.restrictions,
            NodeVolumeLimits(nodes),
            self.spread,
            self.neighbours,
        )
        self.by_rules = [p for p in rules if p.name in profile.filters]
        self.by_claims = [p for p in claims if p.name in profile.filters]
        self.by_pods = {p.name: p for p in pods if p.name in profile.filters}
        self.scored_by_pods: tuple[PodTopologySpread | InterPodAffinity, ...] = tuple(
            p for p in (self.spread, self.neighbours) if profile.scores.get(p.name)
        )
        self._asked = [*self.by_pods.values(), *(p for p in self.scored_by_pods if p.name not in self.by_pods)]

    def forget(self) -> None:
        """Drop all counts: the nodes changed."""
        self.spread.forget()
        self.neighbours.forget()

    def constraints(self, key: Hashable, template: PodTemplate) -> Constraints:
        """The answers of the plugins that look at a template and at nodes only."""
        verdicts = {p.name: v for p in self.by_rules if (v := p.refuse(template)) is not None}
        mask = self.nodes.state.node_exists.copy()
        for verdict in verdicts.values():
            mask &= verdict.passes
        affine = "NodeAffinity" in self.profile.filters
        names = self.affinity.names(template) if affine else None
        if names is not None:
            mask &= np.array([name in names for name in self.nodes.names], bool)
        taints, affinity = self.taints.raw(template), self.affinity.raw(template)
        return Constraints(
            key=key,
            verdicts=verdicts,
            mask=mask,
            names=names,
            rejection=self.affinity.reject(template) if affine else None,
            taints=taints,
            affinity=affinity,
            even_taints=_even(taints[mask]),
            even_affinity=affinity is None or _even(affinity[mask]),
            images=self.images.score(template),
        )

    def rejection(self, template: PodTemplate) -> Refusal | None:
        """The first refusal of the whole pod by a plugin that looks at its claims."""
        for plugin in (self.restrictions, self.binding, self.zone):
            if plugin.name in self.profile.filters:
                refusal = plugin.reject(template)
                if refusal is not None:
                    return refusal
        return None

    def prepare(self, demand: Demand) -> None:
        """Let every pod-dependent plugin set up its part of *demand*, those that only score included."""
        counts: list[Counts] = []
        for plugin in self._asked:
            part = plugin.prepare(demand)
            if part is not None:
                demand.prepared[plugin.name] = part
                if plugin.counts:
                    counts.append(cast(Counts, part))
        others = (plugin for name, plugin in self.by_pods.items() if name in demand.prepared)
        demand.filters = tuple(plugin for plugin in others if plugin is not self.fit)
        demand.counts = tuple(counts)

    def verdicts(self, demand: Demand, rows: Rows, situation: Situation) -> Iterator[Verdict]:
        """The answers for *rows* in the order the plugins run."""
        for name in self.profile.filters:
            if name in demand.verdicts:
                verdict = demand.verdicts[name]
                yield Verdict(verdict.codes[rows], verdict.refusals)
            elif name in self.by_pods and name in demand.prepared:
                answer = self.by_pods[name].refuse(demand, rows, situation)
                if answer is not None:
                    yield answer

    def diagnose(self, demand: Demand, situation: Situation) -> Diagnosis:
        """The first refusal of every node."""
        codes = np.where(self.nodes.state.node_exists, 0, -1).astype(np.int64)
        if demand.rejection is not None:
            return Diagnosis(codes, (), demand.rejection)
        refusals: list[Refusal] = []
        if demand.constraints.names is not None:
            outside = np.array([name not in demand.constraints.names for name in self.nodes.names], bool)
            codes[outside & (codes == 0)] = 1
            refusals.append(_PRUNED)
        for verdict in self.verdicts(demand, ALL, situation):
            first = (codes == 0) & (verdict.codes > 0)
            codes[first] = verdict.codes[first] + len(refusals)
            refusals += verdict.refusals
        return Diagnosis(codes, tuple(refusals))

    def first_refusal(self, demand: Demand, node: int, situation: Situation) -> Refusal | None:
        """Why *node* does not take the pod in *situation*; None when it does."""
        for verdict in self.verdicts(demand, np.array([node]), situation):
            if verdict.codes[0]:
                return verdict.refusals[int(verdict.codes[0]) - 1]
        return None

    def changing_scores(self, demand: Demand, feasible: NDArray[np.bool_]) -> NDArray[np.int64] | None:
        """(nodes,) weighted scores that depend on which nodes are feasible; None when they are all the same."""
        constraints, weights = demand.constraints, self.profile.scores
        parts = []
        if not constraints.even_taints and (weight := weights.get(self.taints.name, 0)):
            parts.append(weight * self.taints.normalise(constraints.taints, feasible))
        if not constraints.even_affinity and constraints.affinity is not None:
            parts.append(weights.get(self.affinity.name, 0) * self.affinity.normalise(constraints.affinity, feasible))
        for plugin in self.scored_by_pods:
            if plugin.name in demand.prepared:
                score = plugin.score(demand, feasible)
                if score is not None:
                    parts.append(weights[plugin.name] * score)
        return sum(parts[1:], parts[0]) if parts else None

    def scores(self, demand: Demand, feasible: NDArray[np.bool_]) -> Mapping[str, NDArray[np.int64]]:
        """Plugin → (nodes,) weighted score over the *feasible* nodes; plugins that skip the pod are absent."""
        constraints, weights = demand.constraints, self.profile.scores
        found: dict[str, NDArray[Any] | None] = {
            self.taints.name: self.taints.normalise(constraints.taints, feasible),
            self.fit.name: self.fit.score(demand),
            self.images.name: constraints.images,
        }
        if constraints.affinity is not None:
            found[self.affinity.name] = self.affinity.normalise(constraints.affinity, feasible)
        if self.balanced.applies(demand):
            found[self.balanced.name] = self.balanced.score(demand)
        for plugin in self.scored_by_pods:
            if plugin.name in demand.prepared:
                found[plugin.name] = plugin.score(demand, feasible)
        return {
            name: (weights[name] * score).astype(np.int64)
            for name, score in found.items()
            if score is not None and weights.get(name)
        }


def _even(values: NDArray[np.int64]) -> bool:
    return not len(values) or bool((values == values[0]).all())
