"""Sections about consensus groups and ledgers: leaders, gaps, what any loss of nodes leaves, what piled up."""

from collections.abc import Sequence

import numpy as np

from gxsim.kernels.intervals import runs
from gxsim.observe.ledger import LedgerSeries
from gxsim.report.grid import Cell, Column, Grid, Tone, row
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


def ledgers(result: Result) -> Grid:
    """Each channel: how long it stood still, what piled up, when it had caught up."""
    start_s = result.case.scenario.clock_s
    rows = []
    for one in result.ledgers:
        stalled_s, drained_s = stall_s(one), drained(one)
        tone: Tone = "bad" if stalled_s else ""
        first, worst = _latency(result, one.name)
        rows.append(
            row(
                one.name,
                f"{int(one.committed.sum()):,}",
                f"{int(one.height[-1]):,}",
                Cell(duration(stalled_s) if stalled_s else "–", tone),
                Cell(f"{int(one.outbox.max()):,}", tone),
                "–" if drained_s is None or not stalled_s else time_of_day(drained_s, start_s),
                duration(float(one.projector_lag_s.max())),
                f"{first} / {worst}",
            )
        )
    columns = (
        Column("Channel"),
        Column("Committed", True),
        Column("Blocks", True, 92),
        Column("Stood still", True),
        Column("Outbox at most", True),
        Column("Caught up at", True),
        Column("Projector lag at most", True, 100),
        Column("To commit, median / p99", True),
    )
    stages = result.tables.get("ledger_capacity")
    least = next(stages.rows()) if stages else None
    limit = f" At more load {least['stage']} saturates first, at {least['per_s']:.0f}/s." if least else ""
    note = f"Commands from the outbox through endorsement, ordering and commit to the projection.{limit}"
    return Grid(name="ledger", title="Ledger", note=note, columns=columns, rows=tuple(rows))


def stall_s(series: LedgerSeries) -> float:
    """The longest stretch without a commit while commands waited, to the width of a bin."""
    first, past = runs((series.committed == 0) & (series.uncommitted > 0))
    return float((past - first).max() * np.diff(series.time_s, prepend=0.0)[0]) if len(first) else 0.0


def drained(series: LedgerSeries) -> float | None:
    """When the outbox was back at ten times its usual depth after its highest; None if not within the run."""
    peak = int(np.argmax(series.outbox))
    low = np.flatnonzero(series.outbox[peak:] <= max(10.0, 10.0 * float(np.median(series.outbox))))
    return float(series.time_s[peak + low[0]]) if len(low) else None


def _latency(result: Result, channel: str) -> Sequence[str]:
    rows = result.tables["ledger_latency"].rows()
    found = next(one for one in rows if (one["channel"], one["latency"]) == (channel, "created_to_committed"))
    return duration(found["median_s"]), duration(found["p99_s"])
