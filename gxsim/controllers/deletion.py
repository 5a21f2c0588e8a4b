"""What comes of delete requests: for a pod (CheckGracefulDelete in pkg/registry/core/pod), and for a claim."""

from dataclasses import replace

from gxsim.state import PENDING, PHASE_RUNNING, ClusterState

RELEASED = "Released"


def delete_pod(state: ClusterState, pod: int, now: float, grace_s: float | None = None) -> None:
    """Delete *pod*: at once if it is bound nowhere, is over or has no grace; else the kubelet has to end it first."""
    if not state.pod_exists[pod]:
        return
    if state.pod_node[pod] == PENDING or state.pod_phase[pod] > PHASE_RUNNING or grace_s == 0:
        if not state.pod_terminating[pod]:
            state.terminate(pod, now, 0.0)
        state.delete(pod)
    elif not state.pod_terminating[pod] or grace_s is not None:
        state.terminate(pod, now, grace_s)


def delete_claim(state: ClusterState, key: str) -> None:
    """Delete the claim *key*; its volume is Released: bound to an object that is gone, and to no other of its name."""
    for volume in [v for v in state.storage.volumes.values() if v.claim == key]:
        state.storage.put_volume(replace(volume, phase=RELEASED, claim_uid=RELEASED))
    state.storage.delete_claim(key)
