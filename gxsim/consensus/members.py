"""Who belongs to a consensus group of a model, and when each member was up."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gxsim.kernels.intervals import combine
from gxsim.model.model import ConsensusGroup
from gxsim.state import PENDING, ClusterState
from gxsim.timeline import Timeline


@dataclass(frozen=True, slots=True, kw_only=True)
class Members:
    """A group's voters, a fixed set, over time: ``up`` and ``node`` are (changes, members), from ``times_s`` on.

    A member is up while its process runs and its node is reachable; a server's ends while it cannot write. ``node`` is
    where it is or last was, PENDING for one that was never placed. Pods of a StatefulSet are members whether they have
    been made or not.
    """

    group: ConsensusGroup
    names: tuple[str, ...]
    times_s: NDArray
    up: NDArray
    node: NDArray


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
    changes = [timeline.changes("pod_serving"), timeline.changes("pod_node")]
    picked = [(c.times_s[mine[c.rows]], c.rows[mine[c.rows]], c.values[mine[c.rows]]) for c in changes]
    times_s, rows, values = combine(picked, [0, PENDING])
    grid = np.unique(np.concatenate([[0.0], times_s]))
    up = np.zeros((len(grid), len(names)), bool)
    node = np.full((len(grid), len(names)), PENDING)
    for row in rows_of:  # later incarnations of a name come later
        points, member = rows == row, names.index(state.pod_names[row])
        if not points.any():
            continue  # bound nowhere during the whole run
        at = np.searchsorted(times_s[points], grid, side="right") - 1
        serving = (at >= 0) & (values[points, 0][at] > 0)
        where = np.where(at >= 0, values[points, 1][at], PENDING).astype(np.int64)
        up[:, member] |= serving
        node[:, member] = np.where(where != PENDING, where, node[:, member])
    return Members(group=group, names=tuple(names), times_s=grid, up=up, node=node)


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
    mine = np.isin(down.rows, nodes)
    servers = [timeline.levels(f"server/{state.nodes[node].name}") for node in nodes]  # whose etcd can write
    grid = np.unique(np.concatenate([[0.0], down.times_s[mine], *(times_s for times_s, _ in servers)]))
    up = np.ones((len(grid), len(nodes)), bool)
    for member, node in enumerate(nodes):
        times_s, values = down.of(node)
        up[:, member] = np.append(values, 0)[np.searchsorted(times_s, grid, side="right") - 1] == 0
        times_s, values = servers[member]
        up[:, member] &= np.append(values, 1)[np.searchsorted(times_s, grid, side="right") - 1] > 0
    return Members(
        group=group,
        names=tuple(state.nodes[i].name for i in nodes),
        times_s=grid,
        up=up,
        node=np.tile(np.array(nodes, np.int64), (len(grid), 1)),
    )
