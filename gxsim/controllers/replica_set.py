"""ReplicaSet: as many active pods as wanted, created in doubling batches (pkg/controller/replicaset)."""

import math
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace

from gxsim.controllers.admission import Admission, Refused
from gxsim.controllers.deletion import delete_pod
from gxsim.controllers.informer import Informer, WorkQueue
from gxsim.controllers.names import HASH_LABEL, suffix, template_hash
from gxsim.model.control_plane import ControlPlane
from gxsim.model.pod import PodTemplate
from gxsim.state import NO_OWNER, PENDING, PHASE_RUNNING, ClusterState, Event, Owner


class ReplicaSet:
    """Keeps the number of active pods (not over, not terminating) at ``replicas``."""

    def __init__(
        self,
        control_plane: ControlPlane,
        *,
        informer: Informer,
        admission: Admission,
        victim_order: Callable[[int], float] | None = None,
    ):
        """*victim_order* decides among pods that are equal victims, lowest first; None: as nodes take turns."""
        self.control_plane, self.informer, self.admission = control_plane, informer, admission
        self.victim_order = victim_order
        self.queue = WorkQueue("ReplicaSet", control_plane)
        self._status: dict[int, tuple[int, int]] = {}  # owner: its pods and the ready ones, as last written

    def reconcile(self, state: ClusterState, now: float) -> bool:
        self.informer.follow(state)
        return self.queue.work(state, now, self._sync)

    def due(self, state: ClusterState, now: float) -> float:
        return self.queue.due_s

    def _sync(self, state: ClusterState, owner: int, now: float) -> bool:
        wanted = 0 if state.owners[owner].deleted else state.owners[owner].replicas
        active = [pod for pod in self.informer.pods_of(owner) if is_active(state, pod)]
        missing = min(wanted - len(active), self.control_plane.burst_replicas)
        if missing > 0:
            status = (len(active), sum(bool(state.pod_ready[pod]) for pod in active))
            return self._create(state, owner, missing, now, status)
        if missing < 0:
            for pod in self._victims(state, owner, active, now)[: min(-missing, self.control_plane.burst_replicas)]:
                delete_pod(state, pod, now)
        self.queue.forget(owner)
        return missing < 0

    def _create(self, state: ClusterState, owner: int, missing: int, now: float, status: tuple[int, int]) -> bool:
        """Batches of 1, 2, 4, …; the first batch with a refusal is the last.

        A failed sync that found another *status* writes it, and what is written brings the ReplicaSet back at once.
        """
        created, batch = 0, self.control_plane.slow_start_batch
        while created < missing:
            size = min(batch, missing - created)
            made = sum(self._create_one(state, owner, now) for _ in range(size))
            created += made
            if made < size:
                self.queue.retry(owner, now)
                if self._status.get(owner, (0, 0)) != status:
                    self._status[owner] = status
                    self.queue.add([owner], now)
                return True
            batch *= 2
        self.queue.forget(owner)
        return True

    def _create_one(self, state: ClusterState, owner: int, now: float) -> bool:
        name = next_pod_name(state, owner)
        try:
            self.admission.create_pod(state, name, state.owners[owner].template, now=now, owner=owner)
        except Refused as refusal:
            set_name = f"{state.owners[owner].namespace}/{state.owners[owner].name}"
            state.emit(Event(now, "ReplicaSet", set_name, "FailedCreate", f"Error creating: {refusal}"))
            return False
        return True

    def _victims(self, state: ClusterState, owner: int, active: list[int], now: float) -> list[int]:
        """Active pods, first victim first (ActivePodsWithRanks.Less).

        Which of equal victims goes first is chance in Kubernetes; here nodes take turns with their youngest pods.
        """
        beside = Counter(int(state.pod_node[pod]) for pod in self._related(state, owner) if is_active(state, pod))
        ranks = {pod: self._rank(state, pod, beside[int(state.pod_node[pod])], now) for pod in active}
        turns: Counter[tuple[object, ...]] = Counter()
        keys: dict[int, tuple[float, ...]] = {}
        for pod in reversed(active):
            place = (int(state.pod_node[pod]), ranks[pod])
            keys[pod] = (*ranks[pod], self._chosen(pod), turns[place], -pod)
            turns[place] += 1
        return sorted(active, key=lambda pod: keys[pod])

    def _chosen(self, pod: int) -> float:
        return 0.0 if self.victim_order is None else self.victim_order(pod)

    def _related(self, state: ClusterState, owner: int) -> Iterator[int]:
        """Pods of all ReplicaSets of its Deployment (getIndirectlyRelatedPods): new pods count beside old ones."""
        parent = state.owners[owner].parent
        for other, held in enumerate(state.owners):
            if other == owner or (parent != NO_OWNER and held.parent == parent):
                yield from self.informer.pods_of(other)

    def _rank(self, state: ClusterState, pod: int, beside: int, now: float) -> tuple[float, ...]:
        ready_since_s = float(state.pod_ready_since_s[pod])
        annotations = state.templates[state.pod_template[pod]].annotations
        return (
            state.pod_node[pod] != PENDING,
            state.pod_phase[pod] == PHASE_RUNNING,
            bool(state.pod_ready[pod]),
            float(annotations.get("controller.kubernetes.io/pod-deletion-cost", 0)),
            -beside,
            _age_rank(now, ready_since_s),
            -int(state.pod_restarts[pod]),
            _age_rank(now, float(state.pod_created_s[pod])),
        )


def _age_rank(now: float, since_s: float) -> int:
    """The power of two below the age in nanoseconds: ages are compared no finer (logarithmicRankDiff)."""
    age_ns = (now - since_s) * 1e9
    return int(math.log2(age_ns)) if age_ns >= 1 else -1  # NaN: not ready, and compared with its like


def is_active(state: ClusterState, pod: int) -> bool:
    """Whether the pod is neither over nor being deleted."""
    return bool(state.pod_phase[pod] <= PHASE_RUNNING and not state.pod_terminating[pod])


def is_available(state: ClusterState, pod: int, now: float, min_ready_s: float) -> bool:
    """Whether the pod has been Ready for at least *min_ready_s*."""
    return bool(state.pod_ready[pod]) and now - float(state.pod_ready_since_s[pod]) >= min_ready_s - 1e-6


def next_pod_name(state: ClusterState, owner: int) -> str:
    """The generated name of the next pod, if it is one of *owner*'s."""
    held = state.owners[owner]
    return f"{held.name}-{suffix(f'{held.namespace}/{held.kind}/{held.name}', len(state.pod_names))}"


def replica_set_of(state: ClusterState, deployment: int, template: PodTemplate, now: float) -> Owner:
    """A new ReplicaSet for *template*, still without replicas; its pods carry the template's hash."""
    held = state.owners[deployment]
    hashed = template_hash(template)
    return Owner(
        kind="ReplicaSet",
        namespace=held.namespace,
        name=f"{held.name}-{hashed}",
        workload=held.workload,
        template=replace(template, labels={**template.labels, HASH_LABEL: hashed}),
        replicas=0,
        parent=deployment,
        revision=held.revision,
        created_s=now,
    )
