"""Ways of messages between users, nodes and pods, as long as the network lets them pass."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gxsim.traffic.batches import Batch
from gxsim.traffic.hops import Ends, Hops, outside
from gxsim.traffic.routes import USER, Plan, Route
from gxsim.traffic.stages import Stage

FROM_USERS, TO_USERS = 0, 1  # hops of a request; the others are two for each step


class Ways:
    """Who is where on the routes of a plan, and how long messages take; inf where they never arrive."""

    def __init__(self, plan: Plan, hops: Hops, slots: int):
        self.plan, self.hops, self.slots = plan, hops, slots
        self.first_bytes = np.array([plan.stops[route.stops[0]].station.request_bytes for route in plan.routes])

    def from_users(self, population: int, node: NDArray, sent_s: NDArray, choice: NDArray, ident: NDArray) -> NDArray:
        """When requests reach the node that DNS answered."""
        base_s = self.plan.user_s[population, node]
        if not self.hops:
            return sent_s + base_s
        abroad = outside(node)
        sizes = self.first_bytes[choice]
        return self.hops.arrive(sent_s, base_s, (abroad, abroad), (node, abroad), sizes, (ident, FROM_USERS))

    def home(self, batch: Batch, at_s: NDArray, *, inside: bool) -> NDArray:
        """When users have answers, or know of failures, that leave the first step at *at_s*, or the edge's node."""
        route = self.plan.routes[batch.route]
        first, trail = self.plan.stops[route.stops[0]], (*batch.trail, batch.lane)
        base_s = self.plan.user_s[batch.key // self.slots, batch.entry]
        abroad, size_bytes = outside(batch.entry), first.station.answer_bytes
        if first.edge is None and inside:
            at_s = self.hop(at_s, self.ends(route, 0, trail), (batch.entry, abroad), size_bytes, (batch.ident, 3))
        if not self.hops:
            return at_s + base_s
        sizes = np.full(len(at_s), size_bytes)
        return self.hops.arrive(at_s, base_s, (batch.entry, abroad), (abroad, abroad), sizes, (batch.ident, TO_USERS))

    def up(self, batch: Batch, step: int, at_s: NDArray) -> NDArray:
        """When what leaves *step* at *at_s* is back at the caller of the step."""
        route = self.plan.routes[batch.route]
        to, stop = route.callers[step], self.plan.stops[route.stops[step]]
        if to == USER or stop.within:
            return at_s
        trail = (*batch.trail, batch.lane)
        sender, receiver = self.ends(route, step, trail), self.ends(route, to, trail)
        return self.hop(at_s, sender, receiver, stop.station.answer_bytes, (batch.ident, 2 * step + 3))

    def down(self, batch: Batch, stage: Stage, caller: Ends, lane: NDArray, at_s: NDArray) -> NDArray:
        """When requests that leave their caller at *at_s* reach the pods of ``batch.step``."""
        lanes = stage.stop.endpoints.lanes
        receiver = (lanes.node[lane], lanes.pod[lane])
        return self.hop(at_s, caller, receiver, stage.stop.station.request_bytes, (batch.ident, 2 * batch.step + 2))

    def hop(self, at_s: NDArray, sender: Ends, receiver: Ends, size_bytes: int, chance: tuple[NDArray, int]) -> NDArray:
        """When messages arrive that leave at *at_s*."""
        base_s = self.plan.node_s[sender[0], receiver[0]]
        if not self.hops:
            return at_s + base_s
        return self.hops.arrive(at_s, base_s, sender, receiver, np.full(len(at_s), size_bytes), chance)

    def severed(self, stage: Stage, caller: Ends, lane: NDArray, at_s: NDArray) -> NDArray:
        """Positions of connections that find a pod but cannot stand."""
        there = np.flatnonzero(lane >= 0)
        lanes = stage.stop.endpoints.lanes
        ends = (lanes.node[lane[there]], lanes.pod[lane[there]])
        return there[self.hops.severed(at_s[there], (caller[0][there], caller[1][there]), ends)]

    def ends(self, route: Route, step: int, trail: Sequence[NDArray]) -> Ends:
        """(requests,) node and pod in which each was at *step*."""
        lanes = self.plan.stops[route.stops[step]].endpoints.lanes
        return lanes.node[trail[step]], lanes.pod[trail[step]]
