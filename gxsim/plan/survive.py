"""What survives: every single and double loss of nodes, and of each region, played through on the clock."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from joblib import Parallel, delayed

from gxsim.errors import ScenarioError
from gxsim.load.scenario import Case
from gxsim.model.fault import Fault, FaultSelector
from gxsim.observe.causes import Causes
from gxsim.observe.headroom import MOST_LOSSES, losses, may_move
from gxsim.observe.nodes import node_load, node_table
from gxsim.observe.pods import pod_fates
from gxsim.observe.quorum import quorum_intervals, quorum_series
from gxsim.observe.services import service_intervals, service_series
from gxsim.observe.table import Table
from gxsim.observe.unrecovered import unrecovered
from gxsim.observe.workloads import workload_table
from gxsim.plan.place import case_of
from gxsim.rng import Streams
from gxsim.state import NO_OWNER, PENDING, PHASE_RUNNING, ClusterState
from gxsim.study.simulate import simulation
from gxsim.study.start import started, tie_breaker
from gxsim.timeline import Timeline
from gxsim.units import duration_s

AT_S, HORIZON_S = 60.0, 3600.0
RUNS_PER_WORKER = 16  # below so many runs a further worker takes longer to start than it saves
COLUMNS = (
    "loss",
    "lost",
    "quorum_lost",
    "services_lost",
    "services_interrupted",
    "longest_outage_s",
    "pods_short",
    "pods_pending",
    "pods_waiting",
    "requests_percent",
    "limits_percent",
    "usage_percent",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Survival:
    """``matrix``: one row per loss; ``asked`` of ``possible`` losses by their kind."""

    matrix: Table
    asked: Mapping[str, int]
    possible: Mapping[str, int]

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
    most: int = MOST_LOSSES,
    jobs: int = 0,
) -> Survival:
    """Lose nodes at 60 s, for *duration_s* or for ever, and look at what is left at *horizon_s*.

    *case* may be the path of a scenario or of manifests; its own faults are left out. Regions are the values of the
    node label *label*, else of the model's. Of too many losses those that cost most are run. *jobs* workers, 0: as many
    as pay.
    """
    case = case if isinstance(case, Case) else case_of([case])
    state, _ = started(case, case.placement)
    sets: dict[str, list[tuple[str, tuple[str, ...]]]] = {}
    for size in sizes:
        found = [tuple(state.nodes[node].name for node in lost) for lost in losses(state, size, most)]
        sets[f"{size} node{'s' if size > 1 else ''}"] = [(", ".join(names), names) for names in found]
    regions = _regions(case, label)
    if len(regions) > 1:
        sets["region"] = [(f"{name} ({len(nodes)})", nodes) for name, nodes in regions.items()]
    runs = [(kind, name, nodes) for kind, named in sets.items() for name, nodes in named]
    workers = jobs or max(1, min(len(runs) // RUNS_PER_WORKER, os.cpu_count() or 1))
    rows = Parallel(n_jobs=workers)(
        delayed(_row)(case, kind, name, nodes, horizon_s, duration_s) for kind, name, nodes in runs
    )
    about = (
        "What is left at the end after each loss: consensus groups without a majority, Services that never answer "
        "again or did not for a while; pods fewer than at the start (DaemonSets left out), of them Pending for want of "
        "room and waiting for a volume of a lost node; and the largest shares of any node that is left"
    )
    possible = {f"{size} node{'s' if size > 1 else ''}": _ways(len(state.nodes), size) for size in sizes}
    return Survival(
        matrix=Table.of("survival", about, COLUMNS, rows),
        asked={kind: len(named) for kind, named in sets.items()},
        possible=possible | {kind: len(named) for kind, named in sets.items() if kind == "region"},
    )


def _ways(nodes: int, size: int) -> int:
    return nodes if size == 1 else nodes * (nodes - 1) // 2


def _regions(case: Case, label: str) -> dict[str, tuple[str, ...]]:
    network = case.model.network
    key = label or (network.region_label if network is not None else "topology.kubernetes.io/region")
    regions: dict[str, tuple[str, ...]] = {}
    for node in case.cluster.nodes:
        if key in node.labels:
            regions[node.labels[key]] = (*regions.get(node.labels[key], ()), node.name)
    return dict(sorted(regions.items()))


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
    intervals = service_intervals(service_series(state, timeline), horizon_s)
    out = [row for row in intervals.rows() if row["state"] == "none"]
    lost = {row["service"] for row in out if row["to_s"] >= horizon_s}
    outages: dict[str, float] = {}
    for row in out:
        outages[row["service"]] = outages.get(row["service"], 0.0) + row["to_s"] - row["from_s"]
    causes = Causes(state, timeline)
    missing = unrecovered(state, timeline, pod_fates(state, timeline, causes), causes)
    shares = []
    load_at_end = node_load(state, timeline, case.model, np.array([horizon_s]))
    rest = [row for row in node_table(state, load_at_end, ("after",)).rows() if row["node"] not in nodes]
    for load in ("requests", "limits", "usage"):
        shares.append(max((_share(row, load) for row in rest), default=0.0))
    return (
        ", ".join(groups),
        len(lost),
        len(outages),
        max(outages.values(), default=0.0),
        sum(
            max(0, row["answering_start"] - row["answering_end"])
            for row in workload_table(state, timeline, missing).rows()
            if _is_kept_up(row)
        ),
        *_left_over(state, nodes),
        *shares,
    )


def _is_kept_up(workload: Mapping[str, Any]) -> bool:
    """Whether a lost pod of the workload is to be made anew elsewhere."""
    return workload["kind"] in ("Deployment", "ReplicaSet", "StatefulSet")


def _left_over(state: ClusterState, nodes: Sequence[str]) -> tuple[int, int]:
    """Pods that are Pending for want of room, and pods that wait for a volume of the lost *nodes*."""
    lost = [state.node_index[name] for name in nodes]
    owned = state.pod_exists & (state.pod_phase <= PHASE_RUNNING) & (state.pod_owner != NO_OWNER)
    left = np.flatnonzero(owned & ((state.pod_node == PENDING) | np.isin(state.pod_node, lost))).tolist()
    kept = [pod for pod in left if state.owners[state.pod_owner[pod]].workload.kind != "DaemonSet"]
    waiting = [pod for pod in kept if not may_move(state, pod, lost)]
    # a Deployment's pod that terminates on the lost node and its Pending successor wait for one and the same volume
    places = {(int(state.pod_owner[pod]), int(state.pod_ordinal[pod])) for pod in waiting}
    new = state.pod_created_s >= AT_S  # what was Pending before is not the loss's doing
    pending = [pod for pod in kept if state.pod_node[pod] == PENDING and new[pod] and pod not in waiting]
    return len(pending), _count_waiting(state, waiting, places)


def _count_waiting(state: ClusterState, waiting: Sequence[int], places: set[tuple[int, int]]) -> int:
    total = 0
    for owner, ordinal in places:
        mine = [p for p in waiting if (int(state.pod_owner[p]), int(state.pod_ordinal[p])) == (owner, ordinal)]
        alive = sum(not state.pod_terminating[p] for p in mine)
        total += max(alive, len(mine) - alive) if ordinal < 0 else 1
    return total


def _share(row: Mapping[str, Any], load: str) -> float:
    """The larger of a node's shares of cpu and memory, in percent."""
    pairs = (("cpu_milli", "allocatable_cpu_milli"), ("memory_bytes", "allocatable_memory_bytes"))
    return max(100.0 * row[f"{load}_{amount}"] / row[offered] if row[offered] else 0.0 for amount, offered in pairs)


def span_s(option: str, text: str) -> float:
    """A duration that an option of the command line gives, in seconds; raises ScenarioError."""
    try:
        return duration_s(text)
    except ValueError as error:
        raise ScenarioError(option, str(error)) from None
