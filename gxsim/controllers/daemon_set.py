"""DaemonSet: one pod on every node that may run it (pkg/controller/daemon)."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from gxsim.controllers.admission import Admission, Refused
from gxsim.controllers.deletion import delete_pod
from gxsim.controllers.deployment import resolve
from gxsim.controllers.informer import TOLERANCE_S, Informer, WorkQueue
from gxsim.controllers.names import template_hash
from gxsim.controllers.replica_set import is_available, next_pod_name
from gxsim.controllers.taint_eviction import tolerates
from gxsim.model.control_plane import ControlPlane
from gxsim.model.node import Taint
from gxsim.model.pod import PodTemplate, Toleration
from gxsim.model.selectors import NodeSelector, NodeSelectorTerm, Requirement
from gxsim.state import PHASE_FAILED, PHASE_RUNNING, ClusterState, Event

REVISION_LABEL = "controller-revision-hash"
TOLERATED = (  # added to every daemon pod (daemonset_util.go): it outlives its node's loss
    ("node.kubernetes.io/not-ready", "NoExecute"),
    ("node.kubernetes.io/unreachable", "NoExecute"),
    ("node.kubernetes.io/disk-pressure", "NoSchedule"),
    ("node.kubernetes.io/memory-pressure", "NoSchedule"),
    ("node.kubernetes.io/pid-pressure", "NoSchedule"),
    ("node.kubernetes.io/unschedulable", "NoSchedule"),
)
HOST_NETWORK_TOLERATED = ("node.kubernetes.io/network-unavailable", "NoSchedule")


class DaemonSet:
    """Its pods name their node in an affinity; the scheduler binds them like any other."""

    def __init__(self, control_plane: ControlPlane, *, informer: Informer, admission: Admission):
        self.control_plane, self.informer, self.admission = control_plane, informer, admission
        self.queue = WorkQueue("DaemonSet", control_plane)
        self._backoff: dict[tuple[int, int], tuple[float, float]] = {}  # owner, node: pause, and since when
        self.templates = NodeTemplates()
        self._revisions = (-1, -1)
        self._taints: list[tuple[Taint, ...]] = []  # as last seen
        self._exists: NDArray[np.bool_] = np.empty(0, bool)

    def reconcile(self, state: ClusterState, now: float) -> bool:
        self.informer.follow(state)
        owners = self.queue.take(state, now)
        changed = False
        for owner in owners:
            changed |= self._sync(state, owner, range(len(state.nodes)), now)
        nodes = self._changed_nodes(state)
        if nodes:
            for owner in [i for i, held in enumerate(state.owners) if held.kind == "DaemonSet" and i not in owners]:
                changed |= self._sync(state, owner, nodes, now)
        return changed

    def due(self, state: ClusterState, now: float) -> float:
        return self.queue.due_s

    def _changed_nodes(self, state: ClusterState) -> list[int]:
        """Nodes whose labels, taints or existence changed since the last look."""
        revisions = (state.node_revision, state.label_revision)
        if revisions == self._revisions:
            return []
        relabelled = revisions[1] != self._revisions[1]
        known = list(zip(self._taints, self._exists, strict=True))
        now_there = list(zip(state.taints, state.node_exists.tolist(), strict=True))
        self._revisions, self._taints, self._exists = revisions, state.taints.copy(), state.node_exists.copy()
        if not known:
            return []  # a new process has all its owners to sync anyway
        return [i for i, seen in enumerate(now_there) if relabelled or seen != known[i]]

    def _sync(self, state: ClusterState, owner: int, nodes: Iterable[int], now: float) -> bool:
        """Put one node after another right; when nothing is left to do there, go on with a rolling update."""
        held: dict[int, list[int]] = {}
        for pod in self.informer.pods_of(owner):
            held.setdefault(int(state.pod_ordinal[pod]), []).append(pod)  # the ordinal of a daemon pod is its node
        tolerations = daemon_tolerations(state.owners[owner].template)
        changed, refused = False, False
        for node in nodes:
            if not state.node_exists[node]:
                continue  # pod GC takes these pods
            should_run, should_stay = wants(state, owner, node, tolerations)
            for pod in self._unwanted(state, owner, node, held.get(node, ()), now, should_stay=should_stay):
                delete_pod(state, pod, now)
                changed = True
            gone = all(not state.pod_exists[pod] for pod in held.get(node, ()))  # one that terminates is still there
            if should_run and gone and not refused:
                refused = not self._create(state, owner, node, now)
                changed |= not refused
        return changed or self._roll(state, owner, held, now)

    def _unwanted(
        self, state: ClusterState, owner: int, node: int, pods: Iterable[int], now: float, *, should_stay: bool
    ) -> list[int]:
        """Pods of one node to delete: all where none may stay, else those that are over and those too many."""
        there = [pod for pod in pods if not state.pod_terminating[pod]]
        if not should_stay:
            return there
        over = [pod for pod in there if state.pod_phase[pod] > PHASE_RUNNING]
        kept = [pod for pod in there if state.pod_phase[pod] <= PHASE_RUNNING]
        failed = [pod for pod in over if state.pod_phase[pod] == PHASE_FAILED]
        if failed and not self._may_delete_failed(state, owner, node, now):
            over = [pod for pod in over if pod not in failed]
        return over + self._excess(state, owner, kept, now)

    def _may_delete_failed(self, state: ClusterState, owner: int, node: int, now: float) -> bool:
        """Whether the pause since the last failed pod there is over; it doubles, so as not to fight the kubelet.

        A node that failed none for twice the longest pause begins anew (client-go flowcontrol.Backoff).
        """
        parameters = self.control_plane
        pause_s, since_s = self._backoff.get((owner, node), (0.0, -math.inf))
        if now - since_s > 2 * parameters.daemon_backoff_cap_s:
            pause_s = 0.0
        if now < since_s + pause_s - TOLERANCE_S:
            self.queue.add([owner], since_s + pause_s)
            return False
        pause_s = min(parameters.daemon_backoff_cap_s, max(parameters.daemon_backoff_s, 2 * pause_s))
        self._backoff[owner, node] = (pause_s, now)
        return True

    def _excess(self, state: ClusterState, owner: int, pods: list[int], now: float) -> list[int]:
        """All but the oldest pod; with a surge one old and one new pod may stay until the new one is available."""
        workload = state.owners[owner].workload
        if len(pods) < 2 or not resolve(workload.max_surge, 100, math.ceil):
            return pods[1:]
        revision = template_hash(state.owners[owner].template)
        new = [pod for pod in pods if _revision(state, pod) == revision]
        old = [pod for pod in pods if pod not in new]
        replaced = bool(new and old) and (
            not state.pod_ready[old[0]] or is_available(state, new[0], now, workload.min_ready_s)
        )
        return new[1:] + (old if replaced else old[1:])

    # ---- rolling update -----------------------------------------------------------------------------------------

    def _roll(self, state: ClusterState, owner: int, held: dict[int, list[int]], now: float) -> bool:
        """Old pods that are unavailable at once, others while at most maxUnavailable nodes are without.

        With maxSurge it is not their end that is brought about but the start of their successors beside them.
        """
        workload, revision = state.owners[owner].workload, template_hash(state.owners[owner].template)
        if workload.update_strategy == "OnDelete" or not self._outdated(state, held, revision):
            return False
        most, surging = self._limits(state, owner)
        waiting = 0
        spare: list[int] = []
        broken: list[int] = []
        for pods in held.values():
            there = [pod for pod in pods if not state.pod_terminating[pod]]
            available = bool(there) and self._available(state, owner, there[-1], now)
            if len(there) == 1 and _revision(state, there[0]) != revision:
                (spare if available else broken).append(there[0])
            elif len(there) > 1 or not (available or surging):
                waiting += 1  # for a surge it is old and new side by side that counts
        chosen = broken + spare[: max(0, most - waiting)]
        if surging:
            return sum(self._create(state, owner, int(state.pod_ordinal[pod]), now) for pod in chosen) > 0
        for pod in chosen:
            delete_pod(state, pod, now)
        return bool(chosen)

    def _limits(self, state: ClusterState, owner: int) -> tuple[int, bool]:
        """How many nodes may be in between at once, of those that should have a pod; and whether pods surge."""
        workload, tolerations = state.owners[owner].workload, daemon_tolerations(state.owners[owner].template)
        nodes = np.flatnonzero(state.node_exists).tolist()
        desired = sum(wants(state, owner, node, tolerations)[0] for node in nodes)
        surge = resolve(workload.max_surge, desired, math.ceil)
        return (surge, True) if surge else (max(1, resolve(workload.max_unavailable, desired, math.ceil)), False)

    def _outdated(self, state: ClusterState, held: dict[int, list[int]], revision: str) -> bool:
        return any(_revision(state, pod) != revision for pods in held.values() for pod in pods)

    def _available(self, state: ClusterState, owner: int, pod: int, now: float) -> bool:
        min_ready_s = state.owners[owner].workload.min_ready_s
        if is_available(state, pod, now, min_ready_s):
            return True
        if state.pod_ready[pod]:
            self.queue.add([owner], float(state.pod_ready_since_s[pod]) + min_ready_s)
        return False

    def _create(self, state: ClusterState, owner: int, node: int, now: float) -> bool:
        template = self.templates.of(state, owner, node)
        try:
            name = next_pod_name(state, owner)
            self.admission.create_pod(state, name, template, now=now, owner=owner, ordinal=node)
        except Refused as refusal:
            held = state.owners[owner]
            name = f"{held.namespace}/{held.name}"
            state.emit(Event(now, "DaemonSet", name, "FailedCreate", f"Error creating: {refusal}"))
            self.queue.retry(owner, now)
            return False
        self.queue.forget(owner)
        return True


class NodeTemplates:
    """Each node's template of a DaemonSet: affinity to that node and the added tolerations. Made once, then shared."""

    def __init__(self) -> None:
        self._made: dict[tuple[int, int], tuple[PodTemplate, PodTemplate]] = {}

    def of(self, state: ClusterState, owner: int, node: int) -> PodTemplate:
        source = state.owners[owner].template
        known = self._made.get((owner, node))
        if known is None or known[0] is not source:
            known = self._made[owner, node] = (source, _node_template(source, state.nodes[node].name))
        return known[1]


def _node_template(template: PodTemplate, node_name: str) -> PodTemplate:
    """The template tied to its node: that takes the place of required terms, which hold there anyway."""
    field = Requirement("metadata.name", "In", (node_name,))
    return replace(
        template,
        labels={**template.labels, REVISION_LABEL: template_hash(template)},
        node_affinity=NodeSelector((NodeSelectorTerm((), (field,)),)),
        tolerations=daemon_tolerations(template),
    )


def daemon_tolerations(template: PodTemplate) -> tuple[Toleration, ...]:
    """The template's tolerations without seconds for a lost node, and those every daemon pod gets."""
    tolerated = TOLERATED + ((HOST_NETWORK_TOLERATED,) if template.host_network else ())
    added = tuple(Toleration(key, "Exists", "", effect) for key, effect in tolerated)
    lost = {key for key, effect in TOLERATED if effect == "NoExecute"}
    own = tuple(t for t in template.tolerations if not (t.key in lost and t.toleration_s is not None))
    return own + added


def _revision(state: ClusterState, pod: int) -> str:
    return state.templates[state.pod_template[pod]].labels.get(REVISION_LABEL, "")


def wants(state: ClusterState, owner: int, node: int, tolerations: Sequence[Toleration]) -> tuple[bool, bool]:
    """Whether the DaemonSet should have a pod on *node*, and whether one that is there may stay."""
    held = state.owners[owner]
    if held.deleted:
        return False, False
    template, labels = held.template, state.nodes[node].labels
    if not template.node_selector.items() <= labels.items():
        return False, False
    if template.node_affinity and not template.node_affinity.matches(state.nodes[node].name, labels):
        return False, False
    refused = [t for t in state.taints[node] if not any(tolerates(toleration, t) for toleration in tolerations)]
    return (
        not any(t.effect in ("NoSchedule", "NoExecute") for t in refused),
        not any(t.effect == "NoExecute" for t in refused),
    )
