"""Headroom as grids for people."""

import re
from typing import Any

from gxsim.plan.headroom import Headroom
from gxsim.report.grid import Cell, Column, Grid, row
from gxsim.units import human_bytes, human_cpu

_QUOTA = re.compile(r"exceeded quota: (?P<quota>\S+), requested: (?P<asked>\S+), used:")
SITUATIONS = {"now": "Now", "peak": "At peak", "n-1": "Without any one node", "n-2": "Without any two"}
COUNTINGS = {
    "requests": "Requests",
    "limits": "Limits",
    "usage": "Usage",
    "volumes": "Disk, pods",
    "quota": "Quota",
}


def headroom_grids(found: Headroom) -> list[Grid]:
    """Copies by situation and counting, the nodes, the domains, and further nodes."""
    return [_fits(found), _nodes(found), *_domains(found), *_shapes(found)]


def _fits(found: Headroom) -> Grid:
    rows = []
    told = list(found.fits.rows())
    for situation, title in SITUATIONS.items():
        here = {one["counting"]: one for one in told if one["situation"] == situation}
        if not here:
            continue
        real = here["requests"]
        cells = [_count(here[name]) if name in here else Cell("–") for name in COUNTINGS]
        rows.append(row(title, *cells, real["worst_loss"] or "–", _binds(real["binds"])))
    asked = {one["situation"]: (one["losses_asked"], one["losses"]) for one in told}
    some = [f"{a} of {n} losses, the dearest" for a, n in asked.values() if a < n]
    pending = max((one["pending"] for one in told if one["situation"] == "peak"), default=0)
    note = "Copies that fit by what pods request (as the scheduler counts), may use, are documented to use, and store; "
    note += "and those that quotas let in."
    note += f" At peak {pending} surge pods are refused or Pending." if pending else ""
    note += f" Looked at: {'; '.join(some)}." if some else ""
    columns = (
        Column("Situation"),
        *(Column(title, True) for title in COUNTINGS.values()),
        Column("Worst loss", False, 80),
        Column("Binds first"),
    )
    title = f"Headroom for {found.name}"
    return Grid(name="headroom", title=title, note=note, columns=columns, rows=tuple(rows))


def _binds(text: str) -> str:
    """What binds, a quota by its name and the resources it has no more of."""
    found = _QUOTA.match(text)
    if found is None:
        return text or "–"
    resources = [part.partition("=")[0] for part in found["asked"].split(",")]
    return f"quota {found['quota']}: {', '.join(resources)}"


def _count(one: dict[str, Any]) -> Cell:
    text = f"{'≥ ' if one['limited'] else ''}{one['fits']}"
    return Cell(text, "bad" if one["fits"] == 0 else "")


def _nodes(found: Headroom) -> Grid:
    rows = []
    for one in found.nodes.rows():
        amounts = []
        for name in ("requests", "limits", "usage"):
            cpu, memory = one[f"{name}_cpu_milli"], one[f"{name}_memory_bytes"]
            tone: Any = "warn" if cpu < 0 or memory < 0 else ""
            amounts.append(Cell(f"{human_cpu(cpu)}, {human_bytes(memory)}", tone))
        disk = Cell(human_bytes(one["disk_bytes"]), "warn" if one["disk_bytes"] < 0 else "")
        rows.append(row(one["node"], *amounts, disk, str(one["pods"]), str(one["takes"]), one["binds"] or "–"))
    columns = (
        Column("Node"),
        *(Column(f"By {name}", True) for name in ("requests", "limits", "usage")),
        Column("Disk", True),
        Column("Pods", True),
        Column("Takes", True),
        Column("Then binds"),
    )
    note = "cpu, memory, disk behind volumes and pods not taken yet; how many of the copies each node takes now."
    return Grid(name="nodes", title="Left on each node", note=note, columns=columns, rows=tuple(rows))


def _domains(found: Headroom) -> list[Grid]:
    told = list(found.domains.rows())
    if not told:
        return []
    rows = tuple(
        row(
            one["value"],
            str(one["nodes"]),
            str(one["pods"]),
            human_cpu(one["requests_cpu_milli"]),
            human_bytes(one["requests_memory_bytes"]),
        )
        for one in told
    )
    titles = ("Value", "Nodes", "Pods of the copies", "Free cpu", "Free memory")
    columns = tuple(Column(title, i > 0) for i, title in enumerate(titles))
    return [Grid(name="domains", title=f"By {told[0]['label']}", columns=columns, rows=rows)]


def _shapes(found: Headroom) -> list[Grid]:
    rows = tuple(
        row(
            one["like"],
            human_cpu(one["cpu_milli"]),
            human_bytes(one["memory_bytes"]),
            human_bytes(one["disk_bytes"]),
            Cell(f"+{one['more']}" if one["more"] > 0 else "none", "good" if one["more"] > 0 else "warn"),
        )
        for one in found.shapes.rows()
    )
    columns = tuple(Column(t, i > 0) for i, t in enumerate(("Like", "cpu", "Memory", "Disk", "More copies")))
    note = "Copies that fit more with one further node, its DaemonSet pods deducted."
    return [Grid(name="shapes", title="A further node", note=note, columns=columns, rows=rows)] if rows else []
