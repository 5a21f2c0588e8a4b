"""What the model says pods and hosts use, by row."""

import numpy as np
from numpy.typing import NDArray

from gxsim.model.model import Model, Usage, host_usage_of, usage_of
from gxsim.state.cluster_state import ClusterState
from gxsim.state.names import owner_name


def pod_usage(state: ClusterState, usage: tuple[Usage, ...]) -> NDArray:
    """(pods, 2) cpu and memory each pod uses while it runs, by the first entry that matches; 0 where none does."""
    used = np.zeros((len(state.pod_names), 2), np.int64)
    known: dict[tuple[str, str], tuple[int, int]] = {}
    for pod in range(len(state.pod_names)):
        namespace = state.templates[state.pod_template[pod]].namespace
        key = (namespace, owner_name(state, pod))
        if key not in known:
            entry = usage_of(usage, *key)
            known[key] = (0, 0) if entry is None else (entry.cpu_milli, entry.memory_bytes)
        used[pod] = known[key]
    return used


def host_usage(state: ClusterState, model: Model) -> NDArray:
    """(nodes, 2) cpu and memory each node uses outside pods, by the first entry whose labels match."""
    used = np.zeros((len(state.nodes), 2), np.int64)
    for index, node in enumerate(state.nodes):
        entry = host_usage_of(model.host_usage, node.labels)
        if entry is not None:
            used[index] = entry.cpu_milli, entry.memory_bytes
    return used
