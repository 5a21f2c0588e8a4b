"""Which data fills which volume and disk: from the cluster and the model to rows of weights over drivers."""

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gxsim.controllers.disks import disk_bytes
from gxsim.errors import ScenarioError
from gxsim.model.model import Model, Monitoring
from gxsim.model.storage import Backup, Growth, HostGrowth, SampleStore
from gxsim.state import ClusterState
from gxsim.storage.coupling import coupled
from gxsim.storage.drivers import (
    DAY_S,
    MONTH_DAYS,
    Copies,
    Draws,
    Middles,
    Source,
    interval_s,
    series_of,
)
from gxsim.storage.places import Place, container_counts, empty_dir_counts, places

Filled = tuple[str, int]  # what is filled: a place, space for copies, a node, or AWAY
AWAY: Filled = ("away", 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Something that data fills: a volume, space for copies, a node's disk, all disks; or copies away from all nodes.

    What has no size of its own, such as the last, has an infinite one. *promised_bytes* are the claims on a node's
    disk, which share it whatever they add up to.
    """

    name: str
    kind: str  # volume | copies | node | cluster | away
    node: str
    workload: str
    size_bytes: float
    promised_bytes: float = 0.0
    expandable: bool = False
    holds: tuple[str, ...] = ()  # names of what grows there


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Rows, drivers and which fills which: ``weights`` is (rows, drivers)."""

    rows: tuple[Row, ...]
    drivers: tuple[Source | Copies, ...]
    weights: NDArray

    @property
    def lead_days(self) -> int:
        """Days before day 0 that copies on the nodes reach back to; those elsewhere begin with these days."""
        local = [one for one in self.drivers if isinstance(one, Copies) and not one.away]
        return int(np.ceil(max((one.every_days * (one.keep + 1) for one in local), default=0.0)))


def plan(state: ClusterState, model: Model, draws: Draws | Middles, *, from_traffic: bool = False) -> Plan:
    """Rows and drivers of the cluster as it stands; *from_traffic* takes growth per write wherever the model gives it.

    Growth that is given per write alone follows the traffic anyway. Raises ScenarioError where no growth is
    stated at all.
    """
    if not (model.growth or model.host_growth):
        raise ScenarioError("model", "there is no growth to forecast; give 'growth' or 'hostGrowth'")
    builder = _Builder(state, draws)
    for growth in coupled(model, every=from_traffic).growth:
        builder.grow(growth)
    if model.monitoring is not None and model.monitoring.store is not None:
        builder.store_samples(model.monitoring, model.monitoring.store)
    for host in model.host_growth:
        builder.grow_hosts(host)
    for number, place in enumerate(builder.places):
        for backup in place.backups(model.backups):
            builder.copy(number, backup)
    return builder.plan()


class _Builder:
    """Collects drivers and what they fill; copies come after all sources, places first among the rows."""

    def __init__(self, state: ClusterState, draws: Draws | Middles):
        self.state, self.draws = state, draws
        self.places = places(state)
        self.containers = container_counts(state)
        self.counts = {"container": self.containers, "emptyDir": empty_dir_counts(state)}
        self._drivers: list[Source | Copies] = []
        self._reserved: list[Row] = []
        self._away: dict[str, tuple[Backup, dict[int, float]]] = {}  # what copies off the nodes hold, by their name
        self._filled: dict[Filled, dict[int, float]] = {}  # drivers and times, by what they fill

    def fill(self, what: Filled, driver: int, times: float = 1.0) -> None:
        """Let *driver* fill something, so many times."""
        held = self._filled.setdefault(what, {})
        held[driver] = held.get(driver, 0.0) + times

    def grow(self, growth: Growth) -> None:
        """Take in an entry of ``growth``."""
        between, name = self.draws.between, growth.name
        driver = self._source(
            Source(
                name=name,
                per_day=between(f"growth/{name}", growth.per_day_bytes, growth.distribution),
                trend=np.expm1(np.log1p(between(f"trend/{name}", growth.per_month)) / MONTH_DAYS),
                level=between(f"level/{name}", growth.level_bytes),
                age_days=growth.age_s / DAY_S,
                retention_days=_days(growth.retention_s),
                purge_days=growth.purge_every_s / DAY_S,
                saved=growth.saved,
            )
        )
        times = float(self.containers.sum()) if growth.each == "container" else 1.0
        for number, place in enumerate(self.places):
            if place.grows(growth):
                self.fill(("place", number), driver, times)

    def grow_hosts(self, host: HostGrowth) -> None:
        """Take in an entry of ``hostGrowth``."""
        driver = self._source(
            Source(
                name=host.name,
                per_day=self.draws.between(f"growth/{host.name}", host.per_day_bytes),
                trend=np.zeros(self.draws.paths),
                level=self.draws.between(f"level/{host.name}", host.level_bytes),
                retention_days=_days(host.retention_s),
            )
        )
        for node, noun in enumerate(self.state.nodes):
            if all(noun.labels.get(key) == value for key, value in host.node_selector.items()):
                times = float(self.counts[host.each][node]) if host.each in self.counts else 1.0
                self.fill(("node", node), driver, times)

    def store_samples(self, monitoring: Monitoring, store: SampleStore) -> None:
        """Take in the samples of Prometheus, whose amount follows from the series."""
        samples = np.zeros(self.draws.paths)
        for series in store.series:
            count = self.draws.between(f"series/{series.job}/{series.each}", series.count)
            samples += count * series_of(self.state, series) * DAY_S / interval_s(monitoring, series.job)
        none = np.zeros(self.draws.paths)
        driver = self._source(
            Source(
                name="samples",
                per_day=samples * self.draws.between("sample size", store.sample_size_bytes),
                trend=none,
                level=none,
                retention_days=_days(store.retention_s),
            )
        )
        for number, place in enumerate(self.places):
            if (place.namespace, place.workload) == (store.namespace, store.workload):
                self.fill(("place", number), driver)

    def copy(self, number: int, backup: Backup) -> None:
        """Take in the copies of a place: away from it, in reserved space on its node, or beside the data."""
        place = self.places[number]
        held = self._filled.get(("place", number), {}).items()
        data = {driver: times for driver, times in held if getattr(self._drivers[driver], "saved", False)}
        if not data:
            return
        if backup.off_node:
            total = self._away.setdefault(backup.name, (backup, {}))[1]
            for driver, times in data.items():
                total[driver] = total.get(driver, 0.0) + times
            return
        driver = self._copies(backup, data)
        if backup.reserved_bytes is None:
            self.fill(("place", number), driver)
            return
        self.fill(("copies", len(self._reserved)), driver)
        self._reserved.append(self._row(place, "copies", f"{place.claim} ({backup.name})", backup.reserved_bytes))

    def _source(self, source: Source) -> int:
        """The driver of *source*, which is taken in when none is like it."""
        for number, known in enumerate(self._drivers):
            if isinstance(known, Source) and known.is_like(source):
                return number
        self._drivers.append(source)
        return len(self._drivers) - 1

    def _copies(self, backup: Backup, data: Mapping[int, float]) -> int:
        """The driver of the copies of *data*, which is taken in when it is new."""
        of = tuple(data.items())
        for number, known in enumerate(self._drivers):
            if isinstance(known, Copies) and (known.name, known.of) == (backup.name, of):
                return number
        self._drivers.append(
            Copies(
                name=backup.name,
                of=of,
                every_days=backup.every_s / DAY_S,
                keep=backup.keep,
                ratio=self.draws.between(f"copy/{backup.name}", backup.size_ratio),
                away=backup.off_node,
            )
        )
        return len(self._drivers) - 1

    def plan(self) -> Plan:
        """Everything collected, with the sums over nodes, over the cluster, and of the copies away from both."""
        for backup, data in self._away.values():
            self.fill(AWAY, self._copies(backup, data))
        rows = [self._row(place, "volume", place.claim, place.size_bytes) for place in self.places] + self._reserved
        filled = [("place", i) for i in range(len(self.places))] + [("copies", i) for i in range(len(self._reserved))]
        weights = [self._weights(what) for what in filled]
        on_nodes = np.array([self._weights(("node", i)) for i in range(len(self.state.nodes))])
        promised = np.zeros(len(self.state.nodes))
        for row, held in zip(rows, weights, strict=True):
            on_nodes[self.state.node_index[row.node]] += held
            promised[self.state.node_index[row.node]] += row.size_bytes
        disks = disk_bytes(self.state)
        for i, node in enumerate(self.state.nodes):
            rows.append(_sum_row(node.name, "node", float(disks[i]), float(promised[i])))
        rows.append(_sum_row("cluster", "cluster", float(disks.sum()), float(promised.sum())))
        table = [*weights, *on_nodes, on_nodes.sum(axis=0)]
        if AWAY in self._filled:
            rows.append(_sum_row("copies away from the nodes", "away", np.inf))
            table.append(self._weights(AWAY))
        names = [driver.name for driver in self._drivers]
        return Plan(
            rows=tuple(_holding(row, names, held) for row, held in zip(rows, table, strict=True)),
            drivers=tuple(self._drivers),
            weights=np.array(table),
        )

    def _weights(self, what: Filled) -> NDArray:
        held = self._filled.get(what, {})
        return np.array([held.get(driver, 0.0) for driver in range(len(self._drivers))])

    def _row(self, place: Place, kind: str, name: str, size_bytes: int) -> Row:
        return Row(
            name=name,
            kind=kind,
            node=self.state.nodes[place.node].name,
            workload=f"{place.namespace}/{place.workload}",
            size_bytes=float(size_bytes),
            expandable=place.expandable,
        )


def _days(seconds: float | None) -> float | None:
    return None if seconds is None else seconds / DAY_S


def _sum_row(name: str, kind: str, size_bytes: float, promised_bytes: float = 0.0) -> Row:
    return Row(
        name=name,
        kind=kind,
        node=name if kind == "node" else "",
        workload="",
        size_bytes=size_bytes,
        promised_bytes=promised_bytes,
    )


def _holding(row: Row, names: Iterable[str], filled: NDArray) -> Row:
    held = dict.fromkeys(name for name, times in zip(names, filled, strict=True) if times)
    return dataclasses.replace(row, holds=tuple(held))
