"""Survival and drains as grids for people."""

from collections import defaultdict
from typing import Any

from gxsim.plan.drain import DrainPlan
from gxsim.plan.survive import FULL_PERCENT, Survival
from gxsim.report.grid import Cell, Column, Grid, Tone, row
from gxsim.report.words import duration, listed, percent

LOADS = ("requests", "limits", "usage")


def survival_grids(found: Survival) -> list[Grid]:
    """The matrix: one row per loss."""
    rows = tuple(_loss(one, groups=bool(found.groups)) for one in found.matrix.rows())
    columns = (
        Column("Lost"),
        Column("Quorum"),
        Column("Services lost", True),
        Column("Outage", True),
        Column("Undetected", True, 110),
        Column("Pods short", True),
        Column("Pending", True),
        Column("Held by", False, 96),
        Column("Requests", True, 140),
        Column("Limits", True, 140),
        Column("Usage", True, 140),
        Column("Over the limit"),
    )
    some = [f"{n} of {found.possible[kind]} with {kind}" for kind, n in found.asked.items() if n < found.possible[kind]]
    leave = "leave" if found.survived > 1 else "leaves"
    note = f"Of all losses ({len(rows)}), {found.survived or 'none'} {leave} nothing lacking."
    note += "" if found.groups else " Quorum: the model names no consensus group."
    note += f" Looked at: {'; '.join(some)}, those that cost most." if some else ""
    note += (
        " Services lost: without an endpoint at the end, of those that were at any time; outage: the longest of them. "
        "Held by: what the missing pods wait for. Over the limit: what a node that is left cannot give."
    )
    return [Grid(name="survival", title="Losses", note=note, columns=columns, rows=rows)]


def _loss(one: dict[str, Any], *, groups: bool) -> tuple[Cell, ...]:
    lost = f"{one['services_lost']} of {one['services_interrupted']}" if one["services_interrupted"] else "–"
    return row(
        one["lost"],
        Cell(f"lost: {one['quorum_lost']}", "bad") if one["quorum_lost"] else Cell("kept", "good") if groups else "–",
        Cell(lost, "bad" if one["services_lost"] else "warn" if one["services_interrupted"] else ""),
        f"{'≥ ' if one['services_lost'] else ''}{duration(one['longest_outage_s'])}"
        if one["longest_outage_s"]
        else "–",
        duration(one["undetected_s"]) if one["undetected_s"] else "–",
        Cell(str(one["pods_short"]), "warn" if one["pods_short"] else ""),
        Cell(str(one["pods_pending"]), "bad" if one["pods_pending"] else ""),
        one["causes"] or "–",
        *(Cell(percent(one[f"{load}_percent"]), _over(one, load)) for load in LOADS),
        _over_limit(one),
    )


def _outage(one: dict[str, Any]) -> str:
    """The longest outage; one that lasts may become longer than what was looked at."""
    lasts = "≥ " if one["services_lost"] else ""
    return f"{lasts}{duration(one['longest_outage_s'])}" if one["longest_outage_s"] else "–"


def _over_limit(one: dict[str, Any]) -> Cell:
    """The loads that the fullest node cannot give; the worst of their tones."""
    over = [load for load in LOADS if one[f"{load}_percent"] > FULL_PERCENT]
    text = ", ".join(f"{load} {percent(one[f'{load}_percent'])}" for load in over)
    return Cell(text or "–", "bad" if set(over) - {"limits"} else "warn" if over else "quiet")


def _over(one: dict[str, Any], load: str) -> Tone:
    if one[f"{load}_percent"] <= FULL_PERCENT:
        return ""
    return "warn" if load == "limits" else "bad"


def drain_grids(plan: DrainPlan) -> list[Grid]:
    """The nodes in order, what is in the way, the pods, the Services that are interrupted."""
    return [_drains(plan), *_obstacles(plan), _evictions(plan), *_interrupted(plan), _commands(plan)]


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
    note += f" With what is to be done there it takes {duration(plan.helped_s)}." if plan.helped_s is not None else ""
    return Grid(name="drains", title="Drain, one node after the other", note=note, columns=columns, rows=rows)


def _obstacles(plan: DrainPlan) -> list[Grid]:
    """Obstacles with equal words as one row, those that block the drain first."""
    groups: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for one in plan.obstacles.rows():
        groups[one["node"], one["cause"], one["why"], one["remedy"]].append(one["pod"])
    ordered = sorted(groups.items(), key=lambda item: not item[0][2].startswith("never"))
    rows = tuple(
        row(node, listed(pods, 3), Cell(cause, "bad" if why.startswith("never") else "warn"), why, remedy)
        for (node, cause, why, remedy), pods in ordered
    )
    columns = (Column("Node"), Column("Pods"), Column("Cause", False, 96), Column("Why"), Column("What to do"))
    note = "What blocks the drain stands first; the rest pays for it."
    return [Grid(name="obstacles", title="In the way", note=note, columns=columns, rows=rows)] if rows else []


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


def _commands(plan: DrainPlan) -> Grid:
    rows = tuple(row(one["command"]) for one in plan.nodes.rows())
    return Grid(name="commands", title="Commands, in this order", columns=(Column("kubectl"),), rows=rows)
