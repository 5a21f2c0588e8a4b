"""Consensus groups over time: members up, quorum, and how many further losses each group survives."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gxsim.consensus.members import Members, members
from gxsim.kernels.quorum import majority, tolerated_members, tolerated_nodes
from gxsim.model.model import ConsensusGroup
from gxsim.observe.table import Table
from gxsim.state import ClusterState
from gxsim.timeline import Timeline


@dataclass(frozen=True, slots=True, kw_only=True)
class QuorumSeries:
    """One group's voters over time; ``up`` is (changes,) and ``up_by_node`` is (changes, nodes).

    Voters are a fixed set: the pods (by name) that matching StatefulSets want and that match besides, or the nodes. A
    voter whose pod admission refused counts as down. Each member counts as up while its process runs and its node is
    reachable; an election's own gap is not in here.
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
    """The members of each of *groups* over the run; a group that matches nothing has no voters and is left out."""
    found = [members(state, timeline, group) for group in groups]
    return [_series(one, len(state.nodes)) for one in found if one.names]


def _series(found: Members, nodes: int) -> QuorumSeries:
    by_node = np.zeros((len(found.times_s), nodes), np.int64)
    moment, member = np.nonzero(found.up)
    np.add.at(by_node, (moment, found.node[moment, member]), 1)
    return QuorumSeries(
        name=found.group.name,
        voters=len(found.names),
        times_s=found.times_s,
        up=found.up.sum(axis=1),
        up_by_node=by_node,
    )


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
