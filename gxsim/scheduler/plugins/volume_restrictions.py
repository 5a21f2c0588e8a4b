"""VolumeRestrictions: disks that only one pod may write, and claims that only one pod may use."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gxsim.model.pod import PodTemplate
from gxsim.scheduler.demand import Demand, Situation
from gxsim.scheduler.ledger import Addend, Ledger, Tally
from gxsim.scheduler.nodes import NodeTable
from gxsim.scheduler.status import UNRESOLVABLE, UNSCHEDULABLE, Refusal, Rows, Verdict, first_of

Source = Mapping[str, Any]
_DISKS = ("gcePersistentDisk", "awsElasticBlockStore", "iscsi", "rbd")
_EXCLUSIVE = "ReadWriteOncePod"


class Conflicts(Tally):
    """Per node, the pods that hold a disk the template wants; anywhere, those that use one of its exclusive claims."""

    def __init__(self, nodes: NodeTable, ledger: Ledger, template: PodTemplate, exclusive: frozenset[str]):
        self._disks = [v for v in template.volumes if any(kind in v for kind in _DISKS)]
        self._namespace = template.namespace
        self._exclusive = exclusive
        self._on_node = np.zeros(nodes.count + 1, np.int64)
        self.disks = self._on_node[:-1]  # (nodes,)
        self._nodes = np.arange(nodes.count)
        self._in_use = np.zeros(2, np.int64)
        super().__init__(ledger, self._collides)

    @property
    def claims_in_use(self) -> bool:
        return bool(self._in_use[0])

    def _collides(self, other: PodTemplate) -> Iterator[Addend]:
        if any(same_disk(mine, theirs) for mine in self._disks for theirs in other.volumes):
            yield Addend(self._on_node, self._nodes, 1)
        if other.namespace == self._namespace:
            shared = self._exclusive.intersection(other.claims)
            if shared:
                yield Addend(self._in_use, np.zeros_like(self._nodes), len(shared))


class VolumeRestrictions:
    name = "VolumeRestrictions"
    counts = True

    def __init__(self, nodes: NodeTable, ledger: Ledger):
        self._nodes = nodes
        self._ledger = ledger

    def reject(self, template: PodTemplate) -> Refusal | None:
        """Refuse a pod whose claim does not exist."""
        for name in template.claims:
            if f"{template.namespace}/{name}" not in self._nodes.state.storage.claims:
                return Refusal(self.name, UNRESOLVABLE, (f'persistentvolumeclaim "{name}" not found',))
        return None

    def prepare(self, demand: Demand) -> Conflicts | None:
        template, claims = demand.template, self._nodes.state.storage.claims
        exclusive = frozenset(
            name
            for name in template.claims
            if (claim := claims.get(f"{template.namespace}/{name}")) and _EXCLUSIVE in claim.access_modes
        )
        if not exclusive and not any(kind in volume for volume in template.volumes for kind in _DISKS):
            return None
        return Conflicts(self._nodes, self._ledger, template, exclusive)

    def refuse(self, demand: Demand, rows: Rows, situation: Situation) -> Verdict | None:
        conflicts: Conflicts = demand.prepared[self.name]
        disk = Refusal(self.name, UNSCHEDULABLE, ("node(s) had no available disk",))
        claim = Refusal(
            self.name,
            UNSCHEDULABLE,
            (
                "node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access mode already in-use by "
                "another pod",
            ),
        )
        on_node: NDArray[np.bool_] = conflicts.disks[rows] > 0
        return first_of({disk: on_node, claim: np.full(len(on_node), conflicts.claims_in_use)})


def same_disk(left: Source, right: Source) -> bool:
    """Whether two volume sources are one disk that both may not mount; two read-only mounts may, except of EBS."""
    return any(kind in left and kind in right and _SAME[kind](left[kind], right[kind]) for kind in _DISKS)


def _both_read(left: Source, right: Source) -> bool:
    return bool(left.get("readOnly") and right.get("readOnly"))


def _same_rbd(left: Source, right: Source) -> bool:
    monitors = set(left.get("monitors") or ()) & set(right.get("monitors") or ())
    place = [(s.get("pool") or "rbd", s.get("image")) for s in (left, right)]
    return bool(monitors) and place[0] == place[1] and not _both_read(left, right)


_SAME = {
    "gcePersistentDisk": lambda a, b: a["pdName"] == b["pdName"] and not _both_read(a, b),
    "awsElasticBlockStore": lambda a, b: a["volumeID"] == b["volumeID"],
    "iscsi": lambda a, b: a["iqn"] == b["iqn"] and not _both_read(a, b),
    "rbd": _same_rbd,
}
