"""What users feel: tables of the traffic by path, region and phase, by step, station and node, and over time."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from gxsim.kernels.histogram import quantile
from gxsim.kernels.waiting import mean_wait
from gxsim.load.scenario import Case
from gxsim.model.paths import Station
from gxsim.observe.table import Table
from gxsim.rng import Streams
from gxsim.state import CPU, ClusterState
from gxsim.timeline import Timeline
from gxsim.traffic.capacity import LEVELS, Capacity, capacity, load_curve
from gxsim.traffic.phases import PHASES
from gxsim.traffic.run import Traffic, run_traffic
from gxsim.traffic.tally import ANSWERED, CAUSES, SERVICE, VISITS, WAIT

ALL = "all"
QUANTILES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p99_9": 0.999}
BATCHES = 8  # of a phase: neighbours in time are not independent, batches nearly are
T_975 = 2.365  # Student's t for BATCHES - 1 degrees of freedom
FEWEST_BEYOND = 100  # observations above a quantile; with fewer it is noise


def traffic_tables(
    case: Case, state: ClusterState, timeline: Timeline, streams: Streams
) -> tuple[Mapping[str, NDArray], list[Table]]:
    """Every request of the model's users followed to its end: when each outbox was written to, and all tables.

    Raises ScenarioError for a model without users or paths.
    """
    traffic = run_traffic(case.model, state, timeline, streams, clock_s=case.scenario.clock_s, keep_writes=True)
    return traffic.writes_s, tables_of(traffic, state)


def tables_of(traffic: Traffic, state: ClusterState) -> list[Table]:
    """The tables of a *traffic* that has been run."""
    return [
        path_table(traffic),
        waterfall_table(traffic),
        station_table(traffic),
        node_traffic_table(traffic, state),
        saturation_table(traffic, state),
        curve_table(traffic),
    ]


# ---- paths ----------------------------------------------------------------------------------------------------------


def path_table(traffic: Traffic) -> Table:
    """One row per path, population and phase: rate, success, failures by cause, quantiles with their intervals."""
    names = ["path", "population", "phase", "lasts_s", "sent", "rate", "attempts", *CAUSES]
    names += ["answered_percent", "answered_low_percent", "answered_high_percent", "mean_s"]
    names += [f"{name}{side}_s" for name in QUANTILES for side in ("", "_low", "_high")]
    rows = []
    for path, population, outcomes, histogram, latency_s in _groups(traffic):
        attempts = _attempts(traffic, population)
        for phase, mine in _phases(traffic):
            lasts_s = float(traffic.slots.lengths_s[mine].sum())
            counts = outcomes[:, mine].sum(axis=1)
            sent = int(counts.sum())
            row = [path, population, PHASES[phase], lasts_s, sent, sent / lasts_s]
            row += [int(attempts[mine].sum()) if path == ALL else None, *(int(c) for c in counts)]
            row += _share(outcomes[:, mine])
            row.append(float(latency_s[mine].sum() / counts[ANSWERED]) if counts[ANSWERED] else None)
            for probability in QUANTILES.values():
                row += _interval(histogram[mine], probability)
            rows.append(row)
    about = (
        "Requests of each path and population by phase: how many, what became of them, and how long answers took, with "
        "95 % intervals from eight batches of the phase; empty where there are not enough data. The intervals tell "
        "chance among requests, on the one course of events that this run took"
    )
    return Table.of("paths", about, names, rows)


def _attempts(traffic: Traffic, population: str) -> NDArray:
    """(slots,) requests sent in each, those sent again too."""
    attempts = traffic.tally.attempts.reshape(-1, len(traffic.slots.phase))
    names = [one.name for one in traffic.plan.model.populations]
    return attempts[names.index(population)] if population in names else attempts.sum(axis=0)


def _groups(traffic: Traffic) -> Iterator[tuple[str, str, NDArray, NDArray, NDArray]]:
    """Path, population, outcomes (causes, slots), histogram (slots, bins) and latencies (slots); sums come last."""
    tally, slots = traffic.tally, len(traffic.slots.phase)
    populations = [population.name for population in traffic.plan.model.populations]
    shape = (len(populations), slots)
    everything: list[NDArray] = [np.zeros(()), np.zeros(()), np.zeros(())]
    for number, route in enumerate(traffic.plan.routes):
        parts = [
            np.moveaxis(tally.outcomes[number].reshape(-1, *shape), 1, 0),
            tally.histograms[number].reshape(*shape, -1),
            tally.latency_s[number].reshape(shape),
        ]
        everything = [total + part for total, part in zip(everything, parts, strict=True)]
        yield from _by_population(route.path.name, populations, parts)
    yield from _by_population(ALL, populations, everything)


def _by_population(
    path: str, populations: list[str], parts: list[NDArray]
) -> Iterator[tuple[str, str, NDArray, NDArray, NDArray]]:
    for index, name in enumerate(populations):
        yield path, name, parts[0][index], parts[1][index], parts[2][index]
    if len(populations) > 1:
        yield path, ALL, parts[0].sum(axis=0), parts[1].sum(axis=0), parts[2].sum(axis=0)


def _phases(traffic: Traffic) -> Iterator[tuple[int, NDArray]]:
    for phase in range(len(PHASES)):
        mine = np.flatnonzero(traffic.slots.phase == phase)
        if len(mine):
            yield phase, mine


def _share(outcomes: NDArray) -> list[float | None]:
    """Percent answered of outcomes (causes, slots), and the ends of its interval."""
    sent = outcomes.sum()
    if sent == 0:
        return [None, None, None]
    percent = float(100 * outcomes[ANSWERED].sum() / sent)
    batches = [part.sum(axis=1) for part in np.array_split(outcomes, BATCHES, axis=1)]
    if min(batch.sum() for batch in batches) == 0:
        return [percent, None, None]
    each = np.array([100 * batch[ANSWERED] / batch.sum() for batch in batches])
    half = T_975 * each.std(ddof=1) / math.sqrt(BATCHES)
    return [percent, max(0.0, percent - half), min(100.0, percent + half)]


def _interval(histogram: NDArray, probability: float) -> list[float | None]:
    """A quantile of histograms (slots, bins) and the ends of its interval."""
    pooled = histogram.sum(axis=0)
    if pooled.sum() * (1 - probability) < FEWEST_BEYOND:
        return [None, None, None]
    value = float(quantile(pooled, probability))
    batches = np.array([part.sum(axis=0) for part in np.array_split(histogram, BATCHES)])
    if (batches.sum(axis=1) * (1 - probability)).min() < FEWEST_BEYOND / (2 * BATCHES):
        return [value, None, None]
    half = T_975 * quantile(batches, probability).std(ddof=1) / math.sqrt(BATCHES)
    return [value, max(0.0, value - half), value + half]


def waterfall_table(traffic: Traffic) -> Table:
    """One row per path, population, phase and step: mean travel, wait and service of a visit."""
    rows = []
    populations = [population.name for population in traffic.plan.model.populations]
    shape = (len(populations), len(traffic.slots.phase))
    for number, route in enumerate(traffic.plan.routes):
        answered = traffic.tally.outcomes[number, ANSWERED].reshape(shape)
        answers = traffic.tally.answers[number].reshape(shape)
        for phase, mine in _phases(traffic):
            for name, index in _each(populations):
                for step, sums in zip(route.steps, traffic.tally.steps[number], strict=True):
                    visits, *times = sums.reshape(4, *shape)[:, index][:, :, mine].sum(axis=(1, 2))
                    if visits:
                        row = (
                            route.path.name,
                            name,
                            PHASES[phase],
                            step,
                            int(visits),
                            *(float(t / visits) for t in times),
                        )
                        rows.append(row)
                if count := int(answered[index][:, mine].sum()):
                    back_s = float(answers[index][:, mine].sum() / count)
                    rows.append((route.path.name, name, PHASES[phase], "answer", count, back_s, 0.0, 0.0))
    about = "Mean times of the visits of each step, in order: on the way there, waiting for a server, being served"
    columns = ("path", "population", "phase", "step", "visits", "travel_s", "wait_s", "service_s")
    return Table.of("waterfall", about, columns, rows)


def _each(populations: list[str]) -> list[tuple[str, slice]]:
    one = [(name, slice(index, index + 1)) for index, name in enumerate(populations)]
    return one if len(one) == 1 else [*one, (ALL, slice(None))]


# ---- stations and nodes ---------------------------------------------------------------------------------------------


def station_table(traffic: Traffic) -> Table:
    """One row per step and phase: visits, utilisation, waits beside theory, and how unevenly its pods are used."""
    rows = []
    for number, stop in enumerate(traffic.plan.stops):
        station = stop.station
        for phase, mine in _phases(traffic):
            sums, alive_s = _lanes(traffic, number, mine)
            could_s = stop.could_s(traffic.slots.edges_s[:-1][mine], traffic.slots.edges_s[1:][mine])
            visits, lasts_s = sums[VISITS], float(traffic.slots.lengths_s[mine].sum())
            busy_s = _done_s(traffic, number, mine, held=station.holds)
            live = alive_s > 0
            if not visits[live].any():
                continue
            use = busy_s[live] / could_s[live]
            rates = visits[live] / alive_s[live]
            theory = [
                mean_wait(station.servers, arrival_rate=r, service_time_s=station.service_time_s, scv=station.scv)
                for r in rates
            ]
            expected_s = (
                float(np.average(theory, weights=visits[live]))
                if station.distribution == "auto" and stop.cores is None and _queues_simply(station)
                else None
            )
            servers = round(float(could_s.sum() / alive_s.sum()), 9)
            row = [stop.name, PHASES[phase], int(live.sum()), servers, float(visits.sum() / lasts_s)]
            row += [100 * float(busy_s.sum() / could_s.sum()), 100 * float(use.max())]
            row += [float(rates.max() / rates.mean()), float(sums[WAIT].sum() / visits.sum()), expected_s]
            rows.append(row)
    about = (
        "Work of the pods behind each step; theory is the mean wait of M/M/c (M/G/1, or Allen and Cunneen's "
        "approximation for other service times) at each pod's own rate; busiest over mean is the imbalance of visits; "
        "pods whose visits share a processor have its cores as servers"
    )
    columns = ["step", "phase", "pods", "servers_per_pod", "visits_per_second", "utilisation_percent"]
    columns += ["busiest_percent", "busiest_over_mean", "wait_s", "theory_wait_s"]
    return Table.of("stations", about, columns, rows)


def _queues_simply(station: Station) -> bool:
    """Whether each pod is a station of textbooks: Poisson arrivals, first come first served, nothing that changes."""
    return not (station.holds or station.changes or station.upstream or station.places)


def _done_s(traffic: Traffic, number: int, mine: NDArray, held: bool = False) -> NDArray:
    """(lanes,) work that a stop did within some slots, whoever it was for; *held*: how long servers were taken."""
    sums_s = _held_s(traffic, number, mine) if held else _lanes(traffic, number, mine)[0][SERVICE]
    return (sums_s + traffic.tally.moved_s[number][:, mine].sum(axis=1)).clip(min=0.0)


def _held_s(traffic: Traffic, number: int, mine: NDArray) -> NDArray:
    """(lanes,) how long servers of a stop were taken in some slots."""
    held_s = traffic.tally.held_s[traffic.tally.held[number]]
    return held_s.reshape(len(held_s), -1, len(traffic.slots.phase))[..., mine].sum(axis=(1, 2))


def _lanes(traffic: Traffic, number: int, mine: NDArray) -> tuple[NDArray, NDArray]:
    """Sums (4, lanes) of a stop in some slots, and how long each lane lived in them."""
    tally, slots = traffic.tally, traffic.slots
    lanes = traffic.plan.stops[number].endpoints.lanes
    by_slot = tally.lanes[number].reshape(4, len(lanes.node), len(traffic.plan.entry), len(slots.phase))
    begin, end = slots.edges_s[:-1][mine], slots.edges_s[1:][mine]
    overlap_s = np.minimum(lanes.end_s[:, None], end) - np.maximum(lanes.begin_s[:, None], begin)
    return by_slot[..., mine].sum(axis=(2, 3)), overlap_s.clip(min=0.0).sum(axis=1)


def node_traffic_table(traffic: Traffic, state: ClusterState) -> Table:
    """One row per node and phase: cores that requests keep busy, beside what the node has and what is documented."""
    documented = {entry.node: entry.cpu_milli / 1000 for entry in traffic.plan.model.node_usage}
    rows = []
    for phase, mine in _phases(traffic):
        lasts_s = float(traffic.slots.lengths_s[mine].sum())
        busy_s, visits = np.zeros(len(state.nodes)), np.zeros(len(state.nodes))
        for number, stop in enumerate(traffic.plan.stops):
            sums, _ = _lanes(traffic, number, mine)
            done_s = _done_s(traffic, number, mine)
            busy_s += np.bincount(stop.endpoints.lanes.node, done_s, len(state.nodes))
            visits += np.bincount(stop.endpoints.lanes.node, sums[VISITS], len(state.nodes))
        for index, node in enumerate(state.nodes):
            cores = state.allocatable[index, CPU] / 1000
            told = documented.get(node.name)
            row = (
                node.name,
                PHASES[phase],
                float(visits[index] / lasts_s),
                float(busy_s[index] / lasts_s),
                float(cores),
            )
            share = 100 * told / cores if told is not None and cores else None
            rows.append((*row, float(100 * busy_s[index] / lasts_s / cores) if cores else None, share))
    about = "Cores that requests keep busy on each node if serving is computing, beside the documented load of the node"
    columns = ("node", "phase", "visits_per_second", "busy_cores", "cores", "busy_percent", "documented_percent")
    return Table.of("traffic_nodes", about, columns, rows)


def saturation_table(traffic: Traffic, state: ClusterState) -> Table:
    """One row per step: the rate of all requests at which it saturates, with every node and with the worst one lost."""
    found = _capacity(traffic, len(state.nodes))
    used = np.flatnonzero(found.visits > 0)
    rows = []
    for number in used[np.argsort(found.saturation_rate[used], kind="stable")].tolist():
        worst = int(np.argmin(found.without[:, number]))
        rows.append(
            (
                traffic.plan.stops[number].name,
                float(found.visits[number]),
                float(found.servers[number]),
                float(found.saturation_rate[number]),
                float(100 * found.rate / found.saturation_rate[number]),
                state.nodes[worst].name,
                float(found.without[worst, number]),
                number == bottleneck(found),
            )
        )
    about = (
        "The rate of all requests together that keeps each step busy always; without a node its pods are gone and none "
        "has been replaced; the lowest rate is the bottleneck"
    )
    columns = ("step", "visits_per_request", "servers", "saturation_rate", "now_percent", "worst_node")
    return Table.of("saturation", about, (*columns, "rate_without_it", "bottleneck"), rows)


def _capacity(traffic: Traffic, nodes: int) -> Capacity:
    """What the stops can carry, where servers are held as long as in the first phase."""
    first = np.flatnonzero(traffic.slots.phase == traffic.slots.phase[0])
    taken_s = {}
    for number in traffic.tally.held:
        visits = _lanes(traffic, number, first)[0][VISITS].sum()
        if visits:
            taken_s[number] = float(_held_s(traffic, number, first).sum() / visits)
    return capacity(traffic.plan, nodes, taken_s)


def bottleneck(found: Capacity) -> int:
    """The stop that saturates first."""
    return int(np.argmin(np.where(found.visits > 0, found.saturation_rate, np.inf)))


# ---- over time ------------------------------------------------------------------------------------------------------


def curve_table(traffic: Traffic) -> Table:
    """One row per slot of time and population: rate, success and latency, for curves across a failure."""
    edges_s, lengths_s = traffic.slots.edges_s, traffic.slots.lengths_s
    rows = []
    for path, population, outcomes, histogram, _ in _groups(traffic):
        if path != ALL:
            continue
        values = {name: quantile(histogram, probability) for name, probability in QUANTILES.items()}
        counts, attempts = histogram.sum(axis=1), _attempts(traffic, population)
        for slot, phase in enumerate(traffic.slots.phase):
            sent = int(outcomes[:, slot].sum())
            row = [population, PHASES[phase], float(edges_s[slot]), float(edges_s[slot + 1]), sent / lengths_s[slot]]
            row.append(float(attempts[slot] / lengths_s[slot]))
            row.append(100 * float(outcomes[ANSWERED, slot]) / sent if sent else None)
            for name, probability in QUANTILES.items():
                enough = counts[slot] * (1 - probability) >= 10  # a point of a curve, not an answer
                row.append(float(values[name][slot]) if enough else None)
            rows.append(row)
    about = "Rate, success and latency of all paths together over time"
    columns = ("population", "phase", "from_s", "to_s", "rate", "attempts_rate", "answered_percent")
    columns += tuple(f"{name}_s" for name in QUANTILES)  # type: ignore[assignment]
    return Table.of("traffic_over_time", about, columns, rows)


# ---- comparisons ----------------------------------------------------------------------------------------------------


def compared_table(runs: Mapping[str, Traffic]) -> Table:
    """One row per path and population: p50 and p99 of the first phase under each name."""
    found: dict[tuple[str, str], list[float | None]] = {}
    for traffic in runs.values():
        mine = np.flatnonzero(traffic.slots.phase == traffic.slots.phase[0])
        for path, population, _, histogram, _ in _groups(traffic):
            told = found.setdefault((path, population), [])
            told += [_interval(histogram[mine], QUANTILES[name])[0] for name in ("p50", "p99")]
    names = [f"{name}_{quantile_name}_s" for name in runs for quantile_name in ("p50", "p99")]
    rows = [(*key, *values) for key, values in found.items() if any(value is not None for value in values)]
    return Table.of("delays", "Latency under several hypotheses of delay", ("path", "population", *names), rows)


def sweep(state: ClusterState, timeline: Timeline, seed: int, traffic: Traffic) -> Table:
    """Latency as the load of *traffic*'s plan grows up to saturation, on the cluster before anything goes wrong."""
    found = _capacity(traffic, len(state.nodes))
    rate = float(found.saturation_rate[bottleneck(found)])
    calm = np.flatnonzero(traffic.slots.phase != traffic.slots.phase[0])
    calm_s = float(traffic.slots.edges_s[calm[0]]) if len(calm) else traffic.horizon_s
    streams = [Streams(seed) for _ in LEVELS]
    curve = load_curve(traffic.plan.model, state, timeline, streams, rate, calm_s=calm_s)
    return sweep_table(curve, rate)


def sweep_table(curve: Sequence[tuple[float, Traffic]], saturation_rate: float) -> Table:
    """One row per level of load: rate, its share of saturation, and latency of all answers."""
    rows = []
    for rate, traffic in curve:
        _, _, outcomes, histogram, latency_s = list(_groups(traffic))[-1]
        answered = int(outcomes[ANSWERED].sum())
        values = [_interval(histogram, QUANTILES[name])[0] for name in ("p50", "p99")]
        mean_s = float(latency_s.sum() / answered) if answered else None
        rows.append((rate, 100 * rate / saturation_rate, answered, mean_s, *values))
    columns = ("rate", "saturation_percent", "answered", "mean_s", "p50_s", "p99_s")
    return Table.of("load_latency", "Latency of all paths together as the load grows", columns, rows)
