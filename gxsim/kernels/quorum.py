"""Majorities, and how many further losses one survives."""

import numpy as np
from numpy.typing import NDArray


def majority(voters: NDArray | int) -> NDArray | int:
    """The least number of voters that is more than half of *voters*."""
    return voters // 2 + 1


def has_quorum(up: NDArray) -> NDArray:
    """Whether a majority of voters is up; *up* is (..., voters) bool."""
    return up.sum(axis=-1) > up.shape[-1] // 2


def tolerated_members(up: NDArray) -> NDArray:
    """Further members that may be lost, whichever they are, with quorum kept; -1 where it is lost already."""
    spare = up.sum(axis=-1) - majority(up.shape[-1])
    return np.maximum(spare, -1)


def tolerated_nodes(up_by_node: NDArray, voters: int) -> NDArray:
    """Further nodes that may be lost, whichever they are, with quorum kept; -1 where it is lost already.

    *up_by_node* is (..., nodes): members that are up on each node. The worst choice takes the fullest nodes first, so
    sorting decides it exactly.
    """
    fullest_first = -np.sort(-up_by_node, axis=-1)
    lost = np.cumsum(fullest_first, axis=-1)
    total = up_by_node.sum(axis=-1, keepdims=True)
    kept = (total - lost >= majority(voters)) & (total >= majority(voters))
    still = np.minimum.accumulate(kept, axis=-1) if kept.shape[-1] else kept
    return np.where(total[..., 0] >= majority(voters), still.sum(axis=-1), -1)
