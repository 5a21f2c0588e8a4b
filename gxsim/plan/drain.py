"""An orderly drain of nodes: in which order, what stands in the way, and how long it takes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gxsim.errors import ScenarioError
from gxsim.load.fields import unknown_name
from gxsim.load.scenario import Case
from gxsim.model.fault import Fault, FaultSelector
from gxsim.observe.headroom import lose, may_move
from gxsim.observe.table import Table
from gxsim.plan.budgets import Remedy, budget_remedy
from gxsim.rng import Streams
from gxsim.scheduler import Profile
from gxsim.state import ClusterState, kind_of
from gxsim.study.result import Result
from gxsim.study.simulate import simulate
from gxsim.study.start import started, tie_breaker

TIMEOUT_S = 1800.0
BEGIN_S = 1.0  # on the clock of the run, whose change-points at 0 are its start; the plan's own times count from here
PAUSE_S = 1.0  # between the end of one drain and the next
LOCAL_DATA = "emptyDir"
SCALING_S = 300.0  # for the further pods of a remedy to be Ready
Obstacle = tuple[str, str, str, str, str]
OBSTACLES = ("node", "pod", "cause", "why", "remedy")
REMEDIES = {  # of causes as everywhere, but for a node that is going to come back
    "volume": "its Service is away until kubectl uncordon {node}; where that is too long, move the data first",
    "bare pod": "start it elsewhere first; the drain deletes it for good",
    "nothing fits": "add a node or free what is short first; else it is Pending until kubectl uncordon {node}",
}


@dataclass(frozen=True, slots=True)
class Drains:
    """Drains as they were played: when each began and ended (None: not within its time-out), and the last run."""

    starts: tuple[float, ...]
    ends: tuple[float | None, ...]
    result: Result


@dataclass(frozen=True, slots=True, kw_only=True)
class DrainPlan:
    """``nodes``: one row per node in the order of the plan; ``pods``: what becomes of each pod, in order of eviction.

    ``obstacles``: pods that are in the way or do not come back before the nodes do; ``services`` are interrupted.
    ``helped_s`` is how long a blocked plan takes once its blockers' remedies were applied; None where that is not it.
    """

    nodes: Table
    pods: Table
    obstacles: Table
    services: Table
    helped_s: float | None = None

    @property
    def done(self) -> bool:
        """Whether every node is empty within the time-out."""
        return all(end is not None for end in self.nodes.columns["ends_s"])

    @property
    def duration_s(self) -> float | None:
        """From the first eviction to the end of the last drain; None when one never ends."""
        ends = self.nodes.columns["ends_s"]
        return float(max(ends)) if self.done and len(ends) else None


def drain(case: Case, nodes: Sequence[str], *, timeout_s: float = TIMEOUT_S) -> DrainPlan:
    """Plan to drain *nodes* one after the other, each for at most *timeout_s*, by playing it through on the clock.

    Nodes without obstacles come first, the emptiest of them first. Raises ScenarioError for a name that is no node.
    """
    state, _ = started(case, case.placement, tie_breaker(case, Streams(case.scenario.seed), "scheduler/ties"))
    if not nodes:
        raise ScenarioError("drain", "name at least one node")
    unknown = next((name for name in nodes if name not in state.node_index), None)
    if unknown is not None:
        raise ScenarioError(unknown, f"there is no such node; {unknown_name(unknown, list(state.node_index))}")
    rows = [state.node_index[name] for name in dict.fromkeys(nodes)]
    known = {node: _obstacles(state, node, tuple(rows), case.profile) for node in rows}
    order = sorted(rows, key=lambda node: (len(known[node]), int((state.pod_node == node).sum()), node))
    names = [state.nodes[node].name for node in order]
    drains = _played(case, names, timeout_s)
    held = _held(state, order, drains.result, case.profile)
    obstacles = [*(row for node in order for row in known[node]), *(one.row for one in held)]
    helped_s = None
    blocking = [one.remedy for one in held if one.never]
    if blocking and all(remedy.workload for remedy in blocking):
        helped = _played(case, names, timeout_s, blocking)
        helped_s = helped.ends[-1] - BEGIN_S - SCALING_S if helped.ends[-1] is not None else None
    return _plan(state, order, drains, obstacles, helped_s)


def _played(case: Case, names: Sequence[str], timeout_s: float, before: Sequence[Remedy] = ()) -> Drains:
    """The drains of nodes in their order, once the workloads of *before* were scaled and their new pods are Ready."""
    starts, ends, start_s = list[float](), list[float | None](), BEGIN_S + (SCALING_S if before else 0.0)
    for number, name in enumerate(names, 1):
        starts.append(start_s)
        result = simulate(_drained(case, names[:number], starts, start_s + timeout_s, before))
        ends.append(_end_s(result, name))
        start_s = start_s + timeout_s if ends[-1] is None else ends[-1] + PAUSE_S
    return Drains(tuple(starts), tuple(ends), result)


def _drained(
    case: Case, names: Sequence[str], starts: Sequence[float], horizon_s: float, before: Sequence[Remedy]
) -> Case:
    scaled = {remedy.workload: remedy.replicas for remedy in before}
    faults = [
        Fault(
            name=f"scale/{workload}",
            kind="Operation",
            action="scale",
            selector=FaultSelector(workloads=(workload,)),
            parameters={"replicas": replicas},
            at_s=BEGIN_S,
        )
        for workload, replicas in scaled.items()
    ]
    faults += [
        Fault(
            name=f"drain/{name}",
            kind="NodeChaos",
            action="node-drain",
            selector=FaultSelector(nodes=(name,)),
            at_s=start_s,
        )
        for name, start_s in zip(names, starts, strict=True)
    ]
    scenario = replace(case.scenario, faults=tuple(faults), horizon_s=horizon_s, expect=(), data_plane=())
    return replace(case, scenario=scenario)


def _end_s(result: Result, node: str) -> float | None:
    """When the drain of *node* was over; None if it was not within the run."""
    events = result.timeline.events
    return next((e.time_s for e in events if e.reason == "NodeDrained" and e.name == node), None)


def _since_begin_s(time_s: float | None) -> float | None:
    return None if time_s is None else time_s - BEGIN_S


def _obstacles(state: ClusterState, node: int, leaving: tuple[int, ...], profile: Profile) -> list[Obstacle]:
    """(node, pod, cause, why, remedy) of what a drain of all *leaving* nodes meets on *node*, before it begins."""
    name, found = state.nodes[node].name, []
    loss = lose(state, leaving, profile)
    told = {loss.state.pod_key(decision.pod): decision.message() for decision in loss.pending}
    for pod in np.flatnonzero(state.pod_active & (state.pod_node == node)).tolist():
        kind, key = kind_of(state, pod), state.pod_key(pod)
        if kind == "DaemonSet":
            continue
        if kind == "Pod":
            cause, why = "bare pod", "no controller: nobody makes it anew (kubectl drain asks for --force)"
        elif not may_move(state, pod, leaving):
            cause, why = "volume", "its volume lies on this node: Pending until the node is back"
        elif key in told:
            cause, why = "nothing fits", told[key]
        else:
            continue
        found.append((name, key, cause, why, REMEDIES[cause].format(node=name)))
    return found


def _with_local_data(state: ClusterState, node: int) -> int:
    """Pods on *node* that lose an emptyDir; kubectl drain asks for --delete-emptydir-data."""
    pods = np.flatnonzero(state.pod_active & (state.pod_node == node))
    templates = [state.templates[index] for index in state.pod_template[pods]]
    return sum(any(LOCAL_DATA in volume for volume in template.volumes) for template in templates)


@dataclass(frozen=True, slots=True)
class Held:
    """A pod that a budget held back, for good (*never* evicted) or for a while."""

    row: Obstacle
    never: bool
    remedy: Remedy


def _held(state: ClusterState, order: Sequence[int], result: Result, profile: Profile) -> list[Held]:
    refused = {e.name: e.message for e in result.timeline.events if e.reason == "EvictionRefused"}
    fates = result.tables["pods"].columns
    gone = {f"{w.partition('/')[0]}/{pod}" for w, pod in zip(fates["workload"], fates["pod"], strict=True)}
    found = []
    for pod in np.flatnonzero(state.pod_active & np.isin(state.pod_node, order)).tolist():
        key, node = state.pod_key(pod), state.nodes[state.pod_node[pod]].name
        if key in gone and key in refused:
            waits = "nothing: it is evicted as soon as the budget allows it"
            found.append(Held((node, key, "budget", refused[key], waits), False, Remedy(waits)))
        elif key in refused:
            remedy = budget_remedy(state, pod, order, profile)
            found.append(Held((node, key, "budget", f"never evicted: {refused[key]}", remedy.text), True, remedy))
    return found


def _command(node: str, local: int, *, bare: bool) -> str:
    """What an operator types."""
    flags = ["--ignore-daemonsets", *(["--delete-emptydir-data"] if local else []), *(["--force"] if bare else [])]
    return f"kubectl drain {node} {' '.join(flags)}"


def _plan(
    state: ClusterState, order: Sequence[int], drains: Drains, obstacles: Sequence[Obstacle], helped_s: float | None
) -> DrainPlan:
    names, result = [state.nodes[node].name for node in order], drains.result
    fates = [row for row in result.tables["pods"].rows() if row["node"] in names]
    rows = []
    for node, name, starts_s, ends_s in zip(order, names, drains.starts, drains.ends, strict=True):
        mine, local = [row for row in obstacles if row[0] == name], _with_local_data(state, node)
        bare = any(row[2] == "bare pod" for row in mine)
        evicted = sum(row["node"] == name for row in fates)
        times = (_since_begin_s(starts_s), _since_begin_s(ends_s))
        rows.append((name, evicted, *times, len(mine), local, _command(name, local, bare=bare)))
    about = "Nodes in the order of the plan: pods evicted, when the drain begins and ends (never: it is blocked)"
    drained = ("node", "evicted", "starts_s", "ends_s", "obstacles", "with_local_data", "command")
    services = result.tables["services"].rows()
    interrupted = [(row["service"], row["none_s"], row["degraded_s"]) for row in services if row["none_s"]]
    without = "Services without an endpoint"
    return DrainPlan(
        nodes=Table.of("drains", about, drained, rows),
        pods=_evictions(fates),
        obstacles=Table.of("obstacles", "What is in the way, or pays for it, and what helps", OBSTACLES, obstacles),
        services=Table.of("interrupted", without, ("service", "none_s", "degraded_s"), interrupted),
        helped_s=helped_s,
    )


def _evictions(fates: Sequence[dict[str, Any]]) -> Table:
    ordered = sorted(fates, key=lambda row: (row["evicted_s"] if row["evicted_s"] is not None else np.inf, row["pod"]))
    steps = [
        (
            row["node"],
            f"{row['workload'].partition('/')[0]}/{row['pod']}",
            _since_begin_s(row["evicted_s"]),
            row["successor_node"],
            _since_begin_s(row["serving_s"]),
            row["without_s"],
            row["outcome"],
            row["cause"],
        )
        for row in ordered
    ]
    about = "Pods in the order they are evicted, and where their successors answer"
    names = ("node", "pod", "evicted_s", "successor_node", "serving_s", "without_s", "outcome", "cause")
    return Table.of("evictions", about, names, steps)
