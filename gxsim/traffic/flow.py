"""Requests on their way, stop by stop in the order of the paths: exact queues, whatever the pieces of time.

A piece of time is evaluated stop after stop. At each stop all visits that arrive before the piece's end are known once
the stops before it are done; later ones are held back. Cutting time elsewhere gives the same queues.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from gxsim.errors import InvariantError
from gxsim.kernels.service_times import service_times
from gxsim.rng import Streams
from gxsim.traffic.arrivals import Sent, Source
from gxsim.traffic.batches import Batch, Join
from gxsim.traffic.endpoints import HANGING, NOBODY, REFUSED, SILENT
from gxsim.traffic.hops import Ends, Hops, outside
from gxsim.traffic.routes import USER, Plan, Route
from gxsim.traffic.stages import Stage, found, queued, shared, stage_of
from gxsim.traffic.tally import (
    ANSWERED,
    DEAD_NODE,
    DEAD_POD,
    EDGE_DOWN,
    FULL,
    HANGING_POD,
    LOST,
    NO_ENDPOINT,
    RATE_LIMITED,
    SERVICE,
    TOO_LATE,
    WAIT,
    Tally,
)

OUTCOMES = {REFUSED: DEAD_POD, SILENT: DEAD_NODE, NOBODY: NO_ENDPOINT, HANGING: HANGING_POD}


class Flow:
    """All stages of a plan; ``advance`` moves every request as far as time allows."""

    def __init__(
        self,
        plan: Plan,
        sources: Sequence[Source],
        streams: Streams,
        slot_edges_s: NDArray,
        *,
        keep_writes: bool = False,
    ):
        self.plan = plan
        self.sources = sources
        self.slot_edges_s = slot_edges_s
        self.slots = len(slot_edges_s) - 1
        self.tally = Tally(plan, len(sources) * self.slots)
        self.stages = [stage_of(stop, len(plan.node_s), streams) for stop in plan.stops]
        self.joins: list[Join] = []
        self.written_s: dict[str, list[NDArray]] | None = {} if keep_writes else None
        self.route_rng = streams.take("traffic/routes")
        self.hops = Hops(plan.degradations, streams.take("traffic/links"))
        self.shares = np.cumsum([route.path.share for route in plan.routes])

    def advance(self, begin_s: float, end_s: float) -> None:
        """Send what users send in [*begin_s*, *end_s*), and serve what arrives anywhere before *end_s*."""
        for population, source in enumerate(self.sources):
            self._enter(population, source, source.send(begin_s, end_s))
        self._serve(end_s)

    def finish(self) -> Tally:
        """Serve everyone who is still on the way, and check what must hold."""
        self._serve(np.inf)
        for number, stage in enumerate(self.stages):
            told_s = float(self.tally.lanes[number][[WAIT, SERVICE]].sum())
            if abs(stage.present_s - told_s) > 1e-6 * max(1.0, told_s):
                raise InvariantError(f"Little's law fails at {stage.stop.name}: {stage.present_s} s are not {told_s} s")
        self.tally.check(self.plan)
        return self.tally

    # ---- from users to the first step --------------------------------------------------------------------------------

    def _enter(self, population: int, source: Source, sent: Sent) -> None:
        """Give each request its path, and let those that pass the rate limit go to its first step."""
        cuts = np.searchsorted(sent.times_s, self.slot_edges_s[1:-1])
        slot = np.repeat(np.arange(self.slots), np.diff([0, *cuts, len(sent.times_s)]))
        key = slot + population * self.slots
        uniforms = self.route_rng.random(len(key)) * self.shares[-1]
        choice = np.searchsorted(self.shares[:-1], uniforms, side="right")
        reached_s = self._from_users(population, sent, choice)
        passes, held_s = self._limited(source, sent, reached_s, choice)
        shape, cell = self.tally.sent.shape, choice * self.tally.keys + key
        self.tally.sent += np.bincount(cell, minlength=self.tally.sent.size).reshape(shape)
        refused = np.bincount(cell[~passes], minlength=self.tally.sent.size).reshape(shape)
        self.tally.outcomes[:, RATE_LIMITED] += refused
        kept = np.flatnonzero(passes)
        order = kept[np.argsort(choice[kept].astype(np.int16), kind="stable")]  # 16 bits are sorted by radix
        ends = np.cumsum(np.bincount(choice[kept], minlength=len(self.shares)))
        for route, mine in enumerate(np.split(order, ends[:-1])):
            times_s, node = sent.times_s[mine], sent.node[mine]
            self._forward(
                Batch(
                    route=route,
                    step=USER,
                    here=USER,
                    born_s=times_s,
                    left_s=times_s,
                    at_s=reached_s[mine] + held_s[mine],
                    key=key[mine],
                    entry=node,
                    lane=node,
                    trail=(),
                )
            )

    def _from_users(self, population: int, sent: Sent, choice: NDArray) -> NDArray:
        """When requests reach the node that DNS answered; inf where they never do."""
        base_s = self.plan.user_s[population, sent.node]
        if not self.hops:
            return sent.times_s + base_s
        abroad = outside(sent.node)
        firsts = [self.plan.stops[route.stops[0]].station.request_bytes for route in self.plan.routes]
        return self.hops.arrive(sent.times_s, base_s, (abroad, abroad), (sent.node, abroad), np.array(firsts)[choice])

    def _limited(self, source: Source, sent: Sent, reached_s: NDArray, choice: NDArray) -> tuple[NDArray, NDArray]:
        """Whether each request passes the limit of the edge its path begins with, and how long it is held back."""
        passes, held_s = np.ones(len(choice), bool), np.zeros(len(choice))
        edges = [self.plan.stops[route.stops[0]].edge for route in self.plan.routes]
        for edge in {edge.name: edge for edge in edges if edge is not None and edge.rate_limit}.values():
            routes = np.array([other is edge for other in edges])
            there = ~self.plan.node_down(sent.node, reached_s) & (reached_s < np.inf)
            mine = np.flatnonzero(routes[choice] & there)
            if self.hops:
                mine = mine[np.argsort(reached_s[mine], kind="stable")]  # on the way they may have overtaken others
            part = Sent(sent.times_s[mine], sent.client[mine], sent.node[mine])
            passes[mine], held_s[mine] = source.limited(edge, part, reached_s[mine])
        return passes, held_s

    # ---- from step to step -------------------------------------------------------------------------------------------

    def _forward(self, batch: Batch) -> None:
        """Send requests that are at their caller, at ``at_s``, to the next step, or to the next ones together."""
        route, step = self.plan.routes[batch.route], batch.step + 1
        trail = () if step == 0 else (*batch.trail, batch.lane)
        group = route.groups.get(step)
        if group is None:
            self._call(replace(batch, step=step, here=step, trail=trail))
            return
        join = Join(batch, group)
        self.joins.append(join)
        rows = np.arange(len(batch.at_s))
        for member in range(group.first, group.past):
            siblings = (batch.lane,) * (member - step)  # nobody asks where those are
            self._call(replace(batch, step=member, here=member, trail=(*trail, *siblings), join=join, row=rows))

    def _call(self, batch: Batch) -> None:
        """Connect requests that are at their caller to ``batch.step``."""
        route, step = self.plan.routes[batch.route], batch.step
        stage = self.stages[route.stops[step]]
        node = batch.entry if step == 0 else self._node(route, route.callers[step], batch.trail)
        if step == 0:
            down = self.plan.node_down(node, batch.at_s) | (batch.at_s == np.inf)
            if down.any():
                self._fail(batch, EDGE_DOWN, down)
                batch, node = batch.where(~down), node[~down]
        pod = outside(node) if step == 0 else self._pod(route, route.callers[step], batch.trail)
        lane, at_s = self._connect(stage, route, (node, pod), batch.at_s)
        there = lane >= 0
        if not there.all():
            for code, cause in OUTCOMES.items():
                self._fail(batch, cause, lane == code)
            batch, node, pod, lane, at_s = batch.where(there), node[there], pod[there], lane[there], at_s[there]
        if stage.stop.edge is None:
            lanes, asked_s = stage.stop.endpoints.lanes, at_s
            ends = (node, pod), (lanes.node[lane], lanes.pod[lane])
            at_s = self._hop(at_s, *ends, stage.stop.station.request_bytes)
            over = at_s - asked_s > route.path.answer_timeout_s if self.hops else np.zeros(0, bool)
            if over.any():
                self._fail(batch, DEAD_NODE, over)
                batch, lane, at_s = batch.where(~over), lane[~over], at_s[~over]
        if len(lane):
            stage.inbox.append(replace(batch, at_s=at_s, lane=lane))

    def _fail(self, batch: Batch, cause: int, which: NDArray) -> None:
        """End the requests *which*, or tell those who wait for several answers."""
        if not which.any():
            return
        if batch.join is None or batch.row is None:
            self.tally.count(batch.route, cause, batch.key[which])
        else:
            batch.join.fail(batch.step, batch.row[which], cause)

    def _hop(self, at_s: NDArray, sender: Ends, receiver: Ends, size_bytes: int) -> NDArray:
        """When messages arrive that leave at *at_s*; inf where they never do."""
        base_s = self.plan.node_s[sender[0], receiver[0]]
        if not self.hops:
            return at_s + base_s
        return self.hops.arrive(at_s, base_s, sender, receiver, np.full(len(at_s), size_bytes))

    def _connect(self, stage: Stage, route: Route, caller: Ends, at_s: NDArray) -> tuple[NDArray, NDArray]:
        """The lane each connection leads to, or why it leads nowhere, and when it stands.

        Whoever finds a dead endpoint waits for its time-out, or is refused at once, and may try again.
        """
        lane = self._reached(stage, caller, at_s)
        waits_s = {SILENT: route.path.connect_timeout_s, HANGING: route.path.answer_timeout_s}
        attempts = 0 if stage.stop.edge is not None else route.path.retries
        for left in range(attempts, -1, -1):
            failed = np.flatnonzero(lane < 0)
            if len(failed) == 0:
                break
            at_s = at_s.copy()
            for why, wait_s in waits_s.items():
                at_s[failed] += np.where(lane[failed] == why, wait_s, 0.0)
            if left:
                lane[failed] = self._reached(stage, (caller[0][failed], caller[1][failed]), at_s[failed])
        return lane, at_s

    def _reached(self, stage: Stage, caller: Ends, at_s: NDArray) -> NDArray:
        """What callers find at *at_s*, and whether the network lets them through to it."""
        lane = found(stage, caller[0], at_s)
        if self.hops and stage.stop.edge is None:
            there = np.flatnonzero(lane >= 0)
            lanes = stage.stop.endpoints.lanes
            ends = (lanes.node[lane[there]], lanes.pod[lane[there]])
            lane[there[self.hops.severed(at_s[there], (caller[0][there], caller[1][there]), ends)]] = SILENT
        return lane

    def _serve(self, until_s: float) -> None:
        for position, number in enumerate(self.plan.order):
            stage = self.stages[number]
            due, later = [], []
            for batch in stage.inbox:
                now = batch.at_s < until_s
                if now.all():
                    due.append(batch)
                    continue
                later.append(batch.where(~now))
                if now.any():
                    due.append(batch.where(now))
            stage.inbox = later
            if due or stage.under_way:
                self._visit(number, stage, due, until_s)
            self._rejoin(position, until_s)

    def _visit(self, number: int, stage: Stage, batches: list[Batch], until_s: float) -> None:
        """Serve *batches*, all that arrive up to *until_s*, and send each on."""
        station, lanes = stage.stop.station, stage.stop.endpoints.lanes
        services = service_times(
            stage.service_rng,
            sum(len(batch.at_s) for batch in batches),
            station.service_time_s,
            scv=station.scv,
            distribution=station.distribution,
            samples=np.array(station.samples_s),
        )
        if stage.sharing is not None:
            batches, services, departures = shared(stage, batches, services, until_s)
        if not batches:
            return
        at_s, lane = (np.concatenate([getattr(batch, name) for batch in batches]) for name in ("at_s", "lane"))
        if stage.sharing is not None:
            starts = departures - services  # what sharing costs counts as waiting
        else:
            starts, departures = queued(station, at_s, services, lane, stage.free)
        ends = lanes.end_s[lane]
        refused = np.isnan(starts)
        lost = (departures > ends) & ~refused
        if refused.any():
            starts, departures = np.where(refused, at_s, starts), np.where(refused, at_s, departures)
            services = np.where(refused, 0.0, services)
        if lost.any():
            departures = np.maximum(at_s, np.minimum(departures, ends))
            starts = np.minimum(starts, departures)
            services = departures - starts
        stage.present_s += float((departures - at_s).sum())
        self.tally.work(number, lane, services, departures)
        past = 0
        for batch in batches:
            part = slice(past, past + len(batch.at_s))
            past = part.stop
            sums = (batch.at_s - batch.left_s, starts[part] - batch.at_s, services[part])
            self.tally.visit(batch.route, batch.step, number, batch.lane * self.tally.keys + batch.key, sums)
            self._leave(batch, departures[part], {LOST: lost[part], FULL: refused[part]})

    def _leave(self, batch: Batch, departures: NDArray, gone: dict[int, NDArray]) -> None:
        """Send requests that have been served on to the next step, or back to their users; *gone* are not, by cause."""
        served = np.ones(len(departures), bool)
        for cause, which in gone.items():
            self._fail(batch, cause, which)
            served &= ~which
        if not served.all():
            batch, departures = batch.where(served), departures[served]
        route = self.plan.routes[batch.route]
        if batch.join is not None and batch.row is not None:
            at_s, alive = self._back(batch, departures, route.callers[batch.step])
            self._fail(batch, LOST, ~alive)
            batch.join.answer(batch.step, batch.row[alive], at_s[alive])
            return
        last = batch.step + 1 == len(route.stops)
        if last and route.path.writes and self.written_s is not None:
            self.written_s.setdefault(route.path.steps[-1], []).append(departures)
        hit_ratio = self.plan.stops[route.stops[batch.step]].station.hit_ratio
        if last or hit_ratio == 0:
            (self._answer if last else self._next)(batch, departures)
            return
        hit = self.stages[route.stops[batch.step]].pick_rng.random(len(departures)) < hit_ratio
        self._answer(batch.where(hit), departures[hit])
        self._next(batch.where(~hit), departures[~hit])

    def _next(self, batch: Batch, departures: NDArray) -> None:
        route = self.plan.routes[batch.route]
        at_s, alive = self._back(batch, departures, route.callers[batch.step + 1])
        self._fail(batch, LOST, ~alive)
        moved = replace(batch, left_s=departures, at_s=at_s)
        self._forward(moved if alive.all() else moved.where(alive))

    def _rejoin(self, position: int, until_s: float) -> None:
        """Let requests go on that have had enough answers, where all stops they asked are served (up to *position*)."""
        for join in self.joins:
            stops = self.plan.routes[join.batch.route].stops[join.group.first : join.group.past]
            if max(map(self.plan.order.index, stops)) > position:
                continue
            rows, at_s = join.settled(until_s)
            failed = np.isinf(at_s)
            for cause in np.unique(join.cause[rows[failed]]).tolist():
                mine = rows[failed][join.cause[rows[failed]] == cause]
                self.tally.count(join.batch.route, cause, join.batch.key[mine])
            batch, at_s = join.batch.where(rows[~failed]), at_s[~failed]
            route, group = self.plan.routes[batch.route], join.group
            siblings = (batch.lane,) * (group.past - group.first)
            trail = (*batch.trail, *siblings)
            batch = replace(batch, step=group.past - 1, here=route.callers[group.first], trail=trail)
            (self._answer if group.past == len(route.stops) else self._next)(batch, at_s)
        self.joins = [join for join in self.joins if not join.done]

    def _answer(self, batch: Batch, departures: NDArray) -> None:
        """The way back: through every caller that waits, then from the entry to the user."""
        route = self.plan.routes[batch.route]
        at_s, alive = self._back(batch, departures, USER)
        first, trail = self.plan.stops[route.stops[0]], (*batch.trail, batch.lane)
        abroad, size_bytes = outside(batch.entry), first.station.answer_bytes
        if first.edge is None:
            sender = self._node(route, 0, trail), self._pod(route, 0, trail)
            at_s = self._hop(at_s, sender, (batch.entry, abroad), size_bytes)
        base_s = self.plan.user_s[batch.key // self.slots, batch.entry]
        sizes = np.full(len(at_s), size_bytes)
        at_s = self.hops.arrive(at_s, base_s, (batch.entry, abroad), (abroad, abroad), sizes)
        alive &= at_s < np.inf
        latency_s = at_s - batch.born_s
        late = latency_s > (np.inf if route.path.patience_s is None else route.path.patience_s)
        good = alive & ~late
        self.tally.count(batch.route, ANSWERED, batch.key[good])
        self.tally.count(batch.route, TOO_LATE, batch.key[alive & late])
        self.tally.count(batch.route, LOST, batch.key[~alive])
        self.tally.answer(batch.route, batch.key[good], latency_s[good], (at_s - departures)[good])

    def _back(self, batch: Batch, departures: NDArray, caller: int) -> tuple[NDArray, NDArray]:
        """When answers are back at *caller* (at the first step for the user), and whether all who pass them live."""
        route = self.plan.routes[batch.route]
        trail = (*batch.trail, batch.lane)
        at_s, alive = departures, np.ones(len(departures), bool)
        for step in route.back_to(batch.here, caller):
            to = route.callers[step]
            if to == USER:
                break
            sender, receiver = ((self._node(route, i, trail), self._pod(route, i, trail)) for i in (step, to))
            at_s = self._hop(at_s, sender, receiver, self.plan.stops[route.stops[step]].station.answer_bytes)
            alive &= (at_s <= self.plan.stops[route.stops[to]].endpoints.lanes.end_s[trail[to]]) & (at_s < np.inf)
        return at_s, alive

    def _node(self, route: Route, step: int, trail: tuple[NDArray, ...]) -> NDArray:
        """(requests,) the node on which each was at *step*."""
        return self.plan.stops[route.stops[step]].endpoints.lanes.node[trail[step]]

    def _pod(self, route: Route, step: int, trail: tuple[NDArray, ...]) -> NDArray:
        """(requests,) the pod in which each was at *step*."""
        return self.plan.stops[route.stops[step]].endpoints.lanes.pod[trail[step]]
