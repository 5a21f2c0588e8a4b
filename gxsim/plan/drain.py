"""An orderly drain of nodes: in which order, what stands in the way, and how long it takes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from gxsim.errors import ScenarioError
from gxsim.load.fields import unknown_name
from gxsim.load.scenario import Case
from gxsim.model.fault import Fault, FaultSelector
from gxsim.observe.headroom import lose, may_move
from gxsim.observe.table import Table
from gxsim.state import NO_OWNER, ClusterState
from gxsim.study.result import Result
from gxsim.study.simulate import simulate
from gxsim.study.start import started

TIMEOUT_S = 1800.0
BEGIN_S = 1.0  # on the clock of the run, whose change-points at 0 are its start; the plan's own times count from here
PAUSE_S = 1.0  # between the end of one drain and the next
LOCAL_DATA = "emptyDir"


@dataclass(frozen=True, slots=True, kw_only=True)
class DrainPlan:
    """``nodes``: one row per node in the order of the plan; ``pods``: what becomes of each pod, in order of eviction.

    ``obstacles``: pods that are in the way or do not come back before the nodes do; ``services`` are interrupted.
    """

    nodes: Table
    pods: Table
    obstacles: Table
    services: Table

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
    state, _ = started(case, case.placement)
    if not nodes:
        raise ScenarioError("drain", "name at least one node")
    unknown = next((name for name in nodes if name not in state.node_index), None)
    if unknown is not None:
        raise ScenarioError(unknown, f"there is no such node; {unknown_name(unknown, list(state.node_index))}")
    rows = [state.node_index[name] for name in dict.fromkeys(nodes)]
    known = {node: _obstacles(state, node, tuple(rows)) for node in rows}
    order = sorted(rows, key=lambda node: (len(known[node]), int((state.pod_node == node).sum()), node))
    names = [state.nodes[node].name for node in order]
    starts, ends, start_s = list[float](), list[float | None](), BEGIN_S
    for number, name in enumerate(names, 1):
        starts.append(start_s)
        result = simulate(_drained(case, names[:number], starts, start_s + timeout_s))
        ends.append(_end_s(result, name))
        start_s = start_s + timeout_s if ends[-1] is None else ends[-1] + PAUSE_S
    return _plan(state, order, starts, ends, known, result)


def _drained(case: Case, names: Sequence[str], starts: Sequence[float], horizon_s: float) -> Case:
    faults = tuple(
        Fault(
            name=f"drain/{name}",
            kind="NodeChaos",
            action="node-drain",
            selector=FaultSelector(nodes=(name,)),
            at_s=start_s,
        )
        for name, start_s in zip(names, starts, strict=True)
    )
    return replace(case, scenario=replace(case.scenario, faults=faults, horizon_s=horizon_s, expect=()))


def _end_s(result: Result, node: str) -> float | None:
    """When the drain of *node* was over; None if it was not within the run."""
    events = result.timeline.events
    return next((e.time_s for e in events if e.reason == "NodeDrained" and e.name == node), None)


def _since_begin_s(time_s: float | None) -> float | None:
    return None if time_s is None else time_s - BEGIN_S


def _obstacles(state: ClusterState, node: int, leaving: tuple[int, ...]) -> list[tuple[str, str, str]]:
    """(node, pod, why) of what a drain of all *leaving* nodes meets on *node*, before it begins."""
    name, found = state.nodes[node].name, []
    loss = lose(state, leaving)
    told = {loss.state.pod_key(decision.pod): decision.message() for decision in loss.pending}
    for pod in np.flatnonzero(state.pod_active & (state.pod_node == node)).tolist():
        owner, key = int(state.pod_owner[pod]), state.pod_key(pod)
        if owner == NO_OWNER:
            found.append((name, key, "no controller: nobody makes it anew (kubectl drain asks for --force)"))
        elif state.owners[owner].workload.kind == "DaemonSet":
            continue
        elif not may_move(state, pod, leaving):
            found.append((name, key, "its volume lies on this node: Pending until the node is back"))
        elif key in told:
            found.append((name, key, told[key]))
    return found


def _with_local_data(state: ClusterState, node: int) -> int:
    """Pods on *node* that lose an emptyDir; kubectl drain asks for --delete-emptydir-data."""
    pods = np.flatnonzero(state.pod_active & (state.pod_node == node))
    templates = [state.templates[index] for index in state.pod_template[pods]]
    return sum(any(LOCAL_DATA in volume for volume in template.volumes) for template in templates)


def _plan(
    state: ClusterState,
    order: Sequence[int],
    starts: Sequence[float],
    ends: Sequence[float | None],
    known: dict[int, list[tuple[str, str, str]]],
    result: Result,
) -> DrainPlan:
    refused: dict[str, str] = {}
    for event in result.timeline.events:
        if event.reason == "EvictionRefused":
            refused[event.name] = event.message
    names = [state.nodes[node].name for node in order]
    fates = [row for row in result.tables["pods"].rows() if row["node"] in names]
    gone = {f"{row['workload'].partition('/')[0]}/{row['pod']}" for row in fates}
    obstacles = [row for node in order for row in known[node]]
    for pod in np.flatnonzero(state.pod_active & np.isin(state.pod_node, order)).tolist():
        key = state.pod_key(pod)
        if key in refused:
            never = "" if key in gone else "never evicted: "
            obstacles.append((state.nodes[state.pod_node[pod]].name, key, f"{never}{refused[key]}"))
    evicted = sorted(fates, key=lambda row: (row["evicted_s"] if row["evicted_s"] is not None else np.inf, row["pod"]))
    steps = [
        (
            row["node"],
            f"{row['workload'].partition('/')[0]}/{row['pod']}",
            _since_begin_s(row["evicted_s"]),
            row["successor_node"],
            _since_begin_s(row["serving_s"]),
            row["without_s"],
            row["outcome"],
        )
        for row in evicted
    ]
    interrupted = [
        (row["service"], row["none_s"], row["degraded_s"]) for row in result.tables["services"].rows() if row["none_s"]
    ]
    about = "Nodes in the order of the plan: pods evicted, when the drain begins and ends (never: it is blocked)"
    counts = [sum(row["node"] == name for row in fates) for name in names]
    held = [sum(row[0] == name for row in obstacles) for name in names]
    times = [[_since_begin_s(time_s) for time_s in column] for column in (starts, ends)]
    return DrainPlan(
        nodes=Table.of(
            "drains",
            about,
            ("node", "evicted", "starts_s", "ends_s", "obstacles", "with_local_data"),
            zip(names, counts, *times, held, (_with_local_data(state, node) for node in order), strict=True),
        ),
        pods=Table.of(
            "evictions",
            "Pods in the order they are evicted, and where their successors answer",
            ("node", "pod", "evicted_s", "successor_node", "serving_s", "without_s", "outcome"),
            steps,
        ),
        obstacles=Table.of("obstacles", "What is in the way, or pays for it", ("node", "pod", "why"), obstacles),
        services=Table.of(
            "interrupted", "Services without an endpoint", ("service", "none_s", "degraded_s"), interrupted
        ),
    )
