"""Claims that wait for their first consumer: which volume each would get on which node, and binding them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gxsim.model.cluster import Claim, StorageClass, Volume
from gxsim.model.selectors import NodeSelector, NodeSelectorTerm, Requirement
from gxsim.scheduler.nodes import HOSTNAME, NodeTable
from gxsim.state import ClusterState

NO_PROVISIONER = ("", "kubernetes.io/no-provisioner")
_ZONE = "topology.kubernetes.io/zone"
# Where a provisioner's volumes can be reached from, by the end of its name. Others, such as rancher.io/local-path,
# are taken to be tied to the node: the cautious reading of WaitForFirstConsumer.
_EVERYWHERE = ("nfs.csi.k8s.io", "rbd.csi.ceph.com", "cephfs.csi.ceph.com", "driver.longhorn.io", "efs.csi.aws.com")
_ZONAL = ("ebs.csi.aws.com", "pd.csi.storage.gke.io", "disk.csi.azure.com", "cinder.csi.openstack.org")


class PodVolumes(NamedTuple):
    """What binding a pod to one node would do to its claims: *matched* claims get a volume, the others a new one."""

    matched: tuple[tuple[Claim, Volume], ...] = ()
    provisioned: tuple[Claim, ...] = ()


@dataclass(frozen=True, slots=True)
class Choice:
    """One claim over all nodes: ``chosen`` (nodes,) points into ``volumes``; −1 where none matches."""

    claim: Claim
    volumes: tuple[Volume, ...]
    chosen: NDArray[np.intp]


class VolumeFinder:
    """Matches claims to volumes and checks whether new ones could be made, for all nodes at once."""

    def __init__(self, nodes: NodeTable):
        self._nodes = nodes
        self._state = nodes.state
        cluster = nodes.state.cluster
        self.classes = {c.name: c for c in cluster.storage_classes}
        self._tracking = {d.name for d in cluster.csi_drivers if d.storage_capacity}

    def delays(self, claim: Claim) -> bool:
        """Whether *claim* waits for its first consumer."""
        storage_class = self.classes.get(claim.storage_class or "")
        return storage_class is not None and storage_class.binding_mode == "WaitForFirstConsumer"

    def reaches(self, volume: Volume) -> NDArray[np.bool_]:
        """(nodes,) True where the volume's node affinity allows it."""
        if volume.node_affinity is None:
            return np.ones(self._nodes.count, bool)
        return self._nodes.selected_by(volume.node_affinity)

    def match(self, claims: Sequence[Claim]) -> list[Choice]:
        """The smallest fitting volume for each claim, smaller claims first; no volume twice on one node."""
        taken: dict[str, NDArray[np.bool_]] = {}
        choices = []
        for claim in sorted(claims, key=lambda c: c.size_bytes):
            choice = self._match(claim, taken)
            for number in np.unique(choice.chosen[choice.chosen >= 0]).tolist():
                name = choice.volumes[number].name
                used = choice.chosen == number
                taken[name] = taken[name] | used if name in taken else used
            choices.append(choice)
        return choices

    def _match(self, claim: Claim, taken: dict[str, NDArray[np.bool_]]) -> Choice:
        chosen = np.full(self._nodes.count, -1, np.intp)
        fitting = [v for v in self._state.storage.volumes.values() if _could_serve(v, claim)]
        fitting.sort(key=lambda v: (v.size_bytes, v.name))
        for number, volume in enumerate(fitting):
            free = self.reaches(volume)
            if volume.name in taken:
                free = free & ~taken[volume.name]
            if volume.claim:  # reserved for this very claim: this one or none
                return Choice(claim, tuple(fitting), np.where(free, number, -1))
            if volume.phase == "Available":
                chosen[free & (chosen < 0)] = number
        return Choice(claim, tuple(fitting), chosen)

    def provisions(self, claim: Claim) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """(nodes,) True where a volume could be made for *claim*, and where there is room for it."""
        nowhere, everywhere = np.zeros(self._nodes.count, bool), np.ones(self._nodes.count, bool)
        storage_class = self.classes.get(claim.storage_class or "")
        if storage_class is None or storage_class.provisioner in NO_PROVISIONER:
            return nowhere, everywhere
        topologies = storage_class.allowed_topologies
        allowed = everywhere if topologies is None else self._nodes.selected_by(topologies)
        if storage_class.provisioner not in self._tracking:
            return allowed, everywhere
        return allowed, self._room(claim, storage_class)

    def _room(self, claim: Claim, storage_class: StorageClass) -> NDArray[np.bool_]:
        room = np.zeros(self._nodes.count, bool)
        for capacity in self._state.cluster.csi_storage_capacities:
            if (
                capacity.storage_class == storage_class.name
                and capacity.node_topology is not None
                and capacity.limit_bytes is not None
                and capacity.limit_bytes >= claim.size_bytes
            ):
                room |= self._nodes.selected_by(NodeSelector((NodeSelectorTerm(capacity.node_topology.requirements),)))
        return room


def bind_volumes(state: ClusterState, volumes: PodVolumes, node: int) -> None:
    """Give each claim its volume: matched ones are bound, the others are made on *node* and bound."""
    for claim, volume in volumes.matched:
        state.storage.put_volume(replace(volume, claim=claim.key, claim_uid=claim.uid, phase="Bound"))
        state.storage.put_claim(replace(claim, volume=volume.name, bound=True))
    for claim in volumes.provisioned:
        volume = provisioned_volume(state, claim, node)
        state.storage.put_volume(volume)
        state.storage.put_claim(replace(claim, volume=volume.name, bound=True, selected_node=state.nodes[node].name))


def provisioned_volume(state: ClusterState, claim: Claim, node: int) -> Volume:
    """The volume a provisioner makes for *claim* when its pod goes to *node*."""
    storage_class = next(c for c in state.cluster.storage_classes if c.name == claim.storage_class)
    return Volume(
        name=f"pvc-{claim.uid or f'{claim.namespace}-{claim.name}'}",
        storage_class=storage_class.name,
        size_bytes=claim.size_bytes,
        access_modes=claim.access_modes,
        node_affinity=_reach(state, storage_class, node),
        claim=claim.key,
        claim_uid=claim.uid,
        phase="Bound",
        volume_mode=claim.volume_mode,
        reclaim_policy=storage_class.reclaim_policy,
    )


def _reach(state: ClusterState, storage_class: StorageClass, node: int) -> NodeSelector | None:
    """Node affinity of a new volume: none, the node's zone, or the node itself."""
    if storage_class.provisioner.endswith(_EVERYWHERE):
        return None
    labels = state.nodes[node].labels
    key = _ZONE if storage_class.provisioner.endswith(_ZONAL) and _ZONE in labels else HOSTNAME
    value = labels.get(key, state.nodes[node].name)
    return NodeSelector((NodeSelectorTerm((Requirement(key, "In", (value,)),)),))


def _could_serve(volume: Volume, claim: Claim) -> bool:
    """Whether *volume* is big enough and of the right sort, and free or reserved for *claim*."""
    if volume.size_bytes < claim.size_bytes or volume.volume_mode != claim.volume_mode:
        return False
    if volume.claim:
        return volume.claim == claim.key and volume.claim_uid in ("", claim.uid)
    return (
        volume.storage_class == (claim.storage_class or "")
        and (claim.selector is None or claim.selector.matches(volume.labels))
        and set(claim.access_modes) <= set(volume.access_modes)
    )
