"""PrioritySort: the order of the scheduling queue."""

from collections.abc import Iterable

from gxsim.state import ClusterState

NAME = "PrioritySort"


def queue_key(state: ClusterState, pod: int) -> tuple[int, float, int]:
    """Sorts pods by descending priority, then by creation, then by row."""
    return (-state.templates[state.pod_template[pod]].priority, float(state.pod_created_s[pod]), pod)


def sorted_queue(state: ClusterState, pods: Iterable[int]) -> list[int]:
    """*pods* in the order the scheduler takes them."""
    return sorted(pods, key=lambda pod: queue_key(state, pod))
