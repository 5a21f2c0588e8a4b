"""Sections about stored data: disks that were full, and what a crash, a lost node or a lost disk would cost."""

from collections.abc import Mapping
from typing import Any

from gxsim.report.grid import Cell, Column, Grid, row
from gxsim.report.words import duration, listed, time_of_day
from gxsim.storage.amounts import decimal
from gxsim.study.result import Result

WHEN = ("start", "most", "end")
DONE = {"ends": "ended, and again at each start", "refuses": "refused writes", "drops": "dropped what it was sent"}


def disks(result: Result) -> Grid:
    """Disks that were short, or for which the alert stood; the others have nothing to say."""
    start_s = result.case.scenario.clock_s
    rows = [
        row(
            one["node"],
            decimal(one["size_bytes"]),
            "→".join(f"{100 * one[f'used_{when}_bytes'] / one['size_bytes']:.0f}" for when in WHEN) + "%",
            time_of_day(one["alert_s"], start_s) if one["alert_s"] is not None else Cell("–", "quiet"),
            time_of_day(one["pressure_from_s"], start_s) if one["pressure_s"] else Cell("–", "quiet"),
            Cell(duration(one["pressure_s"]), "warn") if one["pressure_s"] else Cell("–", "quiet"),
            str(one["images_removed"] or "–"),
            Cell(str(one["evicted"] or "–"), "bad" if one["evicted"] else ""),
        )
        for one in result.tables["disks"].rows()
        if one["alert_s"] is not None or one["pressure_s"]
    ]
    columns = (
        Column("Disk of"),
        Column("Size", True),
        Column("Used", True),
        Column("85 % at", True),
        Column("DiskPressure at", True, 84),
        Column("For", True),
        Column("Images removed", True, 100),
        Column("Evicted", True),
    )
    note = (
        "Used: at the start, at most, at the end. DiskPressure as the control plane knew it. Evicting frees what a pod "
        "wrote outside volumes: the data of local volumes stays."
    )
    return Grid(name="disks", title="Disks", note=note, columns=columns, rows=tuple(rows))


def full_disks(result: Result) -> Grid:
    """What programs did while nothing could be written on their disk, those that did alike together."""
    start_s = result.case.scenario.clock_s
    groups: dict[tuple[Any, ...], list[str]] = {}
    for one in result.tables["full_disks"].rows():
        key = (one["node"], one["from_s"], one["to_s"], one["software"], one["at_full"], one["what"])
        groups.setdefault(key, []).append(one["pod"])
    backs = {(one["node"], one["from_s"], one["pod"]): one["back_s"] for one in result.tables["full_disks"].rows()}
    rows = []
    for (node, from_s, to_s, software, at_full, what), pods in groups.items():
        times_s = [backs[node, from_s, pod] for pod in pods]
        last_s = None if None in times_s else max(times_s)
        rows.append(
            row(
                node,
                time_of_day(from_s, start_s),
                duration((to_s if to_s is not None else result.timeline.horizon_s) - from_s),
                software,
                listed(pods, most=3),
                Cell(DONE[at_full], "bad" if at_full == "ends" else "warn"),
                time_of_day(last_s, start_s) if last_s is not None else Cell("not by the end", "bad"),
                what,
            )
        )
    columns = (
        Column("Disk of"),
        Column("Full at", True),
        Column("For", True),
        Column("Software"),
        Column("Pods", False, 100),
        Column("What it did"),
        Column("Working at", True),
        Column("Why", False, 170),
    )
    note = "Nothing could be written, local volumes included. Working: the last of them did its work again."
    return Grid(name="full_disks", title="Full disks", note=note, columns=columns, rows=tuple(rows))


def data_at_risk(result: Result) -> Grid:
    """What each kind of loss costs the data of every volume, at worst; volumes that fare alike together."""
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for one in result.tables["volumes"].rows():
        groups.setdefault(tuple(one[name] for name in _COSTS), []).append(one)
    rows = []
    for members in sorted(groups.values(), key=_severity):
        one, workloads = members[0], list(dict.fromkeys(member["workload"] for member in members))
        rows.append(
            row(
                listed(workloads, most=3),
                str(len(members)),
                *(loss_cell(one[f"{kind}_loss_s"]) for kind in ("crash", "node", "disk")),
                duration(one["disk_outage_s"]) if one["disk_outage_s"] is not None else Cell("–", "quiet"),
                Cell(saved(one), "bad" if saved(one) == "nowhere" else ""),
            )
        )
    columns = (
        Column("Volumes of"),
        Column("Count", True),
        Column("Lost in a crash", True),
        Column("With the node", True),
        Column("With the disk", True),
        Column("Away then", True, 92),
        Column("Data also in", False, 110),
    )
    note = (
        "At worst, whatever this scenario does: how far back acknowledged writes are gone when the process ends, when "
        "the node stops and keeps its disk, and when the disk is lost; and until the data is served again after that."
    )
    return Grid(name="data_at_risk", title="Data at risk", note=note, columns=columns, rows=tuple(rows))


_COSTS = (
    "crash_loss_s",
    "node_loss_s",
    "disk_loss_s",
    "disk_outage_s",
    "replicated",
    "backup",
    "backup_age_s",
    "restore_s",
)


def _severity(members: list[dict[str, Any]]) -> tuple[float, float, str]:
    """The largest loss first; what the model does not tell last."""
    disk, node = members[0]["disk_loss_s"], members[0]["node_loss_s"]
    return (-disk if disk is not None else 1.0, -node if node is not None else 1.0, members[0]["workload"])


def loss_cell(loss_s: float | None) -> Cell:
    """How much is gone at worst; a dash where the model does not say."""
    if loss_s is None:
        return Cell("–", "quiet")
    if loss_s == float("inf"):
        return Cell("everything", "bad")
    return Cell(duration(loss_s), "warn") if loss_s else Cell("nothing", "good")


def saved(volume: Mapping[str, Any]) -> str:
    """What else holds a volume's data."""
    parts = ["other members"] if volume["replicated"] else []
    if volume["backup"]:
        restore = f", restore {duration(volume['restore_s'])}" if volume["restore_s"] else ""
        parts.append(f"backup up to {duration(volume['backup_age_s'])} old{restore}")
    return "; ".join(parts) or "nowhere"
