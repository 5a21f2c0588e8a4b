"""NodeResourcesBalancedAllocation: nodes whose resources would be used evenly score."""

import numpy as np
from numpy.typing import NDArray

from gxsim.kernels.fit import balanced_allocation
from gxsim.scheduler.demand import Demand
from gxsim.scheduler.nodes import NodeTable
from gxsim.scheduler.status import ALL, Rows


class NodeResourcesBalancedAllocation:
    name = "NodeResourcesBalancedAllocation"

    def __init__(self, nodes: NodeTable, resources: tuple[str, ...]):
        self._state = nodes.state
        self._resources = [nodes.state.resource_index[r] for r in resources if r in nodes.state.resource_index]
        self._native = [r for r in self._resources if r < 4]
        self._capacity = {
            tuple(columns): nodes.state.allocatable[:, columns].astype(np.float64)
            for columns in (self._resources, self._native)
        }

    def applies(self, demand: Demand) -> bool:
        """Whether the pod is scored at all: it requests one of the resources."""
        return bool(demand.requests[self._resources].any())

    def score(self, demand: Demand, rows: Rows = ALL) -> NDArray[np.int64]:
        """(rows,) 0..100; extended resources count only when the pod asks for them."""
        columns = [r for r in self._resources if r < 4 or demand.requests[r]]
        if columns == [0, 1]:
            requested = self._state.requested[rows][:, :2] + demand.requests[:2]
        else:
            requested = self._state.requested[rows][:, columns] + demand.requests[columns]
        capacity = self._capacity.get(tuple(columns))
        if capacity is None:
            capacity = self._capacity[tuple(columns)] = self._state.allocatable[:, columns].astype(np.float64)
        return balanced_allocation(requested, capacity[rows])
