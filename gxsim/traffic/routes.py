"""Request paths made ready to run: stations in the order requests reach them, and who calls whom."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from gxsim.errors import ScenarioError
from gxsim.kernels.uptime import Windows
from gxsim.model.model import Model
from gxsim.model.paths import Parallel, Path, Station
from gxsim.model.users import Edge
from gxsim.state import ClusterState
from gxsim.state.degradation import Degradation
from gxsim.timeline import Timeline
from gxsim.traffic.delays import node_delays, user_delays
from gxsim.traffic.endpoints import Endpoints, edge_endpoints, service_endpoints
from gxsim.traffic.processors import Cores, lane_cores
from gxsim.traffic.read_only import room_of

USER = -1  # the caller of a path's first step
NOWHERE = -1  # column of a node that does not host the edge


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """A step of some paths with what a visit costs there and who answers.

    *edge* is set for a proxy on nodes; ``column`` (nodes,) is then where each node stands among its hosts. ``cores``
    (lanes,) is the CPU that all visits of a pod share, from when on, at a station that computes; None where its servers
    serve in turn. ``within`` is set for connections that a pod of the step before keeps: visits stay in that pod.
    ``room`` is when lanes took writes, of those that refuse them at some time; none where no path writes.
    """

    name: str
    station: Station
    endpoints: Endpoints
    edge: Edge | None
    column: NDArray
    cores: tuple[Cores, ...] | None
    room: Mapping[int, Windows]
    within: bool = False

    @property
    def capacities(self) -> NDArray:
        """(lanes,) seconds of service that each can do in a second as it begins."""
        if self.cores is None:
            return np.full(len(self.endpoints.lanes.node), float(self.station.servers))
        return np.array([own[0][1] for own in self.cores], float)

    def could_s(self, begin_s: NDArray, end_s: NDArray) -> NDArray:
        """(lanes,) seconds of service that each could do within the stretches of time from *begin_s* to *end_s*."""
        lanes = self.endpoints.lanes
        steps = self.cores or [[(begin, cores)] for begin, cores in zip(lanes.begin_s, self.capacities, strict=True)]
        found = np.zeros(len(lanes.node))
        for lane, own in enumerate(steps):
            times_s = [time_s for time_s, _ in own[1:]]
            for from_s, to_s, (_, cores) in zip(
                [lanes.begin_s[lane], *times_s], [*times_s, lanes.end_s[lane]], own, strict=True
            ):
                found[lane] += cores * (np.minimum(to_s, end_s) - np.maximum(from_s, begin_s)).clip(min=0.0).sum()
        return found

    @property
    def most(self) -> NDArray:
        """(lanes,) seconds of service that each can do in a second at its best."""
        if self.cores is None:
            return self.capacities
        return np.array([max(cores for _, cores in own) for own in self.cores], float)


@dataclass(frozen=True, slots=True)
class Group:
    """Steps ``first`` up to (not including) ``past``, called at the same time; ``enough`` answers end the wait."""

    first: int
    past: int
    enough: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A path as positions: ``stops[i]`` of its i-th step, and the step that calls it (``USER`` for the first).

    ``steps`` are their names, pools of connections among them; ``groups`` are by their first step.
    """

    path: Path
    steps: tuple[str, ...]
    stops: tuple[int, ...]
    callers: tuple[int, ...]
    groups: Mapping[int, Group]

    def back_to(self, step: int, caller: int) -> list[int]:
        """Steps whose answers pass on the way from *step* back to *caller*: *step* first, *caller* left out."""
        answering = []
        while step != caller:
            answering.append(step)
            step = self.callers[step]
        return answering


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything about the traffic of a run that no request changes.

    ``order`` lists stops so that every path visits them forwards. ``node_s`` (nodes, nodes) and ``user_s``
    (populations, nodes) are one-way delays.
    """

    model: Model
    routes: tuple[Route, ...]
    stops: tuple[Stop, ...]
    order: tuple[int, ...]
    node_names: tuple[str, ...]
    node_s: NDArray
    user_s: NDArray
    entry: NDArray  # (populations,) the node that DNS answers while all is well
    down_s: NDArray  # (epochs,) when a node went down or came back
    down: NDArray  # (epochs, nodes) which are down from then on
    degradations: tuple[Degradation, ...]  # what slows links, processors and disks down

    @property
    def feeds_back(self) -> bool:
        """Whether what happens at a step, or to a user, changes what happened before it on the way."""
        holds = any(stop.station.holds for stop in self.stops)
        return holds or any(population.retries is not None for population in self.model.populations)

    def node_down(self, node: NDArray, at_s: NDArray) -> NDArray:
        """(requests,) whether each node is down at each time."""
        if not self.down.any():
            return np.zeros(len(node), bool)
        return self.down[np.searchsorted(self.down_s, at_s, side="right") - 1, node]


def plan_traffic(model: Model, state: ClusterState, timeline: Timeline) -> Plan:
    """The plan of *model*'s paths that carry requests, on the cluster as *timeline* saw it.

    Raises ScenarioError for a step that is neither a Service nor an edge, or that no station describes, and for paths
    that visit stations in circles.
    """
    paths = [path for path in model.paths if path.share > 0]
    names = list(dict.fromkeys(step for path in paths for step in path.steps))
    written = {path.steps[-1] for path in paths if path.writes}
    known = {name: _stop(model, state, timeline, name, written=name in written) for name in names}
    ways = [_with_pools(path, known) for path in paths]
    index = {name: number for number, name in enumerate(known)}
    stops = tuple(known.values())
    routes = tuple(_route(path, way, index) for path, way in zip(paths, ways, strict=True))
    _check_populations(model, state, stops, routes)
    down_s = timeline.times_s(("node_down",))
    return Plan(
        model=model,
        routes=routes,
        stops=stops,
        order=_order(routes, list(known)),
        node_names=tuple(node.name for node in state.nodes),
        node_s=node_delays(model.network, state.nodes),
        user_s=user_delays(model.network, model.populations, state.nodes),
        entry=np.array([state.node_index[p.edge] for p in model.populations], np.int64),
        down_s=down_s,
        down=np.array([timeline.at("node_down", time_s) > 0 for time_s in down_s.tolist()]),
        degradations=timeline.degradations,
    )


def _check_populations(model: Model, state: ClusterState, stops: tuple[Stop, ...], routes: tuple[Route, ...]) -> None:
    firsts = {route.stops[0] for route in routes}
    for population in model.populations:
        node = state.node_index.get(population.edge)
        if node is None:
            raise ScenarioError(f"population {population.name}", f"there is no node {population.edge!r}")
        for stop in (stops[first] for first in firsts):
            if stop.edge is not None and stop.column[node] == NOWHERE:
                hosts = ", ".join(stop.edge.nodes)
                raise ScenarioError(
                    f"population {population.name}",
                    f"{stop.name} does not run on {population.edge}; name one of {hosts}",
                )


def _stop(model: Model, state: ClusterState, timeline: Timeline, name: str, *, written: bool) -> Stop:
    station = next((s for s in model.stations if fnmatchcase(name, s.step)), None)
    if station is None:
        raise ScenarioError(f"step {name}", "no station says what a visit costs; add one under stations")
    edge = next((edge for edge in model.edges if edge.name == name), None)
    column = np.full(len(state.nodes), NOWHERE)
    if edge is not None:
        column[[state.node_index[host] for host in edge.nodes]] = np.arange(len(edge.nodes))
        endpoints = edge_endpoints(state, timeline, edge)
        return Stop(name=name, station=station, endpoints=endpoints, edge=edge, column=column, cores=None, room={})
    service = next((s for s in state.cluster.services if f"{s.namespace}/{s.name}" == name), None)
    if service is None:
        raise ScenarioError(f"step {name}", "there is no such Service and no such edge; write namespace/service")
    endpoints = service_endpoints(state, timeline, service)
    if service.session_affinity == "ClientIP" and not station.connections:
        station = dataclasses.replace(station, connections=1)  # all that comes from one address goes to one pod
    room = room_of(state, timeline, endpoints.lanes) if written else {}
    cores = lane_cores(model, state, timeline, station, endpoints.lanes) if station.cpu_bound else None
    return Stop(name=name, station=station, endpoints=endpoints, edge=None, column=column, cores=cores, room=room)


def _with_pools(path: Path, known: dict[str, Stop]) -> list[tuple[str, str | None]]:
    """Steps of a path with their callers' names (None: as the step before), and pools of connections on the way.

    A pool is a stop inside the calling pod whose servers, the connections, are held until the answer; it joins *known*.
    """
    way: list[tuple[str, str | None]] = []
    together = {step for parallel in path.parallel for step in parallel.steps}
    for number, step in enumerate(path.steps):
        pool = known[step].station.pool
        if not pool or number == 0:
            way.append((step, path.callers.get(step)))
            continue
        if step in together:
            raise ScenarioError(f"path {path.name}", f"{step} is called together with others; leave its pool out")
        caller = path.callers.get(step, path.steps[number - 1])
        name = f"{caller} > {step}"
        station = Station(step=name, service_time_s=0.0, scv=0.0, servers=pool, holds=True, source="pool")
        if name not in known and caller in known:
            known[name] = dataclasses.replace(known[caller], name=name, station=station, cores=None, within=True)
        way += [(name, caller), (step, name)]
    return way


def _route(path: Path, way: list[tuple[str, str | None]], index: Mapping[str, int]) -> Route:
    steps = tuple(step for step, _ in way)
    groups = {group.first: group for group in (_group(path, steps, parallel) for parallel in path.parallel)}
    together = {step: group.first for group in groups.values() for step in range(group.first, group.past)}
    callers: list[int] = []
    for number, (step, caller) in enumerate(way):
        first = together.get(number, number)
        if first < number:
            callers.append(callers[first])
        elif caller is None:
            callers.append(callers[number - 1] if number - 1 in together else number - 1)
        elif caller in steps[:number]:
            callers.append(steps.index(caller))
        else:
            raise ScenarioError(f"path {path.name}", f"{caller!r} calls {step!r} but is no step before it")
    return Route(
        path=path, steps=steps, stops=tuple(index[step] for step in steps), callers=tuple(callers), groups=groups
    )


def _group(path: Path, steps: tuple[str, ...], parallel: Parallel) -> Group:
    count = len(parallel.steps)
    starts = [i for i in range(1, len(steps)) if steps[i : i + count] == parallel.steps]
    where = f"path {path.name}: parallel"
    if not starts or not count:
        raise ScenarioError(where, f"{', '.join(parallel.steps)} do not follow each other after the path's first step")
    if parallel.wait_for > count:
        raise ScenarioError(where, f"waitFor: {parallel.wait_for} answers of {count} steps; write at most {count}")
    return Group(starts[0], starts[0] + count, parallel.wait_for or count)


def _order(routes: tuple[Route, ...], names: list[str]) -> tuple[int, ...]:
    graph = nx.DiGraph()
    graph.add_nodes_from(range(len(names)))
    for route in routes:
        nx.add_path(graph, route.stops)
    try:
        return tuple(nx.lexicographical_topological_sort(graph))
    except nx.NetworkXUnfeasible:
        circle = " -> ".join(names[start] for start, _ in nx.find_cycle(graph))
        raise ScenarioError("paths", f"requests would visit in circles: {circle}; queues need an order") from None
