"""Requests on their way, stop by stop in the order of the paths: exact queues, whatever the pieces of time.

A piece of time is evaluated stop after stop. At each stop all visits that arrive before the piece's end are known once
the stops before it are done; later ones are held back. Chance belongs to each request, so that cutting time elsewhere
gives the same queues. Where something on the way changes what came before it, ``feedback`` evaluates pieces again.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gxsim.errors import InvariantError
from gxsim.kernels.keyed import salt_of, uniforms
from gxsim.rng import Streams
from gxsim.traffic.arrivals import Source
from gxsim.traffic.batches import Batch, Join
from gxsim.traffic.endpoints import HANGING, NOBODY, REFUSED, SILENT
from gxsim.traffic.entry import Entry
from gxsim.traffic.holding import Releases
from gxsim.traffic.hops import Ends, Hops, outside
from gxsim.traffic.read_only import refused
from gxsim.traffic.retries import Again, Habits, verdict
from gxsim.traffic.routes import USER, Plan, Route
from gxsim.traffic.stages import Stage, found_by, stage_of
from gxsim.traffic.tally import (
    ANSWERED,
    DEAD_NODE,
    DEAD_POD,
    EDGE_DOWN,
    HANGING_POD,
    LOST,
    NO_ENDPOINT,
    READ_ONLY,
    SERVICE,
    TOO_LATE,
    WAIT,
    Tally,
)
from gxsim.traffic.visits import serve
from gxsim.traffic.ways import Ways

OUTCOMES = {REFUSED: DEAD_POD, SILENT: DEAD_NODE, NOBODY: NO_ENDPOINT, HANGING: HANGING_POD}


class Flow:
    """All stages of a plan; ``advance`` moves every request as far as time allows.

    ``begin_s`` is how far that is. ``told`` is what is to be counted of a piece that may yet be evaluated again,
    ``again`` who sends once more because of it, and ``freed`` when servers that were held got free, by stop.
    """

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
        self.slots = len(slot_edges_s) - 1
        self.tally = Tally(plan, len(sources), slot_edges_s)
        self.stages = [stage_of(plan, stop, streams, slot_edges_s) for stop in plan.stops]
        self.joins: list[Join] = []
        self.written_s: dict[str, list[NDArray]] | None = {} if keep_writes else None
        self.habits = Habits(plan.model.populations, salt_of(streams.take("traffic/retries")))
        self.entry = Entry(plan, sources, salt_of(streams.take("traffic/routes")), slot_edges_s)
        self.ways = Ways(plan, Hops(plan.degradations, salt_of(streams.take("traffic/links"))), self.slots)
        self.begin_s = 0.0
        self.told: list[tuple[Callable[..., None], tuple[Any, ...]]] | None = None
        self.again: list[Again] = []
        self.assumed: dict[int, Releases] = {}
        self.began: dict[int, list[NDArray]] = {}
        self.freed: dict[int, list[tuple[NDArray, NDArray]]] = {}

    def advance(self, until_s: float) -> None:
        """Send what users send before *until_s*, and serve what arrives anywhere before it."""
        self.attempt(until_s, [Again.none() for _ in self.sources])
        self.accept(until_s)

    def attempt(self, until_s: float, again: Sequence[Again]) -> None:
        """Evaluate the piece up to *until_s*, in which users send *again* beside what they send anyway."""
        self.entry.enter(self, until_s, again)
        for position, number in enumerate(self.plan.order):
            serve(self, number, until_s)
            self._rejoin(position, until_s)
        if self.habits.any:
            self._give_up(until_s)

    def accept(self, until_s: float) -> None:
        """What the piece up to *until_s* came to is true: count it."""
        for source in self.sources:
            source.forget(until_s)
        for count, arguments in self.told or ():
            count(*arguments)
        self.begin_s = until_s

    def finish(self) -> Tally:
        """Serve everyone who is still on the way, as if nothing changed any more, and check what must hold."""
        if not self.plan.feeds_back:
            self.advance(np.inf)
        for number, stage in enumerate(self.stages):
            told_s, present_s = float(self.tally.lanes[number][[WAIT, SERVICE]].sum()), stage.now.present_s
            if abs(present_s - told_s) > 1e-6 * max(1.0, told_s):
                raise InvariantError(f"Little's law fails at {stage.stop.name}: {present_s} s are not {told_s} s")
            for lane, station in enumerate(stage.now.sharing or ()):
                self.tally.note(number, lane, station.noted_s, station.done_s)
        self.tally.check(self.plan)
        return self.tally

    def count(self, method: Callable[..., None], *arguments: Any) -> None:
        """Count something now, or when the piece is accepted."""
        if self.told is None:
            method(*arguments)
        else:
            self.told.append((method, arguments))

    # ---- from step to step -------------------------------------------------------------------------------------------

    def forward(self, batch: Batch) -> None:
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
        if stage.stop.within:
            stage.now.inbox.append(replace(batch, lane=batch.trail[route.callers[step]]))
            return
        if step == 0:
            down = self.plan.node_down(batch.entry, batch.at_s) | (batch.at_s == np.inf)
            if down.any():
                self.fail(batch, EDGE_DOWN, down, batch.at_s)
                batch = batch.where(~down)
        caller = (batch.entry, outside(batch.entry))
        if step > 0:
            caller = self.ways.ends(route, route.callers[step], batch.trail)
        if stage.now.dispatch is not None:  # the upstream finds a pod when it is its turn
            stage.now.inbox.append(replace(batch, lane=caller[0]))
            return
        lane, at_s = self._connect(stage, route, caller, batch)
        there = lane >= 0
        if not there.all():
            for code, cause in OUTCOMES.items():
                self.fail(batch, cause, lane == code, at_s)
            batch, caller, lane, at_s = (
                batch.where(there),
                (caller[0][there], caller[1][there]),
                lane[there],
                at_s[there],
            )
        if stage.stop.edge is None:
            asked_s, at_s = at_s, self.ways.down(batch, stage, caller, lane, at_s)
            over = at_s - asked_s > route.path.answer_timeout_s
            if over.any():
                self.fail(batch, DEAD_NODE, over, asked_s + route.path.answer_timeout_s)
                batch, lane, at_s = batch.where(~over), lane[~over], at_s[~over]
        if len(lane):
            stage.now.inbox.append(replace(batch, at_s=at_s, lane=lane))

    def _connect(self, stage: Stage, route: Route, caller: Ends, batch: Batch) -> tuple[NDArray, NDArray]:
        """The lane each connection leads to, or why it leads nowhere, and when it stands.

        Whoever finds a dead endpoint waits for its time-out, or is refused at once, and may try again.
        """
        at_s, lane = batch.at_s, self._reached(stage, caller, batch.at_s, batch.ident, 0)
        waits_s = {SILENT: route.path.connect_timeout_s, HANGING: route.path.answer_timeout_s}
        attempts = 0 if stage.stop.edge is not None else route.path.retries
        for number in range(attempts + 1):
            failed = np.flatnonzero(lane < 0)
            if len(failed) == 0:
                break
            at_s = at_s.copy()
            for why, wait_s in waits_s.items():
                at_s[failed] += np.where(lane[failed] == why, wait_s, 0.0)
            if number < attempts:
                ends = (caller[0][failed], caller[1][failed])
                lane[failed] = self._reached(stage, ends, at_s[failed], batch.ident[failed], number + 1)
        return lane, at_s

    def _reached(self, stage: Stage, caller: Ends, at_s: NDArray, ident: NDArray, attempt: int) -> NDArray:
        """What callers find at *at_s*, and whether the network lets them through to it."""
        lane = found_by(stage, caller[0], at_s, ident, attempt)
        if self.ways.hops and stage.stop.edge is None:
            lane[self.ways.severed(stage, caller, lane, at_s)] = SILENT
        return lane

    def leave(self, batch: Batch, departures: NDArray, gone: dict[int, NDArray]) -> None:
        """Send requests that have been served on to the next step, or back to their users; *gone* are not, by cause."""
        route = self.plan.routes[batch.route]
        last = batch.step + 1 == len(route.stops)
        served = np.ones(len(departures), bool)
        if last and route.path.writes and self.plan.stops[route.stops[-1]].room:
            room = self.plan.stops[route.stops[-1]].room
            over = np.logical_or.reduce([*gone.values()])
            gone = {**gone, READ_ONLY: refused(room, batch.lane, departures) & ~over}
        for cause, which in gone.items():
            if which.any():
                self._free(batch, batch.step, departures, which)
                self.fail(batch, cause, which, self.ways.up(batch, batch.step, departures))
            served &= ~which
        if not served.all():
            batch, departures = batch.where(served), departures[served]
        if batch.join is not None and batch.row is not None:
            at_s, alive = self._back(batch, departures, route.callers[batch.step])
            self.fail(batch, LOST, ~alive, at_s)
            batch.join.answer(batch.step, batch.row[alive], at_s[alive])
            return
        if last and route.path.writes and self.written_s is not None:
            written = self.written_s.setdefault(route.path.steps[-1], [])
            self.count(written.append, departures)
        stage = self.stages[route.stops[batch.step]]
        if last or stage.stop.station.hit_ratio == 0:
            (self._answer if last else self.proceed)(batch, departures)
            return
        hit = uniforms(stage.salts.hit, batch.ident) < stage.stop.station.hit_ratio
        self._answer(batch.where(hit), departures[hit])
        self.proceed(batch.where(~hit), departures[~hit])

    def proceed(self, batch: Batch, departures: NDArray) -> None:
        """Go back to the caller of the next step, and on from there."""
        route = self.plan.routes[batch.route]
        caller = route.callers[batch.step + 1]
        at_s, alive = self._back(batch, departures, caller)
        self.unwind(replace(batch, here=caller), LOST, ~alive, at_s)
        moved = replace(batch, left_s=departures, at_s=at_s)
        self.forward(moved if alive.all() else moved.where(alive))

    def _rejoin(self, position: int, until_s: float) -> None:
        """Let requests go on that have had enough answers, where all stops they asked are served (up to *position*)."""
        for join in self.joins:
            stops = self.plan.routes[join.batch.route].stops[join.group.first : join.group.past]
            if max(map(self.plan.order.index, stops)) > position:
                continue
            rows, at_s = join.settled(until_s)
            route, group = self.plan.routes[join.batch.route], join.group
            failed = rows[np.isinf(at_s)]
            asking = replace(join.batch, step=group.first)
            for cause in np.unique(join.cause[failed]).tolist():
                mine = failed[join.cause[failed] == cause]
                self.fail(asking.where(mine), cause, np.ones(len(mine), bool), join.hopeless_s(mine))
            batch, at_s = join.batch.where(rows[np.isfinite(at_s)]), at_s[np.isfinite(at_s)]
            siblings = (batch.lane,) * (group.past - group.first)
            trail = (*batch.trail, *siblings)
            batch = replace(batch, step=group.past - 1, here=route.callers[group.first], trail=trail)
            (self._answer if group.past == len(route.stops) else self.proceed)(batch, at_s)
        self.joins = [join for join in self.joins if not join.done]

    # ---- back to the user --------------------------------------------------------------------------------------------

    def _answer(self, batch: Batch, departures: NDArray) -> None:
        """The way back: through every caller that waits, then from the entry to the user."""
        at_s, alive = self._back(batch, departures, USER)
        at_s = self.ways.home(batch, at_s, inside=True)
        alive &= at_s < np.inf
        self._end(batch, LOST, ~alive, at_s)
        if not alive.all():
            batch, departures, at_s = batch.where(alive), departures[alive], at_s[alive]
        latency_s = at_s - batch.born_s
        patience_s = self.plan.routes[batch.route].path.patience_s
        if patience_s is not None:
            sent_s = batch.born_s if batch.sent_s is None else batch.sent_s
            good = at_s - sent_s <= patience_s
            self._end(batch, TOO_LATE, ~good, at_s)
            batch, departures, at_s, latency_s = batch.where(good), departures[good], at_s[good], latency_s[good]
        self.count(self.tally.count, batch.route, ANSWERED, batch.key)
        self.count(self.tally.answer, batch.route, batch.key, latency_s, at_s - departures)

    def fail(self, batch: Batch, cause: int, which: NDArray, at_s: NDArray) -> None:
        """End the requests *which*, or tell those who wait for several answers; their caller knows at *at_s*.

        A cache that is passed over is a miss: its caller goes on to the next step.
        """
        if not which.any():
            return
        batch, at_s = batch.where(which), at_s[which]
        route = self.plan.routes[batch.route]
        asking = replace(batch, here=route.callers[batch.step])
        if batch.join is not None and batch.row is not None:
            batch.join.fail(batch.step, batch.row, cause, at_s)
        elif self.plan.stops[route.stops[batch.step]].station.passed_over and batch.step + 1 < len(route.stops):
            self.proceed(asking, at_s)
        else:
            self.unwind(asking, cause, np.ones(len(at_s), bool), at_s)

    def unwind(self, batch: Batch, cause: int, which: NDArray, at_s: NDArray) -> None:
        """Tell the users of *which* that their request has failed, as ``batch.here`` knows at *at_s*."""
        if not which.any():
            return
        if self.plan.feeds_back:
            batch, at_s = batch.where(which), at_s[which]
            inside = batch.here != USER
            at_s, _ = self._back(batch, at_s, USER)
            at_s = self.ways.home(batch, at_s, inside=inside)
            which = np.ones(len(at_s), bool)
        self._end(batch, cause, which, at_s)

    def _end(self, batch: Batch, cause: int, which: NDArray, at_s: NDArray) -> None:
        """Requests *which* have failed, as their users know at *at_s*; some send them again."""
        if not which.any():
            return
        batch, at_s = batch.where(which), at_s[which]
        if batch.sent_s is None:
            self.count(self.tally.count, batch.route, cause, batch.key)
            return
        population = batch.key // self.slots
        if cause == EDGE_DOWN:
            at_s = batch.sent_s + self.habits.connect_s[population]
        patience_s = self.plan.routes[batch.route].path.patience_s
        deadline_s = batch.sent_s + (np.inf if patience_s is None else patience_s)
        causes, known_s = verdict(np.full(len(at_s), cause), at_s, deadline_s)
        retries = self.habits.tries_again(population, batch.ident, causes) & (known_s < np.inf)
        firing = retries & (known_s >= self.begin_s)  # those before have long given up, and been sent again
        chosen = batch.where(firing)
        self.again.append(self.habits.again(population[firing], chosen.ident, chosen.born_s, known_s[firing]))
        for one in np.unique(causes[~retries]).tolist():
            self.count(self.tally.count, batch.route, one, batch.key[~retries & (causes == one)])

    def _give_up(self, until_s: float) -> None:
        """Send again what users have waited for too long, though it is still under way."""
        waiting = [(batch, np.ones(len(batch.at_s), bool)) for stage in self.stages for batch in stage.now.everyone]
        waiting = [(batch, rows) for batch, rows in waiting if batch.join is None]
        waiting += [(join.batch, ~join.over) for join in self.joins]
        for batch, rows in waiting:
            patience_s = self.plan.routes[batch.route].path.patience_s
            if patience_s is None or batch.sent_s is None:
                continue
            deadline_s = batch.sent_s + patience_s
            population = batch.key // self.slots
            retries = self.habits.tries_again(population, batch.ident, np.full(len(deadline_s), TOO_LATE))
            firing = rows & retries & (deadline_s >= self.begin_s) & (deadline_s < until_s)
            if firing.any():
                chosen = batch.where(firing)
                self.again.append(
                    self.habits.again(population[firing], chosen.ident, chosen.born_s, deadline_s[firing])
                )

    def _back(self, batch: Batch, departures: NDArray, caller: int) -> tuple[NDArray, NDArray]:
        """When answers are back at *caller* (at the first step for the user), and whether all who pass them live.

        Everyone on the way has then done with the request.
        """
        route = self.plan.routes[batch.route]
        trail = (*batch.trail, batch.lane)
        at_s, alive = departures, np.ones(len(departures), bool)
        for step in route.back_to(batch.here, caller):
            self._free(batch, step, at_s)
            to = route.callers[step]
            if to == USER:
                break
            at_s = self.ways.up(batch, step, at_s)
            alive &= (at_s <= self.plan.stops[route.stops[to]].endpoints.lanes.end_s[trail[to]]) & (at_s < np.inf)
        return at_s, alive

    def _free(self, batch: Batch, step: int, at_s: NDArray, which: NDArray | None = None) -> None:
        """The server that holds each request at *step* is free again at *at_s*."""
        number = self.plan.routes[batch.route].stops[step]
        if self.stages[number].now.holders is not None:
            mine = slice(None) if which is None else which
            self.freed.setdefault(number, []).append((batch.ident[mine], at_s[mine]))
