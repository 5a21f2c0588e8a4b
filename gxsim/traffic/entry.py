"""From users to the first step: which path a request takes, where its name leads, and the rate limit of the edge."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gxsim.kernels.keyed import uniforms
from gxsim.traffic.arrivals import ATTEMPT_BITS, Source
from gxsim.traffic.batches import Batch
from gxsim.traffic.retries import Again, attempt_of
from gxsim.traffic.routes import USER, Plan
from gxsim.traffic.tally import RATE_LIMITED

if TYPE_CHECKING:
    from gxsim.traffic.flow import Flow


class Entry:
    """How requests of a plan begin."""

    def __init__(self, plan: Plan, sources: Sequence[Source], salt: int, slot_edges_s: NDArray):
        self.plan, self.sources, self.salt = plan, sources, salt
        self.slot_edges_s = slot_edges_s
        self.slots = len(slot_edges_s) - 1
        self.shares = np.cumsum([route.path.share for route in plan.routes])
        edges = [plan.stops[route.stops[0]].edge for route in plan.routes]
        self.limits = {edge.name: edge for edge in edges if edge is not None and edge.rate_limit}
        self.limited = {name: np.array([edge is limit for edge in edges]) for name, limit in self.limits.items()}

    def enter(self, flow: Flow, until_s: float, again: Sequence[Again]) -> None:
        """Begin what users send before *until_s*, and what they send *again* in this piece of time."""
        for population, source in enumerate(self.sources):
            sent = source.send(min(until_s, float(self.slot_edges_s[-1])))
            fresh = Again(sent.times_s, sent.times_s, sent.ident)
            everyone = (
                fresh if len(again[population].at_s) == 0 else Again.all_of([fresh, again[population]]).in_order()
            )
            self._begin(flow, population, source, everyone)

    def _begin(self, flow: Flow, population: int, source: Source, sent: Again) -> None:
        """Give each attempt its path, and let those that pass the rate limit go to its first step."""
        key = self._keys(sent.born_s, population)
        choice = self._choice(sent.ident)
        first = attempt_of(sent.ident) == 0 if flow.habits.any else slice(None)
        flow.count(flow.tally.begin, (choice * flow.tally.keys + key)[first])
        needs_client = bool(self.limits) or len(source.answers[0]) > 1
        client = source.client(sent.ident) if needs_client else np.zeros(len(key), np.int64)
        node = source.node(sent.at_s, client)
        reached_s = flow.ways.from_users(population, node, sent.at_s, choice, sent.ident)
        passes, held_s = self._through_limits(
            source, choice, client, node, reached_s, may_overtake=bool(flow.ways.hops)
        )
        flow.count(flow.tally.attempt, self._keys(sent.at_s, population))
        order = np.argsort(choice.astype(np.int16), kind="stable")  # 16 bits are sorted by radix
        ends = np.cumsum(np.bincount(choice, minlength=len(self.shares)))
        for route, mine in enumerate(np.split(order, ends[:-1])):
            batch = Batch(
                route=route,
                step=USER,
                here=USER,
                born_s=sent.born_s[mine],
                left_s=sent.at_s[mine],
                at_s=reached_s[mine] + held_s[mine],
                key=key[mine],
                entry=node[mine],
                lane=node[mine],
                ident=sent.ident[mine],
                sent_s=sent.at_s[mine] if flow.habits.any else None,
                trail=(),
            )
            good = passes[mine]
            if good.all():
                flow.forward(batch)
                continue
            flow.unwind(batch, RATE_LIMITED, ~good, reached_s[mine])
            flow.forward(batch.where(good))

    def _keys(self, times_s: NDArray, population: int) -> NDArray:
        """(requests,) the cell of statistics: population and slot of time."""
        cuts = self.slot_edges_s[1:-1]
        if len(times_s) and times_s[-1] >= times_s[0] and (np.diff(times_s) >= 0).all():
            ends = np.searchsorted(times_s, cuts)
            slot = np.repeat(np.arange(self.slots), np.diff([0, *ends, len(times_s)]))
        else:
            slot = np.searchsorted(cuts, times_s, side="right")
        return slot + population * self.slots

    def _choice(self, ident: NDArray) -> NDArray:
        """(requests,) the path of each, the same for all attempts."""
        drawn = uniforms(self.salt, (ident >> ATTEMPT_BITS) << ATTEMPT_BITS) * self.shares[-1]
        return np.searchsorted(self.shares[:-1], drawn, side="right")

    def _through_limits(
        self,
        source: Source,
        choice: NDArray,
        client: NDArray,
        node: NDArray,
        reached_s: NDArray,
        *,
        may_overtake: bool,
    ) -> tuple[NDArray, NDArray]:
        """Whether each request passes the limit of the edge its path begins with, and how long it is held back."""
        passes, held_s = np.ones(len(choice), bool), np.zeros(len(choice))
        for name, edge in self.limits.items():
            there = ~self.plan.node_down(node, reached_s) & (reached_s < np.inf)
            mine = np.flatnonzero(self.limited[name][choice] & there)
            if may_overtake:
                mine = mine[np.argsort(reached_s[mine], kind="stable")]
            passes[mine], held_s[mine] = source.limited(edge, client[mine], node[mine], reached_s[mine])
        return passes, held_s
