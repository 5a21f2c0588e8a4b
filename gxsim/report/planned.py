"""Answers of ``plan`` as grids for people."""

from collections import Counter
from typing import Any

from gxsim.plan.diff import Difference
from gxsim.plan.explain import Explained
from gxsim.plan.place import Placed
from gxsim.report.grid import Cell, Column, Grid, Tone, row
from gxsim.report.words import counted, listed
from gxsim.units import human_bytes, human_cpu


def placed_grids(placed: Placed) -> list[Grid]:
    """Pods with their nodes, what admission refused, and the load of the nodes."""
    pods = list(placed.pods().rows())
    pending = sum(not one["node"] for one in pods)
    rows = tuple(row(one["pod"], one["node"] or Cell(f"Pending: {one['why']}", "bad")) for one in pods)
    left_out = listed([f"{count} {kind}" for kind, count in placed.unplaced().items()])
    note = f"{counted(len(pods), 'pod')}, {counted(pending, 'Pending pod') if pending else 'none Pending'}."
    note += f" Not placed, as they run to an end: {left_out}." if placed.unplaced() else ""
    columns = (Column("Pod"), Column("Node"))
    grids = [Grid(name="placement", title="Placement", note=note, columns=columns, rows=rows), _node_grid(placed)]
    refused = list(placed.refused().rows())
    if refused:
        lines = tuple(row(one["workload"], Cell(str(one["missing"]), "bad"), one["why"]) for one in refused)
        heads = (Column("Workload"), Column("Missing", True), Column("Why"))
        grids.insert(1, Grid(name="refused", title="Refused by admission", columns=heads, rows=lines))
    return grids


def _node_grid(placed: Placed) -> Grid:
    rows = tuple(
        row(
            one["node"],
            str(one["pods"]),
            _of(one["requests_cpu_milli"], one["allocatable_cpu_milli"], human_cpu),
            _of(one["requests_memory_bytes"], one["allocatable_memory_bytes"], human_bytes),
        )
        for one in placed.nodes().rows()
    )
    columns = (Column("Node"), Column("Pods", True), Column("CPU requests", True), Column("Memory requests", True))
    return Grid(name="nodes", title="Nodes", columns=columns, rows=rows)


def _of(amount: int, offered: int, human: Any) -> str:
    share = f" ({100 * amount / offered:.0f}%)" if offered else ""
    return f"{human(amount)} of {human(offered)}{share}"


def explained_grid(explained: Explained) -> Grid:
    """Nodes with the scores their total adds up from, best first, or with the plugin that refuses."""
    plugins = list(explained.table.columns)[5:]
    nodes = sorted(explained.table.rows(), key=lambda one: (not one["fits"], -(one["total"] or 0)))
    rows = []
    for one in nodes:
        refusal = Cell(f"{one['reasons']} ({one['plugin']})", "bad")
        scores = ", ".join(f"{name} {one[name]}" for name in plugins if one[name] is not None)
        rows.append(row(one["node"], str(one["total"]) if one["fits"] else "–", scores if one["fits"] else refusal))
    columns = (Column("Node"), Column("Total", True), Column("Scores by plugin, or refusal"))
    there = f"It lies on {explained.lies_on}." if explained.lies_on else "It is Pending."
    now = f"The scheduler would choose {explained.chosen} now." if explained.chosen else explained.message
    note = " ".join(part for part in (there, now, _lead(nodes, plugins)) if part)
    return Grid(name="explain", title=explained.pod, note=note, columns=columns, rows=tuple(rows))


def _lead(nodes: list[dict[str, Any]], plugins: list[str]) -> str:
    """Why the best node is ahead of the next, by plugin."""
    fitting = [one for one in nodes if one["fits"]]
    if len(fitting) < 2:
        return ""
    best, following = fitting[:2]
    if best["total"] == following["total"]:
        equal = sum(one["total"] == best["total"] for one in fitting)
        return f"{equal} nodes are equally good; the first by name is shown, the real scheduler takes any of them."
    ahead = {name: (best[name] or 0) - (following[name] or 0) for name in plugins}
    reasons = ", ".join(f"{name} {gain:+d}" for name, gain in ahead.items() if gain)
    return f"{best['node']} is {best['total'] - following['total']} ahead of {following['node']}: {reasons}."


def difference_grids(difference: Difference) -> list[Grid]:
    """Moves by workload, then what changes for the nodes."""
    moves = list(difference.moves.rows())
    rows = tuple(
        row(one["pod"] or one["workload"], str(one["pods"]), _side(one["old"]), _side(one["new"], worse=True))
        for one in moves
    )
    told = Counter[str]()
    for one in moves:
        told["gone" if not one["new"] else "new" if not one["old"] else "moved"] += one["pods"]
    note = ", ".join(f"{count} {what}" for what, count in told.items()) or "Every pod lies where it lay"
    columns = (Column("Pod or workload"), Column("Pods", True), Column("Old"), Column("New"))
    grids = [Grid(name="moves", title="Pods", note=f"{note}.", columns=columns, rows=rows)]
    return [*grids, _changed_nodes(difference)]


def _side(node: str, *, worse: bool = False) -> Cell:
    return Cell(node or "–", "bad" if node == "Pending" and worse else "")


def _changed_nodes(difference: Difference) -> Grid:
    pending = {one["node_lost"]: one for one in difference.survival.rows()}
    rows = []
    for one in difference.nodes.rows():
        lost = pending.get(one["node"], {})
        old, new = lost.get("old_pending"), lost.get("new_pending")
        tone: Tone = "bad" if (new or 0) > (old or 0) else "good" if (new or 0) < (old or 0) else ""
        rows.append(
            row(
                one["node"],
                _arrow(one["old_pods"], one["new_pods"]),
                _arrow(*(_share(one, side, "cpu_milli") for side in ("old", "new"))),
                _arrow(*(_share(one, side, "memory_bytes") for side in ("old", "new"))),
                Cell(_arrow(old, new), tone),
            )
        )
    titles = ("Node", "Pods", "CPU requests", "Memory requests", "Pending without it")
    columns = tuple(Column(title, i > 0) for i, title in enumerate(titles))
    return Grid(name="nodes", title="Nodes", columns=columns, rows=tuple(rows))


def _share(one: dict[str, Any], side: str, amount: str) -> str | None:
    requests, offered = one[f"{side}_requests_{amount}"], one[f"{side}_allocatable_{amount}"]
    return f"{100 * requests / offered:.0f}%" if offered else None


def _arrow(old: Any, new: Any) -> str:
    if old == new:
        return "–" if old is None else str(old)
    return f"{'–' if old is None else old} → {'–' if new is None else new}"
