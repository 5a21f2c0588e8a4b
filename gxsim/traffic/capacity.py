"""How much traffic the stations of a plan can carry, and how latency grows on the way there."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gxsim.model.model import Model
from gxsim.rng import Streams
from gxsim.state import ClusterState
from gxsim.timeline import Timeline
from gxsim.traffic.routes import Plan
from gxsim.traffic.run import Traffic, run_traffic

LEVELS = (0.1, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95)  # of the saturation rate
REQUESTS_PER_LEVEL = 200_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """Arrays (stops,): ``servers`` (or cores) at the start, and the rate of all requests together that fills each.

    ``rate`` is that of the model; ``without`` (nodes, stops) are the saturation rates when a node is lost and nothing
    moves: 0 where nobody is left.
    """

    rate: float
    visits: NDArray  # per request sent
    servers: NDArray
    saturation_rate: NDArray
    without: NDArray


def capacity(plan: Plan, nodes: int, taken_s: Mapping[int, float] | None = None) -> Capacity:
    """What the plan's stops can carry at the start of the run; *taken_s* is how long a visit holds a server, by stop.

    Visits are spread evenly over pods, as random picks do in the long run; over the hosts of an edge as DNS sends them.
    """
    rates = np.array([population.rate for population in plan.model.populations])
    rate = float(rates.sum())
    visits = _visits(plan)
    servers, alone = np.zeros(len(plan.stops)), np.zeros((nodes, len(plan.stops)))
    saturation, without = np.zeros(len(plan.stops)), np.zeros((nodes, len(plan.stops)))
    for number, stop in enumerate(plan.stops):
        lanes = stop.endpoints.target[0]
        where = stop.endpoints.lanes.node[lanes[lanes >= 0]]
        alone[:, number] = np.bincount(where, stop.capacities[lanes[lanes >= 0]], nodes)
        servers[number] = alone[:, number].sum()
        demand = visits[number] * (taken_s or {}).get(number, stop.station.service_time_s)
        if stop.edge is not None and rate:  # DNS may send one host more than its even share
            demand *= max(1.0, len(where) * np.bincount(plan.entry, rates, nodes).max() / rate)
        with np.errstate(divide="ignore", invalid="ignore"):  # nobody asks, or nobody is there
            saturation[number] = servers[number] / np.float64(demand)
            without[:, number] = (servers[number] - alone[:, number]) / np.float64(demand)
    return Capacity(rate=rate, visits=visits, servers=servers, saturation_rate=saturation, without=without)


def _visits(plan: Plan) -> NDArray:
    """(stops,) visits per request sent, caches counted."""
    visits = np.zeros(len(plan.stops))
    total = sum(route.path.share for route in plan.routes)
    for route in plan.routes:
        reaching = route.path.share / total
        together = {step for group in route.groups.values() for step in range(group.first, group.past)}
        for step, stop in enumerate(route.stops):
            if not (plan.stops[stop].endpoints.target[0] >= 0).any():
                break  # refused here: nothing goes further
            visits[stop] += reaching
            reaching *= 1 - (0.0 if step in together else plan.stops[stop].station.hit_ratio)
    return visits


def load_curve(
    model: Model,
    state: ClusterState,
    timeline: Timeline,
    streams: Sequence[Streams],
    saturation_rate: float,
    *,
    calm_s: float,
) -> list[tuple[float, Traffic]]:
    """The rate and the traffic at each of ``LEVELS``, with more users rather than busier ones.

    *calm_s* is how long the run stays as it began; *streams* has one entry per level, of one seed and replication, so
    that levels differ in the rate only.
    """
    rate = sum(population.rate for population in model.populations)
    curve = []
    for level, own in zip(LEVELS, streams, strict=True):
        factor = level * saturation_rate / rate
        users = tuple(
            dataclasses.replace(p, rate=p.rate * factor, clients=max(1, round(p.clients * factor)))
            for p in model.populations
        )
        wanted_s = REQUESTS_PER_LEVEL / (level * saturation_rate)
        scaled = dataclasses.replace(model, populations=users)
        curve.append((rate * factor, run_traffic(scaled, state, timeline, own, until_s=min(calm_s, wanted_s))))
    return curve
