"""Stops at work: what callers find there, and the queues of their pods."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gxsim.kernels.balancing import chain_pick, turn_pick
from gxsim.kernels.queueing import bounded_any_order, fifo_lanes, idle_servers
from gxsim.kernels.sharing import Sharing
from gxsim.model.model import Station
from gxsim.rng import Streams
from gxsim.traffic.batches import Batch
from gxsim.traffic.pinning import pinned_lanes
from gxsim.traffic.routes import Stop


@dataclass(frozen=True, slots=True)
class UnderWay:
    """Visits of a batch in the middle of their service: what each needs in all, and its ticket."""

    batch: Batch
    services: NDArray
    tickets: NDArray

    def where(self, which: NDArray) -> "UnderWay":
        return UnderWay(self.batch.where(which), self.services[which], self.tickets[which])


@dataclass(slots=True)
class Stage:
    """A stop at work: who is on the way to it, when its servers get free, and its own chance."""

    stop: Stop
    service_rng: np.random.Generator
    pick_rng: np.random.Generator
    free: list[NDArray]  # by lane; with bounded places their latest departures
    sharing: list[Sharing] | None  # by lane, where visits share the CPU of their pod
    pinned: NDArray | None  # (epochs, nodes, connections) lanes
    turns: NDArray | None  # (nodes,) connections made by callers on each node, where they take turns
    inbox: list[Batch] = field(default_factory=list)
    under_way: list[UnderWay] = field(default_factory=list)  # visits that share, and have not had all they need
    tickets: int = 0  # given out so far
    present_s: float = 0.0  # integral over time of the number present: departures less arrivals


def stage_of(stop: Stop, nodes: int, streams: Streams) -> Stage:
    """A stop before its first visit."""
    endpoints, station = stop.endpoints, stop.station
    pinned = None
    if station.connections and stop.edge is None:
        rng = streams.take(f"traffic/connections/{stop.name}")
        pinned = pinned_lanes(endpoints, nodes, station.connections, rng)
    return Stage(
        stop=stop,
        service_rng=streams.take(f"traffic/service/{stop.name}"),
        pick_rng=streams.take(f"traffic/picks/{stop.name}"),
        free=[idle_servers(station.places or station.servers) for _ in range(len(endpoints.lanes.node))],
        sharing=None if stop.cores is None else [Sharing(c[0][1], c[1:]) for c in stop.cores],
        pinned=pinned,
        turns=np.zeros(nodes, np.int64) if station.balancing == "roundRobin" else None,
    )


def shared(
    stage: Stage, batches: list[Batch], services: NDArray, until_s: float
) -> tuple[list[Batch], NDArray, NDArray]:
    """Visits that leave a shared stop before *until_s*: in batches, with their services and departures in one row.

    Whoever is still there then may yet be slowed by those who come later, and stays under way.
    """
    assert stage.sharing is not None
    past = 0
    for batch in batches:
        part = slice(past, past + len(batch.at_s))
        past = part.stop
        stage.under_way.append(UnderWay(batch, services[part], np.arange(part.start, part.stop) + stage.tickets))
    fresh = stage.under_way[len(stage.under_way) - len(batches) :]
    stage.tickets += past
    at_s, lane, tickets = (
        np.concatenate([np.empty(0, kind), *columns])
        for kind, columns in (
            (float, [one.batch.at_s for one in fresh]),
            (np.int64, [one.batch.lane for one in fresh]),
            (np.int64, [one.tickets for one in fresh]),
        )
    )
    left = np.full(stage.tickets - min((int(one.tickets[0]) for one in stage.under_way), default=0), np.nan)
    base = stage.tickets - len(left)
    for number, sharing in enumerate(stage.sharing):
        mine = np.flatnonzero(lane == number)
        mine = mine[np.argsort(at_s[mine], kind="stable")]
        who, when = sharing.advance(at_s[mine], services[mine], tickets[mine], until_s)
        left[who - base] = when
    leaving, staying, times_s = [], [], [np.empty(0)]
    for one in stage.under_way:
        departures = left[one.tickets - base]
        gone = ~np.isnan(departures)
        leaving.append(one.where(gone))
        times_s.append(departures[gone])
        if not gone.all():
            staying.append(one.where(~gone))
    stage.under_way = staying
    needed = np.concatenate([np.empty(0), *(one.services for one in leaving)])
    return [one.batch for one in leaving], needed, np.concatenate(times_s)


def found(stage: Stage, node: NDArray, at_s: NDArray) -> NDArray:
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
    if stage.turns is not None:
        pick = turn_pick(at_s, node, endpoints.count[epoch], stage.turns)
    else:
        pick = chain_pick(stage.pick_rng.random(len(at_s)), endpoints.count[epoch])
    picked = endpoints.target[epoch, pick]  # a pick of -1 is the last column: nobody
    if stage.pinned is None:
        return picked
    connection = (stage.pick_rng.random(len(at_s)) * stage.pinned.shape[2]).astype(np.int64)
    pinned = stage.pinned[epoch, node, connection]
    return np.where(pinned >= 0, pinned, picked)


def queued(
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
