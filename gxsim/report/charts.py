"""Charts drawn on matplotlib axes; the figures around them are made in ``plots``."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gxsim.kernels.quorum import majority
from gxsim.observe.ledger import LedgerSeries
from gxsim.observe.quorum import QuorumSeries
from gxsim.report.lanes import ANSWERING, ARRIVED, DEAD, DOWN, STARTING, WAITING, Lane, Place
from gxsim.report.palette import LIGHT
from gxsim.report.time_axis import Span, marks, ticks
from gxsim.report.words import counted
from gxsim.study.result import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes

HATCH = "////"
CONDITIONS = {  # colour and hatch in the order in which they are stacked
    ANSWERING: ("answering", ""),
    ARRIVED: ("arrived", ""),
    STARTING: ("starting", ""),
    DEAD: ("bad", HATCH),
    DOWN: ("down", ""),
    WAITING: ("waiting", ""),
}
LEDGER_LANES = {
    "committed": "committed per minute, at most {:,.0f}",
    "outbox": "commands in the outbox, at most {:,.0f}",
    "commit_p99_s": "submission to commit, 99 of 100 within {:,.1f} s",
    "farthest_behind": "blocks that the slowest peer lacks, at most {:,.0f}",
    "projector_lag_s": "lag of the projector, at most {:,.1f} s",
}
SERVICE_STATES = {"none": "bad", "degraded": "warn", "whole": "whole"}
BAND, LABEL = 0.5, 0.55  # of a lane's height: what the band takes, and where its label stands
WHOLE_BAND, TRUE, BELIEVED = (0.0, BAND), (0.22, BAND), (0.0, 0.18)  # lower and upper edge of a bar in its lane
EDGE = 0.06  # of a panel's width: marks nearer to its edge have their label inside


def draw_nodes(axes: Axes, result: Result, span: Span, shown: Sequence[Lane]) -> None:
    """Node × time: how many pods of each node answer, are dead without anybody knowing, are down."""
    tallest = max((int(lane.counts.sum(axis=1).max()) for lane in shown), default=1)
    for position, lane in enumerate(shown):
        base = len(shown) - 1 - position
        times, counts = _clipped(lane.times_s, lane.counts, span)
        level = np.full(len(times), float(base))
        for condition, (colour, hatch) in CONDITIONS.items():
            above = level + BAND * counts[:, condition] / tallest
            if counts[:, condition].any():
                axes.fill_between(times, level, above, step="post", hatch=hatch, **_filled(colour))
            level = above
        at_start, at_most = int(lane.counts[0].sum()), int(lane.counts.sum(axis=1).max())
        most = f", at most {at_most}" if at_most > at_start else ""
        _label(axes, span, base + LABEL, f"{lane.name}: {counted(at_start, 'pod')}{most}")
    _frame(axes, result, span, len(shown))


def draw_services(axes: Axes, result: Result, span: Span, shown: Sequence[str]) -> None:
    """Two bars per Service, whole, degraded or none: what was true, hatched while unnoticed, and what was believed."""
    intervals: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in result.tables["service_intervals"].rows():
        intervals[row["service"]].append(row)
    bars = _Bars(span)
    for position, name in enumerate(shown):
        base = len(shown) - 1 - position
        for part in (TRUE, BELIEVED):
            bars.add(base, span.from_s, span.to_s, "whole", part=part)
        for row in intervals[name]:
            hatch = HATCH if row["knowledge"] == "not yet detected" else ""
            bars.add(base, row["from_s"], row["to_s"], SERVICE_STATES[row["state"]], hatch, part=TRUE)
            bars.add(base, row["from_s"], row["to_s"], SERVICE_STATES[row["believed"]], part=BELIEVED)
        _label(axes, span, base + LABEL, name)
    bars.draw(axes)
    _frame(axes, result, span, len(shown))


def draw_places(axes: Axes, result: Result, span: Span, shown: Sequence[Place]) -> None:
    """A band per lost pod: it answers, is dead without anybody knowing, is known to be gone, has a successor."""
    bars = _Bars(span)
    for position, place in enumerate(shown):
        base = len(shown) - 1 - position
        bars.add(base, 0.0, result.timeline.horizon_s, "answering")
        for fate in place.fates:
            lost_s, back_s = fate["lost_s"], fate["serving_s"]
            end_s = result.timeline.horizon_s if back_s is None else back_s
            known_s = end_s if fate["noticed_s"] is None else min(fate["noticed_s"], end_s)
            bars.add(base, end_s, result.timeline.horizon_s, "arrived" if place.moved else "answering")
            bars.add(base, lost_s, known_s, "bad", HATCH)
            bars.add(base, known_s, end_s, "down")
        _label(axes, span, base + LABEL, place.name)
    bars.draw(axes)
    _frame(axes, result, span, len(shown))


def draw_quorum(axes: Axes, result: Result, span: Span, shown: Sequence[QuorumSeries]) -> None:
    """Members up per consensus group over time, against the majority it needs."""
    for position, group in enumerate(shown):
        base = float(len(shown) - 1 - position)
        times, up = _clipped(group.times_s, group.up[:, None], span)
        height = BAND * up[:, 0] / group.voters
        needed = int(majority(group.voters))
        for holds, colour in ((up[:, 0] >= needed, "answering"), (up[:, 0] < needed, "bad")):
            top = np.where(holds, height, 0.0)
            axes.fill_between(times, base, base + top, step="post", **_filled(colour))
        line = base + BAND * needed / group.voters
        axes.plot([span.from_s, span.to_s], [line, line], color=LIGHT["ink"], linewidth=1, linestyle=(0, (4, 3)))
        _label(axes, span, base + LABEL, f"{group.name}: {group.voters} members, {needed} needed")
    _frame(axes, result, span, len(shown))


def draw_ledger(axes: Axes, result: Result, span: Span, shown: Sequence[tuple[LedgerSeries, str]]) -> None:
    """A lane per quantity of a channel, each against its own highest value."""
    for position, (one, quantity) in enumerate(shown):
        base = float(len(shown) - 1 - position)
        values = np.asarray(getattr(one, quantity), float)
        highest = float(values.max()) or 1.0
        times, level = _clipped(np.append(0.0, one.time_s[:-1]), values[:, None], span)
        colour = "answering" if quantity == "committed" else "warn"
        axes.fill_between(times, base, base + BAND * level[:, 0] / highest, step="post", **_filled(colour))
        _label(axes, span, base + LABEL, f"{one.name}: {LEDGER_LANES[quantity].format(highest)}")
    _frame(axes, result, span, len(shown))


def draw_load(axes: Axes, result: Result, resource: str, shown: Sequence[str]) -> None:
    """Requests, usage and limits of each node before, during and after, in percent of what it offers."""
    amount, offered = {
        "cpu": ("cpu_milli", "allocatable_cpu_milli"),
        "memory": ("memory_bytes", "allocatable_memory_bytes"),
    }[resource]
    rows = [row for row in result.tables["nodes"].rows() if row["node"] in shown]
    most = 100.0
    for row in rows:
        share = {
            kind: 100.0 * row[f"{kind}_{amount}"] / max(row[offered], 1) for kind in ("requests", "usage", "limits")
        }
        y = _row_of(row, rows, shown)
        axes.barh(y, share["requests"], height=0.24, **_filled("arrived"))
        axes.barh(y, share["usage"], height=0.1, **_filled("answering"))
        axes.plot([share["limits"]] * 2, [y - 0.13, y + 0.13], color=LIGHT["bad"], linewidth=2.4)
        axes.text(-1.5, y, row["moment"], ha="right", va="center", color=LIGHT["faint"], fontsize=11.5)
        most = max(most, *share.values())
    for position, node in enumerate(shown):
        axes.text(0, len(shown) - 1 - position + 0.93, node, color=LIGHT["ink"], va="center")
    axes.axvline(100, color=LIGHT["ink"], linewidth=1.2)
    axes.set(xlim=(0, most * 1.04), ylim=(0, len(shown) + 0.1), yticks=[])
    step = next(step for step in (20, 50, 100, 200, 500, 10**9) if most / step <= 7)
    _ticks(axes, percents := range(0, int(most) + 1, step), [f"{percent}%" for percent in percents])
    _plain(axes)


def _row_of(row: dict[str, Any], rows: list[dict[str, Any]], shown: Sequence[str]) -> float:
    """The height at which a node's bar for one moment stands: moments downwards in the order of the table."""
    moments = list(dict.fromkeys(one["moment"] for one in rows))
    return len(shown) - 1 - shown.index(row["node"]) + 0.7 - 0.27 * moments.index(row["moment"])


def _clipped(times_s: np.ndarray, values: np.ndarray, span: Span) -> tuple[np.ndarray, np.ndarray]:
    """The steps of a series within *span*, with a point at both ends."""
    inside = (times_s > span.from_s) & (times_s < span.to_s)
    first, last = (max(0, int(np.searchsorted(times_s, t, side="right")) - 1) for t in (span.from_s, span.to_s))
    times = np.concatenate([[span.from_s], times_s[inside], [span.to_s]])
    return times, np.concatenate([values[[first]], values[inside], values[[last]]])


class _Bars:
    """Bars to draw, by colour and hatch: one collection each, as one per bar takes a third of a page's time."""

    def __init__(self, span: Span):
        self.span = span
        self.corners: dict[tuple[str, str], list[list[tuple[float, float]]]] = defaultdict(list)

    def add(
        self,
        base: float,
        from_s: float,
        to_s: float,
        colour: str,
        hatch: str = "",
        *,
        part: tuple[float, float] = WHOLE_BAND,
    ) -> None:
        """A bar on *part* of the lane above *base*, cut to the span; later colours lie over earlier ones."""
        start, end = max(from_s, self.span.from_s), min(to_s, self.span.to_s)
        if end > start:
            below, above = base + part[0], base + part[1]
            self.corners[colour, hatch].append([(start, below), (start, above), (end, above), (end, below)])

    def draw(self, axes: Axes) -> None:
        from matplotlib.collections import PolyCollection

        for (colour, hatch), corners in self.corners.items():
            axes.add_collection(PolyCollection(corners, hatch=hatch, **_filled(colour)), autolim=False)


def _filled(colour: str) -> dict[str, Any]:
    return {"facecolor": LIGHT[colour], "edgecolor": LIGHT["ink"], "linewidth": 0.0}


def _label(axes: Axes, span: Span, y: float, text: str) -> None:
    behind = {"facecolor": LIGHT["paper"], "edgecolor": "none", "pad": 0.5}  # over the lines of the moments
    axes.text(span.from_s, y, text, color=LIGHT["ink"], va="bottom", ha="left", bbox=behind)


def _frame(axes: Axes, result: Result, span: Span, count: int) -> None:
    """Time of day below, the moments of the fault as lines, nothing else around."""
    positions, labels = ticks(span, result.case.scenario.clock_s)
    axes.set(xlim=(span.from_s, span.to_s), ylim=(-0.06, max(count, 1) + 0.12), yticks=[])
    _ticks(axes, positions, labels)
    for second, name in marks(result, span):
        axes.axvline(second, color=LIGHT["ink"], linewidth=1, linestyle=(0, (1, 2)))
        axes.text(
            second, max(count, 1) + 0.12, f" {name}", color=LIGHT["ink"], va="bottom", fontsize=12.5, style="italic"
        )
    _plain(axes)


def _ticks(axes: Axes, positions: Sequence[float], labels: Sequence[str]) -> None:
    """Marks of the x axis; labels at its ends stay inside."""
    axes.set_xticks(positions, labels)
    start, end = axes.get_xlim()
    for position, text in zip(positions, axes.get_xticklabels(), strict=True):
        share = (position - start) / (end - start)
        text.set_horizontalalignment("left" if share < EDGE else "right" if share > 1 - EDGE else "center")


def _plain(axes: Axes) -> None:
    for side in ("top", "left", "right"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(LIGHT["faint"])
    axes.tick_params(axis="x", colors=LIGHT["faint"], length=4)
    axes.grid(axis="x", color=LIGHT["line"], linewidth=0.7)
    axes.set_axisbelow(True)
