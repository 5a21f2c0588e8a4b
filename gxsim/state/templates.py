"""The pod templates of a run: each taken in once, with its amounts as rows."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from gxsim.model.cluster import Cluster
from gxsim.model.pod import PodTemplate
from gxsim.state.columns import PODS, RESOURCES


class Templates:
    """Nouns in the order they came; ``requests`` (capacity, resources) and ``scored`` (capacity, 2) can grow."""

    def __init__(self, resources: int):
        self.nouns: list[PodTemplate] = []
        self.requests = np.zeros((64, resources), np.int64)
        self.scored = np.zeros((64, 2), np.int64)
        self._index: dict[PodTemplate, int] = {}

    def index(self, template: PodTemplate, vector: Callable[[Mapping[str, int]], NDArray[np.int64]]) -> int:
        """The row of *template*, which is taken in when it is new; *vector* turns its requests into a row."""
        known = self._index.get(template)
        if known is not None:
            return known
        row = self._index[template] = len(self.nouns)
        self.nouns.append(template)
        if row >= len(self.requests):
            self.requests, self.scored = _doubled(self.requests), _doubled(self.scored)
        self.requests[row] = vector(template.requests)
        self.requests[row, PODS] = 1
        self.scored[row] = template.scored_requests
        return row

    def copy(self) -> "Templates":
        """An independent registry of the same templates."""
        twin = Templates(self.requests.shape[1])
        twin.nouns, twin._index = self.nouns.copy(), self._index.copy()
        twin.requests, twin.scored = self.requests.copy(), self.scored.copy()
        return twin


def _doubled(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.concatenate([rows, np.zeros_like(rows)])


def extended_resources(cluster: Cluster) -> Sequence[str]:
    """Names beyond the first four that any node offers or any pod wants, sorted."""
    names = {name for node in cluster.nodes for name in node.allocatable}
    for template in (*(w.template for w in cluster.workloads), *(p.template for p in cluster.pods)):
        names |= template.requests.keys()
    return sorted(names - set(RESOURCES))
