"""What only a page has room for: every pod, the starting placement, documented load, and a list of all tables."""

from collections import defaultdict
from collections.abc import Callable
from typing import Any

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
            *(time_of_day(fate[moment], start_s) for moment in ("lost_s", "noticed_s")),
            Cell(duration(fate["undetected_s"]), "warn" if fate["undetected_s"] else ""),
            time_of_day(fate["evicted_s"], start_s),
            fate["successor"] if fate["successor"] != fate["pod"] else "itself",
            fate["successor_node"] or "–",
            *(time_of_day(fate[moment], start_s) for moment in ("created_s", "bound_s", "serving_s")),
            duration(fate["without_s"]),
            Cell(fate["outcome"], OUTCOME_TONES.get(fate["outcome"], "")),
            fate["cause"] or "–",
        )
        for fate in result.tables["pods"].rows()
    ]
    numbers = ("Lost", "Not Ready", "Undetected", "Deleted", "Created", "Bound", "Answers", "Without")
    titles = ("Pod", "Node", *numbers[:4], "In its place", "There", *numbers[4:], "Outcome", "Cause")
    columns = tuple(Column(title, title in numbers) for title in titles)
    note = "Lost: truly dead, or its deletion begins. Undetected: dead, and still believed Ready."
    return Grid(name="pods-detail", title="Each pod", note=note, columns=columns, rows=tuple(rows))


def _service_details(result: Result) -> Grid:
    """Each Service that lacked endpoints: without any, in truth and as believed."""
    start_s = result.case.scenario.clock_s
    moments = ("none_from_s", "none_to_s", "believed_none_from_s", "believed_none_to_s")
    rows = [
        row(
            one["service"],
            *(time_of_day(one[moment], start_s) for moment in moments),
            *(duration(one[name]) for name in ("none_s", "believed_none_s", "undetected_s", "degraded_s")),
            percent(one["misdirected_percent"]),
        )
        for one in result.tables["services"].rows()
        if one["none_s"] or one["degraded_s"] or one["undetected_s"]
    ]
    titles = ("None from", "To", "Believed from", "To", "None", "Believed", "At risk", "Fewer", "Misdirected")
    columns = (Column("Service"), *(Column(title, True) for title in titles))
    note = (
        "None: the first and the last moment without anybody answering; believed: without an endpoint in the "
        "EndpointSlices; a dash where there is none, or where it lasts. At risk: requests could still meet a dead "
        "endpoint, at most the misdirected share of them."
    )
    return Grid(name="services-detail", title="Each Service", note=note, columns=columns, rows=tuple(rows))


def _events(result: Result) -> Grid:
    """Events by reason, most often first; each with one message."""
    start_s = result.case.scenario.clock_s
    groups: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for one in result.tables["events"].rows() if "events" in result.tables else ():
        groups[one["reason"], one["kind"]].append(one)
    rows = []
    for (reason, kind), found in groups.items():
        most = max(found, key=lambda one: one["count"])
        times = (min(one["first_s"] for one in found), max(one["last_s"] for one in found))
        counts = (str(sum(one["count"] for one in found)), str(len({one["object"] for one in found})))
        told = (time_of_day(time_s, start_s) for time_s in times)
        rows.append(row(reason, kind, *counts, *told, f"{most['object']}: {most['message']}"))
    columns = (
        Column("Reason"),
        Column("Kind"),
        *(Column(title, True) for title in ("Count", "Objects", "First", "Last")),
        Column("Such as"),
    )
    note = "Equal Events are counted; table events has each object and message."
    return Grid(name="events", title="Events", note=note, columns=columns, rows=tuple(rows))


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
    _service_details,
    _events,
    lambda result: quorum.round_trip_grid(result.tables),
    lambda result: quorum.subsets_grid(result.tables, "nodes"),
    lambda result: quorum.subsets_grid(result.tables, "members"),
    *paths.DETAILS,
    _placement,
    _documented,
    _catalogue,
)
