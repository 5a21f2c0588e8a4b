"""InterPodAffinity: pods that want, or do not want, others in their topology domain."""

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from gxsim.kernels.normalise import by_range
from gxsim.model.pod import PodAffinity, PodAffinityTerm, PodTemplate
from gxsim.model.scheduler_profile import Profile
from gxsim.scheduler.demand import Demand, Situation
from gxsim.scheduler.ledger import Addend, Ledger, Tally
from gxsim.scheduler.nodes import NodeTable
from gxsim.scheduler.status import UNRESOLVABLE, UNSCHEDULABLE, Refusal, Rows, Verdict, first_of

_KEPT = 512


class Neighbours(Tally):
    """What the pods on nodes mean to one signature, summed per topology key and domain.

    ``wanted`` counts pods that match all required affinity terms, once per term; ``unwanted`` pods that match a
    required anti-affinity term; ``unwelcome`` pods whose own required anti-affinity matches; ``preference`` sums the
    weights of preferred terms in both directions. ``touched`` says whether any term met a pod at all.
    """

    def __init__(self, plugin: "InterPodAffinity", ledger: Ledger, nodes: NodeTable, template: PodTemplate):
        self._plugin = plugin
        self._nodes = nodes
        self._template = template
        self.wanted: dict[str, NDArray[np.int64]] = {}
        self.unwanted: dict[str, NDArray[np.int64]] = {}
        self.unwelcome: dict[str, NDArray[np.int64]] = {}
        self.preference: dict[str, NDArray[np.int64]] = {}
        self._touched = np.zeros(2, np.int64)
        indifferent = template.pod_affinity == template.pod_anti_affinity == PodAffinity()
        super().__init__(ledger, self._meets, among=ledger.choosy if indifferent else None)

    @property
    def touched(self) -> bool:
        return bool(self._touched[0])

    def _meets(self, other: PodTemplate) -> Iterator[Addend]:
        """What one pod of *other* adds."""
        mine, matches = self._template, self._plugin.matches
        required = mine.pod_affinity.required
        if required and all(matches(term, other) for term in required):
            for term in required:
                yield self._add(self.wanted, term.topology_key, 1)
        for term in mine.pod_anti_affinity.required:
            if matches(term, other):
                yield self._add(self.unwanted, term.topology_key, 1)
        for term in other.pod_anti_affinity.required:
            if matches(term, mine):
                yield self._add(self.unwelcome, term.topology_key, 1)
        for key, weight in self._plugin.preferences(mine, other):
            yield self._add(self.preference, key, weight)
            codes = self._nodes.topology(key).codes
            yield Addend(self._touched, np.where(self._plugin.present & (codes >= 0), 0, -1), 1)

    def _add(self, counts: dict[str, NDArray[np.int64]], key: str, weight: int) -> Addend:
        topology = self._nodes.topology(key)
        if key not in counts:
            counts[key] = np.zeros(topology.size + 1, np.int64)
        return Addend(counts[key], np.where(self._plugin.present, topology.codes, -1), weight)


class InterPodAffinity:
    name = "InterPodAffinity"
    counts = True

    def __init__(self, nodes: NodeTable, ledger: Ledger, profile: Profile):
        self._nodes = nodes
        self._ledger = ledger
        self._profile = profile
        self._neighbours: dict[int, Neighbours] = {}
        self.present = nodes.state.node_exists.copy()

    def forget(self) -> None:
        """Drop what was counted: the nodes changed."""
        self._neighbours.clear()
        self.present = self._nodes.state.node_exists.copy()

    def prepare(self, demand: Demand) -> Neighbours:
        if demand.signature not in self._neighbours:
            if len(self._neighbours) >= _KEPT:
                self._neighbours.clear()  # those in use live on in their demands
            self._neighbours[demand.signature] = Neighbours(self, self._ledger, self._nodes, demand.template)
        return self._neighbours[demand.signature]

    def refuse(self, demand: Demand, rows: Rows, situation: Situation) -> Verdict | None:
        neighbours: Neighbours = demand.prepared[self.name]
        terms = demand.template.pod_affinity.required
        if neighbours.inert and not terms:
            return None
        if not terms and not neighbours.unwanted and not neighbours.unwelcome:
            return None
        refused: dict[Refusal, NDArray[np.bool_]] = {}
        if terms:
            reason = "node(s) didn't match pod affinity rules"
            refused[Refusal(self.name, UNRESOLVABLE, (reason,))] = self._unmet(demand, terms, neighbours, rows)
        if neighbours.unwanted:
            reason = "node(s) didn't match pod anti-affinity rules"
            refused[Refusal(self.name, UNSCHEDULABLE, (reason,))] = self._any(neighbours.unwanted, rows)
        if neighbours.unwelcome:
            reason = "node(s) didn't satisfy existing pods anti-affinity rules"
            refused[Refusal(self.name, UNSCHEDULABLE, (reason,))] = self._any(neighbours.unwelcome, rows)
        return first_of(refused)

    def score(self, demand: Demand, feasible: NDArray[np.bool_]) -> NDArray[np.int64] | None:
        """(nodes,) 0..100 over the feasible nodes; None when no term met a pod."""
        neighbours: Neighbours = demand.prepared[self.name]
        own = demand.template.pod_affinity.preferred or demand.template.pod_anti_affinity.preferred
        if not neighbours.touched or (self._profile.ignore_preferred_terms_of_existing_pods and not own):
            return None
        raw = np.zeros(self._nodes.count, np.int64)
        for key, weights in neighbours.preference.items():
            topology = self._nodes.topology(key)
            part = topology.spread_out(weights)
            raw += part if topology.complete else np.where(topology.codes < 0, 0, part)
        return by_range(raw, feasible)

    def matches(self, term: PodAffinityTerm, other: PodTemplate) -> bool:
        """Whether a pod of *other* is meant by *term*."""
        if term.selector is None or not self._in_namespaces(term, other.namespace):
            return False
        return term.selector.matches(other.labels)

    def preferences(self, mine: PodTemplate, other: PodTemplate) -> Iterator[tuple[str, int]]:
        """(topology key, weight) of each term of either pod that means the other, *other*'s required ones included."""
        for sign, own in ((1, mine.pod_affinity), (-1, mine.pod_anti_affinity)):
            for term in own.preferred:
                if self.matches(term, other):
                    yield term.topology_key, sign * term.weight
        if self._profile.hard_pod_affinity_weight > 0:
            for term in other.pod_affinity.required:
                if self.matches(term, mine):
                    yield term.topology_key, self._profile.hard_pod_affinity_weight
        for sign, theirs in ((1, other.pod_affinity), (-1, other.pod_anti_affinity)):
            for term in theirs.preferred:
                if self.matches(term, mine):
                    yield term.topology_key, sign * term.weight

    def _in_namespaces(self, term: PodAffinityTerm, namespace: str) -> bool:
        if namespace in term.namespaces:
            return True
        selector = term.namespace_selector
        return selector is not None and selector.matches(self._nodes.state.cluster.namespaces.get(namespace, {}))

    def _any(self, counts: Mapping[str, NDArray[np.int64]], rows: Rows) -> NDArray[np.bool_]:
        """(rows,) True where the domain of some key holds a counted pod."""
        found = np.zeros(len(self._nodes.rank[rows]), bool)
        for key, per_domain in counts.items():
            occupied = per_domain > 0
            occupied[-1] = False
            found |= occupied[self._nodes.topology(key).codes[rows]]
        return found

    def _unmet(
        self, demand: Demand, terms: tuple[PodAffinityTerm, ...], neighbours: Neighbours, rows: Rows
    ) -> NDArray[np.bool_]:
        """(rows,) True where a required term has no pod in the domain, or the node lacks the key.

        The first pod of a series that wants its own kind passes: no pod anywhere matches, and it matches its own terms.
        """
        found = np.ones(len(self._nodes.rank[rows]), bool)
        keyed = np.ones(len(found), bool)
        for term in terms:
            codes = self._nodes.topology(term.topology_key).codes[rows]
            keyed &= codes >= 0
            if term.topology_key in neighbours.wanted:
                found &= neighbours.wanted[term.topology_key][codes] > 0
            else:
                found[:] = False
        nobody = not any(counts[:-1].any() for counts in neighbours.wanted.values())
        if nobody and all(self.matches(term, demand.template) for term in terms):
            return ~keyed
        return ~(keyed & found)
