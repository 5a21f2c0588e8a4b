"""Sections about ledgers: what stood still and piled up, how late things were, peers, clients, how much more fits."""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from gxsim.kernels.intervals import runs
from gxsim.observe.ledger import LedgerSeries
from gxsim.observe.ledger_tables import PROBABILITIES
from gxsim.observe.saturation import saturation_point
from gxsim.observe.table import Table
from gxsim.report.grid import Cell, Column, Grid, Tone, row
from gxsim.report.words import duration, time_of_day
from gxsim.study.result import Result

FEW = "not enough data"
QUIET = 0.05  # of a run at least passes before anything goes wrong
IDLE_S = 60.0  # so long without a command is worth a word
LATENCY_WORDS = {
    "created_to_acknowledged": "command to acknowledgement",
    "submitted_to_committed": "submission to commit",
    "created_to_committed": "command to commit",
    "committed_to_projected": "commit to projection",
    "created_to_projected": "command to projection",
    "block_interval": "between blocks",
}


def channels(result: Result) -> Grid:
    """Each channel: how long it stood still, what piled up, when it had caught up."""
    start_s = result.case.scenario.clock_s
    rows = []
    for one in result.ledgers:
        stalled_s, drained_s, waiting_s = stall_s(one), drained(one), idle_s(one)
        tone: Tone = "bad" if stalled_s else ""
        rows.append(
            row(
                one.name,
                f"{int(one.committed.sum()):,}",
                f"{int(one.height[-1]):,}",
                Cell(duration(stalled_s) if stalled_s else "–", tone),
                Cell(duration(waiting_s), "warn") if waiting_s >= IDLE_S else "–",
                Cell(f"{int(one.outbox.max()):,}", tone),
                "–" if drained_s is None or not stalled_s else time_of_day(drained_s, start_s),
                duration(float(one.projector_lag_s.max())),
            )
        )
    columns = (
        Column("Channel"),
        Column("Committed", True),
        Column("Blocks", True, 92),
        Column("Stood still", True),
        Column("Had nothing", True),
        Column("Outbox at most", True),
        Column("Caught up at", True),
        Column("Projector lag at most", True),
    )
    limits = " ".join(_limit(result.tables, one.name) for one in result.ledgers)
    note = (
        "Commands from the outbox through endorsement, ordering and commit to the projection. Stood still: commands "
        f"waited and none was committed. Had nothing: no command came. {limits}"
    ).strip()
    return Grid(name="ledger", title="Ledger", note=note, columns=columns, rows=tuple(rows))


def _limit(tables: Mapping[str, Table], channel: str) -> str:
    """Where the channel saturates, by the sweep of the run."""
    sweep = tables.get("ledger_saturation")
    point = saturation_point(sweep, channel) if sweep else None
    return f"{channel} carries {point[1]:.0f}/s; above that {point[0]} falls behind." if point else ""


def latencies(result: Result) -> Grid:
    """Quantiles of each latency of each channel."""
    table = result.tables.get("ledger_latency")
    rows = tuple(
        row(
            one["channel"],
            LATENCY_WORDS[one["latency"]],
            f"{one['count']:,}",
            *(FEW if one[name] is None else duration(one[name]) for name in PROBABILITIES),
        )
        for one in (table.rows() if table else ())
    )
    levels = (Column(f"p{100 * level:g}", True) for level in PROBABILITIES.values())
    columns = (Column("Channel"), Column("From – to"), Column("Count", True), *levels)
    note = "Of all that ended within the run. A quantile needs a hundred observations beyond it."
    return Grid(name="ledger_latency", title="How late the ledger was", note=note, columns=columns, rows=rows)


def peers(result: Result) -> Grid:
    """How high each peer stood, and how it caught up."""
    start_s, table = result.case.scenario.clock_s, result.tables.get("ledger_peers")
    rows = tuple(
        row(
            one["channel"],
            one["peer"],
            f"{one['height']:,}",
            Cell(f"{one['behind']:,}", "warn" if one["behind_from_s"] is not None else ""),
            "–" if one["behind_from_s"] is None else time_of_day(one["behind_from_s"], start_s),
            "–" if one["behind_from_s"] is None else time_of_day(one["level_s"], start_s),
            "–" if one["catch_up_per_s"] is None else f"{one['catch_up_per_s']:.2g} blocks/s",
        )
        for one in (table.rows() if table else ())
    )
    titles = ("Height", "Behind at most", "Behind from", "Level at", "Caught up by")
    columns = (Column("Channel"), Column("Peer"), *(Column(title, True) for title in titles))
    note = (
        "Blocks that the orderers had and the peer had not. Events and endorsements are as old as their peer's height."
    )
    return Grid(name="ledger_peers", title="Peers", note=note, columns=columns, rows=rows)


def clients(result: Result) -> Grid:
    """What clients lost and sent again; empty where nothing of it happened."""
    table, counts = result.tables.get("ledger_clients"), ("lost", "resubmitted", "duplicates", "applied_twice", "void")
    rows = tuple(
        row(
            one["channel"],
            f"{one['broadcast']}, {one['resubmission']}",
            *(Cell(f"{one[name]:,}", "bad" if one[name] and name == "applied_twice" else "") for name in counts),
        )
        for one in (table.rows() if table else ())
        if any(one[name] for name in counts)
    )
    titles = ("Acknowledged, lost", "Sent again", "In two blocks", "Applied twice", "Void")
    columns = (Column("Channel"), Column("Stream, resubmission"), *(Column(title, True) for title in titles))
    note = "An acknowledgement does not mean ordered. Void: what was read had changed until the commit."
    return Grid(name="ledger_clients", title="What clients met", note=note, columns=columns, rows=rows)


def saturation(table: Table) -> Grid:
    """Every rate that was tried, and what fell behind."""
    rows = tuple(
        row(
            one["channel"],
            f"{one['offered_per_s']:.1f}/s",
            f"{one['committed_per_s']:.1f}/s",
            Cell(one["stage"] or "–", "bad" if one["saturated"] else ""),
            f"{one['growth']:.2f} s" if one["saturated"] else "–",
        )
        for one in table.rows()
    )
    rates = (Column("Offered", True), Column("Committed", True))
    columns = (Column("Channel"), *rates, Column("Falls behind"), Column("Later each second by", True))
    channels = dict.fromkeys(table.columns["channel"])
    note = " ".join(_limit({"ledger_saturation": table}, channel) for channel in channels)
    return Grid(name="ledger_saturation", title="Saturation, by sweep", note=note, columns=columns, rows=rows)


def idle_s(series: LedgerSeries) -> float:
    """The longest stretch without a commit because there was no command, to the width of a bin."""
    return _longest_s(series, (series.committed == 0) & (series.uncommitted == 0))


def stall_s(series: LedgerSeries) -> float:
    """The longest stretch without a commit while commands waited, to the width of a bin."""
    return _longest_s(series, (series.committed == 0) & (series.uncommitted > 0))


def _longest_s(series: LedgerSeries, holds: NDArray) -> float:
    first, past = runs(holds)
    return float((past - first).max() * np.diff(series.time_s, prepend=0.0)[0]) if len(first) else 0.0


def drained(series: LedgerSeries) -> float | None:
    """When the uncommitted were down to ten times their number in quiet times, after the most; None: not in the run."""
    waiting = series.uncommitted
    peak = int(np.argmax(waiting))
    low = np.flatnonzero(waiting[peak:] <= max(10.0, 10.0 * float(np.quantile(waiting, QUIET))))
    return float(series.time_s[peak + low[0]]) if len(low) else None


def ledger_grids(result: Result) -> list[Grid]:
    """The sections of a run that have something to say."""
    return [grid for grid in (section(result) for section in SECTIONS) if grid.rows]


SECTIONS: tuple[Callable[[Result], Grid], ...] = (channels, latencies, peers, clients)
