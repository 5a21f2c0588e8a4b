"""How people call what the state's rows stand for."""

from gxsim.state.cluster_state import ClusterState
from gxsim.state.columns import NO_OWNER


def owner_name(state: ClusterState, pod: int) -> str:
    """The workload a pod belongs to: the Deployment above its ReplicaSet; its own name for a bare pod."""
    owner = int(state.pod_owner[pod])
    if owner == NO_OWNER:
        return state.pod_names[pod]
    while state.owners[owner].parent != NO_OWNER:
        owner = state.owners[owner].parent
    return state.owners[owner].name
