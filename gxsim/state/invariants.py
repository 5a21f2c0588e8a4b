"""What must hold in every state."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gxsim.errors import InvariantError
from gxsim.state.columns import PENDING, PHASE_RUNNING

if TYPE_CHECKING:
    from gxsim.state.cluster_state import ClusterState


def check(state: ClusterState) -> None:
    """Raise InvariantError unless the columns of *state* agree with one another."""
    bound = state.pod_exists & (state.pod_node != PENDING) & (state.pod_phase <= PHASE_RUNNING)
    rows = state.pod_template[bound]
    for name, column, per_template in (
        ("requested", state.requested, state.template_requests),
        ("scored_requested", state.scored_requested, state.template_scored),
    ):
        total = np.zeros_like(column)
        np.add.at(total, state.pod_node[bound], per_template[rows])
        if not np.array_equal(total, column):
            raise InvariantError(f"{name} differs from the sum over bound pods")
    _never(state, state.pod_ready & (state.pod_phase != PHASE_RUNNING), "is Ready but not Running")
    _never(state, state.pod_running & (state.pod_node == PENDING), "runs but is bound nowhere")
    _never(state, state.pod_running & ~state.pod_exists, "runs but does not exist")
    _never(state, state.pod_stalled < 0, "has a negative count of stalls")
    if (state.node_down < 0).any() or (state.node_kubelet_down < 0).any():
        raise InvariantError("a node has a negative count of faults")


def _never(state: ClusterState, wrong: NDArray[np.bool_], what: str) -> None:
    if wrong.any():
        raise InvariantError(f"pod {state.pod_key(int(np.flatnonzero(wrong)[0]))} {what}")
