"""Levels over months as fan charts: one panel for each disk and for the volumes that fill up first."""

from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from gxsim.errors import ScenarioError
from gxsim.report.forecast import alike
from gxsim.report.palette import LIGHT
from gxsim.storage.amounts import decimal
from gxsim.storage.forecast import ALERT_SHARE, Forecast

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLUMNS, MOST_VOLUMES = 3, 6
KINDS = (".svg", ".png", ".pdf")


def draw(made: Forecast, file: Path, start: date | None = None) -> None:
    """Draw the forecast into *file*; raises ScenarioError where that cannot be."""
    if file.suffix not in KINDS:
        raise ScenarioError(str(file), f"expected a name that ends with one of {', '.join(KINDS)}")
    try:
        figure(made, start).savefig(file, dpi=110, metadata={"Date": None} if file.suffix == ".svg" else None)
    except OSError as error:
        raise ScenarioError(str(file), f"cannot be written: {error.strerror}") from None


def figure(made: Forecast, start: date | None = None) -> Figure:
    """The fan charts, disks first; alike volumes share a panel."""
    panels = _panels(made)
    lines = -(-len(panels) // COLUMNS)
    drawn = Figure(figsize=(4.6 * COLUMNS, 2.5 * lines + 0.5), layout="constrained", facecolor=LIGHT["paper"])
    axes = drawn.subplots(lines, COLUMNS, squeeze=False)
    for panel, (row, title) in zip(axes.flat, panels, strict=False):
        _fan(panel, made, row, title, start)
    for empty in axes.flat[len(panels) :]:
        empty.set_visible(False)
    drawn.suptitle(
        "Bytes stored: P10 to P90 shaded, P50 as a line; dashed: 85 %, solid: full",
        fontsize=9,
        color=LIGHT["faint"],
    )
    return drawn


def _panels(made: Forecast) -> list[tuple[int, str]]:
    disks = [(i, row.name) for i, row in enumerate(made.rows) if row.kind in ("node", "cluster")]
    volumes = [same for same in alike(made) if made.rows[same[0]].kind in ("volume", "copies")]
    volumes.sort(key=lambda same: (made.dates[1, same[0], 1], made.dates[0, same[0], 0], -_fullest(made, same[0])))
    return disks + [(same[0], _title(made, same)) for same in volumes[:MOST_VOLUMES]]


def _title(made: Forecast, same: list[int]) -> str:
    name = made.rows[same[0]].name.split("/")[-1]
    return name if len(same) == 1 else f"{name} and {len(same) - 1} alike"


def _fullest(made: Forecast, i: int) -> float:
    return float(made.levels_bytes[i, :, 2].max() / made.rows[i].size_bytes)


def _fan(axes: "Axes", made: Forecast, row: int, title: str, start: date | None) -> None:
    days, levels = made.shown_days, made.levels_bytes[row]
    size = made.rows[row].size_bytes
    filled = float(np.max(levels[:, 2]))
    unit, scale = ("TB", 1e12) if max(size, filled) >= 1e12 else ("GB", 1e9)
    axes.fill_between(days, levels[:, 0] / scale, levels[:, 2] / scale, color=LIGHT["arrived"], alpha=0.5, linewidth=0)
    axes.plot(days, levels[:, 1] / scale, color=LIGHT["answering"], linewidth=1.6)
    axes.axhline(size / scale, color=LIGHT["bad"], linewidth=1.3)
    axes.axhline(ALERT_SHARE * size / scale, color=LIGHT["warn"], linewidth=1.1, linestyle=(0, (4, 3)))
    axes.set_title(f"{title} ({decimal(size)})", fontsize=8.5, loc="left", color=LIGHT["ink"])
    axes.set(xlim=(0, days[-1]), ylim=(0, max(1.08 * size, 1.05 * filled) / scale))
    axes.set_ylabel(unit, fontsize=8, color=LIGHT["faint"])
    positions = np.linspace(0, days[-1], 4)
    axes.set_xticks(positions, [_label(day, float(days[-1]), start) for day in positions])
    axes.tick_params(labelsize=8, colors=LIGHT["faint"])
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _label(day: float, horizon_days: float, start: date | None) -> str:
    if start is not None:
        return (start + timedelta(days=round(day))).strftime("%Y-%m")
    return f"{day / 365.25:.3g} y" if horizon_days > 600 else f"{day:.0f} d"
