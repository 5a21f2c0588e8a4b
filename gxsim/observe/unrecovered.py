"""What is missing when a run ends: every place that nobody answers in, since when, and why."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from gxsim.kernels.intervals import at, runs
from gxsim.observe.causes import REMEDIES, Cause, Causes
from gxsim.observe.table import Table
from gxsim.state import NO_OWNER, PENDING, PHASE_RUNNING, PHASE_SUCCEEDED, ClusterState, kind_of, roots, workload_of
from gxsim.timeline import Timeline

COLUMNS = ("workload", "kind", "pod", "pods", "node", "since_s", "cause", "why", "remedy")
TO_AN_END = ("Job", "CronJob")
Place = tuple[str, str, str, int, str, float, Cause]


def unrecovered(state: ClusterState, timeline: Timeline, fates: Table, causes: Causes) -> Table:
    """One row per pod that should answer at the end and does not; one per workload for pods that do not exist.

    *since* is when its place was left, 0 where nobody ever was in it; *fates* is the table ``pods``.
    """
    left_s = {
        (row["workload"], row["successor"] or row["pod"]): row["lost_s"]
        for row in fates.rows()
        if row["serving_s"] is None
    }
    rows: list[tuple[Any, ...]] = []
    for workload, kind, pod, pods, node, since_s, cause in _places(state, timeline, causes):
        since_s = left_s.get((workload, pod), since_s)
        rows.append((workload, kind, pod, pods, node, since_s, cause.word, cause.why, cause.remedy))
    rows.sort(key=lambda row: (list(REMEDIES).index(row[6]) if row[6] in REMEDIES else len(REMEDIES), row[0], row[2]))
    about = "Pods that should answer at the end and do not: since when, why, and what would help"
    return Table.of("unrecovered", about, COLUMNS, rows)


def _places(state: ClusterState, timeline: Timeline, causes: Causes) -> Iterator[Place]:
    root = roots(state)
    answering = state.pod_active & state.pod_ready & state.pod_serving
    for pod in np.flatnonzero(state.pod_active & ~answering).tolist():
        if kind_of(state, pod) not in TO_AN_END:
            yield _place(state, timeline, pod, causes)
    for index, owner in enumerate(state.owners):
        if owner.parent != NO_OWNER or owner.deleted or owner.kind in (*TO_AN_END, "DaemonSet"):
            continue
        active = np.flatnonzero(state.pod_active & (root == index))
        if owner.kind == "StatefulSet":
            yield from _absent(state, timeline, index, set(state.pod_ordinal[active].tolist()), causes)
        elif owner.replicas > len(active):
            where = (f"{owner.namespace}/{owner.name}", owner.kind, "", owner.replicas - len(active), "", 0.0)
            yield (*where, causes.of_missing(index))
    at_start = timeline.at("pod_serving", 0.0) > 0
    for pod in np.flatnonzero(at_start & (root == NO_OWNER) & ~state.pod_active).tolist():
        if state.pod_phase[pod] != PHASE_SUCCEEDED:
            yield _place(state, timeline, pod, causes)


def _absent(state: ClusterState, timeline: Timeline, owner: int, there: set[int], causes: Causes) -> Iterator[Place]:
    """Ordinals without an active pod: one that terminates stands for its place, the others are counted."""
    held, mine = state.owners[owner], state.pod_exists & (state.pod_owner == owner)
    ending = {
        int(state.pod_ordinal[pod]): int(pod) for pod in np.flatnonzero(mine & (state.pod_phase <= PHASE_RUNNING))
    }
    absent = [ordinal for ordinal in range(held.replicas) if ordinal not in there]
    for ordinal in absent:
        if ordinal in ending:
            yield _place(state, timeline, ending[ordinal], causes)
    unmade = sum(ordinal not in ending for ordinal in absent)
    if unmade:
        where = (f"{held.namespace}/{held.name}", held.kind, "", unmade, "", 0.0)
        yield (*where, causes.of_missing(owner))


def _place(state: ClusterState, timeline: Timeline, pod: int, causes: Causes) -> Place:
    node = int(state.pod_node[pod])
    there = state.nodes[node].name if node != PENDING else ""
    since_s = _silent_since_s(timeline, pod, max(0.0, float(state.pod_created_s[pod])))
    return workload_of(state, pod), kind_of(state, pod), state.pod_names[pod], 1, there, since_s, causes.of_pod(pod)


def _silent_since_s(timeline: Timeline, pod: int, created_s: float) -> float:
    """When a pod that does not answer now last did; its creation where it never did."""
    series = [timeline.changes(quantity).of(pod) for quantity in ("pod_serving", "pod_ready")]
    grid = np.unique(np.concatenate([times for times, _ in series]))
    answers = np.logical_and(*(at(times, values, grid) > 0 for times, values in series))
    _, past = runs(answers)
    return float(grid[past[-1]]) if len(past) and past[-1] < len(grid) else created_s
