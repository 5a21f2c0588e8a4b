"""Survival and drains as grids for people."""

from typing import Any

from gxsim.plan.drain import DrainPlan
from gxsim.plan.survive import Survival
from gxsim.report.grid import Cell, Column, Grid, Tone, row
from gxsim.report.words import counted, duration, percent


def survival_grids(found: Survival) -> list[Grid]:
    """The matrix: one row per loss."""
    rows = tuple(_loss(one) for one in found.matrix.rows())
    columns = (
        Column("Lost"),
        Column("Quorum"),
        Column("Services lost", True),
        Column("Outage", True),
        Column("Pods short", True),
        Column("Pending", True),
        Column("On volumes", True, 90),
        Column("Requests", True, 100),
        Column("Limits", True, 100),
        Column("Usage", True),
    )
    some = [f"{n} of {found.possible[kind]} with {kind}" for kind, n in found.asked.items() if n < found.possible[kind]]
    note = f"{found.survived} of {counted(len(rows), 'loss').replace('losss', 'losses')} leave nothing lacking."
    note += f" Looked at: {'; '.join(some)}, those that cost most." if some else ""
    note += " Outage: the longest of any Service until the end; shares: the fullest node that is left."
    return [Grid(name="survival", title="Losses", note=note, columns=columns, rows=rows)]


def _loss(one: dict[str, Any]) -> tuple[Cell, ...]:
    lost = f"{one['services_lost']} of {one['services_interrupted']}" if one["services_interrupted"] else "–"
    return row(
        one["lost"],
        Cell(f"lost: {one['quorum_lost']}", "bad") if one["quorum_lost"] else Cell("kept", "good"),
        Cell(lost, "bad" if one["services_lost"] else "warn" if one["services_interrupted"] else ""),
        duration(one["longest_outage_s"]) if one["longest_outage_s"] else "–",
        Cell(str(one["pods_short"]), "warn" if one["pods_short"] else ""),
        Cell(str(one["pods_pending"]), "bad" if one["pods_pending"] else ""),
        str(one["pods_waiting"]),
        *(Cell(percent(one[f"{load}_percent"]), _over(one, load)) for load in ("requests", "limits", "usage")),
    )


def _over(one: dict[str, Any], load: str) -> Tone:
    if one[f"{load}_percent"] <= 100:
        return ""
    return "warn" if load == "limits" else "bad"


def drain_grids(plan: DrainPlan) -> list[Grid]:
    """The nodes in order, what is in the way, the pods, the Services that are interrupted."""
    return [_drains(plan), *_obstacles(plan), _evictions(plan), *_interrupted(plan)]


def _drains(plan: DrainPlan) -> Grid:
    rows = tuple(
        row(
            one["node"],
            str(one["evicted"]),
            duration(one["starts_s"]),
            duration(one["ends_s"] - one["starts_s"]) if one["ends_s"] is not None else Cell("never", "bad"),
            str(one["obstacles"]),
            str(one["with_local_data"]),
        )
        for one in plan.nodes.rows()
    )
    titles = ("Node", "Evicted", "Starts", "Takes", "Obstacles", "With emptyDir")
    columns = tuple(Column(title, i > 0) for i, title in enumerate(titles))
    took = plan.duration_s
    note = f"Done after {duration(took)}." if took is not None else "It does not end: see what is in the way."
    return Grid(name="drains", title="Drain, one node after the other", note=note, columns=columns, rows=rows)


def _obstacles(plan: DrainPlan) -> list[Grid]:
    rows = tuple(
        row(one["node"], one["pod"], Cell(one["why"], "bad" if one["why"].startswith("never") else "warn"))
        for one in plan.obstacles.rows()
    )
    columns = (Column("Node"), Column("Pod"), Column("Why"))
    return [Grid(name="obstacles", title="In the way", columns=columns, rows=rows)] if rows else []


def _evictions(plan: DrainPlan) -> Grid:
    rows = tuple(
        row(
            one["pod"],
            duration(one["evicted_s"]),
            Cell(one["successor_node"]) if one["successor_node"] else Cell(one["outcome"], "warn"),
            duration(one["without_s"]),
        )
        for one in plan.pods.rows()
    )
    columns = (Column("Pod"), Column("Evicted", True), Column("Goes to"), Column("Nobody in its place", True))
    return Grid(name="evictions", title="Pods, in the order they go", columns=columns, rows=rows)


def _interrupted(plan: DrainPlan) -> list[Grid]:
    rows = tuple(row(one["service"], duration(one["none_s"])) for one in plan.services.rows())
    columns = (Column("Service"), Column("Without an endpoint", True))
    return [Grid(name="interrupted", title="Interrupted", columns=columns, rows=rows)] if rows else []
