"""Stops at work: what callers find there, and the queues of their pods."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gxsim.kernels.balancing import chain_pick, turn_pick
from gxsim.kernels.dispatch import Dispatch
from gxsim.kernels.disruption import Disrupted, customers
from gxsim.kernels.keyed import salt_of, service_times_of, uniforms
from gxsim.kernels.queueing import bounded_any_order, fifo_lanes, idle_servers
from gxsim.kernels.sharing import Sharing
from gxsim.model.paths import Station
from gxsim.rng import Streams
from gxsim.traffic.batches import Batch
from gxsim.traffic.callers import Found, dispatch_of
from gxsim.traffic.changes import disrupted_pod
from gxsim.traffic.holding import Holders
from gxsim.traffic.pinning import pinned_lanes
from gxsim.traffic.routes import Plan, Stop


@dataclass(frozen=True, slots=True)
class Salts:
    """What the chances of a visit to a stop depend on, beside who it is."""

    service: int
    pick: int
    connection: int
    hit: int


@dataclass(slots=True)
class Queues:
    """What the pods of a stop are doing at one moment, by lane; one of these methods serves them.

    ``free`` are times at which servers get free (with bounded places their latest departures); ``sharing``,
    ``disrupted``, ``holders`` and ``dispatch`` are other kinds of station. ``turns`` (nodes,) connections made by
    callers on each node, where they take turns. ``under_way`` are visits not over when the moment comes.
    """

    free: list[NDArray]
    sharing: list[Sharing] | None = None
    disrupted: list[Disrupted] | None = None
    holders: Holders | None = None
    dispatch: Dispatch | None = None
    turns: NDArray | None = None
    inbox: list[Batch] = field(default_factory=list)
    under_way: list[Batch] = field(default_factory=list)
    present_s: float = 0.0  # integral over time of the number present: departures less arrivals

    @property
    def everyone(self) -> list[Batch]:
        """Those on the way to the stop, and those in it."""
        return [*self.inbox, *self.under_way]


@dataclass(slots=True)
class Stage:
    """A stop at work: what does not change about it, and ``now``, which does."""

    stop: Stop
    salts: Salts
    pinned: NDArray | None  # (epochs, nodes, connections) lanes
    world: Found  # what callers that choose find there
    now: Queues

    def services(self, ident: NDArray) -> NDArray:
        """(visits,) what each needs of a server."""
        station = self.stop.station
        if station.service_time_s == 0.0:
            return np.zeros(len(ident))
        return service_times_of(
            self.salts.service,
            ident,
            station.service_time_s,
            scv=station.scv,
            distribution=station.distribution,
            samples=np.array(station.samples_s),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """Visits in *batches* that are over, (visits,) in their order: when each began and left, and what became of it.

    ``starts`` are NaN for the refused. ``lost`` were in service or waiting when a change of the station lost them.
    """

    batches: list[Batch]
    services: NDArray
    starts: NDArray
    departures: NDArray
    lost: NDArray


def stage_of(plan: Plan, stop: Stop, streams: Streams, slot_edges_s: NDArray) -> Stage:
    """A stop before its first visit; changes of its station come up to *horizon_s*."""
    endpoints, station, nodes = stop.endpoints, stop.station, len(plan.node_s)
    pinned = None
    if station.connections and stop.edge is None:
        rng = streams.take(f"traffic/connections/{stop.name}")
        pinned = pinned_lanes(endpoints, nodes, station.connections, rng)
    names = ("service", "picks", "keptopen", "hits")
    salts = Salts(*(salt_of(streams.take(f"traffic/{name}/{stop.name}")) for name in names))
    lanes = len(endpoints.lanes.node)
    now = Queues(free=[idle_servers(station.places or station.servers) for _ in range(lanes)])
    if stop.cores is not None:
        now.sharing = [
            Sharing(steps[0][1], list(steps[1:]), marks=np.minimum(slot_edges_s, end_s).tolist())
            for steps, end_s in zip(stop.cores, endpoints.lanes.end_s, strict=True)
        ]
    if station.changes:
        rng = streams.take(f"traffic/changes/{stop.name}")
        now.disrupted = [disrupted_pod(stop, lane, rng, float(slot_edges_s[-1])) for lane in range(lanes)]
    if station.holds:
        now.holders = Holders.idle(lanes)
    if station.upstream is not None:
        now.dispatch = dispatch_of(stop)
    if station.balancing == "roundRobin":
        now.turns = np.zeros(nodes, np.int64)
    world = Found(stop, plan.node_s, plan.node_names, salts.pick)
    return Stage(stop=stop, salts=salts, pinned=pinned, world=world, now=now)


# ---- who answers -----------------------------------------------------------------------------------------------------


def found_by(stage: Stage, node: NDArray, at_s: NDArray, ident: NDArray, attempt: int = 0) -> NDArray:
    """(connections,) what the callers on *node* find at *at_s*: a lane, or why there is none.

    Callers that take turns do so in order of time among the connections of one call, which are of one path.
    """
    endpoints = stage.stop.endpoints
    if len(at_s) == 0:
        return np.empty(0, np.int64)
    epochs = np.searchsorted(endpoints.times_s, [at_s.min(), at_s.max()], side="right") - 1
    if epochs[0] == epochs[1]:
        epoch: NDArray = np.full(len(at_s), epochs[0])
    else:
        epoch = np.searchsorted(endpoints.times_s, at_s, side="right") - 1
    if stage.stop.edge is not None:
        return endpoints.target[epoch, stage.stop.column[node]]
    if stage.now.turns is not None:
        pick = turn_pick(at_s, node, endpoints.count[epoch], stage.now.turns)
    else:
        pick = chain_pick(uniforms(stage.salts.pick, ident, attempt), endpoints.count[epoch])
    picked = endpoints.target[epoch, pick]  # a pick of -1 is the last column: nobody
    if stage.pinned is None:
        return picked
    drawn = uniforms(stage.salts.connection, ident, attempt)
    pinned = stage.pinned[epoch, node, (drawn * stage.pinned.shape[2]).astype(np.int64)]
    return np.where(pinned >= 0, pinned, picked)


# ---- being served ----------------------------------------------------------------------------------------------------


def served(stage: Stage, batches: list[Batch], until_s: float) -> Served:
    """Serve *batches*, all that arrive before *until_s*."""
    if stage.now.sharing is not None:
        return _shared(stage, batches, until_s)
    if stage.now.disrupted is not None:
        return _through_changes(stage, batches, until_s)
    at_s, lane, ident = (joined(batches, name) for name in ("at_s", "lane", "ident"))
    services = stage.services(ident)
    starts, departures = _queued(stage.stop.station, at_s, services, lane, stage.now.free)
    return Served(
        batches=batches, services=services, starts=starts, departures=departures, lost=np.zeros(len(at_s), bool)
    )


def joined(batches: list[Batch], name: str) -> NDArray:
    kind = float if name == "at_s" else np.int64
    return np.concatenate([np.empty(0, kind), *(getattr(batch, name) for batch in batches)])


def _shared(stage: Stage, batches: list[Batch], until_s: float) -> Served:
    """Visits that leave a shared stop before *until_s*; what sharing costs counts as waiting.

    Whoever is still there then may yet be slowed by those who come later, and stays under way.
    """
    assert stage.now.sharing is not None
    at_s, lane, ident = (joined(batches, name) for name in ("at_s", "lane", "ident"))
    services = stage.services(ident)
    who, when = [np.empty(0, np.int64)], [np.empty(0)]
    for number, sharing in enumerate(stage.now.sharing):
        mine = np.flatnonzero(lane == number)
        mine = mine[np.argsort(at_s[mine], kind="stable")]
        last_s = _last_s(stage, number, until_s)
        left = sharing.advance(at_s[mine], services[mine], ident[mine], last_s)
        who.append(left[0])
        when.append(left[1])
    stage.now.under_way += batches
    gone, place = leaving(stage, np.concatenate(who))
    departures = np.concatenate(when)[place]
    needed = stage.services(joined(gone, "ident"))
    return Served(
        batches=gone,
        services=needed,
        starts=departures - needed,
        departures=departures,
        lost=np.zeros(len(departures), bool),
    )


def _through_changes(stage: Stage, batches: list[Batch], until_s: float) -> Served:
    """Visits that leave a stop whose servers pause, crash or change in number, before *until_s*."""
    assert stage.now.disrupted is not None
    at_s, lane, ident = (joined(batches, name) for name in ("at_s", "lane", "ident"))
    services = stage.services(ident)
    left = []
    for number, disrupted in enumerate(stage.now.disrupted):
        mine = np.flatnonzero(lane == number)
        mine = mine[np.lexsort((ident[mine], at_s[mine]))]
        arriving = customers(ident[mine], at_s[mine], services[mine])
        left.append(disrupted.advance(arriving, _last_s(stage, number, until_s)))
    stage.now.under_way += batches
    records = np.concatenate(left)
    gone, place = leaving(stage, records["ident"])
    records = records[place]
    begun = np.where(np.isnan(records["begun"]), records["departure"], records["begun"])
    services = np.where(records["lost"], records["departure"] - begun, records["service"])
    return Served(
        batches=gone,
        services=services,
        starts=records["departure"] - services,  # what a pause or a second beginning costs counts as waiting
        departures=records["departure"],
        lost=records["lost"],
    )


def _last_s(stage: Stage, lane: int, until_s: float) -> float:
    """Up to when a lane is looked at: to its end where it dies before *until_s*, as nobody else can come then."""
    return np.inf if stage.stop.endpoints.lanes.end_s[lane] <= until_s else until_s


def leaving(stage: Stage, who: NDArray) -> tuple[list[Batch], NDArray]:
    """Take the visits *who* (idents) from those under way: in batches, and the place of each in *who*."""
    order = np.argsort(who)
    known = who[order]
    going, staying, places = [], [], [np.empty(0, np.int64)]
    for batch in stage.now.under_way:
        at = np.searchsorted(known, batch.ident).clip(max=max(len(known) - 1, 0))
        gone = known[at] == batch.ident if len(known) else np.zeros(len(at), bool)
        if gone.any():
            going.append(batch if gone.all() else batch.where(gone))
            places.append(order[at[gone]])
        if not gone.all():
            staying.append(batch.where(~gone) if gone.any() else batch)
    stage.now.under_way = staying
    return going, np.concatenate(places)


def _queued(
    station: Station, at_s: NDArray, services: NDArray, lane: NDArray, free: list[NDArray]
) -> tuple[NDArray, NDArray]:
    """Starts and departures of visits at the lanes of a station; NaN for those that find all places taken."""
    if station.places is None:
        starts = fifo_lanes(at_s, services, lane, free)
        return starts, starts + services
    starts, departures = np.empty(len(at_s)), np.empty(len(at_s))
    for number in np.unique(lane).tolist():
        mine = np.flatnonzero(lane == number)
        starts[mine], departures[mine], free[number] = bounded_any_order(
            at_s[mine], services[mine], free[number], station.servers
        )
    return starts, departures
