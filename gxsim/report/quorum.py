"""Grids about what consensus groups survive and how fast they are: of a run, and of ``gxsim quorum``."""

from collections.abc import Mapping
from typing import Any

from gxsim.observe.quorum_answers import MODELLED
from gxsim.observe.table import Table
from gxsim.report.grid import Cell, Column, Grid, row
from gxsim.report.words import duration, latency, percent

Tables = Mapping[str, Table]
SOLO = "A group of one orders alone: it commits as soon as it has written, and is lost with its node."


def groups_grid(tables: Tables) -> Grid:
    """Each group with its timers, what it may lose, and what a write and a lost leader cost; of a run, who leads."""
    groups, led = _rows(tables, "consensus_groups"), "leaders" in tables
    rows = []
    for one in groups:
        rows.append(
            row(
                one["group"],
                f"{one['protocol']} {duration(one['heartbeat_s'])}",
                *(_reign(tables, one["group"]) if led else ()),
                _members(one["up"], one["members"], one["nodes"]),
                str(one["needed"]),
                *(_tolerated(one[what]) for what in ("tolerates_members", "tolerates_nodes")),
                _between(one["least_commit_s"], one["most_commit_s"]),
                latency(one["forwarded_s"]),
                _gap(one["mean_gap_s"], one["p99_gap_s"]),
            )
        )
    columns = (
        Column("Group"),
        Column("Timers", False, 100),
        *((Column("Leads"), Column("Term", True, 92)) if led else ()),
        Column("Members", True, 92),
        Column("Needed", True, 92),
        Column("May lose", True),
        Column("Or nodes", True),
        Column("Commit", True),
        Column("Forwarded", True, 110),
        Column("Leader lost", True),
    )
    leads = "Leads: at the end. " if led else ""
    note = (
        f"{leads}May lose: further members, or whole nodes, whichever they are, at the start. Commit: by who leads; "
        "forwarded: sent to the follower that is farthest away. Leader lost: no writes on average, and in the worst of "
        "a hundred times."
    )
    note += f" {SOLO}" if any(one["members"] == 1 for one in groups) else ""
    return Grid(name="consensus_groups", title="Consensus groups", note=note, columns=columns, rows=tuple(rows))


def subsets_grid(tables: Tables, losing: str) -> Grid:
    """What every subset of a group's members or nodes leaves of it."""
    rows = [
        row(
            one["group"],
            one["lost"] or "none",
            str(one["up"]),
            Cell("kept" if one["quorum"] else "LOST", "good" if one["quorum"] else "bad"),
            str(one["tolerates_members"]) if one["quorum"] else "–",
            str(one["tolerates_nodes"]) if one["quorum"] else "–",
        )
        for one in _rows(tables, "quorum_subsets")
        if one["losing"] == losing
    ]
    titles = ("Group", f"{losing.capitalize()} lost", "Up", "Quorum", "Further members", "Further nodes")
    columns = tuple(Column(title, title in ("Up", "Further members", "Further nodes")) for title in titles)
    note = f"Every subset of the {losing} of each group, as placed at the start."
    name = "quorum_subsets" if losing == "nodes" else "quorum_subsets-members"
    return Grid(name=name, title=f"What any loss of {losing} leaves", note=note, columns=columns, rows=tuple(rows))


def round_trip_grid(tables: Tables) -> Grid:
    """A few milliseconds against continents: the same groups, the same placement, other links."""
    rows = [
        row(
            one["group"] if one["network"] == MODELLED else "",
            Cell(one["network"], "" if one["network"] == MODELLED else "quiet"),
            latency(one["round_trip_s"]),
            _between(one["least_commit_s"], one["most_commit_s"]),
            latency(one["forwarded_s"]),
            _finite(one["mean_gap_s"]),
            percent(100 * one["more_than_one_term"]) if one["mean_gap_s"] < float("inf") else "–",
        )
        for one in _rows(tables, "round_trips")
    ]
    titles = ("Group", "Network", "Round trip", "Commit", "Forwarded", "Leader lost", "More than one term")
    columns = tuple(Column(title, i > 1, 92 if i > 5 else 0) for i, title in enumerate(titles))
    note = (
        "What the distance between the nodes does to a write, and to the time without writes when the leader is lost."
    )
    return Grid(name="round_trips", title="Round trips", note=note, columns=columns, rows=tuple(rows))


def failover_grid(tables: Tables) -> Grid:
    """How long a group is without a leader, with its own timers and with those of other systems."""
    rows = [
        row(
            one["group"] if one["timers"] == MODELLED else "",
            Cell(one["timers"], "" if one["timers"] == MODELLED else "quiet"),
            duration(one["heartbeat_s"]),
            duration(one["election_timeout_s"]),
            *(_finite(one[name]) for name in ("mean_s", "median_s", "p99_s", "mean_gap_s")),
            percent(100 * one["more_than_one_term"]) if one["mean_s"] < float("inf") else "–",
        )
        for one in _rows(tables, "failover")
    ]
    titles = ("Group", "Timers", "Heartbeat", "Timeout", "Mean", "Median", "p99", "No writes", "More than one term")
    columns = tuple(Column(title, i > 1, 92 if title in ("Median", "Timeout") else 0) for i, title in enumerate(titles))
    note = (
        "From the loss of the leader to the next one, each member being the one that is lost equally often, and the "
        "mean time without writes; more than one term: how often a term was wasted on a split or refused vote."
    )
    return Grid(name="failover", title="Failover by timers", note=note, columns=columns, rows=tuple(rows))


def _rows(tables: Tables, name: str) -> list[dict[str, Any]]:
    return list(tables[name].rows()) if name in tables else []


def _reign(tables: Tables, group: str) -> tuple[Cell, Cell]:
    """Who leads at the end, and the terms of the whole run."""
    reigns = [one for one in _rows(tables, "leaders") if one["group"] == group]
    if not reigns:
        return Cell("–", "quiet"), Cell("–", "quiet")
    first, last = reigns[0]["term"], reigns[-1]["term"]
    leads = Cell(reigns[-1]["leader"]) if reigns[-1]["leader"] else Cell("nobody", "bad")
    return leads, Cell(str(last) if first == last else f"{first}→{last}", "" if first == last else "warn")


def _members(up: int, members: int, nodes: int) -> Cell:
    """How many there are, or run of those there are, on how many nodes."""
    return Cell(f"{members} on {nodes}") if up == members else Cell(f"{up} of {members} on {nodes}", "warn")


def _tolerated(count: int) -> Cell:
    return Cell("LOST" if count < 0 else str(count), "" if count > 0 else "bad")


def _between(least_s: float, most_s: float) -> str:
    least, most = latency(least_s), latency(most_s)
    return least if least == most else f"{least.removesuffix('ms')}–{most}"


def _finite(seconds: float) -> Cell:
    return Cell("never", "bad") if seconds == float("inf") else Cell(duration(seconds))


def _gap(mean_s: float, p99_s: float) -> Cell:
    return _finite(mean_s) if mean_s == float("inf") else Cell(f"{duration(mean_s)}, {duration(p99_s)}")
