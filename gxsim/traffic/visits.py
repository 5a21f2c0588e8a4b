"""Visits of a stop in one piece of time: taken from its inbox, served, counted, and sent on."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gxsim.kernels import dispatch as pods
from gxsim.traffic.batches import Batch
from gxsim.traffic.callers import calls_of
from gxsim.traffic.holding import HELD, Releases
from gxsim.traffic.stages import Served, Stage, joined, leaving, served
from gxsim.traffic.tally import DEAD_NODE, DEAD_POD, FULL, HANGING_POD, LOST, NO_ENDPOINT, TIMED_OUT

if TYPE_CHECKING:
    from gxsim.traffic.flow import Flow

CAUSES = {
    pods.REFUSED: DEAD_POD,
    pods.SILENT: DEAD_NODE,
    pods.NOBODY: NO_ENDPOINT,
    pods.FULL: FULL,
    pods.LOST: LOST,
    pods.TIMED_OUT: TIMED_OUT,
    pods.HANGING: HANGING_POD,
}


def serve(flow: Flow, number: int, until_s: float) -> None:
    """Serve whoever arrives at the stop *number* before *until_s*, and send on who leaves it."""
    stage = flow.stages[number]
    due, later = [], []
    for batch in stage.now.inbox:
        now = batch.at_s < until_s
        if now.all():
            due.append(batch)
            continue
        later.append(batch.where(~now))
        if now.any():
            due.append(batch.where(now))
    stage.now.inbox = later
    if stage.now.dispatch is not None:
        _serve_dispatched(flow, number, stage, due, until_s)
    elif stage.now.holders is not None:
        _serve_held(flow, number, stage, due, until_s)
    elif due or stage.now.under_way:
        _tell(flow, number, stage, served(stage, due, until_s))


def _tell(flow: Flow, number: int, stage: Stage, told: Served) -> None:
    """Count visits that are over, those cut short by the end of their pod too, and send each on."""
    if not told.batches:
        return
    at_s, lane = joined(told.batches, "at_s"), joined(told.batches, "lane")
    starts, departures, services = told.starts, told.departures, told.services
    ends = stage.stop.endpoints.lanes.end_s[lane]
    refused = np.isnan(starts)
    cut = (departures > ends) & ~refused
    if refused.any():
        starts, departures = np.where(refused, at_s, starts), np.where(refused, at_s, departures)
        services = np.where(refused, 0.0, services)
    if cut.any():
        departures = np.maximum(at_s, np.minimum(departures, ends))
        starts = np.minimum(starts, departures)
        services = departures - starts
    lost = cut | told.lost
    flow.count(_present, stage, float((departures - at_s).sum()))
    if stage.now.holders is None:
        flow.count(flow.tally.work, number, lane, services, departures)
    past = 0
    for batch in told.batches:
        part = slice(past, past + len(batch.at_s))
        past = part.stop
        sums = (batch.at_s - batch.left_s, starts[part] - batch.at_s, services[part])
        cell = batch.lane * flow.tally.keys + batch.key
        flow.count(flow.tally.visit, batch.route, batch.step, number, cell, sums)
        if stage.now.holders is None and stage.now.sharing is None:
            flow.count(flow.tally.move, number, cell, starts[part], departures[part], services[part])
        flow.leave(batch, departures[part], {LOST: lost[part], FULL: refused[part]})


def _present(stage: Stage, seconds: float) -> None:
    stage.now.present_s += seconds


# ---- servers that are held -------------------------------------------------------------------------------------------


def _serve_held(flow: Flow, number: int, stage: Stage, due: list[Batch], until_s: float) -> None:
    """Serve at a stop whose servers stay taken; who cannot begin before *until_s* waits for the next piece."""
    holders = stage.now.holders
    assert holders is not None
    assumed = flow.assumed.get(number, Releases.none())
    at_s, lane, ident, key = (joined(due, name) for name in ("at_s", "lane", "ident", "key"))
    cell = lane * flow.tally.keys + key
    services = stage.services(ident)
    place, known = assumed.find(ident)
    lasts_s = services + holders.typical_s
    lasts_s[known] = (assumed.free_s - assumed.start_s)[place[known]]
    starts = np.full(len(at_s), np.inf)
    began = flow.began.setdefault(number, [])
    began += holders.taken
    for one in range(len(holders.taken)):
        mine = np.flatnonzero(lane == one)
        mine = mine[np.lexsort((ident[mine], at_s[mine]))]
        starts[mine], stage.now.free[one] = holders.begin(
            one,
            at_s[mine],
            lasts_s[mine],
            stage.now.free[one],
            assumed=assumed,
            until_s=until_s,
            cells=cell[mine],
            idents=ident[mine],
        )
    lost_before = stage.stop.endpoints.lanes.end_s[lane] <= until_s
    over = (starts < until_s) | lost_before
    records = np.zeros(int((starts < until_s).sum()), HELD)
    begun = np.flatnonzero(starts < until_s)
    records["ident"], records["start"], records["lane"] = ident[begun], starts[begun], lane[begun]
    records["lasts"] = lasts_s[begun]
    records["cell"] = cell[begun]
    began.append(records)
    past, going = 0, []
    for batch in due:
        part = over[past : (past := past + len(batch.at_s))]
        if part.any():
            going.append(batch.where(part))
        if not part.all():
            stage.now.inbox.append(batch.where(~part))
    finite = np.where(np.isinf(starts), stage.stop.endpoints.lanes.end_s[lane], starts)[over]
    _tell(
        flow,
        number,
        stage,
        Served(
            batches=going,
            services=services[over],
            starts=finite,
            departures=finite + services[over],
            lost=np.zeros(int(over.sum()), bool),
        ),
    )


# ---- callers that choose ---------------------------------------------------------------------------------------------


def _serve_dispatched(flow: Flow, number: int, stage: Stage, due: list[Batch], until_s: float) -> None:
    """Let callers find pods by what pods are doing, and try others; every arrival at a pod is a visit."""
    dispatch = stage.now.dispatch
    assert dispatch is not None
    calls = []
    for batch in due:
        timeout_s = flow.plan.routes[batch.route].path.connect_timeout_s
        calls += calls_of(batch, stage.services(batch.ident), _clients(flow, batch), timeout_s)
    stage.now.under_way += due
    if not stage.now.under_way:
        return
    visits, failures = dispatch.advance(stage.world, calls, until_s)
    _count_work(flow, number, stage, visits)
    done = [visit for visit in visits if visit.outcome == pods.SERVED]
    columns = np.array([visit[1:5] for visit in done]).reshape(-1, 4)
    batches, place = leaving(stage, np.array([visit.ident for visit in done], np.int64))
    past = 0
    for batch in batches:
        mine = place[past : (past := past + len(batch.at_s))]
        lane, at_s, departures = columns[mine, 0].astype(np.int64), columns[mine, 1], columns[mine, 3]
        nobody = np.zeros(len(mine), bool)
        flow.leave(replace(batch, lane=lane, at_s=at_s), departures, {LOST: nobody})
    causes = np.array([CAUSES[failure.cause] for failure in failures], np.int64)
    when_s = np.array([failure.at_s for failure in failures])
    batches, place = leaving(stage, np.array([failure.ident for failure in failures], np.int64))
    past = 0
    for batch in batches:
        mine = place[past : (past := past + len(batch.at_s))]
        for cause in np.unique(causes[mine]).tolist():
            flow.fail(batch, cause, causes[mine] == cause, when_s[mine])


def _clients(flow: Flow, batch: Batch) -> NDArray:
    found = np.zeros(len(batch.at_s), np.int64)
    population = batch.key // flow.slots
    for number in np.unique(population).tolist():
        mine = population == number
        found[mine] = flow.sources[number].client(batch.ident[mine])
    return found


def _count_work(flow: Flow, number: int, stage: Stage, visits: list[pods.Visit]) -> None:
    """Count visits; of those that failed only what they cost, as the way there counts for the one that went well."""
    if not visits:
        return
    table = np.array([visit[1:5] for visit in visits])
    lane, at_s, starts, left_s = table[:, 0].astype(np.int64), table[:, 1], table[:, 2], table[:, 3]
    ident = np.array([visit.ident for visit in visits])
    good = np.array([visit.outcome == pods.SERVED for visit in visits])
    flow.count(_present, stage, float((left_s - at_s).sum()))
    flow.count(flow.tally.work, number, lane, left_s - starts, left_s)
    order = np.argsort(ident, kind="stable")
    known = ident[order]
    for batch in stage.now.under_way:
        low, high = np.searchsorted(known, batch.ident, "left"), np.searchsorted(known, batch.ident, "right")
        rows = np.repeat(np.arange(len(low)), high - low)
        mine = order[np.concatenate([np.arange(a, b) for a, b in zip(low, high, strict=True)])] if len(rows) else rows
        travel_s = np.where(good[mine], at_s[mine] - batch.left_s[rows], 0.0)
        sums = (travel_s, starts[mine] - at_s[mine], left_s[mine] - starts[mine])
        cell = lane[mine] * flow.tally.keys + batch.key[rows]
        flow.count(flow.tally.visit, batch.route, batch.step, number, cell, sums)
        flow.count(flow.tally.move, number, cell, starts[mine], left_s[mine], left_s[mine] - starts[mine])
