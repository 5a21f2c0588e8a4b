"""Stops at work: what callers find there, and the queues of their pods."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gxsim.kernels.balancing import chain_pick
from gxsim.kernels.queueing import bounded_any_order, fifo_lanes, idle_servers
from gxsim.model.model import Station
from gxsim.rng import Streams
from gxsim.traffic.batches import Batch
from gxsim.traffic.pinning import pinned_lanes
from gxsim.traffic.routes import Stop


@dataclass(slots=True)
class Stage:
    """A stop at work: who is on the way to it, when its servers get free, and its own chance."""

    stop: Stop
    service_rng: np.random.Generator
    pick_rng: np.random.Generator
    free: list[NDArray]  # by lane; with bounded places their latest departures
    pinned: NDArray | None  # (epochs, nodes, connections) lanes
    inbox: list[Batch] = field(default_factory=list)
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
        pinned=pinned,
    )


def found(stage: Stage, node: NDArray, at_s: NDArray) -> NDArray:
    """(connections,) what the callers on *node* find at *at_s*: a lane, or why there is none."""
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
