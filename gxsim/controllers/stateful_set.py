"""StatefulSet: pods with a name and volumes of their own, one after another (pkg/controller/statefulset)."""

from dataclasses import replace

from gxsim.controllers.admission import Admission, Refused
from gxsim.controllers.deletion import delete_pod
from gxsim.controllers.informer import Informer, WorkQueue
from gxsim.controllers.names import template_hash
from gxsim.controllers.replica_set import is_available
from gxsim.model.cluster import Claim
from gxsim.model.control_plane import ControlPlane
from gxsim.model.pod import PodTemplate
from gxsim.state import PHASE_RUNNING, ClusterState, Event, Owner

REVISION_LABEL = "controller-revision-hash"


class StatefulSet:
    """OrderedReady waits for each ordinal, Parallel only for rolling updates."""

    def __init__(self, control_plane: ControlPlane, *, informer: Informer, admission: Admission):
        self.informer, self.admission = informer, admission
        self.queue = WorkQueue("StatefulSet", control_plane)
        self.templates = OrdinalTemplates()

    def reconcile(self, state: ClusterState, now: float) -> bool:
        self.informer.follow(state)
        return self.queue.work(state, now, self._sync)

    def due(self, state: ClusterState, now: float) -> float:
        return self.queue.due_s

    def _sync(self, state: ClusterState, owner: int, now: float) -> bool:
        pods = {int(state.pod_ordinal[pod]): pod for pod in self.informer.pods_of(owner)}
        held = state.owners[owner]
        if held.deleted:
            return self._delete_all(state, list(pods.values()), now)
        ordered = held.workload.pod_management_policy != "Parallel"
        changed, waiting = False, False
        for ordinal in range(held.replicas):
            pod = pods.get(ordinal)
            if pod is not None and state.pod_phase[pod] > PHASE_RUNNING and not state.pod_terminating[pod]:
                delete_pod(state, pod, now, 0.0)
                pod, changed = None, True
            if pod is None:
                if not self._create(state, owner, ordinal, now):
                    return changed
                changed = True
            if pod is None or not self._healthy(state, owner, pod, now):
                waiting = True
                if ordered:
                    return changed
        changed |= self._scale_down(state, owner, pods, now, ordered=ordered)
        if any(ordinal >= held.replicas for ordinal in pods) or changed:
            return changed
        return self._update(state, owner, pods, now, waiting=waiting)

    def _healthy(self, state: ClusterState, owner: int, pod: int, now: float) -> bool:
        """Running, Ready for long enough, and not being deleted."""
        min_ready_s = state.owners[owner].workload.min_ready_s
        if state.pod_terminating[pod] or not state.pod_ready[pod]:
            return False
        if is_available(state, pod, now, min_ready_s):
            return True
        self.queue.add([owner], float(state.pod_ready_since_s[pod]) + min_ready_s)
        return False

    def _create(self, state: ClusterState, owner: int, ordinal: int, now: float) -> bool:
        held = state.owners[owner]
        name = f"{held.name}-{ordinal}"
        template = self.templates.of(held, owner, ordinal)
        try:
            put_claims(state, held, ordinal, self.admission)
            self.admission.create_pod(state, name, template, now=now, owner=owner, ordinal=ordinal)
        except Refused as refusal:
            message = f"create Pod {name} in StatefulSet {held.name} failed error: {refusal}"
            state.emit(Event(now, "StatefulSet", f"{held.namespace}/{held.name}", "FailedCreate", message))
            self.queue.retry(owner, now)
            return False
        self.queue.forget(owner)
        return True

    def _scale_down(self, state: ClusterState, owner: int, pods: dict[int, int], now: float, *, ordered: bool) -> bool:
        """Delete pods beyond the wanted number, the highest ordinal first."""
        changed = False
        for ordinal in sorted((o for o in pods if o >= state.owners[owner].replicas), reverse=True):
            if not state.pod_terminating[pods[ordinal]]:
                delete_pod(state, pods[ordinal], now)
                changed = True
            if ordered:
                break
        return changed

    def _update(self, state: ClusterState, owner: int, pods: dict[int, int], now: float, *, waiting: bool) -> bool:
        """Rolling update: from the highest ordinal down, one pod at a time, never past one that is not healthy."""
        held = state.owners[owner]
        if held.workload.update_strategy == "OnDelete":
            return False
        for ordinal in range(held.replicas - 1, held.workload.partition - 1, -1):
            pod = pods.get(ordinal)
            if pod is None:
                return False
            template = state.templates[state.pod_template[pod]]
            current = (
                template.labels.get(REVISION_LABEL) == self.templates.of(held, owner, ordinal).labels[REVISION_LABEL]
            )
            if not current and not state.pod_terminating[pod]:
                delete_pod(state, pod, now)
                return True
            if not self._healthy(state, owner, pod, now):
                return False
        return False

    def _delete_all(self, state: ClusterState, pods: list[int], now: float) -> bool:
        left = [pod for pod in pods if not state.pod_terminating[pod]]
        for pod in left:
            delete_pod(state, pod, now)
        return bool(left)


class OrdinalTemplates:
    """Each ordinal's template: its own name and claims, and the revision it was made from. Made once, then shared."""

    def __init__(self) -> None:
        self._made: dict[tuple[int, int], PodTemplate] = {}  # owner, ordinal
        self._from: dict[tuple[int, int], PodTemplate] = {}

    def of(self, held: Owner, owner: int, ordinal: int) -> PodTemplate:
        key = (owner, ordinal)
        if self._from.get(key) is not held.template:
            self._from[key] = held.template
            self._made[key] = _ordinal_template(held, ordinal)
        return self._made[key]


def _ordinal_template(held: Owner, ordinal: int) -> PodTemplate:
    template = held.template
    return replace(
        template,
        labels={
            **template.labels,
            REVISION_LABEL: f"{held.name}-{template_hash(template)}",
            "statefulset.kubernetes.io/pod-name": f"{held.name}-{ordinal}",
            "apps.kubernetes.io/pod-index": str(ordinal),
        },
        claims=(*template.claims, *(f"{t.name}-{held.name}-{ordinal}" for t in held.workload.claim_templates)),
    )


def put_claims(state: ClusterState, held: Owner, ordinal: int, admission: Admission) -> None:
    """Create the claims of one ordinal that do not exist; they outlive the pod. Raises Refused by a quota."""
    default = next((s.name for s in state.cluster.storage_classes if s.default), None)
    for template in held.workload.claim_templates:
        claim = Claim(
            namespace=held.namespace,
            name=f"{template.name}-{held.name}-{ordinal}",
            storage_class=template.storage_class if template.storage_class is not None else default,
            size_bytes=template.size_bytes,
            access_modes=template.access_modes,
            selector=template.selector,
            manifest=template.manifest,
        )
        if claim.key not in state.storage.claims:
            admission.create_claim(state, claim)
