"""NodeResourcesBalancedAllocation: nodes whose resources would be used evenly score."""

import numpy as np
from numpy.typing import NDArray

from gxsim.kernels.fit import balanced_allocation
from gxsim.scheduler.demand import Demand
from gxsim.scheduler.nodes import NodeTable
from gxsim.scheduler.plugins.node_resources_fit import Capacity
from gxsim.scheduler.status import ALL, Rows
from gxsim.state import CPU, MEMORY, RESOURCES


class NodeResourcesBalancedAllocation:
    name = "NodeResourcesBalancedAllocation"

    def __init__(self, nodes: NodeTable, resources: tuple[str, ...]):
        self._state = nodes.state
        self._resources = [nodes.state.resource_index[r] for r in resources if r in nodes.state.resource_index]
        self._capacity: dict[tuple[int, ...], Capacity] = {}

    def applies(self, demand: Demand) -> bool:
        """Whether the pod is scored at all: it requests one of the resources."""
        return bool(demand.requests[self._resources].any())

    def score(self, demand: Demand, rows: Rows = ALL) -> NDArray[np.float64]:
        """(rows,) 0..100 in whole numbers; extended resources count only when the pod asks for them."""
        columns = tuple(r for r in self._resources if r < len(RESOURCES) or demand.requests[r])
        if columns not in self._capacity:
            self._capacity[columns] = Capacity(self._state.allocatable[:, columns], (1,) * len(columns))
        if columns == (CPU, MEMORY):  # a slice is a view, where a list of columns would copy
            requested = self._state.requested[:, :2][rows] + demand.requests[:2]
        else:
            requested = self._state.requested[rows][:, columns] + demand.requests[list(columns)]
        return balanced_allocation(requested, *self._capacity[columns].of(rows))
