"""A run as rich renderables that fit the terminal they are printed on."""

from collections import Counter
from dataclasses import replace

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from gxsim.report.fitted import FittedGrid
from gxsim.report.grid import Grid
from gxsim.report.incident import incident
from gxsim.report.sections import sections
from gxsim.report.story import headline, verdict, what_goes_wrong
from gxsim.report.words import counted, duration, listed
from gxsim.study.result import Result

SHORT, LONGEST = 18, 1000  # rows of a table
FOR_THE_PAGE = ("node_losses", "nodes", "headroom")  # the incident tells of the first, the others are no news


def story(result: Result, *, full: bool = False) -> RenderableType:
    """What a terminal shows of a run, top to bottom; without *full*, only what a page is not needed for."""
    told = incident(result, most=LONGEST if full else SHORT)
    grids = [told] if told.rows else []
    grids += [grid if full else _shortened(grid) for grid in sections(result) if full or grid.name not in FOR_THE_PAGE]
    fitted = [FittedGrid(grid, most_rows=LONGEST if full else SHORT) for grid in grids if grid.rows]
    closing = "bold green" if result.passed else "bold red"
    return Group(_opening(result), *fitted, _caveats(result), Text(verdict(result), style=closing))


def _shortened(grid: Grid) -> Grid:
    """Of expectations only those that fail: the verdict counts the others."""
    if grid.name != "expectations":
        return grid
    return replace(grid, rows=tuple(cells for cells in grid.rows if cells[-1].tone == "bad"))


def _opening(result: Result) -> RenderableType:
    scenario = result.case.scenario
    lines = [Text(scenario.question or scenario.name, style="bold")]
    faults = [what_goes_wrong(fault, scenario.clock_s) for fault in scenario.faults]
    wrong = listed(faults, most=4) if faults else "nothing goes wrong"
    lines.append(Text(f"{scenario.name}: {wrong}; {duration(scenario.horizon_s)} from {scenario.clock}", style="dim"))
    return Padding(Group(*lines, Text(""), Text(headline(result))), (0, 0, 1, 0))


def _caveats(result: Result) -> RenderableType:
    """Assumptions in full, and what is not modelled by kind."""
    lines = [Text(f"• {assumption}", style="dim") for assumption in result.assumptions]
    kinds = Counter(one.kind for one in result.case.cluster.unmodelled)
    total = sum(kinds.values())
    named = listed([f"{count} {kind}" for kind, count in kinds.most_common()], most=8)
    lines.append(Text(f"• Not modelled: {counted(total, 'object')}{f' ({named})' if total else ''}.", style="dim"))
    return Group(Text("Assumptions", style="bold underline"), *lines, Text(""))
