"""What a loss costs: how much data (RPO) and how long (RTO), over the moment at which it strikes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import combinations
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from gxsim.kernels.quorum import has_quorum
from gxsim.model.model import Model
from gxsim.model.storage import Backup, Store
from gxsim.state import PENDING, ClusterState
from gxsim.storage import databases
from gxsim.storage.drivers import Draws, Ends
from gxsim.storage.places import Place, places

Loss = Literal["pod crash", "node lost, disk kept", "claim deleted", "disk lost", "every disk lost"]
LOSSES: tuple[Loss, ...] = ("pod crash", "node lost, disk kept", "claim deleted", "disk lost", "every disk lost")
POD_RESTART_S = (1.0, 10.0)  # from a container's end until its process starts again: the first restart is at once
UNSTATED_REPAIR_S = (4 * 3600.0, 8 * 3600.0)  # where the model has no time to repair for a node or a disk


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """What one kind of loss costs one workload under one variant of its storage; arrays are (draws,).

    *lost_s* is how far back acknowledged writes are gone: inf where no copy is left and all is. *outage_s* lasts until
    the data is served again. *exposed_s* lasts until as many copies exist as before, when a second loss would meet one
    less.
    """

    namespace: str
    workload: str
    store: Store
    backup: str
    loss: Loss
    lost_s: NDArray
    outage_s: NDArray
    exposed_s: NDArray
    how: str

    @property
    def everything(self) -> bool:
        """Whether no copy is left."""
        return bool(np.isinf(self.lost_s).all())


def age_of_last_copy(moment_s: NDArray, every_s: float, copy_s: NDArray | float = 0.0) -> NDArray:
    """How far the last finished copy is behind at *moment_s*, when copies start at multiples of *every_s*.

    A copy holds what there was when it started and counts once it is finished, *copy_s* later. Over an even
    distribution of the moment the age is even between *copy_s* and *every_s* + *copy_s*; inf before the first.
    """
    last = np.floor((moment_s - copy_s) / every_s) * every_s
    return np.where(last >= 0, moment_s - last, np.inf)


def youngest(ages_s: NDArray) -> NDArray:
    """What is lost when every member of a group comes back from its own copy: the newest one has it for all.

    *ages_s* is (members, ...): members restored at different heights fetch what they lack from the highest. With copies
    at independent moments, so that ages are even up to T, n members lose T / (n + 1) on average.
    """
    return np.min(ages_s, axis=0)


def exposures(
    state: ClusterState, model: Model, draws: Draws | Ends, sizes_bytes: dict[str, float] | None = None
) -> list[Exposure]:
    """Every stateful workload with a Store entry, under each of its variants, for each kind of loss.

    *sizes_bytes* is the data of a claim, by which a restore takes longer; without it restores take what is documented.
    """
    found, held = [], places(state)
    for (namespace, workload), members in _workloads(held).items():
        for store in model.stores:
            if store.namespace == namespace and fnmatchcase(workload, store.workload):
                size = max((sizes_bytes or {}).get(place.claim, 0.0) for place in members)
                case = _Case(model, draws, store, members[0], size, elsewhere=_elsewhere(held, store))
                losses = LOSSES if store.replicas else LOSSES[:-1]  # the last is of all members of a group
                found += [case.exposure(namespace, workload, loss) for loss in losses]
    return found


def in_force(found: Sequence[Exposure], namespace: str, workload: str, loss: Loss) -> Exposure | None:
    """The exposure of a workload as it is run today."""
    matching = (
        one
        for one in found
        if (one.namespace, one.workload, one.loss) == (namespace, workload, loss) and one.store.in_force
    )
    return next(matching, None)


def _elsewhere(held: Sequence[Place], store: Store) -> bool:
    """Whether the replicas of a member lie on other nodes than it; of a variant not in force, whether they would."""
    if not store.replicas or not store.in_force:
        return bool(store.replicas)
    nodes = {p.node for p in held if p.namespace == store.namespace and fnmatchcase(p.workload, store.workload)}
    return len(nodes) > 1


class _Case:
    """One variant of one workload, and the draws that its losses share; *elsewhere*: a replica is on another node."""

    def __init__(
        self, model: Model, draws: Draws | Ends, store: Store, place: Place, size_bytes: float, *, elsewhere: bool
    ):
        self.model, self.draws, self.store, self.size_bytes = model, draws, store, size_bytes
        self.backup: Backup | None = next(iter(place.backups(model.backups)), None)
        self.reclaim_policy, self.elsewhere = place.reclaim_policy, elsewhere

    def exposure(self, namespace: str, workload: str, loss: Loss) -> Exposure:
        lost, outage, exposed, how = {
            "pod crash": self.pod_crash,
            "node lost, disk kept": self.node_lost,
            "claim deleted": self.claim_deleted,
            "disk lost": self.disk_lost,
            "every disk lost": self.every_disk_lost,
        }[loss]()
        return Exposure(
            namespace=namespace,
            workload=workload,
            store=self.store,
            backup=self.backup.name if self.backup else "",
            loss=loss,
            lost_s=lost,
            outage_s=outage,
            exposed_s=exposed,
            how=how,
        )

    def pod_crash(self) -> tuple[NDArray, NDArray, NDArray, str]:
        """The process is killed; the kubelet starts it again beside its data."""
        back = self.between("restart", POD_RESTART_S) + self.recovery()
        lost, how = self.kept_through("process", self.store.process_loss_s)
        if self.store.failover_s is not None and self.store.replica_lag_s[1] == 0 and self.store.replicas:
            served = np.minimum(back, self.between("failover", self.store.failover_s))
            return np.zeros(self.draws.paths), served, back, "another member serves meanwhile"
        return lost, back, back, how

    def node_lost(self) -> tuple[NDArray, NDArray, NDArray, str]:
        """The host is gone for as long as its repair takes; the disk returns with it."""
        back = self.repair("node") + self.recovery()
        if self.store.failover_s is not None and self.elsewhere:
            served = self.between("failover", self.store.failover_s)
            return self.between("replica lag", self.store.replica_lag_s), served, back, "a replica takes over"
        lost, how = self.kept_through("power", self.store.power_loss_s)
        return lost, back, back, f"{how}; the volume waits for its node"

    def claim_deleted(self) -> tuple[NDArray, NDArray, NDArray, str]:
        """Somebody deletes the claim of one member; with the reclaim policy Delete its data goes at once."""
        back = self.between("restart", POD_RESTART_S) + self.recovery()
        if self.reclaim_policy != "Delete":
            return np.zeros(self.draws.paths), back, back, "the volume is kept, and bound again by hand"
        restored = back + self.restore()
        if self.store.replicas:
            return self.from_replicas(restored)
        beside = self.backup is not None and self.backup.reserved_bytes is not None  # its space is a volume of its own
        return self.from_copies(restored, empty_s=back, beside=beside)

    def disk_lost(self) -> tuple[NDArray, NDArray, NDArray, str]:
        """The data of one member is gone for good."""
        restored = self.repair("disk") + self.restore()
        if self.elsewhere:
            return self.from_replicas(restored)
        lost, outage, exposed, how = self.from_copies(restored)
        return lost, outage, exposed, f"{how}; all members were on it" if self.store.replicas else how

    def every_disk_lost(self) -> tuple[NDArray, NDArray, NDArray, str]:
        """The data of all members is gone: each comes back from its own copy, at its own height."""
        restored = self.repair("disk") + self.restore()
        lost, outage, exposed, how = self.from_copies(restored)
        if self.store.archive_lag_s is None and not np.isinf(lost).all():
            ages = [self.age(f"moment of member {member}") for member in range(self.store.replicas + 1)]
            lost, how = youngest(np.array(ages)), f"{how}; the newest of {len(ages)} members' has it for all"
        return lost, outage, exposed, how

    def from_replicas(self, restored: NDArray) -> tuple[NDArray, NDArray, NDArray, str]:
        """What the other members have of the lost one's data, and how soon they serve it."""
        lag = self.between("replica lag", self.store.replica_lag_s)
        if self.store.failover_s is None:
            return lag, restored, restored, "rebuilt from a replica that nobody promotes"
        return lag, self.between("failover", self.store.failover_s), restored, "a replica takes over"

    def from_copies(
        self, restored: NDArray, *, empty_s: NDArray | None = None, beside: bool = False
    ) -> tuple[NDArray, NDArray, NDArray, str]:
        """What copies bring back, those *beside* the data too if they are left; *empty_s* until it starts without."""
        if self.store.archive_lag_s is not None:
            lag = self.between("archive lag", self.store.archive_lag_s)
            return lag, restored, restored, "base copy and archived log, off the node"
        if self.backup is not None and (self.backup.off_node or beside):
            return self.age(), restored, restored, f"last {self.backup.name}{'' if beside else ', off the node'}"
        why = f"{self.backup.name} copies lie on the same disk" if self.backup else "there is no copy"
        out = self.repair("disk") if empty_s is None else empty_s
        return np.full(self.draws.paths, np.inf), out, restored, f"everything is lost: {why}"

    def kept_through(self, kind: str, loss_s: tuple[float, float]) -> tuple[NDArray, str]:
        """What a crash loses of data whose disk survives."""
        if self.store.persistence == "snapshot":
            return self.age(), f"back to the last finished {self.backup.name}" if self.backup else "nothing is saved"
        how = "the newest writes are lost" if loss_s[1] else "the log is replayed"
        return self.between(f"{kind} loss", loss_s), how

    def age(self, moment: str = "moment") -> NDArray:
        """Age of the last finished copy when the loss may strike at any moment of the cycle; *moment* names it."""
        if self.backup is None:
            return np.full(self.draws.paths, np.inf)
        copy_s = self.between("copy", self.backup.copy_s)
        return copy_s + self.between(moment, (0.0, self.backup.every_s))

    def restore(self) -> NDArray:
        """How long it takes to bring the data back once there is a disk."""
        rate = self.store.restore_rate_bytes
        if rate is not None and self.size_bytes:
            return self.size_bytes * self.between("restore", (1 / rate[1], 1 / rate[0]))
        return self.between("restore", self.backup.restore_s) if self.backup else np.zeros(self.draws.paths)

    def recovery(self) -> NDArray:
        """From the start of the process until it answers; a database replays its log first."""
        taken = self.between("recovery", self.store.recovery_s)
        if self.store.wal_bytes is None:
            return taken
        wal = self.between("wal", self.store.wal_bytes)
        return taken + self.between("start", databases.START_S) + wal * self.between("replay", databases.REPLAY_S)

    def repair(self, target: str) -> NDArray:
        """How long a node or a disk is away."""
        stated = (rate.mttr_s for rate in self.model.failure_rates if rate.target == target)
        return self.between(f"{target} repair", next(stated, UNSTATED_REPAIR_S))

    def between(self, name: str, ends: tuple[float, float]) -> NDArray:
        """Draws that every workload and variant shares, so that variants differ by what they are alone."""
        return self.draws.between(f"protection/{name}", ends)


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondLoss:
    """The disks of two nodes, one failing while the other is being restored.

    *gone_together* are the data sets whose copies were on these two alone; what lay on one only is gone with it.
    *quorums* are the consensus groups left without a majority. *probability* is that of the one failing before
    everything of the other is back.
    """

    first: str
    second: str
    probability: float
    exposed_s: float
    gone_together: tuple[str, ...]
    gone_with_first: tuple[str, ...]
    gone_with_second: tuple[str, ...]
    quorums: tuple[str, ...]


def second_losses(state: ClusterState, model: Model, found: Sequence[Exposure]) -> list[SecondLoss]:
    """Each pair of nodes with volumes; none where the model has no failure rate of disks."""
    mtbf_s = next((rate.mtbf_s for rate in model.failure_rates if rate.target == "disk"), None)
    if mtbf_s is None:
        return []
    sets = _data_sets(places(state), found)
    voters = _voters(state, model)
    losses = []
    for pair in combinations(sorted({node for one in sets.values() for node in one.nodes}), 2):
        exposed = max(float(np.quantile(one.exposed_s, 0.9)) for one in sets.values() if one.nodes & set(pair))
        losses.append(
            SecondLoss(
                first=state.nodes[pair[0]].name,
                second=state.nodes[pair[1]].name,
                probability=float(-np.expm1(-exposed / mtbf_s)),
                exposed_s=exposed,
                gone_together=_gone(sets, set(pair)),
                gone_with_first=_gone(sets, {pair[0]}),
                gone_with_second=_gone(sets, {pair[1]}),
                quorums=tuple(name for name, at in voters.items() if not _goes_on(at, set(pair))),
            )
        )
    return losses


def _gone(sets: Mapping[str, "DataSet"], nodes: set[int]) -> tuple[str, ...]:
    """Data whose copies lie on exactly these nodes and nowhere else."""
    return tuple(name for name, one in sets.items() if one.nodes == nodes and not one.elsewhere)


def _voters(state: ClusterState, model: Model) -> dict[str, list[int]]:
    """The node of each voter of every consensus group."""
    found = {}
    for group in model.consensus_groups:
        if group.node_selector:
            found[group.name] = [i for i, node in enumerate(state.nodes) if _selects(group.node_selector, node.labels)]
            continue
        pods = np.flatnonzero(state.pod_active & (state.pod_node != PENDING))
        templates = [(int(pod), state.templates[state.pod_template[pod]]) for pod in pods]
        found[group.name] = [
            int(state.pod_node[pod])
            for pod, template in templates
            if template.namespace == group.namespace and _selects(group.pod_selector, template.labels)
        ]
    return found


def _selects(selector: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    return all(labels.get(key) == value for key, value in selector.items())


def _goes_on(voters: Sequence[int], lost: set[int]) -> bool:
    """Whether a majority has its data still; a group without voters here has nothing to lose."""
    left = np.array([node not in lost for node in voters], bool)
    return not len(left) or bool(has_quorum(left))


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSet:
    """Data that several volumes may hold: their nodes, how long one is missing, and whether a copy lies elsewhere."""

    nodes: frozenset[int]
    exposed_s: NDArray
    elsewhere: bool


def _data_sets(held: Sequence[Place], found: Sequence[Exposure]) -> dict[str, DataSet]:
    """Data by name: all members of a replicated store hold one set, every volume of the others is its own."""
    sets: dict[str, DataSet] = {}
    for place in held:
        one = in_force(found, place.namespace, place.workload, "disk lost")
        if one is None:
            continue
        last = in_force(found, place.namespace, place.workload, "every disk lost") or one
        name = f"{one.store.namespace}/{one.store.workload}" if one.store.replicas else place.claim
        known = sets.get(name, DataSet(nodes=frozenset(), exposed_s=one.exposed_s, elsewhere=not last.everything))
        exposed_s = np.maximum(known.exposed_s, one.exposed_s)
        sets[name] = DataSet(nodes=known.nodes | {place.node}, exposed_s=exposed_s, elsewhere=known.elsewhere)
    return sets


def _workloads(held: Sequence[Place]) -> dict[tuple[str, str], list[Place]]:
    by_workload: dict[tuple[str, str], list[Place]] = {}
    for place in held:
        by_workload.setdefault((place.namespace, place.workload), []).append(place)
    return by_workload
