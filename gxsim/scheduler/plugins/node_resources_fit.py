"""NodeResourcesFit: what is requested must fit; how full the node would be is a score."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gxsim.kernels import fit
from gxsim.model.scheduler_profile import Profile
from gxsim.scheduler.demand import Demand, Situation
from gxsim.scheduler.nodes import NodeTable
from gxsim.scheduler.status import ALL, UNRESOLVABLE, UNSCHEDULABLE, Refusal, Rows, Verdict
from gxsim.state import CPU, MEMORY, PODS, RESOURCES


class Capacity:
    """What the score kernels divide by and weigh with, in whole columns and in rows: each is read the faster way."""

    def __init__(self, allocatable: NDArray[np.int64], weights: Sequence[int]):
        self._columns = np.asfortranarray(np.maximum(allocatable, 1), np.float64)
        self._rows = np.ascontiguousarray(self._columns)
        self._weights = fit.weights_for(allocatable, weights)

    def of(self, rows: Rows) -> tuple[NDArray[np.float64], fit.Weights]:
        """(rows, resources) capacity, 1 for what is not there, and the weights."""
        weights = self._weights
        if isinstance(rows, slice):
            return self._columns[rows], weights
        if isinstance(weights.total, np.ndarray):
            weights = fit.Weights(weights.each[rows], weights.total[rows])
        return self._rows.take(rows, axis=0), weights


class NodeResourcesFit:
    name = "NodeResourcesFit"
    counts = False

    def __init__(self, nodes: NodeTable, profile: Profile):
        self._state = nodes.state
        self._profile = profile
        self._weights = profile.scoring_strategy.resources
        self._plain = list(self._weights) == ["cpu", "memory"]
        self._capacity = Capacity(self._state.allocatable[:, :2], tuple(self._weights.values())[:2])

    def prepare(self, demand: Demand) -> tuple[int, ...]:
        return demand.wanted

    def ignores(self, resource: str) -> bool:
        """Whether the profile leaves *resource* out of the fit."""
        group = resource.split("/")[0]
        return resource in self._profile.ignored_resources or (
            "/" in resource and group in self._profile.ignored_resource_groups
        )

    def passes(self, demand: Demand, rows: Rows, requested: NDArray[np.int64]) -> NDArray[np.bool_]:
        """(rows,) True where everything asked for is free; what is not asked for may be overdrawn."""
        passing = None
        for resource in demand.wanted:
            free = self._state.allocatable[:, resource][rows] - requested[:, resource][rows]
            enough = free >= demand.requests[resource]
            passing = enough if passing is None else passing & enough
        if passing is None or demand.unknown:
            return np.full(len(self._state.node_exists[rows]), not demand.unknown)
        return passing

    def fits(self, demand: Demand, node: int, requested: NDArray[np.int64]) -> bool:
        """The same for a single node."""
        taken, offered, asked = requested[node], self._state.allocatable[node], demand.requests
        return not demand.unknown and all(taken[r] + asked[r] <= offered[r] for r in demand.wanted)

    def refuse(self, demand: Demand, rows: Rows, situation: Situation) -> Verdict | None:
        """All that is lacking; what even an empty node lacks cannot be resolved."""
        taken, offered = situation.requested[rows], self._state.allocatable[rows]
        lacking = np.zeros(len(taken), np.int64)  # bit per resource; the next higher bits: beyond allocatable
        hopeless = np.zeros(len(taken), bool)
        for bit, resource in enumerate(demand.wanted):
            asked = demand.requests[resource]
            lacking |= (taken[:, resource] + asked > offered[:, resource]).astype(np.int64) << bit
            if resource != PODS:
                hopeless |= asked > offered[:, resource]
        if demand.unknown:
            hopeless[:] = True
        elif not lacking.any():
            return None
        patterns, codes = np.unique(lacking * 2 + hopeless, return_inverse=True)
        if patterns[0] == 0:
            return Verdict(codes, tuple(self._refusal(demand, int(p)) for p in patterns[1:]))
        return Verdict(codes + 1, tuple(self._refusal(demand, int(p)) for p in patterns))

    def _refusal(self, demand: Demand, pattern: int) -> Refusal:
        lacking = [r for bit, r in enumerate(demand.wanted) if pattern >> (bit + 1) & 1]
        names = [self._state.resources[r] for r in lacking] + list(demand.unknown)
        reasons = ["Too many pods"] * ("pods" in names) + [f"Insufficient {n}" for n in names if n != "pods"]
        return Refusal(self.name, UNRESOLVABLE if pattern & 1 else UNSCHEDULABLE, tuple(reasons))

    def score(self, demand: Demand, rows: Rows = ALL) -> NDArray[np.float64]:
        """(rows,) 0..100 in whole numbers by the profile's strategy; cpu and memory as ``scored_requests`` has them."""
        if self._plain:
            requested = self._state.scored_requested[rows] + demand.scored_requests
            return self._by_strategy(requested, *self._capacity.of(rows))
        counted = {
            name: amounts for name in self._weights if (amounts := self._amounts(demand, name, rows)) is not None
        }
        if not counted:
            return np.zeros(len(self._state.node_exists[rows]))
        requested = np.stack([taken for taken, _ in counted.values()], axis=1)
        offered = np.stack([offered for _, offered in counted.values()], axis=1)
        return self._by_strategy(requested, *Capacity(offered, [self._weights[name] for name in counted]).of(ALL))

    def _by_strategy(
        self, requested: NDArray[np.int64], capacity: NDArray[np.float64], weights: fit.Weights
    ) -> NDArray[np.float64]:
        strategy = self._profile.scoring_strategy
        if strategy.type == "RequestedToCapacityRatio":
            return fit.requested_to_capacity_ratio(requested, capacity, weights, strategy.shape)
        return fit.STRATEGIES[strategy.type](requested, capacity, weights)

    def _amounts(self, demand: Demand, name: str, rows: Rows) -> tuple[NDArray[np.int64], NDArray[np.int64]] | None:
        """(rows,) requested with the pod and allocatable of one resource; None where it does not count."""
        resource = self._state.resource_index.get(name)
        if resource is None or (name not in RESOURCES and not demand.requests[resource]):
            return None
        if resource in (CPU, MEMORY):
            taken = self._state.scored_requested[:, resource][rows] + demand.scored_requests[resource]
        else:
            taken = self._state.requested[:, resource][rows] + demand.requests[resource]
        return taken, self._state.allocatable[:, resource][rows]
