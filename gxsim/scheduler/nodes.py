"""The nodes as plugins read them: topology keys as integer codes, name order as integers."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gxsim.model.selectors import NodeSelector, NodeSelectorTerm, Requirement
from gxsim.state import ClusterState

HOSTNAME = "kubernetes.io/hostname"


class Topology(NamedTuple):
    """A label key over the nodes: ``codes`` (nodes,) point into ``values``; −1 where the node lacks the key.

    ``complete`` says that no node lacks it, ``own`` that node i has value i, as with host names.
    """

    codes: NDArray[np.intp]
    values: tuple[str, ...]
    complete: bool
    own: bool

    @property
    def size(self) -> int:
        return len(self.values)

    def spread_out(self, per_domain: NDArray[np.int64]) -> NDArray[np.int64]:
        """(nodes,) the value of each node's domain, from (domains + 1,) values; nodes without the key get the last."""
        return per_domain[:-1] if self.own else per_domain.take(self.codes)


class NodeTable:
    """What never changes about the nodes of a state, with the label lookups plugins share."""

    def __init__(self, state: ClusterState):
        self.state = state
        self.count = len(state.nodes)
        self.names = [node.name for node in state.nodes]
        by_name = sorted(range(self.count), key=lambda i: self.names[i].encode())
        self.rank = np.empty(self.count, np.int64)  # (nodes,) place in byte-wise name order
        self.rank[by_name] = np.arange(self.count)
        self._topologies: dict[str, Topology] = {}
        self._matching: dict[Requirement, NDArray[np.bool_]] = {}

    def topology(self, key: str) -> Topology:
        """The codes of label *key*."""
        if key not in self._topologies:
            values: dict[str, int] = {}
            codes = np.full(self.count, -1, np.intp)
            for i, node in enumerate(self.state.nodes):
                if key in node.labels:
                    codes[i] = values.setdefault(node.labels[key], len(values))
            own = len(values) == self.count
            self._topologies[key] = Topology(codes, tuple(values), bool((codes >= 0).all()), own)
        return self._topologies[key]

    def matching(self, requirement: Requirement) -> NDArray[np.bool_]:
        """(nodes,) True where the node's labels meet *requirement*; every distinct value is asked once."""
        found = self._matching.get(requirement)
        if found is None:
            topology = self.topology(requirement.key)
            answers = [requirement.matches({requirement.key: value}) for value in topology.values]
            found = np.array([*answers, requirement.matches({})], bool)[topology.codes]
            self._matching[requirement] = found
        return found

    def labelled(self, labels: Mapping[str, str]) -> NDArray[np.bool_]:
        """(nodes,) True where a node has all of *labels*."""
        mask = np.ones(self.count, bool)
        for key, value in labels.items():
            mask &= self.matching(Requirement(key, "In", (value,)))
        return mask

    def selected_by(self, selector: NodeSelector) -> NDArray[np.bool_]:
        """(nodes,) True where one of the selector's terms holds; empty terms match nothing."""
        mask = np.zeros(self.count, bool)
        for term in selector.terms:
            if term.expressions or term.fields:
                mask |= self._meets(term)
        return mask

    def _meets(self, term: NodeSelectorTerm) -> NDArray[np.bool_]:
        mask = np.ones(self.count, bool)
        for expression in term.expressions:
            mask &= self.matching(expression)
        for field in term.fields:
            mask &= np.array([field.matches({"metadata.name": name}) for name in self.names], bool)
        return mask
