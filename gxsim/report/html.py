"""The report page: one self-contained HTML file, every text escaped, pictures inline."""

from collections import Counter
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

import gxsim
from gxsim.report.details import details
from gxsim.report.grid import Grid
from gxsim.report.incident import NOTE, TITLE, chronicle
from gxsim.report.palette import PALETTE
from gxsim.report.plots import Chart, charts, svg
from gxsim.report.sections import sections
from gxsim.report.story import headline, verdict, what_goes_wrong
from gxsim.report.words import duration
from gxsim.study.result import Result

MOST_ROWS = 300
# The section that each chart illustrates.
CHART_OF = {
    "services": "service-chart",
    "quorum": "quorum-chart",
    "ledger": "ledger-chart",
    "pods": "node-chart",
    "nodes": "load-chart",
    "pods-detail": "place-chart",
}


def render(result: Result) -> str:
    """The page as text; equal results give equal text."""
    environment = Environment(
        loader=PackageLoader("gxsim.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["breakable"] = _breakable
    return environment.get_template("report.html.j2").render(**_context(result))


def _breakable(text: str) -> Markup:
    """Names may break after a slash."""
    return escape(text).replace("/", Markup("/<wbr>"))


def _context(result: Result) -> dict[str, Any]:
    scenario = result.case.scenario
    pictures = {chart.name: _picture(chart) for chart in charts(result)}
    kinds = Counter((one.kind, one.reason) for one in result.case.cluster.unmodelled)
    return {
        "name": scenario.name,
        "question": scenario.question or scenario.name,
        "headline": headline(result),
        "verdict": verdict(result),
        "passed": result.passed,
        "faults": [what_goes_wrong(fault, scenario.clock_s) for fault in scenario.faults],
        "run": f"{duration(scenario.horizon_s)} from {scenario.clock}",
        "incident": {"title": TITLE, "note": NOTE, **chronicle(result)},
        "parts": _parts(sections(result), pictures),
        "details": _parts(details(result), pictures),
        "assumptions": result.assumptions,
        "unmodelled": [(kind, reason, count) for (kind, reason), count in sorted(kinds.items())],
        "provenance": {"gxsim": gxsim.__version__, **_flat(result), "seed": result.seed},
        "digests": sorted(result.case.digests.items()),
        "palette": PALETTE,
        "most_rows": MOST_ROWS,
    }


def _parts(grids: list[Grid], pictures: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Sections, each with its picture if it has one."""
    return [{"grid": grid, "picture": pictures.get(CHART_OF.get(grid.name, ""))} for grid in grids]


def _picture(chart: Chart) -> dict[str, Any]:
    panels = [(p.title, Markup(svg(p, f"{chart.name}/{i}"))) for i, p in enumerate(chart.panels)]
    return {"title": chart.title, "caption": chart.caption, "legend": chart.legend, "panels": panels}


def _flat(result: Result) -> dict[str, Any]:
    """What the result says about its making, where it is one word or number."""
    return {key: value for key, value in sorted(result.provenance.items()) if isinstance(value, str | int | float)}
