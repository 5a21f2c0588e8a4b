"""Every subset of a group's members, or of their nodes, that may be lost, and what is left."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gxsim.errors import ScenarioError
from gxsim.kernels.quorum import has_quorum, tolerated_members, tolerated_nodes

MOST = 16  # members or nodes whose subsets are listed: 65 536 rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Subsets:
    """(subsets,) what the loss of each leaves; ``lost`` is (subsets, members), ``nodes_lost`` (subsets, nodes).

    ``up`` counts the members that are left. ``tolerates_*``: further members or nodes, whichever they are, that may be
    lost then; -1 without quorum.
    """

    lost: NDArray
    nodes_lost: NDArray
    up: NDArray
    quorum: NDArray
    tolerates_members: NDArray
    tolerates_nodes: NDArray


def member_subsets(node: NDArray, up: NDArray) -> Subsets:
    """Every subset of the members; *node* is (members,) where each is, *up* which of them run, being lost or not."""
    return _judged(_all_subsets(len(node)), node, up)


def node_subsets(node: NDArray, up: NDArray) -> Subsets:
    """Every subset of the nodes that carry members, with all members on them; one on no node (-1) is never lost."""
    nodes, where = np.unique(node[node >= 0], return_inverse=True)
    lost = np.zeros((2 ** len(nodes), len(node)), bool)
    lost[:, node >= 0] = _all_subsets(len(nodes))[:, where]
    return _judged(lost, node, up)


def _all_subsets(count: int) -> NDArray:
    """(2 ** count, count) bool, by size and then by position."""
    if count > MOST:
        raise ScenarioError("consensusGroups", f"{count} members have too many subsets; at most {MOST} can be listed")
    every = (np.arange(2**count)[:, None] >> np.arange(count)) & 1 == 1
    return every[np.lexsort((*-every.T[::-1].astype(int), every.sum(axis=1)))]


def _judged(lost: NDArray, node: NDArray, up: NDArray) -> Subsets:
    left = up & ~lost
    nodes = np.unique(node[node >= 0])
    by_node, lost_on = (np.stack([of[:, node == i].sum(axis=1) for i in nodes], axis=1) for of in (left, lost))
    return Subsets(
        lost=lost,
        nodes_lost=lost_on == [np.count_nonzero(node == i) for i in nodes],
        up=left.sum(axis=1),
        quorum=has_quorum(left),
        tolerates_members=tolerated_members(left),
        tolerates_nodes=tolerated_nodes(by_node, lost.shape[1]),
    )
