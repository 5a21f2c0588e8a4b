"""Who belongs to a consensus group of a model, and when each member was up."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gxsim.kernels.intervals import at, combine
from gxsim.model.model import ConsensusGroup
from gxsim.state import PENDING, ClusterState
from gxsim.state.degradation import OUTSIDE
from gxsim.timeline import Timeline

OF_PODS = ("pod_serving", "pod_running", "pod_stalled", "pod_node")


@dataclass(frozen=True, slots=True, kw_only=True)
class Members:
    """A group's voters, a fixed set, over time: all but ``group`` and ``names`` are (changes, members).

    From ``times_s`` on a member is ``running`` while its process runs, and ``up`` while it can be reached as well; a
    server's process ends while it cannot write. ``node`` is where it is or last was, PENDING for one that was never
    placed, ``pod`` the row of its pod, OUTSIDE for one that is or had none. Pods of a StatefulSet are members whether
    they have been made or not.
    """

    group: ConsensusGroup
    names: tuple[str, ...]
    times_s: NDArray
    up: NDArray
    running: NDArray
    node: NDArray
    pod: NDArray


def members(state: ClusterState, timeline: Timeline, group: ConsensusGroup) -> Members:
    """The pods (by name) or nodes that the group's selector matches; none is no error."""
    return _pods(state, timeline, group) if group.namespace else _nodes(state, timeline, group)


def member_pods(state: ClusterState, group: ConsensusGroup) -> NDArray[np.bool_]:
    """(pods,) True for every incarnation of a member pod."""
    wanted = group.pod_selector.items()
    matches = [t.namespace == group.namespace and wanted <= t.labels.items() for t in state.templates]
    return np.array([*matches, False])[state.pod_template]


def member_nodes(state: ClusterState, group: ConsensusGroup) -> list[int]:
    """Positions of the nodes that carry the group's labels."""
    wanted = group.node_selector.items()
    return [i for i, node in enumerate(state.nodes) if wanted <= node.labels.items()]


def voter_names(state: ClusterState, group: ConsensusGroup, rows: NDArray) -> set[str]:
    """Names of the group's pods: those of its StatefulSets, whether made or not, and those of *rows*."""
    return {state.pod_names[row] for row in rows} | _wanted(state, group)


def _pods(state: ClusterState, timeline: Timeline, group: ConsensusGroup) -> Members:
    rows_of = np.flatnonzero(member_pods(state, group))
    names = sorted(voter_names(state, group, rows_of))
    mine = np.zeros(len(state.pod_names), bool)
    mine[rows_of] = True
    changes = [timeline.changes(quantity) for quantity in OF_PODS]
    picked = [(c.times_s[mine[c.rows]], c.rows[mine[c.rows]], c.values[mine[c.rows]]) for c in changes]
    times_s, rows, values = combine(picked, [0, 0, 0, PENDING])
    grid = np.unique(np.concatenate([[0.0], times_s]))
    up, running = np.zeros((2, len(grid), len(names)), bool)
    node, pod = np.full((len(grid), len(names)), PENDING), np.full((len(grid), len(names)), OUTSIDE)
    for row in rows_of:  # later incarnations of a name come later
        points, member = rows == row, names.index(state.pod_names[row])
        if not points.any():
            continue  # bound nowhere during the whole run
        last = np.searchsorted(times_s[points], grid, side="right") - 1
        serving, runs, stalled, where = np.where(last[:, None] >= 0, values[points][last], [0, 0, 0, PENDING]).T
        up[:, member] |= serving > 0
        running[:, member] |= (runs > 0) & (stalled == 0)
        node[:, member] = np.where(where != PENDING, where, node[:, member])
        pod[:, member] = np.where(where != PENDING, row, pod[:, member])
    return Members(group=group, names=tuple(names), times_s=grid, up=up, running=running, node=node, pod=pod)


def _wanted(state: ClusterState, group: ConsensusGroup) -> set[str]:
    """Names of the pods that the group's StatefulSets want."""
    labels = group.pod_selector.items()
    return {
        f"{owner.name}-{ordinal}"
        for owner in state.owners
        if owner.kind == "StatefulSet" and owner.namespace == group.namespace
        if labels <= owner.template.labels.items()
        for ordinal in range(owner.replicas)
    }


def _nodes(state: ClusterState, timeline: Timeline, group: ConsensusGroup) -> Members:
    nodes = member_nodes(state, group)
    down = timeline.changes("node_down")
    names = tuple(state.nodes[node].name for node in nodes)
    servers = [timeline.levels(f"server/{name}") for name in names]  # whose etcd can write
    cut_off = [timeline.levels(f"cut_off/{name}") for name in names]
    changes_s = [times_s for times_s, _ in (*servers, *cut_off)]
    grid = np.unique(np.concatenate([[0.0], down.times_s[np.isin(down.rows, nodes)], *changes_s]))
    up, running = np.ones((2, len(grid), len(nodes)), bool)
    for member, node in enumerate(nodes):
        faults, writes = at(*down.of(node), grid), at(*servers[member], grid, 1) > 0
        up[:, member] = (faults == 0) & writes
        running[:, member] = (faults == at(*cut_off[member], grid)) & writes  # to be cut off counts as one fault
    return Members(
        group=group,
        names=names,
        times_s=grid,
        up=up,
        running=running,
        node=np.tile(np.array(nodes, np.int64), (len(grid), 1)),
        pod=np.full((len(grid), len(nodes)), OUTSIDE),
    )
