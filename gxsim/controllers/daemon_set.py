"""DaemonSet: one pod on every node that may run it (pkg/controller/daemon)."""

from dataclasses import replace

from gxsim.controllers.admission import Admission, Refused
from gxsim.controllers.deletion import delete_pod
from gxsim.controllers.informer import Informer, WorkQueue
from gxsim.controllers.names import template_hash
from gxsim.controllers.replica_set import next_pod_name
from gxsim.controllers.taint_eviction import tolerates
from gxsim.model.control_plane import ControlPlane
from gxsim.model.pod import PodTemplate, Toleration
from gxsim.model.selectors import NodeSelector, NodeSelectorTerm, Requirement
from gxsim.state import PHASE_RUNNING, ClusterState, Event

REVISION_LABEL = "controller-revision-hash"
TOLERATED = (  # added to every daemon pod (daemonset_util.go): it outlives its node's loss
    ("node.kubernetes.io/not-ready", "NoExecute"),
    ("node.kubernetes.io/unreachable", "NoExecute"),
    ("node.kubernetes.io/disk-pressure", "NoSchedule"),
    ("node.kubernetes.io/memory-pressure", "NoSchedule"),
    ("node.kubernetes.io/pid-pressure", "NoSchedule"),
    ("node.kubernetes.io/unschedulable", "NoSchedule"),
)


class DaemonSet:
    """Its pods name their node in an affinity; the scheduler binds them like any other."""

    def __init__(self, control_plane: ControlPlane, *, informer: Informer, admission: Admission):
        self.informer, self.admission = informer, admission
        self.queue = WorkQueue("DaemonSet", control_plane)
        self.templates = NodeTemplates()
        self._revision = -1

    def reconcile(self, state: ClusterState, now: float) -> bool:
        self.informer.follow(state)
        owners = self.queue.take(state, now)
        if state.node_revision != self._revision:
            self._revision = state.node_revision
            owners = [i for i, owner in enumerate(state.owners) if owner.kind == "DaemonSet"]
        changed = False
        for owner in owners:
            changed |= self._sync(state, owner, now)
        return changed

    def due(self, state: ClusterState, now: float) -> float:
        return self.queue.due_s

    def _sync(self, state: ClusterState, owner: int, now: float) -> bool:
        held: dict[int, list[int]] = {}
        for pod in self.informer.pods_of(owner):
            held.setdefault(int(state.pod_ordinal[pod]), []).append(pod)  # the ordinal of a daemon pod is its node
        changed, refused = False, False
        for node in range(len(state.nodes)):
            if not state.node_exists[node]:
                continue  # pod GC takes these pods
            pods = [pod for pod in held.get(node, ()) if not state.pod_terminating[pod]]
            over = [pod for pod in pods if state.pod_phase[pod] > PHASE_RUNNING]
            should_run, should_stay = wants(state, owner, node)
            unwanted = over if should_stay else pods
            for pod in unwanted:
                delete_pod(state, pod, now)
                changed = True
            if should_run and len(pods) == len(over) and not refused:
                refused = not self._create(state, owner, node, now)
                changed |= not refused
        return changed

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
    field = Requirement("metadata.name", "In", (node_name,))
    terms = template.node_affinity.terms if template.node_affinity else (NodeSelectorTerm(),)
    return replace(
        template,
        labels={**template.labels, REVISION_LABEL: template_hash(template)},
        node_affinity=NodeSelector(tuple(NodeSelectorTerm(t.expressions, (*t.fields, field)) for t in terms)),
        tolerations=daemon_tolerations(template),
    )


def daemon_tolerations(template: PodTemplate) -> tuple[Toleration, ...]:
    """The template's tolerations without seconds for a lost node, and those every daemon pod gets."""
    added = tuple(Toleration(key, "Exists", "", effect) for key, effect in TOLERATED)
    lost = {key for key, effect in TOLERATED if effect == "NoExecute"}
    own = tuple(t for t in template.tolerations if not (t.key in lost and t.toleration_s is not None))
    return own + added


def wants(state: ClusterState, owner: int, node: int) -> tuple[bool, bool]:
    """Whether the DaemonSet should have a pod on *node*, and whether one that is there may stay."""
    held = state.owners[owner]
    if held.deleted:
        return False, False
    template, labels = held.template, state.nodes[node].labels
    if not template.node_selector.items() <= labels.items():
        return False, False
    if template.node_affinity and not template.node_affinity.matches(state.nodes[node].name, labels):
        return False, False
    tolerations = daemon_tolerations(template)
    refused = [t for t in state.taints[node] if not any(tolerates(toleration, t) for toleration in tolerations)]
    return (
        not any(t.effect in ("NoSchedule", "NoExecute") for t in refused),
        not any(t.effect == "NoExecute" for t in refused),
    )
