"""What became of each pod that a fault touched: moved, back in place, or stuck, and why."""

import numpy as np

from gxsim.kernels.intervals import at, combine, count, steps
from gxsim.observe.table import Table
from gxsim.state import NO_OWNER, PENDING, PHASE_SUCCEEDED, ClusterState, owner_name
from gxsim.timeline import Changes, Timeline

COLUMNS = (
    "workload",
    "kind",
    "pod",
    "node",
    "lost_s",
    "noticed_s",
    "evicted_s",
    "successor",
    "successor_node",
    "serving_s",
    "without_s",
    "outcome",
    "why",
)


def pod_fates(state: ClusterState, timeline: Timeline) -> Table:
    """One row per pod that stopped answering during the run, with the pod that took its place.

    *lost*, *noticed* (no longer Ready), *evicted* (deleted), *serving* (it or its successor is Ready) are times;
    *without* is how long nobody answered in its place, up to the horizon.
    """
    found = [timeline.changes(q) for q in ("pod_serving", "pod_terminating")]
    times, rows, values = combine([(c.times_s, c.rows, c.values) for c in found], [0, 0])
    # A pod is lost when its deletion begins, not when its containers end: its successor may be older than that.
    times, rows, step = steps(times, rows, (values[:, 0] > 0) & (values[:, 1] == 0))
    losses = [(float(t), int(r)) for t, r, s in zip(times, rows, step, strict=True) if s < 0]
    losses = [(lost_s, pod) for lost_s, pod in losses if not _has_ended(timeline, pod, lost_s)]
    taken: set[int] = set()
    fates = [_fate(state, timeline, pod, lost_s, taken) for lost_s, pod in sorted(losses)]
    about = "What became of each pod that stopped answering, and of its place"
    return Table.of("pods", about, COLUMNS, fates)


def _has_ended(timeline: Timeline, pod: int, time_s: float) -> bool:
    """Whether the containers ended well by themselves at *time_s*, as a Job's do: nothing is lost."""
    finished_s = _first(timeline.changes("pod_phase"), pod, PHASE_SUCCEEDED, 0.0)
    deleted_s = _first(timeline.changes("pod_terminating"), pod, 1, 0.0)
    return finished_s == time_s and (deleted_s is None or deleted_s > time_s)


def _fate(state: ClusterState, timeline: Timeline, pod: int, lost_s: float, taken: set[int]) -> tuple:
    noticed_s = _first(timeline.changes("pod_ready"), pod, 0, lost_s)
    evicted_s = _first(timeline.changes("pod_terminating"), pod, 1, lost_s)
    back_s = _answers(timeline, pod, lost_s)
    node = int(timeline.changes("pod_node").of(pod)[1][0])
    successor = pod if back_s is not None else _successor(state, pod, lost_s, taken)
    serving_s = back_s if successor in (pod, PENDING) else _answers(timeline, successor, lost_s)
    if successor not in (pod, PENDING):
        taken.add(successor)
    new_node = int(state.pod_node[successor]) if successor != PENDING else PENDING
    outcome, why = _outcome(state, timeline, pod, successor, serving_s, node, new_node)
    owner = int(state.pod_owner[pod])
    until_s = serving_s if serving_s is not None else timeline.horizon_s
    return (
        f"{state.templates[state.pod_template[pod]].namespace}/{owner_name(state, pod)}",
        state.owners[owner].workload.kind if owner != NO_OWNER else "Pod",
        state.pod_names[pod],
        _node_name(state, node),
        lost_s,
        noticed_s,
        evicted_s,
        state.pod_names[successor] if successor != PENDING else "",
        _node_name(state, new_node),
        serving_s,
        until_s - lost_s,
        outcome,
        why,
    )


def _outcome(
    state: ClusterState,
    timeline: Timeline,
    pod: int,
    successor: int,
    serving_s: float | None,
    node: int,
    new_node: int,
) -> tuple[str, str]:
    """How it ended, and what held it where it was."""
    pinned = _pinned(state, pod)
    if serving_s is not None:
        if new_node != node:
            return "moved", ""
        if successor == pod:
            return "back in place", pinned or _stayed(state, pod)
        return "recreated in place", pinned
    if successor == PENDING:
        return "stuck", pinned or _stayed(state, pod)
    if new_node == PENDING:
        return "Pending", _last_message(timeline, state.pod_key(successor)) or pinned
    return "not ready yet", pinned


def _pinned(state: ClusterState, pod: int) -> str:
    """The volume that ties a pod to its node, if one does."""
    template = state.templates[state.pod_template[pod]]
    for name in template.claims:
        claim = state.storage.claims.get(f"{template.namespace}/{name}")
        volume = state.storage.volumes.get(claim.volume) if claim and claim.volume else None
        if volume is not None and volume.node_affinity is not None:
            return f"volume of claim {name} lies on this node"
    return ""


def _stayed(state: ClusterState, pod: int) -> str:
    owner = int(state.pod_owner[pod])
    kind = state.owners[owner].workload.kind if owner != NO_OWNER else "Pod"
    return {"DaemonSet": "DaemonSet pod stays with its node", "Pod": "bare pod: nothing replaces it"}.get(kind, "")


def _successor(state: ClusterState, pod: int, lost_s: float, taken: set[int]) -> int:
    """The first pod created for the same place after the loss that no other loss has claimed; PENDING if none."""
    same = (state.pod_created_s >= lost_s) & (np.arange(len(state.pod_names)) > pod)
    owner, ordinal = state.pod_owner[pod], state.pod_ordinal[pod]
    if owner == NO_OWNER:
        return PENDING
    lineage = state.owners[owner].parent
    if lineage != NO_OWNER and state.owners[owner].kind == "ReplicaSet":  # any one of the same Deployment
        siblings = [i for i, o in enumerate(state.owners) if o.parent == lineage]
        same &= np.isin(state.pod_owner, siblings)
    else:
        same &= (state.pod_owner == owner) & (state.pod_ordinal == ordinal)
    return next((int(row) for row in np.flatnonzero(same) if int(row) not in taken), PENDING)


def _first(changes: Changes, row: int, value: int, after_s: float) -> float | None:
    """The first time from *after_s* on at which a row becomes *value*."""
    times, values = changes.of(row)
    found = times[(times >= after_s) & (values == value)]
    return float(found[0]) if len(found) else None


def _answers(timeline: Timeline, row: int, after_s: float) -> float | None:
    """The first time after *after_s* at which a pod runs and is believed ready, so that it gets traffic and answers."""
    series = [timeline.changes(quantity).of(row) for quantity in ("pod_serving", "pod_ready")]
    grid = np.unique(np.concatenate([times for times, _ in series]))
    both = np.logical_and(*(at(times, values, grid) > 0 for times, values in series))
    found = grid[both & (grid > after_s)]
    return float(found[0]) if len(found) else None


def _last_message(timeline: Timeline, key: str) -> str:
    said = [e for e in timeline.events if e.kind == "Pod" and e.name == key and e.reason == "FailedScheduling"]
    latest = max(said, key=lambda e: e.time_s if e.last_s is None else e.last_s, default=None)
    return latest.message if latest is not None else ""


def _node_name(state: ClusterState, node: int) -> str:
    return state.nodes[node].name if node != PENDING else ""


def pod_counts(timeline: Timeline) -> Table:
    """How many pods exist, are believed ready, and truly answer, over time."""
    changes = {
        "existing": timeline.changes("pod_exists"),
        "believed_ready": timeline.changes("pod_ready"),
        "answering": timeline.changes("pod_serving"),
    }
    grid = np.unique(np.concatenate([[0.0], *(c.times_s for c in changes.values())]))
    columns: dict[str, list] = {"time_s": grid.tolist()}
    for name, change in changes.items():
        times, rows, values = combine([(change.times_s, change.rows, change.values)], [0])
        moments, _, step = steps(times, rows, values[:, 0] > 0)
        columns[name] = at(*count(moments, step), grid).astype(np.int64).tolist()
    return Table("pod_counts", "Pods that exist, are believed ready, and truly answer, over time", columns)
