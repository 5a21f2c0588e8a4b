"""What grows, over many paths, and which volumes and disks it fills: from the model to rows of numbers."""

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

import numpy as np
from numpy.typing import NDArray

from gxsim.errors import ScenarioError
from gxsim.kernels.growth import accumulated, copied, oldest_kept
from gxsim.model.model import Model, Monitoring
from gxsim.model.storage import Backup, Growth, SampleStore, Series
from gxsim.rng import Streams
from gxsim.state import ClusterState
from gxsim.storage.places import Place, container_counts, disk_bytes, places

DAY_S = 86_400.0
MONTH_DAYS = 365.25 / 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Something that data fills: a volume, space for copies, a node's disk, all disks; or copies away from all nodes.

    What has no size of its own, such as the last, has an infinite one.
    """

    name: str
    kind: str  # volume | copies | node | cluster | away
    node: str
    workload: str
    size_bytes: float
    holds: tuple[str, ...]  # what grows there
    expandable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One driver's draws over all paths; amounts per day, its growth by day, what is there besides."""

    name: str
    per_day: NDArray  # (paths,)
    trend: NDArray  # (paths,) per day
    level: NDArray  # (paths,)
    age_days: float = 0.0
    retention_days: float | None = None
    purge_days: float = 1.0
    saved: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Copies:
    """Copies of data, on its own node or away from it: a driver made of sources, each so many times."""

    name: str
    away: bool
    data: tuple[tuple[int, float], ...]
    every_days: float
    keep: int
    ratio: NDArray  # (paths,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Rows, drivers and which fills which: ``weights`` is (rows, sources + copies)."""

    rows: tuple[Row, ...]
    sources: tuple[Source, ...]
    copies: tuple[Copies, ...]
    weights: NDArray

    @property
    def lead_days(self) -> int:
        """Days before day 0 that copies on the nodes reach back to; those elsewhere begin with these days."""
        return int(np.ceil(max((c.every_days * (c.keep + 1) for c in self.copies if not c.away), default=0.0)))

    def levels(self, days: NDArray, paths: slice) -> NDArray:
        """(drivers, paths, days) the level of every driver on consecutive whole *days*."""
        drivers = np.empty((self.weights.shape[1], len(self.sources[0].level[paths]), len(days)))
        for number, source in enumerate(self.sources):
            drivers[number] = _level(source, days, paths)
        for number, copy in enumerate(self.copies, len(self.sources)):
            data = sum((drivers[source] * times for source, times in copy.data), np.zeros(drivers.shape[1:]))
            sizes = copied(data, days, every=copy.every_days, keep=copy.keep)
            np.multiply(sizes, copy.ratio[paths, None], out=drivers[number])
        return drivers


def _level(source: Source, days: NDArray, paths: slice) -> NDArray:
    per_day, trend = source.per_day[paths], source.trend[paths]
    if not per_day.any():
        return np.broadcast_to(source.level[paths, None], (len(per_day), len(days)))
    level = accumulated(per_day, trend, days, source.age_days)
    if source.retention_days is not None:
        cut = oldest_kept(days, source.retention_days, source.purge_days)
        level -= accumulated(per_day, trend, cut, source.age_days)
    return level + source.level[paths, None]


class Draws:
    """Uniform numbers by name, one per path: entries of one name get the same ones."""

    def __init__(self, streams: Streams, paths: int):
        self._streams = streams
        self.paths = paths
        self._drawn: dict[str, NDArray] = {}

    def between(self, name: str, ends: tuple[float, float]) -> NDArray:
        """(paths,) evenly distributed between two ends."""
        low, high = ends
        if low == high:
            return np.full(self.paths, float(low))
        if name not in self._drawn:
            self._drawn[name] = self._streams.take(f"storage/{name}").random(self.paths)
        return low + (high - low) * self._drawn[name]


class Ends:
    """The low and the high end of every range, in place of draws: two paths, the best and the worst."""

    paths = 2

    def between(self, name: str, ends: tuple[float, float]) -> NDArray:
        """(2,) the two ends."""
        return np.array(ends, float)


def plan(state: ClusterState, model: Model, draws: Draws, *, from_traffic: bool = False) -> Plan:
    """Rows and drivers of the cluster as it stands; *from_traffic* takes growth per write where the model gives it.

    Raises ScenarioError where no growth is stated at all.
    """
    if not (model.growth or model.host_growth):
        raise ScenarioError("model", "there is no growth to forecast; give 'growth' or 'hostGrowth'")
    builder = _Builder(state, draws)
    writes = writes_per_day(model) if from_traffic else 0.0
    for growth in model.growth:
        builder.grow(growth, writes)
    if model.monitoring is not None and model.monitoring.store is not None:
        builder.store_samples(model.monitoring, model.monitoring.store)
    for one in model.host_growth:
        amounts = (one.per_day_bytes, one.level_bytes)
        source = builder.source(one.name, *amounts, retention_s=one.retention_s)
        for node, noun in enumerate(state.nodes):
            if all(noun.labels.get(key) == value for key, value in one.node_selector.items()):
                times = int(builder.containers[node]) if one.each == "container" else 1
                builder.fill(("node", node), source, times)
    for place in range(len(builder.places)):
        for backup in backups_of(model, builder.places[place]):
            builder.copy(place, backup)
    return builder.plan()


def writes_per_day(model: Model) -> float:
    """Writes a day of the request paths under the stated populations."""
    rate = sum(population.rate for population in model.populations)
    return rate * sum(path.share for path in model.paths if path.writes) * DAY_S


def backups_of(model: Model, place: Place) -> list[Backup]:
    """The backups that save a place, the one that counts for a restore first."""
    return [b for b in model.backups if b.namespace == place.namespace and fnmatchcase(place.workload, b.workload)]


def interval_s(monitoring: Monitoring, job: str) -> float:
    """The scrape period of *job*."""
    return next((j.interval_s for j in monitoring.jobs if j.job == job), monitoring.scrape_interval_s)


def series_of(state: ClusterState, series: Series) -> int:
    """How many of what a Series entry is for there are."""
    if series.each == "node":
        return len(state.nodes)
    if series.each == "container":
        return int(container_counts(state).sum())
    if series.each == "pod":
        return int(state.pod_active.sum())
    return series.targets


AWAY = ("away", 0)  # the row of copies that lie elsewhere


class _Builder:
    """Collects drivers and what they fill; places come first among the rows."""

    def __init__(self, state: ClusterState, draws: Draws):
        self.state, self.draws = state, draws
        self.places = places(state)
        self.containers = container_counts(state)
        self._sources: list[Source] = []
        self._copies: list[Copies] = []
        self._reserved: list[Row] = []
        self._away: dict[str, tuple[Backup, dict[int, float]]] = {}  # what copies off the nodes hold, by their name
        self._filled: dict[tuple[str, int], dict[str, float]] = {}  # driver's key and times, by row

    def source(
        self,
        name: str,
        per_day: tuple[float, float] | NDArray,
        level: tuple[float, float] = (0, 0),
        *,
        per_month: tuple[float, float] = (0.0, 0.0),
        age_s: float = 0.0,
        retention_s: float | None = None,
        purge_s: float = DAY_S,
        saved: bool = True,
    ) -> str:
        """Take in a driver and return its key."""
        trend = np.expm1(np.log1p(self.draws.between(f"trend/{name}", per_month)) / MONTH_DAYS)
        amount = per_day if isinstance(per_day, np.ndarray) else self.draws.between(f"growth/{name}", per_day)
        source = Source(
            name=name,
            per_day=amount,
            trend=trend,
            level=self.draws.between(f"level/{name}", level),
            age_days=age_s / DAY_S,
            retention_days=None if retention_s is None else retention_s / DAY_S,
            purge_days=purge_s / DAY_S,
            saved=saved,
        )
        known = next((i for i, one in enumerate(self._sources) if _same_source(one, source)), None)
        if known is None:
            known = len(self._sources)
            self._sources.append(source)
        return f"s{known}"

    def fill(self, row: tuple[str, int], driver: str, times: float = 1.0) -> None:
        of_row = self._filled.setdefault(row, {})
        of_row[driver] = of_row.get(driver, 0.0) + times

    def grow(self, growth: Growth, writes_per_day: float) -> None:
        """Take in an entry of ``growth``."""
        per_day: tuple[float, float] = growth.per_day_bytes
        if writes_per_day and growth.per_write_bytes is not None:
            low, high = growth.per_write_bytes
            per_day = (low * writes_per_day, high * writes_per_day)
        key = self.source(
            growth.name,
            per_day,
            growth.level_bytes,
            per_month=growth.per_month,
            age_s=growth.age_s,
            retention_s=growth.retention_s,
            purge_s=growth.purge_every_s,
            saved=growth.saved,
        )
        times = float(self.containers.sum()) if growth.each == "container" else 1.0
        for number, place in enumerate(self.places):
            if _grows(growth, place):
                self.fill(("place", number), key, times)

    def store_samples(self, monitoring: Monitoring, store: SampleStore) -> None:
        """Take in the samples of Prometheus: a driver whose amount follows from the series."""
        samples = np.zeros(self.draws.paths)
        for series in store.series:
            count = self.draws.between(f"series/{series.job}/{series.each}", series.count)
            samples += count * series_of(self.state, series) * DAY_S / interval_s(monitoring, series.job)
        bytes_each = self.draws.between("sample bytes", store.sample_size_bytes)
        key = self.source("samples", samples * bytes_each, retention_s=store.retention_s)
        for number, place in enumerate(self.places):
            if (place.namespace, place.workload) == (store.namespace, store.workload):
                self.fill(("place", number), key)

    def copy(self, number: int, backup: Backup) -> None:
        """Take in the copies of a place: away from it, in reserved space on its node, or beside the data."""
        place = self.places[number]
        held = self._filled.get(("place", number), {})
        data = {int(key[1:]): times for key, times in held.items() if key[0] == "s"}
        data = {source: times for source, times in data.items() if self._sources[source].saved}
        if not data:
            return
        if backup.off_node:
            total = self._away.setdefault(backup.name, (backup, {}))[1]
            for source, times in data.items():
                total[source] = total.get(source, 0.0) + times
            return
        key = self._copied(backup, data)
        if backup.reserved_bytes is None:
            self.fill(("place", number), key)
            return
        self.fill(("copies", len(self._reserved)), key)
        self._reserved.append(
            Row(
                name=f"{place.claim} ({backup.name})",
                kind="copies",
                node=self.state.nodes[place.node].name,
                workload=f"{place.namespace}/{place.workload}",
                size_bytes=backup.reserved_bytes,
                holds=(),
            )
        )

    def _copied(self, backup: Backup, data: Mapping[int, float]) -> str:
        """The key of the driver that stands for copies of *data*."""
        copies = Copies(
            name=backup.name,
            away=backup.off_node,
            data=tuple(data.items()),
            every_days=backup.every_s / DAY_S,
            keep=backup.keep,
            ratio=self.draws.between(f"copy/{backup.name}", backup.size_ratio),
        )
        known = next(
            (i for i, one in enumerate(self._copies) if (one.name, one.data) == (copies.name, copies.data)), None
        )
        if known is None:
            known = len(self._copies)
            self._copies.append(copies)
        return f"c{known}"

    def plan(self) -> Plan:
        """Everything collected, with the sums over nodes, over the cluster, and of the copies away from both."""
        for backup, data in self._away.values():
            self.fill(AWAY, self._copied(backup, data))
        keys = [f"s{i}" for i in range(len(self._sources))] + [f"c{i}" for i in range(len(self._copies))]
        names = [source.name for source in self._sources] + [copy.name for copy in self._copies]
        rows, weights = self._leaves(keys)
        of_node = {node.name: i for i, node in enumerate(self.state.nodes)}
        on_nodes = np.array([self._weights(("node", i), keys) for i in range(len(self.state.nodes))])
        for row, filled in zip(rows, weights, strict=True):
            on_nodes[of_node[row.node]] += filled
        disks = disk_bytes(self.state)
        for i, node in enumerate(self.state.nodes):
            rows.append(_sum_row(node.name, "node", float(disks[i])))
        rows.append(_sum_row("cluster", "cluster", float(disks.sum())))
        table = [*weights, *on_nodes, on_nodes.sum(axis=0)]
        if AWAY in self._filled:
            rows.append(_sum_row("copies away from the nodes", "away", np.inf))
            table.append(self._weights(AWAY, keys))
        return Plan(
            rows=tuple(_holding(row, names, filled) for row, filled in zip(rows, table, strict=True)),
            sources=tuple(self._sources),
            copies=tuple(self._copies),
            weights=np.array(table),
        )

    def _leaves(self, keys: list[str]) -> tuple[list[Row], list[NDArray]]:
        """Rows of places and of reserved space; only what is filled or has a promise."""
        rows = [
            Row(
                name=place.claim,
                kind="volume",
                node=self.state.nodes[place.node].name,
                workload=f"{place.namespace}/{place.workload}",
                size_bytes=float(place.size_bytes),
                holds=(),
                expandable=place.expandable,
            )
            for place in self.places
        ]
        filled = [self._weights(("place", i), keys) for i in range(len(self.places))]
        filled += [self._weights(("copies", i), keys) for i in range(len(self._reserved))]
        return [*rows, *self._reserved], filled

    def _weights(self, row: tuple[str, int], keys: list[str]) -> NDArray:
        of_row: Mapping[str, float] = self._filled.get(row, {})
        return np.array([of_row.get(key, 0.0) for key in keys])


def _grows(growth: Growth, place: Place) -> bool:
    return (
        growth.namespace == place.namespace
        and fnmatchcase(place.workload, growth.workload)
        and growth.ordinal in (None, place.ordinal)
    )


def _same_source(one: Source, other: Source) -> bool:
    """Whether two entries grow alike in every path, so that one driver stands for both."""
    drawn = ("per_day", "trend", "level")
    plain = ("name", "age_days", "retention_days", "purge_days", "saved")
    return all(getattr(one, name) == getattr(other, name) for name in plain) and all(
        np.array_equal(getattr(one, name), getattr(other, name)) for name in drawn
    )


def _sum_row(name: str, kind: str, size_bytes: float) -> Row:
    return Row(name=name, kind=kind, node=name if kind == "node" else "", workload="", size_bytes=size_bytes, holds=())


def _holding(row: Row, names: Iterable[str], filled: NDArray) -> Row:
    held = dict.fromkeys(name for name, times in zip(names, filled, strict=True) if times)
    return dataclasses.replace(row, holds=tuple(held))
