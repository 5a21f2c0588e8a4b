"""The pictures of a run: what each shows, as matplotlib figures, and as SVG for a page."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gxsim.report.charts import (
    HATCH,
    LEDGER_LANES,
    draw_ledger,
    draw_load,
    draw_nodes,
    draw_places,
    draw_quorum,
    draw_services,
)
from gxsim.report.lanes import lanes, places
from gxsim.report.palette import LIGHT
from gxsim.report.time_axis import Span, spans
from gxsim.study.result import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_NODES, MOST_SERVICES, MOST_PLACES = 10, 24, 40
WIDTH = 480  # of a panel; one unit of the picture is one pixel of a page at its natural size
TITLE, ABOVE, BELOW, SIDE, MARGIN = 70, 24, 32, 6, 62
Draw = Callable[..., None]  # axes, result, span, what is shown
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 14,
    "hatch.linewidth": 1.1,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
}


@dataclass(frozen=True, slots=True)
class Panel:
    """One picture of a chart: ``draw`` fills axes that are ``height`` units high, ``margin`` units from the left."""

    title: str
    height: int
    draw: Callable[[Axes], None]
    margin: int = SIDE


@dataclass(frozen=True, slots=True)
class Chart:
    """Panels that share a legend (label, colour, whether hatched); what is no ``overview`` is for a page only."""

    name: str
    title: str
    caption: str
    legend: tuple[tuple[str, str, bool], ...]
    panels: tuple[Panel, ...]
    overview: bool = True


def charts(result: Result) -> list[Chart]:
    """Every chart that has something to show."""
    found = [build(result) for build in (_nodes, _services, _quorum, _ledger, _load, _places)]
    return [chart for chart in found if any(panel.height for panel in chart.panels)]


def figure(result: Result) -> Figure:
    """The overview of a run in one figure: a row per chart, its panels side by side."""
    from matplotlib import rc_context

    from gxsim.report.notebook import ShownFigure

    rows = [chart for chart in charts(result) if chart.overview]
    heights = [TITLE + ABOVE + max(panel.height for panel in chart.panels) + BELOW for chart in rows]
    width, height = 2 * (WIDTH + SIDE), sum(heights) or TITLE
    with rc_context({**STYLE, "figure.facecolor": "white"}):
        drawn = ShownFigure(figsize=(width / 72, height / 72), dpi=72)
        top = height
        for chart, room in zip(rows, heights, strict=True):
            _draw_row(drawn, chart, top, (width, height))
            top -= room
    return drawn


def _draw_row(drawn: Figure, chart: Chart, top: int, size: tuple[int, int]) -> None:
    """One chart with its title and legend; *top* is its upper edge, all in units of the picture."""
    from matplotlib.patches import Patch

    width, height = size
    across = 2 * (WIDTH + SIDE) // len(chart.panels)
    drawn.text(SIDE / width, (top - 14) / height, chart.title, fontweight="bold", va="center")
    patches = [
        Patch(label=text, facecolor=LIGHT[c], hatch=HATCH if hatched else "") for text, c, hatched in chart.legend
    ]
    under = (0, (top - 22) / height)
    drawn.legend(handles=patches, loc="upper left", bbox_to_anchor=under, ncols=6, frameon=False, fontsize=12)
    for index, panel in enumerate(chart.panels):
        left, bottom = index * across + panel.margin, top - TITLE - ABOVE - panel.height
        drawn.text(left / width, (top - TITLE + 8) / height, panel.title, color=LIGHT["faint"], va="center")
        inside = (left / width, bottom / height, (across - panel.margin - 2 * SIDE) / width, panel.height / height)
        panel.draw(drawn.add_axes(inside))


def svg(panel: Panel, salt: str) -> str:
    """The picture as an SVG element whose colours are the page's variables; equal input gives equal text."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    height = panel.height + ABOVE + BELOW
    with rc_context({**STYLE, "svg.hashsalt": salt}):
        drawn = Figure(figsize=(WIDTH / 72, height / 72), dpi=72)
        room = (panel.margin / WIDTH, BELOW / height, 1 - (panel.margin + SIDE) / WIDTH, panel.height / height)
        panel.draw(drawn.add_axes(room))
        text = io.StringIO()
        drawn.savefig(text, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    return _inline(text.getvalue())


def _inline(document: str) -> str:
    """The svg element alone: no prologue, no ids that nothing refers to, colours by name."""
    element = document[document.index("<svg") :]
    element = re.sub(r' (?:width|height)="[\d.]+pt"', "", element, count=2)  # the page decides; the viewBox stays
    element = re.sub(r' id="[\w.]+_\d+"', "", element)
    for name, colour in LIGHT.items():
        element = element.replace(colour, f"var(--{name})")
    return element


def _over_time(result: Result, draw: Draw, shown: Sequence[Any], lane: int) -> tuple[Panel, ...]:
    """A panel for each stretch of time, with a lane for each of *shown*."""

    def panel(span: Span) -> Panel:
        return Panel(span.title, lane * len(shown), lambda axes: draw(axes, result, span, shown))

    return tuple(panel(span) for span in spans(result))


def _nodes(result: Result) -> Chart:
    legend = (
        ("answers", "answering", False),
        ("answers, created since", "arrived", False),
        ("not Ready yet", "starting", False),
        ("dead, still believed Ready", "bad", True),
        ("down, and known to be", "down", False),
        ("Pending", "waiting", False),
    )
    caption = "Every pod bound to a node counts in its lane, also one that is being deleted and waits for its node."
    shown = lanes(result.state, result.timeline, MOST_NODES)
    return Chart("node-chart", "Pods on each node", caption, legend, _over_time(result, draw_nodes, shown, 80))


def _services(result: Result) -> Chart:
    legend = (
        ("every endpoint", "whole", False),
        ("fewer endpoints", "warn", False),
        ("none", "bad", False),
        ("… and not yet detected", "faint", True),
    )
    touched = [row for row in result.tables["services"].rows() if row["degraded_s"] or row["none_s"]]
    touched.sort(key=lambda row: (-row["none_s"], -row["degraded_s"], row["service"]))
    shown = [row["service"] for row in touched[:MOST_SERVICES]]
    caption = (
        "Services that had fewer answering endpoints than at the start. Upper bar: what truly answers; lower bar: what "
        f"the control plane believes, so where traffic goes.{_left_out(touched, MOST_SERVICES)}"
    )
    panels = _over_time(result, draw_services, shown, 46)
    return Chart("service-chart", "Service availability", caption, legend, panels)


def _places(result: Result) -> Chart:
    legend = (
        ("answers", "answering", False),
        ("answers on another node", "arrived", False),
        ("dead, still believed Ready", "bad", True),
        ("missing, and known to be", "down", False),
    )
    found = places(result.tables["pods"])
    caption = f"Each pod that stopped answering, and those that took its place.{_left_out(found, MOST_PLACES)}"
    panels = _over_time(result, draw_places, found[:MOST_PLACES], 42)
    return Chart("place-chart", "Lost pods", caption, legend, panels, overview=False)


def _left_out(found: Sequence[Any], most: int) -> str:
    return f" {len(found) - most} more are left out." if len(found) > most else ""


def _quorum(result: Result) -> Chart:
    legend = (("members up, with quorum", "answering", False), ("members up, no quorum", "bad", False))
    panels = _over_time(result, draw_quorum, result.quorum, 80)
    return Chart("quorum-chart", "Members of consensus groups", "The dashed line is the majority.", legend, panels)


def _ledger(result: Result) -> Chart:
    legend = (("committed", "answering", False), ("piled up", "warn", False))
    shown = [(one, quantity) for one in result.ledgers for quantity in LEDGER_LANES]
    caption = "Each lane against its own highest value."
    return Chart("ledger-chart", "Ledger over time", caption, legend, _over_time(result, draw_ledger, shown, 80))


def _load(result: Result) -> Chart:
    legend = (("requests", "arrived", False), ("usage", "answering", False), ("limits", "bad", False))
    caption = "In percent of what the node can give (100%: the black line)."
    shown = list(dict.fromkeys(result.tables["nodes"].columns["node"]))[:MOST_NODES]

    def panel(title: str, resource: str) -> Panel:
        return Panel(title, 84 * len(shown), lambda axes: draw_load(axes, result, resource, shown), MARGIN)

    panels = (panel("CPU", "cpu"), panel("Memory", "memory"))
    return Chart("load-chart", "Requests, limits and usage against what nodes offer", caption, legend, panels)
