"""Why a pod is not where it should be when a run ends: one word of a fixed vocabulary, and the sentence behind it."""

from typing import NamedTuple

import numpy as np

from gxsim.controllers.admission import Admission
from gxsim.controllers.taint_eviction import toleration_s
from gxsim.observe.nodes import volume_nodes
from gxsim.state import NO_OWNER, PENDING, PHASE_RUNNING, READY, ClusterState, Event, kind_of
from gxsim.timeline import Timeline
from gxsim.units import human_duration

OUT_OF_SERVICE = "taint it node.kubernetes.io/out-of-service, which lets its pods go"

REMEDIES: dict[str, str] = {  # every cause there is, and what helps
    "volume": "bring the node back; or give this copy up: delete claim and pod, then restore the data elsewhere",
    "data lost": "delete claim and pod, then restore a backup into the new volume",
    "attach": "wait until the volume is detached from its old node, or force that once the node is surely off",
    "nothing fits": "add a node, or free what the scheduler finds short",
    "quota": "raise the quota, or remove pods that still count against it",
    "admission": "change the pod template, or the LimitRange or quota that refuses it",
    "budget": "one replica more first, or a budget that lets one go",
    "quorum": "bring the majority of etcd back: without it nothing is noticed, evicted or scheduled",
    "control plane": "bring API server, controllers and scheduler back",
    "not noticed": "nothing yet: the control plane takes the node for alive",
    "toleration": "wait for the toleration to run out, or delete the pod",
    "not evicted": f"bring nodes back; or, where a node is surely off, {OUT_OF_SERVICE}",
    "termination": f"bring the node back; or, where it is surely off, {OUT_OF_SERVICE}",
    "DaemonSet": "bring the node back: the pod is meant for no other",
    "bare pod": "create it again: no controller does",
    "order": "bring the pod before it up: a StatefulSet goes in order",
    "image": "bring the registry back",
    "image never pulled": "bring the image to the node, or let it be pulled with another imagePullPolicy",
    "not ready": "look at its probes and its logs",
    "starting": "wait: it is about to start",
    "gated": "remove its scheduling gates",
}

WAITS = (  # Event of a pod whose containers do not start: the cause
    ("FailedAttachVolume", "attach"),
    ("ImagePullBackOff", "image"),
    ("ErrImageNeverPull", "image never pulled"),
)


class Cause(NamedTuple):
    """One word of ``REMEDIES``, and why in a sentence; both empty where nothing is wrong."""

    word: str
    why: str

    @property
    def remedy(self) -> str:
        """What helps."""
        return REMEDIES.get(self.word, "")


NO_CAUSE = Cause("", "")


def pinned(state: ClusterState, pod: int) -> Cause:
    """The volume that ties a pod to some nodes, if one does."""
    template = state.templates[state.pod_template[pod]]
    for name in template.claims:
        claim = state.storage.claims.get(f"{template.namespace}/{name}")
        volume = state.storage.volumes.get(claim.volume) if claim and claim.volume else None
        if volume is not None and volume.node_affinity is not None:
            return Cause("volume", f"volume of claim {name} lies on this node")
    return NO_CAUSE


def stays(state: ClusterState, pod: int) -> Cause:
    """Why nobody makes a pod anew elsewhere, whatever becomes of its node."""
    kind = kind_of(state, pod)
    if kind == "DaemonSet":
        return Cause(kind, "DaemonSet pod stays with its node")
    return Cause("bare pod", "bare pod: nothing replaces it") if kind == "Pod" else NO_CAUSE


class Causes:
    """Asks the state at the end of a run, and what Events and levels said last."""

    def __init__(self, state: ClusterState, timeline: Timeline):
        self.state, self.timeline = state, timeline
        self.said: dict[tuple[str, str, str], Event] = {}
        for event in timeline.events:
            key = event.kind, event.name, event.reason
            if key not in self.said or _last_s(event) >= _last_s(self.said[key]):
                self.said[key] = event
        self.lost_volumes = {event.name for event in timeline.events if event.reason == "DiskLost"}
        self._admission: Admission | None = None

    def of_pod(self, pod: int) -> Cause:
        """Why *pod* does not answer, or, where it is gone, why nobody took its place."""
        state, node = self.state, int(self.state.pod_node[pod])
        if not state.pod_exists[pod] or state.pod_phase[pod] > PHASE_RUNNING:
            return self.of_missing(int(state.pod_owner[pod]))
        volume = self._volume(pod)
        if volume.word:
            return volume
        if node == PENDING:
            return self._unbound(pod)
        return self._on_lost_node(pod, node) if self._away(node) else self._starting(pod)

    def of_missing(self, owner: int) -> Cause:
        """Why a controller has not made a pod that it should."""
        if owner == NO_OWNER:
            return Cause("bare pod", "bare pod: nothing replaces it")
        halted = self._halted()
        if halted.word:
            return halted
        refused = self._refused(owner)
        if refused.word:
            return refused
        held = self.state.owners[owner]
        if held.kind == "StatefulSet" and held.workload.pod_management_policy != "Parallel":
            mine = np.flatnonzero(self.state.pod_exists & (self.state.pod_owner == owner) & ~self.state.pod_ready)
            if len(mine):
                first = min(mine.tolist(), key=lambda pod: int(self.state.pod_ordinal[pod]))
                return Cause("order", f"waits until {self.state.pod_names[first]} is Ready")
        return Cause("starting", f"its {held.kind} has not made it yet")

    # ---- the control plane ----------------------------------------------------------------------------------------

    def _halted(self) -> Cause:
        """What keeps the whole control plane from acting."""
        if not self._level("etcd_quorum", 1.0):
            return Cause("quorum", "etcd has no majority: nothing is noticed, evicted or scheduled")
        if not self._level("control_plane", 1.0):
            return Cause("control plane", "API server, controllers or scheduler do not work")
        return NO_CAUSE

    def _level(self, name: str, blank: float) -> float:
        values = self.timeline.levels(name)[1]
        return float(values[-1]) if len(values) else blank

    def _refused(self, owner: int) -> Cause:
        """What admission said last to the controller, or to a ReplicaSet of it."""
        owners = self.state.owners
        asked = [row for row, held in enumerate(owners) if row == owner or held.parent == owner]
        keys = [(owners[row].kind, f"{owners[row].namespace}/{owners[row].name}", "FailedCreate") for row in asked]
        events = [self.said[key] for key in keys if key in self.said]
        if not events:
            return NO_CAUSE
        last = max(events, key=_last_s)
        return Cause(self.refuser(last.kind, last.name), last.message)

    def refuser(self, kind: str, name: str) -> str:
        """Who refused a pod of this controller (``namespace/name``): ``quota``, or ``admission`` whatever is used."""
        owners = self.state.owners
        held = next(one for one in owners if (one.kind, f"{one.namespace}/{one.name}") == (kind, name))
        if self._admission is None:
            self._admission = Admission(self.state)
        return "admission" if self._admission.never_admits(held.template) else "quota"

    # ---- one pod --------------------------------------------------------------------------------------------------

    def _away(self, node: int) -> bool:
        state = self.state
        return bool(state.node_down[node] or state.node_kubelet_down[node] or not state.node_exists[node])

    def _volume(self, pod: int) -> Cause:
        """A volume of *pod* that is lost, or that only nodes reach which are away, or that one of them was to make."""
        state = self.state
        template = state.templates[state.pod_template[pod]]
        for name in template.claims:
            claim = state.storage.claims.get(f"{template.namespace}/{name}")
            if claim is not None and not claim.bound and claim.selected_node in state.node_index:
                chosen = claim.selected_node
                if state.node_down[state.node_index[chosen]]:
                    return Cause("volume", f"claim {name} waits for a volume on {chosen}, which is away")
            if claim is None or claim.volume not in state.storage.volumes:
                continue
            if claim.volume in self.lost_volumes:
                return Cause("data lost", f"volume of claim {name} is lost with its disk")
            nodes = volume_nodes(state, claim.volume)
            if nodes and all(state.node_down[node] or not state.node_exists[node] for node in nodes):
                where = ", ".join(state.nodes[node].name for node in nodes)
                return Cause("volume", f"volume of claim {name} lies on {where}, which is away")
        return NO_CAUSE

    def _unbound(self, pod: int) -> Cause:
        if self.state.templates[self.state.pod_template[pod]].scheduling_gates:
            return Cause("gated", "scheduling gates hold it back")
        halted = self._halted()
        if halted.word:
            return halted
        event = self.said.get(("Pod", self.state.pod_key(pod), "FailedScheduling"))
        if event is None:
            return Cause("starting", "not tried by the scheduler yet")
        tied = pinned(self.state, pod)
        return Cause(tied.word or "nothing fits", event.message)

    def _on_lost_node(self, pod: int, node: int) -> Cause:
        state, name = self.state, self.state.nodes[node].name
        if kind_of(state, pod) == "DaemonSet":
            return stays(state, pod)
        halted = self._halted()
        if halted.word:
            return halted
        if state.pod_terminating[pod]:
            return Cause("termination", f"deleted, which the kubelet of {name} has to confirm")
        if state.node_ready[node] == READY:
            return Cause("not noticed", f"{name} still counts as Ready")
        taints = [taint for taint in state.taints[node] if taint.effect == "NoExecute"]
        if not taints:
            return Cause("not evicted", f"{name} has no NoExecute taint: too many nodes of its zone are not Ready")
        wait_s = toleration_s(state.templates[state.pod_template[pod]].tolerations, taints)
        if np.isinf(wait_s):
            return Cause("toleration", "tolerates the loss of its node for ever")
        return Cause("toleration", f"tolerates the loss of its node for {human_duration(wait_s)}")

    def _starting(self, pod: int) -> Cause:
        """On a node that lives: what its kubelet said last."""
        state, key = self.state, self.state.pod_key(pod)
        if state.pod_terminating[pod]:
            return Cause("termination", "its containers are still ending")
        if not state.pod_running[pod]:
            for reason, word in WAITS:
                if ("Pod", key, reason) in self.said:
                    return Cause(word, self.said["Pod", key, reason].message)
            if state.pod_restarts[pod]:
                return Cause("not ready", f"its containers end again and again ({state.pod_restarts[pod]} restarts)")
            return Cause("starting", "its containers have not started yet")
        if state.pod_stalled[pod]:
            return Cause("not ready", "its containers run and do not answer")
        if not state.pod_answering[pod] and not state.pod_restarts[pod]:
            return Cause("starting", "its application has not started up yet")
        if not state.pod_ready[pod]:
            return Cause("not ready", "its containers run and are not Ready")
        return NO_CAUSE


def _last_s(event: Event) -> float:
    return event.time_s if event.last_s is None else event.last_s
