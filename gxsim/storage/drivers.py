"""What grows: draws of the model's ranges, and the level of each driver over days and paths."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gxsim.kernels.growth import accumulated, copied, oldest_kept, spread
from gxsim.model.model import Model, Monitoring
from gxsim.model.storage import Series
from gxsim.rng import Streams
from gxsim.state import ClusterState
from gxsim.storage.places import container_counts

DAY_S = 86_400.0
MONTH_DAYS = 365.25 / 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Data that is written: draws over all paths of its amount per day, of its trend and of what is there besides."""

    name: str
    per_day: NDArray  # (paths,)
    trend: NDArray  # (paths,) the share by which a day's amount exceeds that of the day before
    level: NDArray  # (paths,)
    age_days: float = 0.0
    retention_days: float | None = None
    purge_days: float = 1.0
    saved: bool = True

    def levels(self, days: NDArray, paths: slice) -> NDArray:
        """(paths, days) what is there on *days*."""
        per_day, trend, besides = self.per_day[paths], self.trend[paths], self.level[paths, None]
        if not per_day.any():
            return np.broadcast_to(besides, (len(per_day), len(days)))
        level = accumulated(per_day, trend, days, self.age_days)
        if self.retention_days is not None:
            cut = oldest_kept(days, self.retention_days, self.purge_days)
            level -= accumulated(per_day, trend, cut, self.age_days)
        level += besides
        return level

    def is_like(self, other: "Source") -> bool:
        """Whether both grow alike in every path, so that one driver stands for both."""
        drawn = ("per_day", "trend", "level")
        plain = ("name", "age_days", "retention_days", "purge_days", "saved")
        return all(getattr(self, name) == getattr(other, name) for name in plain) and all(
            np.array_equal(getattr(self, name), getattr(other, name)) for name in drawn
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Copies:
    """The copies of a schedule that exist: of other drivers, which stand before it, each so many times."""

    name: str
    of: tuple[tuple[int, float], ...]
    every_days: float
    keep: int
    ratio: NDArray  # (paths,) size of a copy over that of the data
    away: bool

    def levels(self, days: NDArray, paths: slice, drivers: NDArray) -> NDArray:
        """(paths, days) what the copies take on consecutive whole *days*; *drivers* are (drivers, paths, days)."""
        data = np.zeros(drivers.shape[1:])
        for driver, times in self.of:
            data += drivers[driver] * times
        return copied(data, days, every=self.every_days, keep=self.keep) * self.ratio[paths, None]


def levels(drivers: Sequence[Source | Copies], days: NDArray, paths: slice) -> NDArray:
    """(drivers, paths, days) the level of every driver on consecutive whole *days*."""
    found = np.empty((len(drivers), paths.stop - paths.start, len(days)))
    for number, driver in enumerate(drivers):
        found[number] = driver.levels(days, paths) if isinstance(driver, Source) else driver.levels(days, paths, found)
    return found


class Draws:
    """Uniform numbers by name, one per path: entries of one name get the same ones."""

    def __init__(self, streams: Streams, paths: int):
        self._streams = streams
        self.paths = paths
        self._drawn: dict[str, NDArray] = {}

    def between(self, name: str, ends: tuple[float, float], distribution: str = "uniform") -> NDArray:
        """(paths,) draws of a range, distributed as ``kernels.growth.spread`` says."""
        low, high = ends
        if low == high:
            return np.full(self.paths, float(low))
        if name not in self._drawn:
            self._drawn[name] = self._streams.take(f"storage/{name}").random(self.paths)
        return spread(self._drawn[name], ends, distribution)


class Ends:
    """The low and the high end of every range, in place of draws: two paths, the best and the worst."""

    paths = 2

    def between(self, name: str, ends: tuple[float, float], distribution: str = "uniform") -> NDArray:
        """(2,) the two ends, whatever lies between or beyond."""
        return np.array(ends, float)


class Middles:
    """The median of every range, in place of draws: one path."""

    paths = 1

    def between(self, name: str, ends: tuple[float, float], distribution: str = "uniform") -> NDArray:
        """(1,) the median of a range."""
        return spread(np.array([0.5]), ends, distribution) if ends[0] != ends[1] else np.array([float(ends[0])])


def writes_per_day(model: Model) -> float:
    """Writes a day of the request paths under the stated populations."""
    rate = sum(population.rate for population in model.populations)
    return rate * sum(path.share for path in model.paths if path.writes) * DAY_S


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
