"""Disks that were full in a run: how long, and what each program on them did until there was room again."""

import numpy as np

from gxsim.controllers.no_space import software_of
from gxsim.controllers.writable import writable
from gxsim.observe.table import Table
from gxsim.state import ClusterState
from gxsim.timeline import Timeline

COLUMNS = ("node", "from_s", "to_s", "pod", "software", "at_full", "what", "back_s")


def full_disks(state: ClusterState, timeline: Timeline) -> Table:
    """One row per stretch in which a disk was full and program on it that had to write something.

    ``to_s`` is absent where there was no room by the horizon. ``at_full`` is what the program did: it ends, refuses
    writes, or drops what it is sent. ``back_s`` is when a pod of that name did its work again; absent if not by then.
    """
    rows = []
    for node, name in enumerate(timeline.node_names):
        windows = writable(timeline, name)
        for from_s, to_s in zip(windows[:, 1], np.append(windows[1:, 0], np.inf), strict=True):
            if not np.isfinite(from_s):
                continue
            until = float(to_s) if np.isfinite(to_s) else None
            for pod in _there(timeline, node, float(from_s)):
                kind = software_of(state.templates[state.pod_template[pod]])
                if kind.at_full != "runs":
                    back_s = _back_s(state, timeline, pod, until)
                    rows.append(
                        (name, float(from_s), until, state.pod_key(pod), kind.name, kind.at_full, kind.what, back_s)
                    )
    about = "Programs on disks on which nothing could be written: what they did, and when they worked again"
    return Table.of("full_disks", about, COLUMNS, rows)


def _there(timeline: Timeline, node: int, time_s: float) -> list[int]:
    """Pods that ran on *node* just before *time_s*."""
    before = np.nextafter(time_s, 0.0)
    ran = timeline.at("pod_serving", before).astype(bool) & (timeline.at("pod_node", before) == node)
    return np.flatnonzero(ran).tolist()


def _back_s(state: ClusterState, timeline: Timeline, pod: int, until_s: float | None) -> float | None:
    """The first moment from *until_s* on at which a pod of that name answers."""
    if until_s is None:
        return None
    key = state.pod_key(pod)
    same = [row for row in range(len(state.pod_names)) if state.pod_names[row] == state.pod_names[pod]]
    same = [row for row in same if state.pod_key(row) == key]
    if timeline.at("pod_serving", until_s)[same].any():
        return until_s
    serving = timeline.changes("pod_serving")
    later = np.isin(serving.rows, same) & (serving.values > 0) & (serving.times_s > until_s)
    return float(serving.times_s[later][0]) if later.any() else None
