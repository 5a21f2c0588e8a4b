"""The pictures of a run: what each shows, as matplotlib figures, and as SVG for a page."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gxsim.report.charts import HATCH, draw_load, draw_nodes, draw_quorum, draw_services
from gxsim.report.lanes import lanes
from gxsim.report.palette import LIGHT
from gxsim.report.time_axis import Span, spans
from gxsim.study.result import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_NODES, MOST_SERVICES = 10, 24
WIDTH = 480  # of a panel; one unit of the picture is one pixel of a page at its natural size
TITLE, ABOVE, BELOW, SIDE, MARGIN = 70, 24, 32, 6, 62
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
    """Panels that share a legend: label, colour and whether it is hatched."""

    name: str
    title: str
    caption: str
    legend: tuple[tuple[str, str, bool], ...]
    panels: tuple[Panel, ...]


def charts(result: Result) -> list[Chart]:
    """Every chart that has something to show."""
    return [chart for build in (_nodes, _services, _quorum, _load) if (chart := build(result)) is not None]


def figure(result: Result) -> Figure:
    """All charts of a run in one figure: a row per chart, its panels side by side."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    rows = charts(result)
    heights = [TITLE + ABOVE + max(panel.height for panel in chart.panels) + BELOW for chart in rows]
    width, height = 2 * (WIDTH + SIDE), sum(heights)
    with rc_context({**STYLE, "figure.facecolor": "white"}):
        drawn = Figure(figsize=(width / 72, height / 72), dpi=72)
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
    element = re.sub(
        r'(<svg[^>]*?) width="[^"]*"', r"\1", re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", element, count=1), count=1
    )
    element = re.sub(r' id="[a-zA-Z.]+\d*_\d+"', "", element)
    for name, colour in LIGHT.items():
        element = element.replace(colour, f"var(--{name})")
    return element


def _nodes(result: Result) -> Chart | None:
    shown = lanes(result.state, result.timeline, MOST_NODES)
    legend = (
        ("answers", "answering", False),
        ("answers, created since", "arrived", False),
        ("not Ready yet", "starting", False),
        ("dead, still believed Ready", "bad", True),
        ("down, and known to be", "down", False),
        ("Pending", "waiting", False),
    )
    caption = "Every pod bound to a node counts in its lane, also one that is being deleted and waits for its node."

    def drawn(span: Span) -> Panel:
        return Panel(span.title, 80 * len(shown), lambda axes: draw_nodes(axes, result, span, shown))

    return Chart("node-chart", "Pods on each node", caption, legend, tuple(drawn(span) for span in spans(result)))


def _services(result: Result) -> Chart | None:
    touched = [row for row in result.tables["services"].rows() if row["degraded_s"] or row["none_s"]]
    touched.sort(key=lambda row: (-row["none_s"], -row["degraded_s"], row["service"]))
    if not touched:
        return None
    shown = [row["service"] for row in touched[:MOST_SERVICES]]
    legend = (
        ("every endpoint", "whole", False),
        ("fewer endpoints", "warn", False),
        ("none", "bad", False),
        ("… and not yet detected", "faint", True),
    )
    left_out = f" The {len(touched) - len(shown)} less affected ones are left out." if len(touched) > len(shown) else ""
    caption = f"Services that had fewer answering endpoints than at the start.{left_out}"

    def drawn(span: Span) -> Panel:
        return Panel(span.title, 42 * len(shown), lambda axes: draw_services(axes, result, span, shown))

    return Chart("service-chart", "Service availability", caption, legend, tuple(drawn(span) for span in spans(result)))


def _quorum(result: Result) -> Chart | None:
    if not result.quorum:
        return None
    legend = (("members up, with quorum", "answering", False), ("members up, no quorum", "bad", False))

    def drawn(span: Span) -> Panel:
        return Panel(span.title, 80 * len(result.quorum), lambda axes: draw_quorum(axes, result, span))

    panels = tuple(drawn(span) for span in spans(result))
    return Chart("quorum-chart", "Members of consensus groups", "The dashed line is the majority.", legend, panels)


def _load(result: Result) -> Chart | None:
    table = result.tables["nodes"]
    shown = list(dict.fromkeys(table.columns["node"]))[:MOST_NODES]
    if not shown:
        return None
    legend = (("requests", "arrived", False), ("usage", "answering", False), ("limits", "bad", False))
    caption = "In percent of what the node can give (100%: the black line)."

    def drawn(title: str, resource: str) -> Panel:
        return Panel(title, 84 * len(shown), lambda axes: draw_load(axes, result, resource, shown), MARGIN)

    panels = (drawn("CPU", "cpu"), drawn("Memory", "memory"))
    return Chart("load-chart", "Requests, limits and usage against what nodes offer", caption, legend, panels)
