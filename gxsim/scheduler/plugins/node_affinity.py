"""NodeAffinity: nodeSelector and required terms filter, preferred terms score."""

import numpy as np
from numpy.typing import NDArray

from gxsim.kernels.normalise import by_maximum
from gxsim.model.pod import PodTemplate, PreferredNodeTerm
from gxsim.model.selectors import NodeSelector
from gxsim.scheduler.nodes import NodeTable
from gxsim.scheduler.status import UNRESOLVABLE, Refusal, Verdict, first_of

_FIELD = "metadata.name"


class NodeAffinity:
    """*added* terms bind every pod, as ``addedAffinity`` of the plugin's arguments does."""

    name = "NodeAffinity"

    def __init__(
        self,
        nodes: NodeTable,
        added: NodeSelector | None = None,
        added_preferences: tuple[PreferredNodeTerm, ...] = (),
    ):
        self._nodes = nodes
        self._added = added
        self._added_preferences = added_preferences

    def names(self, template: PodTemplate) -> frozenset[str] | None:
        """The only nodes looked at, when every required term names nodes by ``metadata.name``; else None."""
        if template.node_affinity is None or not template.node_affinity.terms:
            return None
        union: frozenset[str] = frozenset()
        for term in template.node_affinity.terms:
            named = [frozenset(f.values) for f in term.fields if f.key == _FIELD and f.operator == "In"]
            if not named:
                return None
            union |= frozenset.intersection(*named)
        return union

    def reject(self, template: PodTemplate) -> Refusal | None:
        """Refuse the pod outright when the names it asks for contradict each other."""
        if self.names(template) == frozenset():
            return Refusal(self.name, UNRESOLVABLE, ("pod affinity terms conflict",))
        return None

    def refuse(self, template: PodTemplate) -> Verdict | None:
        refused = {}
        if self._added is not None:
            reason = "node(s) didn't match scheduler-enforced node affinity"
            refused[Refusal(self.name, UNRESOLVABLE, (reason,))] = ~self._nodes.selected_by(self._added)
        matching = self.required(template)
        if matching is not None:
            reason = "node(s) didn't match Pod's node affinity/selector"
            refused[Refusal(self.name, UNRESOLVABLE, (reason,))] = ~matching
        return first_of(refused) if refused else None

    def required(self, template: PodTemplate) -> NDArray[np.bool_] | None:
        """(nodes,) True where nodeSelector and required terms hold; None when there are none."""
        if not template.node_selector and template.node_affinity is None:
            return None
        matching = self._nodes.labelled(template.node_selector)
        if template.node_affinity is not None:
            matching = matching & self._nodes.selected_by(template.node_affinity)
        return matching

    def raw(self, template: PodTemplate) -> NDArray[np.int64] | None:
        """(nodes,) sum of the weights of matching preferred terms; None skips the score."""
        terms = (*self._added_preferences, *template.preferred_node_terms)
        if not terms:
            return None
        total = np.zeros(self._nodes.count, np.int64)
        for preferred in terms:
            total += preferred.weight * self._nodes.selected_by(NodeSelector((preferred.term,)))
        return total

    def normalise(self, raw: NDArray[np.int64], feasible: NDArray[np.bool_]) -> NDArray[np.int64]:
        return by_maximum(raw, feasible)
