"""Stores that go on answering reads while their disk is full, and refuse what is written."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from gxsim.controllers.no_space import software_of
from gxsim.controllers.writable import writable
from gxsim.kernels.uptime import Windows
from gxsim.state import ClusterState
from gxsim.state.degradation import OUTSIDE
from gxsim.timeline import Timeline
from gxsim.traffic.endpoints import Lanes


def room_of(state: ClusterState, timeline: Timeline, lanes: Lanes) -> Mapping[int, Windows]:
    """When each lane took writes, for those of stores that refuse them at some time; every other lane always does.

    A store that ends at its first failed write has no lane then (``controllers.no_space``).
    """
    found: dict[int, Windows] = {}
    for lane, (pod, node) in enumerate(zip(lanes.pod.tolist(), lanes.node.tolist(), strict=True)):
        if pod == OUTSIDE or software_of(state.templates[state.pod_template[pod]]).at_full != "refuses":
            continue
        windows = writable(timeline, timeline.node_names[node])
        if not bool(np.isinf(windows).all()):
            found[lane] = windows
    return found


def refused(room: Mapping[int, Windows], lane: NDArray, at_s: NDArray) -> NDArray[np.bool_]:
    """(writes,) True for those that come to a store, each in its lane, while it takes none."""
    found = np.zeros(len(lane), bool)
    for one, windows in room.items():
        mine = np.flatnonzero(lane == one)
        place = np.searchsorted(windows[:, 0], at_s[mine], side="right") - 1
        found[mine] = (place < 0) | (at_s[mine] >= np.append(windows[:, 1], -np.inf)[place])
    return found


def changes_s(room: Mapping[int, Windows]) -> NDArray:
    """When a store began to refuse writes, or to take them again."""
    edges = np.concatenate([np.empty(0), *(windows.ravel() for windows in room.values())])
    return np.unique(edges[np.isfinite(edges)])
