"""When volumes and disks are full: levels over months, dates of limits with their spread, what to buy and when."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gxsim.kernels.growth import Passages, passages
from gxsim.model.model import Model
from gxsim.rng import Streams
from gxsim.state import ClusterState
from gxsim.storage.drivers import MONTH_DAYS, Draws, levels
from gxsim.storage.moves import Move, move
from gxsim.storage.plan import Plan, Row, plan

QUANTILES = (0.1, 0.5, 0.9)
ALERT_SHARE, FULL_SHARE = 0.85, 1.0  # of a size: where a disk alert usually stands, and where nothing can be written
PATHS_AT_ONCE = 128  # fits the second-level cache; benchmarks/test_growth.py


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """Quantiles (P10, P50, P90) over paths for every row.

    ``levels_bytes`` (rows, shown days, 3); ``dates`` (limits, rows, 3) days until 85 % and until full, inf beyond the
    horizon; ``reached`` (limits, rows) the share of paths that get there within it.
    """

    rows: tuple[Row, ...]
    horizon_days: int
    paths: int
    shown_days: NDArray
    levels_bytes: NDArray
    dates: NDArray
    reached: NDArray

    def first_month_bytes(self) -> NDArray:
        """(rows, 3) by how much each quantile grows in the first month, or by the month up to an earlier horizon."""
        grown = self.levels_bytes[:, 1] - self.levels_bytes[:, 0]
        return grown * MONTH_DAYS / (self.shown_days[1] - self.shown_days[0])

    def level_bytes(self, row: int, days: float, quantile: int) -> float:
        """The level of a row on a day, or at the horizon if that is sooner; *quantile* is 0, 1 or 2 (P10, P50, P90)."""
        return float(np.interp(days, self.shown_days, self.levels_bytes[row, :, quantile]))

    def claim_levels_bytes(self, days: float = 365.0) -> dict[str, float]:
        """The P50 level of every claim on a day, a year ahead or at the horizon if that is sooner."""
        return {row.name: self.level_bytes(i, days, 1) for i, row in enumerate(self.rows) if row.kind == "volume"}

    def first_full(self) -> list[int]:
        """Rows of nodes and volumes that fill up within the horizon, the soonest P50 first."""
        filling = [i for i, row in enumerate(self.rows) if np.isfinite(self.dates[1, i, 1]) and row.kind != "cluster"]
        return sorted(filling, key=lambda i: (self.dates[1, i, 1], self.rows[i].name))


@dataclass(frozen=True, slots=True, kw_only=True)
class Purchase:
    """A disk or a claim that has to be larger: *by_days* is the cautious date (P10 of 85 %).

    *move* is what that takes on that day where the volume cannot be expanded.
    """

    row: Row
    by_days: float
    needed_bytes: float
    move: Move | None
    why: str


def forecast(
    state: ClusterState,
    model: Model,
    streams: Streams,
    *,
    horizon_days: int = 1096,
    paths: int = 10_000,
    from_traffic: bool = False,
) -> Forecast:
    """Levels and dates of every volume, node disk and of the cluster over *paths* draws of the model's ranges."""
    planned = plan(state, model, Draws(streams, paths), from_traffic=from_traffic)
    months = np.arange(0, horizon_days / MONTH_DAYS + 1e-9)
    shown = np.unique(np.append(np.round(months * MONTH_DAYS), horizon_days)).astype(int)
    found = walk(planned, horizon_days, paths, shown)
    shown_levels = np.moveaxis(np.quantile(found.shown, QUANTILES, axis=2), 0, 2)
    first = np.where(found.first > horizon_days, np.inf, found.first)
    dates = np.moveaxis(np.quantile(first, QUANTILES, axis=2, method="inverted_cdf"), 0, 2)
    return Forecast(
        rows=planned.rows,
        horizon_days=horizon_days,
        paths=paths,
        shown_days=shown,
        levels_bytes=shown_levels,
        dates=dates,
        reached=np.isfinite(first).mean(axis=2),
    )


def walk(planned: Plan, horizon_days: int, paths: int, shown: NDArray) -> Passages:
    """First days at 85 % and full and levels on the days *shown* of every row and path."""
    lead = planned.lead_days
    days = np.arange(-lead, horizon_days + 1, dtype=float)
    sizes = np.array([row.size_bytes for row in planned.rows])
    limits = np.stack([ALERT_SHARE * sizes, FULL_SHARE * sizes])
    found = Passages(np.empty((len(limits), len(sizes), paths), np.int32), np.empty((len(sizes), len(shown), paths)))
    for start in range(0, paths, PATHS_AT_ONCE):
        at = slice(start, min(start + PATHS_AT_ONCE, paths))
        drivers = levels(planned.drivers, days, at)
        part = passages(drivers[:, :, lead:], planned.weights, limits, shown)
        found.first[:, :, at], found.shown[:, :, at] = part
    return found


def moves(made: Forecast, restarts_s: Mapping[str, float], days: float = 365.0) -> list[Move]:
    """What moving each volume that cannot be expanded takes at its P50 level of a day, the longest first.

    *restarts_s* is what the stop and the start of a claim's pod take.
    """
    fixed = [(i, row) for i, row in enumerate(made.rows) if row.kind == "volume" and not row.expandable]
    found = [move(row.name, made.level_bytes(i, days, 1), restarts_s.get(row.name, 0.0)) for i, row in fixed]
    return sorted(found, key=lambda one: (-one.away_s[1], one.claim))


def purchases(made: Forecast, restarts_s: Mapping[str, float]) -> list[Purchase]:
    """Every size that does not last to the horizon in one of ten paths, the most urgent first.

    Needed is what keeps the P90 level of the horizon under 85 %. A volume that cannot be expanded must be moved: its
    pod is away while the level of that day is copied, and for its restart (*restarts_s*, by claim).
    """
    found = []
    for i, row in enumerate(made.rows):
        by_days = float(made.dates[0, i, 0])
        if row.kind == "cluster" or not np.isfinite(by_days):
            continue
        needed = float(made.levels_bytes[i, :, 2].max()) / ALERT_SHARE
        moved = None
        if row.kind == "volume" and not row.expandable:
            moved = move(row.name, made.level_bytes(i, by_days, 2), restarts_s.get(row.name, 0.0))
        why = {"node": "disk", "copies": "space for copies", "volume": "claim"}[row.kind]
        found.append(Purchase(row=row, by_days=by_days, needed_bytes=needed, move=moved, why=why))
    return sorted(found, key=lambda one: (one.by_days, one.row.name))
