"""The sections of a run's report: each a Grid made from one or two of the result's tables."""

from collections import defaultdict
from collections.abc import Callable
from typing import Any

from gxsim.report import consensus, ledger, paths, quorum, risk
from gxsim.report.degradations import degradations
from gxsim.report.grid import Cell, Column, Grid, Tone, row
from gxsim.report.incident import unrecovered
from gxsim.report.words import counted, duration, percent, time_of_day
from gxsim.study.result import Result
from gxsim.units import human_bytes, human_cpu

Rows = list[dict[str, Any]]

KNOWLEDGE = ("not yet detected", "known")
HIGH_PERCENT, FULL_PERCENT = 80.0, 100.0
HELD = ("stuck", "Pending", "not ready yet")
OUTCOME_TONES: dict[str, Tone] = {"stuck": "bad", "Pending": "bad", "not ready yet": "warn", "moved": "good"}


def sections(result: Result) -> list[Grid]:
    """Every section that has something to say, in the order in which an operator asks."""
    grids = [build(result) for build in SECTIONS]
    return [grid for grid in grids if grid.rows]


def _losses(result: Result) -> Grid:
    start_s = result.case.scenario.clock_s
    rows = []
    for loss in result.tables["node_losses"].rows():
        lost_s, noticed_s, back_s = loss["lost_s"], loss["noticed_s"], loss["back_s"]
        unnoticed = Cell("never", "bad") if noticed_s is None else Cell(duration(noticed_s - lost_s), "warn")
        back = Cell("not within the run", "bad") if back_s is None else Cell(time_of_day(back_s, start_s))
        rows.append(
            row(
                loss["node"],
                time_of_day(lost_s, start_s),
                unnoticed,
                time_of_day(noticed_s, start_s),
                back,
                time_of_day(loss["believed_back_s"], start_s),
            )
        )
    columns = (
        Column("Node"),
        Column("Lost", True),
        Column("Noticed after", True),
        Column("Known at", True),
        Column("Back", True),
        Column("Ready again", True, 70),
    )
    return Grid(name="node_losses", title="Nodes lost", columns=columns, rows=tuple(rows))


def _quorum(result: Result) -> Grid:
    start_s = result.case.scenario.clock_s
    rows = []
    for held in result.tables["quorum"].rows():
        tone: Tone = "bad" if not held["quorum"] else "warn" if held["tolerates_nodes"] == 0 else ""
        rows.append(
            row(
                held["group"],
                time_of_day(held["from_s"], start_s),
                time_of_day(held["to_s"], start_s),
                f"{held['up']} of {held['voters']}",
                str(held["needed"]),
                Cell("kept" if held["quorum"] else "LOST", "good" if held["quorum"] else "bad"),
                Cell(_tolerated(held["tolerates_members"]), tone),
                Cell(_tolerated(held["tolerates_nodes"]), tone),
            )
        )
    columns = (
        Column("Group"),
        Column("From", True),
        Column("To", True, 84),
        Column("Up", True),
        Column("Needed", True),
        Column("Quorum"),
        Column("Further members", True),
        Column("Further nodes", True),
    )
    note = "Further: how many more members, or whole nodes, may be lost with quorum kept, whichever they are."
    return Grid(name="quorum", title="Quorum", note=note, columns=columns, rows=tuple(rows))


def _tolerated(count: int) -> str:
    return "–" if count < 0 else str(count)


def _services(result: Result) -> Grid:
    seconds: dict[str, dict[tuple[str, str], float]] = defaultdict(lambda: defaultdict(float))
    for held in result.tables["service_intervals"].rows():
        seconds[held["service"]][held["state"], held["knowledge"]] += held["to_s"] - held["from_s"]
    services = list(result.tables["services"].rows())
    touched = [one for one in services if one["service"] in seconds]
    touched.sort(key=lambda one: (-one["none_s"], -one["degraded_s"], one["service"]))
    rows = []
    for one in touched:
        spent = seconds[one["service"]]
        rows.append(
            row(
                one["service"],
                Cell(f"{one['fewest_answering']} of {one['wanted']}", "bad" if one["none_s"] else "warn"),
                *(_spent(spent["none", knowledge], "bad") for knowledge in KNOWLEDGE),
                *(_spent(spent["degraded", knowledge], "warn") for knowledge in KNOWLEDGE),
                percent(one["misdirected_percent"]),
            )
        )
    columns = (
        Column("Service"),
        Column("At worst", True),
        Column("None, undetected", True),
        Column("None, known", True),
        Column("Fewer, undetected", True),
        Column("Fewer, known", True),
        Column("Misdirected", True, 92),
    )
    whole = len(services) - len(touched)
    note = (
        f"{whole} of {counted(len(services), 'Service')} kept every endpoint. None: nobody answers. Fewer: fewer "
        "answer than at the start. Undetected: dead endpoints still get traffic, at most the misdirected share of it."
    )
    return Grid(name="services", title="Services", note=note, columns=columns, rows=tuple(rows))


def _spent(seconds: float, tone: Tone) -> Cell:
    """A duration, or a dash for zero: what did not happen should not look like a figure."""
    return Cell(duration(seconds), tone) if seconds else Cell("–", "quiet")


def _pods(result: Result) -> Grid:
    fates = list(result.tables["pods"].rows())
    groups: dict[tuple[str, ...], Rows] = defaultdict(list)
    for fate in fates:
        node = fate["successor_node"] if fate["outcome"] == "moved" else ""
        why = fate["cause"] if fate["outcome"] in HELD else fate["why"]  # what does not recover tells that in full
        groups[fate["workload"], fate["outcome"], node, why].append(fate)
    ranked = sorted(groups.items(), key=lambda item: (_rank(item[0][1]), -_longest(item[1]), item[0]))
    rows = []
    for (workload, outcome, node, why), members in ranked:
        ended = Cell(f"moved to {node}" if outcome == "moved" else outcome, OUTCOME_TONES.get(outcome, ""))
        rows.append(row(workload, str(len(members)), duration(_longest(members)), ended, why))
    held = any(outcome in HELD for _, outcome, _, _ in groups)
    columns = (
        Column("Workload"),
        Column("Pods", True),
        Column("Without", True),
        Column("Outcome"),
        Column("Why", False, 0 if held else 100),
    )
    outcomes = sorted({fate["outcome"] for fate in fates}, key=_rank)
    told = [_told(outcome, [fate for fate in fates if fate["outcome"] == outcome]) for outcome in outcomes]
    note = f"{counted(len(fates), 'pod')} stopped answering: {', '.join(told)}."
    return Grid(name="pods", title="Pods", note=note, columns=columns, rows=tuple(rows))


def _told(outcome: str, fates: Rows) -> str:
    """How many pods had this outcome, and for one of them why."""
    told = "cause" if outcome in HELD else "why"
    reason = next((f" (such as {fate['pod']}: {fate[told]})" for fate in fates if fate[told]), "")
    return f"{len(fates)} {outcome}{reason}"


def _rank(outcome: str) -> int:
    order = (*HELD, "moved", "recreated in place", "back in place", "no longer wanted")
    return order.index(outcome) if outcome in order else len(order)


def _longest(fates: Rows) -> float:
    return max(float(fate["without_s"]) for fate in fates)


def _volumes(result: Result) -> Grid:
    volumes = list(result.tables["volumes"].rows())
    hit = [one for one in volumes if one["lost"] or one["unreachable_s"] > 0]
    hit.sort(key=lambda one: (not one["lost"], bool(one["replicated"]), bool(one["backup"]), one["claim"]))
    rows = []
    for one in hit:
        saved = risk.saved(one)
        tone: Tone = "bad" if one["lost"] or saved == "nowhere" else ""
        rows.append(
            row(
                one["claim"],
                one["node"],
                human_bytes(one["size_bytes"]),
                Cell("LOST" if one["lost"] else duration(one["unreachable_s"]), "bad" if one["lost"] else "warn"),
                risk.loss_cell(one["node_loss_s"]),
                risk.loss_cell(one["disk_loss_s"]),
                Cell(saved, tone),
            )
        )
    columns = (
        Column("Claim"),
        Column("Node", False, 92),
        Column("Size", True),
        Column("Out of reach", True),
        Column("Lost with node", True),
        Column("Lost with disk", True),
        Column("Data also in", False, 110),
    )
    note = (
        f"{len(hit)} of {counted(len(volumes), 'volume')} that one node holds went out of reach. Lost: how far back "
        "acknowledged writes are gone at worst, when the node stops and keeps its disk, and when the disk is lost too."
    )
    return Grid(name="volumes", title="Volumes at risk", note=note, columns=columns, rows=tuple(rows))


def _load(result: Result) -> Grid:
    by_node: dict[str, Rows] = defaultdict(list)
    for one in result.tables["nodes"].rows():
        by_node[one["node"]].append(one)
    rows = []
    for node, moments in by_node.items():
        for resource, offered, amount in (
            ("cpu", "allocatable_cpu_milli", "cpu_milli"),
            ("memory", "allocatable_memory_bytes", "memory_bytes"),
        ):
            human = human_cpu if resource == "cpu" else human_bytes
            kinds = [_shares(moments, f"{kind}_{amount}", offered) for kind in ("requests", "limits", "usage")]
            rows.append(row(node if resource == "cpu" else "", resource, human(moments[0][offered]), *kinds))
        disk = _shares(moments, "volumes_bytes", "allocatable_disk_bytes")
        rows.append(row("", "volumes", human_bytes(moments[0]["allocatable_disk_bytes"]), disk, "", ""))
    columns = (
        Column("Node"),
        Column("Resource"),
        Column("Offers", True),
        *(Column(k, True) for k in ("Requests", "Limits", "Usage")),
    )
    labels = [
        f"{m['moment']} ({time_of_day(m['time_s'], result.case.scenario.clock_s)})"
        for m in next(iter(by_node.values()), [])
    ]
    note = f"Shares of what the node can give, {', '.join(labels)}. Usage is what the model states of pods that run."
    return Grid(name="nodes", title="Load of the nodes", note=note, columns=columns, rows=tuple(rows))


def _shares(moments: Rows, amount: str, offered: str) -> Cell:
    """``45→0→45%`` over the moments; toned by the highest of them, limits mildly, as they may add up to more."""
    shares = [100.0 * one[amount] / one[offered] if one[offered] else 0.0 for one in moments]
    full = max(shares) > FULL_PERCENT
    high = max(shares) >= HIGH_PERCENT and not amount.startswith("limits")
    tone: Tone = "bad" if full and high else "warn" if full or high else ""
    return Cell("→".join(f"{share:.0f}" for share in shares) + "%", tone)


def _headroom(result: Result) -> Grid:
    rows = []
    for one in result.tables["headroom"].rows():
        full = max(one["largest_cpu_percent"], one["largest_memory_percent"])
        rows.append(
            row(
                one["node_lost"],
                str(one["pods"]),
                str(one["stay_with_node"]),
                f"{one['placed']} of {one['to_move']}",
                Cell(str(one["pending"]), "bad" if one["pending"] else "good"),
                Cell(percent(one["largest_cpu_percent"]), "warn" if full >= HIGH_PERCENT else ""),
                Cell(percent(one["largest_memory_percent"]), "warn" if full >= HIGH_PERCENT else ""),
                one["first_refusal"],
            )
        )
    columns = (
        Column("Without"),
        Column("Pods", True),
        Column("Stay", True),
        Column("Placed", True),
        Column("Pending", True),
        Column("Fullest cpu", True),
        Column("Fullest memory", True),
        Column("First refusal", False, 110),
    )
    note = (
        "What the scheduler does with a node's pods when that node alone is gone. Stay: DaemonSet pods, bare pods and "
        "pods whose volume lies there. Fullest: the largest share of requests on a node that is left."
    )
    return Grid(name="headroom", title="Headroom with one node less", note=note, columns=columns, rows=tuple(rows))


def _workloads(result: Result) -> Grid:
    short = [
        w for w in result.tables["workloads"].rows() if w["answering_end"] < w["wanted"] or w["pending"] or w["missing"]
    ]
    rows = [
        row(
            one["workload"],
            one["kind"],
            *(str(one[name]) for name in ("wanted", "answering_start", "answering_end")),
            *(Cell(str(one[name] or "–"), "bad" if one[name] else "") for name in ("pending", "missing")),
            one["cause"],
        )
        for one in short
    ]
    titles = ("Workload", "Kind", "Wanted", "At start", "At end", "Pending", "Missing")
    columns = (*(Column(title, i > 1, 70 if title == "Kind" else 0) for i, title in enumerate(titles)), Column("Cause"))
    note = "Missing: there is no such pod, whatever wants it."
    return Grid(
        name="workloads", title="Workloads short of pods at the end", note=note, columns=columns, rows=tuple(rows)
    )


def _expectations(result: Result) -> Grid:
    rows = [
        row(
            one.expectation.text,
            one.observed_text,
            Cell("holds" if one.holds else "FAILS", "good" if one.holds else "bad"),
        )
        for one in sorted(result.verdicts, key=lambda one: one.holds)
    ]
    columns = (Column("Expectation"), Column("Observed", True), Column("Verdict"))
    return Grid(name="expectations", title="Expectations", columns=columns, rows=tuple(rows))


SECTIONS: tuple[Callable[[Result], Grid], ...] = (
    _losses,
    degradations,
    _services,
    risk.disks,
    risk.full_disks,
    _quorum,
    lambda result: quorum.groups_grid(result.tables),
    consensus.leaders,
    consensus.write_gaps,
    *ledger.SECTIONS,
    *paths.SECTIONS,
    _pods,
    unrecovered,
    _volumes,
    risk.data_at_risk,
    _load,
    _headroom,
    _workloads,
    _expectations,
)
