"""What only a page has room for: every pod, the starting placement, documented load, and a list of all tables."""

from collections.abc import Callable

from gxsim.report import paths, quorum
from gxsim.report.grid import Cell, Column, Grid, row
from gxsim.report.sections import OUTCOME_TONES
from gxsim.report.words import counted, duration, percent, time_of_day
from gxsim.study.result import Result


def details(result: Result) -> list[Grid]:
    """Every detail that has something to say; their names end in ``-detail`` where a section has the table's name."""
    grids = [build(result) for build in DETAILS]
    return [grid for grid in grids if grid.rows]


def _pod_details(result: Result) -> Grid:
    start_s = result.case.scenario.clock_s
    rows = [
        row(
            fate["pod"],
            fate["node"],
            *(time_of_day(fate[moment], start_s) for moment in ("lost_s", "noticed_s", "evicted_s")),
            fate["successor"] if fate["successor"] != fate["pod"] else "itself",
            fate["successor_node"] or "–",
            time_of_day(fate["serving_s"], start_s),
            duration(fate["without_s"]),
            Cell(fate["outcome"], OUTCOME_TONES.get(fate["outcome"], "")),
        )
        for fate in result.tables["pods"].rows()
    ]
    titles = ("Pod", "Node", "Lost", "Not Ready", "Evicted", "In its place", "There", "Answers", "Without", "Outcome")
    columns = tuple(Column(title, title in ("Lost", "Not Ready", "Evicted", "Answers", "Without")) for title in titles)
    return Grid(name="pods-detail", title="Each pod", columns=columns, rows=tuple(rows))


def _placement(result: Result) -> Grid:
    placed = list(result.tables["placement"].rows()) if "placement" in result.tables else []
    rows = [
        row(
            one["workload"], one["given"], Cell(one["scheduled"], "" if one["same"] else "warn"), one["would_guarantee"]
        )
        for one in sorted(placed, key=lambda one: one["same"])
    ]
    differ = sum(not one["same"] for one in placed)
    columns = (Column("Workload"), Column("Starts on"), Column("Scheduler alone"), Column("What would guarantee it"))
    note = f"The scheduler alone would place {differ} of {counted(len(placed), 'workload')} elsewhere."
    return Grid(name="placement", title="Starting placement", note=note, columns=columns, rows=tuple(rows))


def _documented(result: Result) -> Grid:
    rows = []
    for one in result.tables["documented_load"].rows() if "documented_load" in result.tables else ():
        for resource, unit in (("cpu", "milli"), ("memory", "bytes")):
            offered = one[f"allocatable_{resource}_{unit}"]
            amounts = [one[f"{kind}_{resource}_{unit}"] for kind in ("documented", "modelled", "requests")]
            shares = [percent(100.0 * amount / offered) if offered else "–" for amount in amounts]
            rows.append(row(one["node"] if resource == "cpu" else "", resource, *shares, one["source"]))
    titles = ("Node", "Resource", "Documented", "Sum of usage", "Sum of requests", "Source")
    columns = tuple(Column(title, 1 < i < 5) for i, title in enumerate(titles))
    note = "The documented load of whole nodes beside what their pods add up to, in shares of what the node can give."
    return Grid(name="documented_load", title="Documented load", note=note, columns=columns, rows=tuple(rows))


def _catalogue(result: Result) -> Grid:
    rows = [row(name, str(len(table)), table.about) for name, table in sorted(result.tables.items())]
    columns = (Column("Table"), Column("Rows", True), Column("What it holds"))
    note = "Each is a file tables/NAME.csv, a table of result.json and, from Python, result.table(NAME)."
    return Grid(name="tables", title="All tables", note=note, columns=columns, rows=tuple(rows))


DETAILS: tuple[Callable[[Result], Grid], ...] = (
    _pod_details,
    lambda result: quorum.round_trip_grid(result.tables),
    lambda result: quorum.subsets_grid(result.tables, "nodes"),
    lambda result: quorum.subsets_grid(result.tables, "members"),
    *paths.DETAILS,
    _placement,
    _documented,
    _catalogue,
)
