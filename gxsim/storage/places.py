"""Where data lies: claims bound to a volume that one node holds, and the workloads whose pods use them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

import numpy as np
from numpy.typing import NDArray

from gxsim.controllers.disks import empty_dirs
from gxsim.model.storage import Backup, Growth
from gxsim.state import PENDING, ClusterState, owner_name


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A claim whose volume lies on one node; *ordinal* is that of its StatefulSet's pod, −1 for other pods."""

    claim: str
    namespace: str
    workload: str
    ordinal: int
    volume: str
    node: int
    size_bytes: int
    reclaim_policy: str
    expandable: bool

    def grows(self, growth: Growth) -> bool:
        """Whether the entry is about this place."""
        named = growth.namespace == self.namespace and fnmatchcase(self.workload, growth.workload)
        return named and growth.ordinal in (None, self.ordinal)

    def backups(self, backups: Sequence[Backup]) -> list[Backup]:
        """Those that save this place, the one that counts for a restore first."""
        return [b for b in backups if b.namespace == self.namespace and fnmatchcase(self.workload, b.workload)]


def places(state: ClusterState) -> list[Place]:
    """Every claim bound to a volume that a single node can reach, in the order of their names."""
    users = {key: (name, ordinal) for key, name, ordinal in _users(state)}
    expandable = {one.name for one in state.cluster.storage_classes if one.allow_volume_expansion}
    found = []
    for key in sorted(state.storage.claims):
        claim = state.storage.claims[key]
        volume = state.storage.volumes.get(claim.volume)
        affinity = volume.node_affinity if volume else None
        if volume is None or affinity is None:
            continue
        nodes = [i for i, node in enumerate(state.nodes) if affinity.matches(node.name, node.labels)]
        if len(nodes) != 1:
            continue
        workload, ordinal = users.get(key, ("", -1))
        found.append(
            Place(
                claim=key,
                namespace=claim.namespace,
                workload=workload,
                ordinal=ordinal,
                volume=volume.name,
                node=nodes[0],
                size_bytes=volume.size_bytes,
                reclaim_policy=volume.reclaim_policy,
                expandable=volume.storage_class in expandable,
            )
        )
    return found


def container_counts(state: ClusterState) -> NDArray[np.int64]:
    """(nodes,) containers of the pods bound to each node."""
    counts = np.zeros(len(state.nodes), np.int64)
    for pod in np.flatnonzero(state.pod_active & (state.pod_node != PENDING)):
        counts[state.pod_node[pod]] += len(state.templates[state.pod_template[pod]].containers)
    return counts


def empty_dir_counts(state: ClusterState) -> NDArray[np.int64]:
    """(nodes,) emptyDirs of the pods bound to each node."""
    counts = np.zeros(len(state.nodes), np.int64)
    for pod in np.flatnonzero(state.pod_active & (state.pod_node != PENDING)):
        counts[state.pod_node[pod]] += empty_dirs(state.templates[state.pod_template[pod]])
    return counts


def _users(state: ClusterState) -> Iterator[tuple[str, str, int]]:
    """Key of a claim, workload and ordinal of the pod that uses it; the last pod of a claim counts."""
    for pod in range(len(state.pod_names)):
        template = state.templates[state.pod_template[pod]]
        for name in template.claims:
            yield f"{template.namespace}/{name}", owner_name(state, pod), int(state.pod_ordinal[pod])
