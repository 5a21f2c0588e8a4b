"""Sections about the leaders of consensus groups in a run, and the gaps in what they wrote."""

from gxsim.report.grid import Cell, Column, Grid, row
from gxsim.report.words import duration, latency, time_of_day
from gxsim.study.result import Result

SLOWED = 1.5  # times the best commit of a leader: then the slowest is worth a line


def leaders(result: Result) -> Grid:
    """Reigns, of groups whose leader changed, or whose leader took much longer at times."""
    start_s = result.case.scenario.clock_s
    table = result.tables.get("leaders")
    reigns = list(table.rows()) if table else []
    groups = [one["group"] for one in reigns]
    slowed = {one["group"] for one in reigns if one["commit_s"] and one["slowest_commit_s"] > SLOWED * one["commit_s"]}
    rows = [
        row(
            one["group"],
            time_of_day(one["from_s"], start_s),
            Cell(one["leader"] or "nobody", "" if one["leader"] else "bad"),
            str(one["term"]),
            latency(one["commit_s"]) if one["commit_s"] else "–",
            latency(one["slowest_commit_s"]) if one["commit_s"] else "–",
            f"{one['rival']} for {duration(one['rival_s'])}" if one["rival"] else "–",
        )
        for one in reigns
        if groups.count(one["group"]) > 1 or one["group"] in slowed
    ]
    titles = ("Group", "From", "Leader", "Term", "Commit", "Slowest", "Rival")
    right = ("From", "Term", "Commit", "Slowest")
    columns = tuple(Column(title, title in right, 92 * (title == "Rival")) for title in titles)
    note = (
        "Groups whose leader changed or slowed down. Commit: how long a write takes through that leader, by the delays "
        "of network and disks, at best and at its slowest. "
        "Rival: cut off, and believed for so long that it still led."
    )
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
