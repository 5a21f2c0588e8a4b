"""What became of each pod that a fault touched: moved, back in place, stuck or no longer wanted, and why."""

from bisect import bisect_right
from collections import defaultdict

import numpy as np

from gxsim.kernels.intervals import at, combine, count, steps
from gxsim.observe.causes import NO_CAUSE, Cause, Causes, pinned, stays
from gxsim.observe.table import Table
from gxsim.state import NO_OWNER, PENDING, PHASE_FAILED, PHASE_SUCCEEDED, ClusterState, kind_of, roots, workload_of
from gxsim.timeline import Changes, Timeline

COLUMNS = (
    "workload",
    "kind",
    "pod",
    "node",
    "lost_s",
    "noticed_s",
    "undetected_s",
    "evicted_s",
    "successor",
    "successor_node",
    "created_s",
    "bound_s",
    "serving_s",
    "without_s",
    "outcome",
    "cause",
    "why",
)


def pod_fates(state: ClusterState, timeline: Timeline, causes: Causes) -> Table:
    """One row per pod that stopped answering during the run, with the pod that took its place.

    *lost* (truly dead), *noticed* (no longer believed Ready), *evicted* (deleted), *created* and *bound* (its
    successor), *serving* (it or its successor is Ready and answers) are times. *undetected* is how long it was dead and
    believed Ready; *without* how long nobody answered in its place; both up to the horizon.
    """
    found = [timeline.changes(q) for q in ("pod_serving", "pod_terminating")]
    times, rows, values = combine([(c.times_s, c.rows, c.values) for c in found], [0, 0])
    # A pod is lost when its deletion begins, not when its containers end: its successor may be older than that.
    times, rows, step = steps(times, rows, (values[:, 0] > 0) & (values[:, 1] == 0))
    losses = [(float(t), int(r)) for t, r, s in zip(times, rows, step, strict=True) if s < 0]
    losses = [(lost_s, pod) for lost_s, pod in losses if not _has_ended(timeline, pod, lost_s)]
    successors = _Successors(state)
    fates = [_fate(state, timeline, causes, pod, lost_s, successors) for lost_s, pod in sorted(losses)]
    about = "What became of each pod that stopped answering, and of its place"
    return Table.of("pods", about, COLUMNS, fates)


def _has_ended(timeline: Timeline, pod: int, time_s: float) -> bool:
    """Whether the containers ended well by themselves at *time_s*, as a Job's do: nothing is lost."""
    finished_s = _first(timeline.changes("pod_phase"), pod, PHASE_SUCCEEDED, 0.0)
    deleted_s = _first(timeline.changes("pod_terminating"), pod, 1, 0.0)
    return finished_s == time_s and (deleted_s is None or deleted_s > time_s)


def _fate(
    state: ClusterState, timeline: Timeline, causes: Causes, pod: int, lost_s: float, successors: "_Successors"
) -> tuple:
    noticed_s = _first(timeline.changes("pod_ready"), pod, 0, lost_s)
    evicted_s = _first(timeline.changes("pod_terminating"), pod, 1, lost_s)
    back_s = _answers(timeline, pod, lost_s)
    node = int(timeline.changes("pod_node").of(pod)[1][0])
    successor = pod if back_s is not None else successors.take(pod, lost_s)
    new = successor not in (pod, PENDING)
    serving_s = _serves(timeline, successor, lost_s) if new else back_s
    new_node = int(state.pod_node[successor]) if successor != PENDING else PENDING
    if successor == PENDING and not successors.wanted(pod):
        outcome, cause, until_s = "no longer wanted", NO_CAUSE, lost_s
    else:
        outcome, cause = _outcome(state, causes, pod, successor, serving_s, node, new_node)
        until_s = serving_s if serving_s is not None else timeline.horizon_s
    known_s = min(s for s in (noticed_s, evicted_s, back_s, timeline.horizon_s) if s is not None)
    return (
        workload_of(state, pod),
        kind_of(state, pod),
        state.pod_names[pod],
        _node_name(state, node),
        lost_s,
        noticed_s,
        known_s - lost_s,
        evicted_s,
        state.pod_names[successor] if successor != PENDING else "",
        _node_name(state, new_node),
        float(state.pod_created_s[successor]) if new else None,
        _bound_s(timeline, successor) if new else None,
        serving_s,
        until_s - lost_s,
        outcome,
        cause.word,
        cause.why,
    )


def _outcome(
    state: ClusterState,
    causes: Causes,
    pod: int,
    successor: int,
    serving_s: float | None,
    node: int,
    new_node: int,
) -> tuple[str, Cause]:
    """How it ended, and what held it where it was."""
    if serving_s is None:
        outcome = "stuck" if successor == PENDING else "Pending" if new_node == PENDING else "not ready yet"
        return outcome, causes.of_pod(pod if successor == PENDING else successor)
    if new_node != node:
        return "moved", NO_CAUSE
    tied = pinned(state, pod)
    if successor == pod:
        return "back in place", tied if tied.word else stays(state, pod)
    return "recreated in place", tied


class _Successors:
    """Pods in the order of their creation, by the place they are made for."""

    def __init__(self, state: ClusterState):
        self.state, self.root = state, roots(state)
        self.rows: dict[tuple[int, int], list[int]] = defaultdict(list)
        self.taken: set[int] = set()
        for pod in range(len(state.pod_names)):
            self.rows[self._place(pod)].append(pod)

    def _place(self, pod: int) -> tuple[int, int]:
        """Pods of any ReplicaSet of a Deployment follow each other, else those of one owner and ordinal."""
        root, owner = int(self.root[pod]), int(self.state.pod_owner[pod])
        if root != owner and self.state.owners[owner].kind == "ReplicaSet":
            return root, NO_OWNER
        return owner, int(self.state.pod_ordinal[pod])

    def take(self, pod: int, lost_s: float) -> int:
        """The first pod made in the place of *pod* after its loss that no other loss has claimed; PENDING if none.

        One that a kubelet under pressure turned away took no place, unless no other came.
        """
        if self.root[pod] == NO_OWNER:
            return PENDING
        rows = self.rows[self._place(pod)]
        created_s, taken = self.state.pod_created_s, self.taken
        later = [row for row in rows[bisect_right(rows, pod) :] if created_s[row] >= lost_s and row not in taken]
        later = later or self._surge(pod, lost_s, rows)
        if not later:
            return PENDING
        row = next((row for row in later if not self._refused(row)), later[0])
        self.taken.add(row)
        return row

    def _surge(self, pod: int, lost_s: float, rows: list[int]) -> list[int]:
        """Pods of another template that a rollout made before it deleted *pod*."""
        state = self.state
        if state.pod_deleted_s[pod] != lost_s:
            return []
        newer = (row for row in rows[bisect_right(rows, pod) :] if row not in self.taken)
        return [row for row in newer if state.pod_template[row] != state.pod_template[pod]]

    def wanted(self, pod: int) -> bool:
        """Whether the place of a pod without a successor is still one at the end.

        It is none where the pod was deleted and its controller has all that it wants by now: it was scaled down, or
        the node of a DaemonSet's pod is deleted.
        """
        state, root = self.state, int(self.root[pod])
        if state.pod_active[pod] or root == NO_OWNER:
            return True
        held = state.owners[root]
        if held.kind == "DaemonSet":
            node = int(state.pod_node[pod])
            return not held.deleted and (node == PENDING or bool(state.node_exists[node]))
        if held.kind == "StatefulSet":
            return not held.deleted and int(state.pod_ordinal[pod]) < held.replicas
        if held.kind not in ("Deployment", "ReplicaSet"):
            return True
        return not held.deleted and int(np.count_nonzero(state.pod_active & (self.root == root))) < held.replicas

    def _refused(self, row: int) -> bool:
        """Whether a pod is over without ever having started."""
        return self.state.pod_phase[row] == PHASE_FAILED and bool(np.isnan(self.state.pod_started_s[row]))


def _bound_s(timeline: Timeline, pod: int) -> float | None:
    times, nodes = timeline.changes("pod_node").of(pod)
    bound = times[nodes != PENDING]
    return float(bound[0]) if len(bound) else None


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


def _serves(timeline: Timeline, row: int, after_s: float) -> float | None:
    """The same, or *after_s* itself where it did already."""
    already = all(at(*timeline.changes(q).of(row), np.array([after_s]), 0)[0] > 0 for q in ("pod_serving", "pod_ready"))
    return after_s if already else _answers(timeline, row, after_s)


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
