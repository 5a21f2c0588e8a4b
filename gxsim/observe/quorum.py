"""Consensus groups over time: members up, quorum, and how many further losses each group survives."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gxsim.kernels.intervals import combine
from gxsim.kernels.quorum import majority, tolerated_members, tolerated_nodes
from gxsim.model.model import ConsensusGroup
from gxsim.observe.table import Table
from gxsim.state import PENDING, ClusterState
from gxsim.timeline import Timeline


@dataclass(frozen=True, slots=True, kw_only=True)
class QuorumSeries:
    """One group's voters over time; ``up`` is (changes,) and ``up_by_node`` is (changes, nodes).

    Voters are a fixed set: the pods (by name) that matching StatefulSets want and that match besides, or the nodes. A
    voter whose pod admission refused counts as down.
    Each member counts as up while its process runs and its node is reachable; an election's own gap is not in here.
    """

    name: str
    voters: int
    times_s: NDArray
    up: NDArray
    up_by_node: NDArray

    @property
    def quorum(self) -> NDArray[np.bool_]:
        return self.up >= majority(self.voters)

    @property
    def tolerates_members(self) -> NDArray:
        """Further members, whichever they are, that may be lost; -1 without quorum."""
        voters = np.arange(self.voters) < self.up[:, None]
        return tolerated_members(voters)

    @property
    def tolerates_nodes(self) -> NDArray:
        """Further nodes, whichever they are, that may be lost; -1 without quorum."""
        return tolerated_nodes(self.up_by_node, self.voters)


def quorum_series(state: ClusterState, timeline: Timeline, groups: tuple[ConsensusGroup, ...]) -> list[QuorumSeries]:
    """The members of each of *groups* over the run; a group that matches nothing has 0 voters and is left out."""
    found = [_of_pods(state, timeline, g) if g.namespace else _of_nodes(state, timeline, g) for g in groups]
    return [series for series in found if series.voters]


def member_pods(state: ClusterState, group: ConsensusGroup) -> NDArray[np.bool_]:
    """(pods,) True for every incarnation of a member pod."""
    wanted = group.pod_selector.items()
    matches = [t.namespace == group.namespace and wanted <= t.labels.items() for t in state.templates]
    return np.array(matches, bool)[state.pod_template] if matches else np.zeros(0, bool)


def member_nodes(state: ClusterState, group: ConsensusGroup) -> list[int]:
    """Positions of the nodes that carry the group's labels."""
    wanted = group.node_selector.items()
    return [i for i, node in enumerate(state.nodes) if wanted <= node.labels.items()]


def voter_names(state: ClusterState, group: ConsensusGroup, rows: NDArray) -> set[str]:
    """Names of the group's pods: those of its StatefulSets, whether made or not, and others that match."""
    wanted = group.pod_selector.items()
    names = {state.pod_names[row] for row in rows}
    for owner in state.owners:
        matches = owner.namespace == group.namespace and wanted <= owner.template.labels.items()
        if matches and owner.kind == "StatefulSet":
            names |= {f"{owner.name}-{ordinal}" for ordinal in range(owner.replicas)}
    return names


def _of_pods(state: ClusterState, timeline: Timeline, group: ConsensusGroup) -> QuorumSeries:
    rows_of = np.flatnonzero(member_pods(state, group))
    serving, where = timeline.changes("pod_serving"), timeline.changes("pod_node")
    mine = np.zeros(len(state.pod_names), bool)
    mine[rows_of] = True
    times, rows, values = combine(
        [(c.times_s[mine[c.rows]], c.rows[mine[c.rows]], c.values[mine[c.rows]]) for c in (serving, where)],
        [0, PENDING],
    )
    grid = np.unique(np.concatenate([[0.0], times]))
    by_node = np.zeros((len(grid), len(state.nodes)), np.int64)
    for row in rows_of:
        points = rows == row
        if not points.any():
            continue  # bound nowhere during the whole run
        position = np.searchsorted(times[points], grid, side="right") - 1
        up = (position >= 0) & (values[points, 0][position] > 0)
        node = values[points, 1][position].astype(np.int64)
        by_node[np.flatnonzero(up), node[up]] += 1
    voters = len(voter_names(state, group, rows_of))
    return QuorumSeries(name=group.name, voters=voters, times_s=grid, up=by_node.sum(axis=1), up_by_node=by_node)


def _of_nodes(state: ClusterState, timeline: Timeline, group: ConsensusGroup) -> QuorumSeries:
    nodes = member_nodes(state, group)
    down = timeline.changes("node_down")
    grid = np.unique(np.concatenate([[0.0], down.times_s]))
    by_node = np.zeros((len(grid), len(state.nodes)), np.int64)
    for node in nodes:
        times, values = down.of(node)
        position = np.searchsorted(times, grid, side="right") - 1
        by_node[:, node] = np.append(values, 0)[position] == 0
    return QuorumSeries(name=group.name, voters=len(nodes), times_s=grid, up=by_node.sum(axis=1), up_by_node=by_node)


def quorum_intervals(series: list[QuorumSeries], horizon_s: float) -> Table:
    """One row per group and interval of equal membership."""
    rows = []
    for one in series:
        columns = np.column_stack([one.up, one.tolerates_members, one.tolerates_nodes])
        changed = np.ones(len(columns), bool)
        changed[1:] = (columns[1:] != columns[:-1]).any(axis=1)
        starts = one.times_s[changed]
        for start, end, (up, of_members, of_nodes) in zip(
            starts, [*starts[1:], horizon_s], columns[changed], strict=True
        ):
            needed = int(majority(one.voters))
            rows.append(
                (
                    one.name,
                    float(start),
                    float(end),
                    int(up),
                    one.voters,
                    needed,
                    bool(up >= needed),
                    int(of_members),
                    int(of_nodes),
                )
            )
    about = (
        "Members that are up in each consensus group, and how many further members or nodes (whichever they are) may "
        "be lost before quorum is; -1 where it is lost already"
    )
    names = (
        "group",
        "from_s",
        "to_s",
        "up",
        "voters",
        "needed",
        "quorum",
        "tolerates_members",
        "tolerates_nodes",
    )
    return Table.of("quorum", about, names, rows)
