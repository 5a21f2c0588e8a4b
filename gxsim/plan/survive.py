"""What survives: every single and double loss of nodes, and of each region, played through on the clock."""

import math
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from joblib import Parallel, delayed

from gxsim.errors import ScenarioError
from gxsim.load.fields import unknown_name
from gxsim.load.scenario import Case
from gxsim.model.fault import Fault, FaultSelector
from gxsim.observe.causes import Causes
from gxsim.observe.headroom import MOST_LOSSES, losses
from gxsim.observe.nodes import node_load, node_table
from gxsim.observe.pods import pod_fates
from gxsim.observe.quorum import quorum_intervals, quorum_series
from gxsim.observe.services import service_series, service_table
from gxsim.observe.table import Table
from gxsim.observe.unrecovered import unrecovered
from gxsim.observe.workloads import workload_table
from gxsim.plan.node_shape import EXAMPLE
from gxsim.plan.place import case_of
from gxsim.rng import Streams
from gxsim.state import ClusterState
from gxsim.study.simulate import simulation
from gxsim.study.start import started, tie_breaker
from gxsim.timeline import Timeline
from gxsim.units import counted, duration_s

AT_S, HORIZON_S = 60.0, 3600.0
RUNS_PER_WORKER = 16  # below so many runs a further worker takes longer to start than it saves
COLUMNS = (
    "loss",
    "lost",
    "quorum_lost",
    "services_lost",
    "services_interrupted",
    "longest_outage_s",
    "longest_outage_service",
    "undetected_s",
    "pods_short",
    "pods_pending",
    "pods_waiting",
    "causes",
    "requests_percent",
    "limits_percent",
    "usage_percent",
    "over",
)
KEPT_UP = ("Deployment", "ReplicaSet", "StatefulSet")  # whose lost pods are to be made anew elsewhere
REGION = "topology.kubernetes.io/region"
POD_RUNS = 1_000_000  # pods of all losses of one size together that are played unless asked for
FULL_PERCENT = 100.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Survival:
    """``matrix``: one row per loss; ``asked`` of ``possible`` losses by their kind; ``warnings`` say what was not.

    ``groups`` are the consensus groups whose majority was looked at.
    """

    matrix: Table
    asked: Mapping[str, int]
    possible: Mapping[str, int]
    warnings: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()

    @property
    def survived(self) -> int:
        """Losses after which every Service answers again, every group has its majority and no pod is short."""
        bad = ("quorum_lost", "services_lost", "pods_short")
        return sum(not any(row[name] for name in bad) for row in self.matrix.rows())


def survive(
    case: Case | str | Path,
    *,
    sizes: Sequence[int] = (1, 2),
    label: str = "",
    horizon_s: float = HORIZON_S,
    duration_s: float | None = None,
    most: int = 0,
    jobs: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Survival:
    """Lose nodes at 60 s, for *duration_s* or for ever, and look at what is left at *horizon_s*.

    *case* may be the path of a scenario or of manifests; its own faults are left out. Regions are the values of the
    node label *label*, else of the model's. Of more than *most* losses of a size those that cost most are run; 0: all
    but in very large clusters. *jobs* workers, 0: as many as pay. *progress* is told how many of how many are done.
    Raises ScenarioError where there is no node, or none with *label*.
    """
    case = case if isinstance(case, Case) else case_of([case])
    state, _ = started(case, case.placement)
    if not state.nodes:
        raise ScenarioError("survive", f"the input has no node; add some, for example --node-shape {EXAMPLE}")
    most = most or max(MOST_LOSSES, POD_RUNS // max(1, len(state.pod_names)))
    sets: dict[str, list[tuple[str, tuple[str, ...]]]] = {}
    for size in sizes:
        found = [tuple(state.nodes[node].name for node in lost) for lost in losses(state, size, most)]
        sets[f"{size} node{'s' if size > 1 else ''}"] = [(", ".join(names), names) for names in found]
    regions, warnings = _regions(case, label)
    if regions:
        sets["region"] = [(f"{name} ({len(nodes)})", nodes) for name, nodes in regions.items()]
    if len(state.nodes) == 1:
        warnings = (*warnings, "there is one node only: its loss is the loss of everything")
    runs = [(kind, name, nodes) for kind, named in sets.items() for name, nodes in named]
    rows = []
    for row in _played(case, runs, horizon_s, duration_s, jobs):
        rows.append(row)
        if progress is not None:
            progress(len(rows), len(runs))
    about = (
        "What is left at the end after each loss: consensus groups without a majority, Services that never answer "
        "again or did not for a while; pods fewer than at the start (DaemonSets left out), of them Pending for want of "
        "room and waiting for a volume of a lost node, and all by their cause; the largest shares of any node that is "
        "left, and what is over the limit of a node"
    )
    possible = {f"{size} node{'s' if size > 1 else ''}": math.comb(len(state.nodes), size) for size in sizes}
    return Survival(
        matrix=Table.of("survival", about, COLUMNS, rows),
        asked={kind: len(named) for kind, named in sets.items()},
        possible=possible | {kind: len(named) for kind, named in sets.items() if kind == "region"},
        warnings=warnings,
        groups=tuple(group.name for group in case.model.consensus_groups),
    )


def _played(
    case: Case,
    runs: Sequence[tuple[str, str, tuple[str, ...]]],
    horizon_s: float,
    duration_s: float | None,
    jobs: int,
) -> Iterator[tuple[Any, ...]]:
    """The rows of *runs* in their order, whoever plays them."""
    workers = jobs or max(1, min(len(runs) // RUNS_PER_WORKER, os.cpu_count() or 1))
    if workers == 1:
        return (_row(case, kind, name, nodes, horizon_s, duration_s) for kind, name, nodes in runs)
    asked = (delayed(_row)(case, kind, name, nodes, horizon_s, duration_s) for kind, name, nodes in runs)
    return iter(Parallel(n_jobs=workers, return_as="generator")(asked))


def _regions(case: Case, label: str) -> tuple[dict[str, tuple[str, ...]], tuple[str, ...]]:
    """The nodes of each region, none where there are fewer than two, and what is to be said about that."""
    network = case.model.network
    key = label or (network.region_label if network is not None else REGION)
    regions: dict[str, tuple[str, ...]] = {}
    for node in case.cluster.nodes:
        if key in node.labels:
            regions[node.labels[key]] = (*regions.get(node.labels[key], ()), node.name)
    without = sum(key not in node.labels for node in case.cluster.nodes)
    if not regions and label:
        known = sorted({name for node in case.cluster.nodes for name in node.labels})
        raise ScenarioError("--region", f"no node has the label {label!r}; {unknown_name(label, known)}")
    if not regions:
        return {}, (f"no node has the label {key}: no region is lost; name another label with --region",)
    if len(regions) == 1:
        return {}, (f"every node with the label {key} is in {next(iter(regions))}: no region is lost",)
    told = (f"{counted(without, 'node')} without the label {key} stay in every loss of a region",) if without else ()
    return dict(sorted(regions.items())), told


def _row(
    case: Case, kind: str, name: str, nodes: tuple[str, ...], horizon_s: float, duration_s: float | None
) -> tuple[Any, ...]:
    run = lost_case(case, nodes, horizon_s=horizon_s, duration_s=duration_s)
    streams = Streams(run.scenario.seed)
    state, framework = started(run, run.placement, tie_breaker(run, streams, "scheduler/ties"))
    timeline = simulation(run, state, framework, streams).run(horizon_s)
    return (kind, name, *_left(run, state, timeline, nodes))


def lost_case(
    case: Case, nodes: Sequence[str], *, horizon_s: float = HORIZON_S, duration_s: float | None = None
) -> Case:
    """*case* with nothing else wrong than the loss of *nodes* at 60 s."""
    fault = Fault(
        name="loss",
        kind="NodeChaos",
        action="node-stop",
        selector=FaultSelector(nodes=tuple(nodes)),
        at_s=AT_S,
        duration_s=duration_s,
    )
    scenario = replace(case.scenario, faults=(fault,), horizon_s=horizon_s, expect=())
    return replace(case, scenario=scenario)


def _left(case: Case, state: ClusterState, timeline: Timeline, nodes: Sequence[str]) -> tuple[Any, ...]:
    horizon_s = timeline.horizon_s
    quorum = quorum_intervals(quorum_series(state, timeline, case.model.consensus_groups), horizon_s)
    groups = [row["group"] for row in quorum.rows() if row["to_s"] >= horizon_s and not row["quorum"]]
    services = list(service_table(service_series(state, timeline), horizon_s).rows())
    out = [row for row in services if row["none_s"] > 0]
    worst = max(out, key=lambda row: row["none_s"], default=None)
    causes = Causes(state, timeline)
    missing = unrecovered(state, timeline, pod_fates(state, timeline, causes), causes)
    lasting = _by_cause(missing)
    load_at_end = node_load(state, timeline, case.model, np.array([horizon_s]))
    rest = [row for row in node_table(state, load_at_end, ("after",)).rows() if row["node"] not in nodes]
    workloads = [row for row in workload_table(state, timeline, missing).rows() if row["kind"] in KEPT_UP]
    return (
        ", ".join(groups),
        sum(row["none_to_s"] is None for row in out),
        len(out),
        worst["none_s"] if worst else 0.0,
        worst["service"] if worst else "",
        max((row["undetected_s"] for row in services), default=0.0),
        sum(max(0, row["answering_start"] - row["answering_end"]) for row in workloads),
        lasting["nothing fits"],
        lasting["volume"],
        ", ".join(f"{count} {cause}" for cause, count in lasting.most_common()),
        *(max((_share(row, load) for row in rest), default=0.0) for load in ("requests", "limits", "usage")),
        _over(rest),
    )


def _by_cause(missing: Table) -> Counter[str]:
    """Pods that the loss took for good, by what holds them; a DaemonSet's stay with their node."""
    lasting: Counter[str] = Counter()
    for row in missing.rows():
        if row["kind"] in KEPT_UP and row["since_s"] >= AT_S:  # who was Pending before is not the loss's doing
            lasting[row["cause"]] += row["pods"]
    return lasting


def _over(rest: Sequence[Mapping[str, Any]]) -> str:
    """What is more than a node that is left can give: ``limits of cpu on srv1 (119%)``, the worst node for each."""
    told = []
    for load in ("requests", "limits", "usage"):
        for resource, amount in (("cpu", "cpu_milli"), ("memory", "memory_bytes")):
            offered = f"allocatable_{amount}"
            full = [(_percent(row, f"{load}_{amount}", offered), row["node"]) for row in rest]
            worst, node = max(full, default=(0.0, ""))
            told += [f"{load} of {resource} on {node} ({worst:.0f}%)"] if worst > FULL_PERCENT else []
    return ", ".join(told)


def _percent(row: Mapping[str, Any], amount: str, offered: str) -> float:
    return 100.0 * row[amount] / row[offered] if row[offered] else 0.0


def _share(row: Mapping[str, Any], load: str) -> float:
    """The larger of a node's shares of cpu and memory, in percent."""
    amounts = ("cpu_milli", "memory_bytes")
    return max(_percent(row, f"{load}_{amount}", f"allocatable_{amount}") for amount in amounts)


def span_s(option: str, text: str) -> float:
    """A duration that an option of the command line gives, in seconds; raises ScenarioError."""
    try:
        return duration_s(text)
    except ValueError as error:
        raise ScenarioError(option, str(error)) from None
