"""Sections about consensus groups: leaders, gaps, what any loss of nodes leaves."""

from gxsim.report.grid import Cell, Column, Grid, row
from gxsim.report.words import duration, time_of_day
from gxsim.study.result import Result


def leaders(result: Result) -> Grid:
    """Reigns, of groups whose leader changed."""
    start_s = result.case.scenario.clock_s
    table = result.tables.get("leaders")
    reigns = list(table.rows()) if table else []
    groups = [one["group"] for one in reigns]
    rows = [
        row(
            one["group"],
            time_of_day(one["from_s"], start_s),
            Cell(one["leader"] or "nobody", "" if one["leader"] else "bad"),
            str(one["term"]),
            duration(one["commit_s"]) if one["commit_s"] else "–",
        )
        for one in reigns
        if groups.count(one["group"]) > 1
    ]
    columns = (Column("Group"), Column("From", True), Column("Leader"), Column("Term", True), Column("Commit", True))
    note = "Groups whose leader changed. Commit: how long a write takes through that leader, by the network's delays."
    return Grid(name="leaders", title="Leaders", note=note, columns=columns, rows=tuple(rows))


def write_gaps(result: Result) -> Grid:
    start_s = result.case.scenario.clock_s
    table = result.tables.get("write_gaps")
    rows = [
        row(
            one["group"],
            time_of_day(one["from_s"], start_s),
            Cell(duration(one["gap_s"]), "bad" if one["gap_s"] > one["patience_s"] else "warn"),
            one["led"] or "–",
            one["leads"] or "nobody yet",
            duration(one["patience_s"]),
        )
        for one in (table.rows() if table else ())
    ]
    columns = (
        Column("Group"),
        Column("From", True),
        Column("No write for", True),
        Column("Led before"),
        Column("Leads then"),
        Column("Client waits", True, 84),
    )
    note = "No write could be committed. A request forwarded to the lost leader fails only after the client has waited."
    return Grid(name="write_gaps", title="Write gaps", note=note, columns=columns, rows=tuple(rows))


def node_subsets(result: Result) -> Grid:
    """What every subset of a group's nodes leaves of it."""
    table = result.tables.get("quorum_subsets")
    rows = [
        row(
            one["group"],
            one["lost"] or "none",
            str(one["up"]),
            Cell("kept" if one["quorum"] else "LOST", "good" if one["quorum"] else "bad"),
            str(one["tolerates_members"]) if one["quorum"] else "–",
            str(one["tolerates_nodes"]) if one["quorum"] else "–",
        )
        for one in (table.rows() if table else ())
        if one["losing"] == "nodes"
    ]
    titles = ("Group", "Nodes lost", "Up", "Quorum", "Further members", "Further nodes")
    columns = tuple(Column(title, title in ("Up", "Further members", "Further nodes")) for title in titles)
    note = "Every subset of the nodes of each group, as placed at the start; table quorum_subsets has those of members."
    return Grid(name="quorum_subsets", title="What any loss leaves", note=note, columns=columns, rows=tuple(rows))
