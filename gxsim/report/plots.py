"""The pictures of a run: what each shows, as matplotlib figures, and as SVG for a page."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gxsim.report.charts import draw_load, draw_nodes, draw_quorum, draw_services
from gxsim.report.lanes import lanes
from gxsim.report.palette import LIGHT
from gxsim.report.time_axis import Span, spans
from gxsim.study.result import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_NODES, MOST_SERVICES = 10, 20
WIDTH = 480  # of a panel; one unit of the picture is one pixel of a page at its natural size
ABOVE, BELOW, SIDE, MARGIN = 24, 32, 6, 62
STYLE = {
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
    from matplotlib.patches import Patch

    rows = charts(result)
    across = max(len(chart.panels) for chart in rows)
    heights = [max(panel.height for panel in chart.panels) + ABOVE + BELOW + 60 for chart in rows]
    with rc_context({**STYLE, "figure.facecolor": "white"}):
        drawn = Figure(figsize=(across * (WIDTH + 30) / 72, sum(heights) / 72), dpi=72)
        for sub, chart in zip(drawn.subfigures(len(rows), 1, squeeze=False, height_ratios=heights)[:, 0], rows, strict=True):
            sub.suptitle(chart.title, fontweight="bold", x=0.01, ha="left")
            for axes, panel in zip(sub.subplots(1, len(chart.panels), squeeze=False)[0], chart.panels, strict=True):
                panel.draw(axes)
            patches = [Patch(label=text, facecolor=LIGHT[c], hatch="////" if h else "") for text, c, h in chart.legend]
            sub.legend(handles=patches, loc="upper right", ncols=len(patches), frameon=False, fontsize=10)
            sub.subplots_adjust(left=0.06, right=0.98, top=1 - 60 / 72 * 0.9, bottom=0.12)
    return drawn


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
    element = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", element, count=1), count=1)
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
        return Panel(span.title, 46 * len(shown), lambda axes: draw_services(axes, result, span, shown))

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
