"""Which side of a torn network lives: the one whose etcd members are a majority that a leader can reach."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Cut = tuple[frozenset[int], frozenset[int]]  # two sides, rows of nodes, that do not reach one another


def sides(cuts: Sequence[Cut], members: Sequence[int], up: NDArray[np.bool_]) -> tuple[frozenset[int], bool]:
    """Nodes cut off from the control plane, and whether it has a leader at all.

    A leader is a member that runs (*up*, (nodes,)) and directly reaches a majority of all *members*; of several the
    one that reaches most nodes. Without a leader, or without members on the nodes, the first side of each cut is the
    one that is cut off.
    """
    first = frozenset(node for side, _ in cuts for node in side)
    if not members or not cuts:
        return first, True
    reach = np.ones((len(up), len(up)), bool)
    for one, other in cuts:
        reach[np.ix_(sorted(one), sorted(other))] = reach[np.ix_(sorted(other), sorted(one))] = False
    leaders = [m for m in members if up[m] and np.count_nonzero(reach[m, members] & up[members]) > len(members) // 2]
    if not leaders:
        return first, False
    leader = max(leaders, key=lambda m: (int(np.count_nonzero(reach[m])), -m))
    return frozenset(np.flatnonzero(~reach[leader]).tolist()), True
