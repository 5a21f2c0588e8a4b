"""How people call what the state's rows stand for."""

import numpy as np
from numpy.typing import NDArray

from gxsim.state.cluster_state import ClusterState
from gxsim.state.columns import NO_OWNER


def root_of(state: ClusterState, pod: int) -> int:
    """The topmost owner of a pod, the Deployment above its ReplicaSet; NO_OWNER for a bare pod."""
    owner = int(state.pod_owner[pod])
    while owner != NO_OWNER and state.owners[owner].parent != NO_OWNER:
        owner = state.owners[owner].parent
    return owner


def roots(state: ClusterState) -> NDArray[np.int64]:
    """(pods,) the topmost owner of each pod, or NO_OWNER."""
    top = np.arange(len(state.owners) + 1)
    for index, owner in enumerate(state.owners):
        top[index] = index if owner.parent == NO_OWNER else top[owner.parent]
    top[-1] = NO_OWNER
    return top[state.pod_owner]


def owner_name(state: ClusterState, pod: int) -> str:
    """The workload a pod belongs to: the Deployment above its ReplicaSet; its own name for a bare pod."""
    owner = root_of(state, pod)
    return state.pod_names[pod] if owner == NO_OWNER else state.owners[owner].name


def workload_of(state: ClusterState, pod: int) -> str:
    """``namespace/name`` of the workload a pod belongs to."""
    return f"{state.templates[state.pod_template[pod]].namespace}/{owner_name(state, pod)}"


def kind_of(state: ClusterState, pod: int) -> str:
    """The kind of the workload a pod belongs to; Pod for a bare one."""
    owner = root_of(state, pod)
    return "Pod" if owner == NO_OWNER else state.owners[owner].kind
