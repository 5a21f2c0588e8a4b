"""The scheduler's queue: who is tried next, who waits for which change, who waits for volumes."""

import math
from dataclasses import dataclass, replace
from typing import Protocol

from gxsim.model.control_plane import ControlPlane
from gxsim.scheduler.decision import Decision, Nomination
from gxsim.scheduler.volumes import PodVolumes
from gxsim.state import PENDING, PHASE_PENDING, ClusterState, Event

TOLERANCE_S = 1e-6  # what rounding on a clock of floats may lose

# What can make a plugin change its mind (its queueing hints); any of it wakes a pod that another plugin rejected.
ADDED, REMOVED, NODE, VOLUME = "pod added", "pod removed", "node changed", "volume changed"
HINTS = {
    "InterPodAffinity": {ADDED, REMOVED, NODE},
    "NodeAffinity": {NODE},
    "NodeName": {NODE},
    "NodePorts": {REMOVED, NODE},
    "NodeResourcesFit": {REMOVED, NODE},
    "NodeUnschedulable": {NODE},
    "NodeVolumeLimits": {REMOVED, VOLUME, NODE},
    "PodTopologySpread": {ADDED, REMOVED, NODE},
    "TaintToleration": {NODE},
    "VolumeBinding": {VOLUME, NODE},
    "VolumeRestrictions": {REMOVED, VOLUME, NODE},
    "VolumeZone": {VOLUME, NODE},
}
ANYTHING = frozenset({ADDED, REMOVED, NODE, VOLUME})


class Framework(Protocol):
    """What the queue needs of the scheduling framework."""

    def decide(self, pod: int) -> Decision: ...

    def volumes_for(self, pod: int, node: int) -> PodVolumes: ...

    def preempt(self, pod: int, decision: Decision) -> Nomination | None: ...

    def nominate(self, pod: int, node: int) -> None: ...

    def assume(self, pod: int, node: int) -> None: ...

    def forget(self, pod: int) -> None: ...

    def bind(self, pod: int, node: int) -> None: ...


@dataclass(slots=True)
class Aside:
    """A pod that fits nowhere: when it was last tried, and what would help."""

    tried_s: float
    helps: frozenset[str]


@dataclass(slots=True)
class Waiting:
    """A pod whose node is chosen but whose volumes are not there yet."""

    node: int
    since_s: float
    poll_s: float


class Scheduler:
    """kube-scheduler: takes pending pods by priority and age, binds them or puts them aside until something changes.

    A pod put aside is tried again when something happened that may help it, or after ``unschedulable_flush_s``.
    Back-off is not seen: the queue pops pods early whenever nothing else waits (SchedulerPopFromBackoffQ).
    """

    def __init__(self, state: ClusterState, framework: Framework, control_plane: ControlPlane, *, first_flush_s: float):
        self.framework, self.control_plane = framework, control_plane
        self.first_flush_s = first_flush_s
        self._pods_seen = self._journal_seen = 0
        self._node_revision = self._volume_revision = -1
        self._active: dict[int, None] = {}
        self._aside: dict[int, Aside] = {}
        self._waiting: dict[int, Waiting] = {}

    def reconcile(self, state: ClusterState, now: float) -> bool:
        self._see_pods(state)
        happened = self._happened(state)
        for pod in [pod for pod, aside in self._aside.items() if aside.helps & happened]:
            del self._aside[pod]
            self._active[pod] = None
        self._flush(now)
        changed = self._poll(state, now)
        for pod in sorted(self._active, key=lambda p: (-state.templates[state.pod_template[p]].priority, p)):
            del self._active[pod]
            changed |= self._try(state, pod, now)
        return changed

    def due(self, state: ClusterState, now: float) -> float:
        flush_s = min((self._flush_s(aside.tried_s) for aside in self._aside.values()), default=math.inf)
        return min(flush_s, min((waiting.poll_s for waiting in self._waiting.values()), default=math.inf))

    # ---- who is tried -------------------------------------------------------------------------------------------

    def _see_pods(self, state: ClusterState) -> None:
        for pod in dict.fromkeys(state.touched[self._pods_seen :]):
            pending = state.pod_exists[pod] and state.pod_node[pod] == PENDING and state.pod_phase[pod] == PHASE_PENDING
            if not pending or state.pod_terminating[pod]:
                for held in (self._active, self._aside, self._waiting):
                    held.pop(pod, None)
                self.framework.forget(pod)
            elif pod not in self._aside and pod not in self._waiting and not _is_gated(state, pod):
                self._active[pod] = None
        self._pods_seen = len(state.touched)

    def _happened(self, state: ClusterState) -> set[str]:
        """What happened since the last look that could help a pod."""
        signs = {binding.sign for binding in state.journal[self._journal_seen :]}
        happened = {what for sign, what in ((1, ADDED), (-1, REMOVED)) if sign in signs}
        if state.node_revision != self._node_revision:
            happened.add(NODE)
        if state.storage.revision != self._volume_revision:
            happened.add(VOLUME)
        self._node_revision, self._volume_revision = state.node_revision, state.storage.revision
        self._journal_seen = len(state.journal)
        return happened

    def _flush(self, now: float) -> None:
        for pod in [p for p, aside in self._aside.items() if self._flush_s(aside.tried_s) <= now + TOLERANCE_S]:
            del self._aside[pod]
            self._active[pod] = None

    def _flush_s(self, tried_s: float) -> float:
        """The first flush that takes a pod last tried at *tried_s*."""
        period_s = self.control_plane.unschedulable_flush_period_s
        after_s = tried_s + self.control_plane.unschedulable_flush_s
        return self.first_flush_s + math.ceil((after_s - self.first_flush_s - TOLERANCE_S) / period_s) * period_s

    # ---- one try ------------------------------------------------------------------------------------------------

    def _try(self, state: ClusterState, pod: int, now: float) -> bool:
        decision = self.framework.decide(pod)
        if decision.node == PENDING:
            state.emit(Event(now, "Pod", state.pod_key(pod), "FailedScheduling", decision.message()))
            self._aside[pod] = Aside(now, _helps(decision))
            nomination = self.framework.preempt(pod, decision)
            return nomination is not None and self._evict(state, pod, nomination, now)
        if self._select_node(state, pod, decision.node):
            self.framework.assume(pod, decision.node)
            self._waiting[pod] = Waiting(decision.node, now, now + self.control_plane.volume_poll_s)
            return True
        return self._bind(state, pod, decision.node, now)

    def _evict(self, state: ClusterState, pod: int, nomination: Nomination, now: float) -> bool:
        """Delete the victims of a preemption; the pod is tried again when they are gone."""
        for victim in nomination.victims:
            message = f"Preempted by pod {state.pod_key(pod)} on node {state.nodes[nomination.node].name}"
            state.emit(Event(now, "Pod", state.pod_key(victim), "Preempted", message))
            state.terminate(victim, now)
        self.framework.nominate(pod, nomination.node)
        return True

    def _bind(self, state: ClusterState, pod: int, node: int, now: float) -> bool:
        key = state.pod_key(pod)
        self.framework.bind(pod, node)
        message = f"Successfully assigned {key} to {state.nodes[node].name}"
        state.emit(Event(now, "Pod", key, "Scheduled", message))
        return True

    def _select_node(self, state: ClusterState, pod: int, node: int) -> bool:
        """Tell the provisioner the node of claims that wait for their first consumer; whether there are any."""
        volumes = self.framework.volumes_for(pod, node)
        for claim in volumes.provisioned:
            state.storage.put_claim(replace(claim, selected_node=state.nodes[node].name))
        return bool(volumes.provisioned)

    def _poll(self, state: ClusterState, now: float) -> bool:
        """Bind the pods whose claims are bound at their poll."""
        changed = False
        for pod, waiting in list(self._waiting.items()):
            while waiting.poll_s <= now + TOLERANCE_S:
                waiting.poll_s += self.control_plane.volume_poll_s
                template = state.templates[state.pod_template[pod]]
                claims = [state.storage.claims.get(f"{template.namespace}/{name}") for name in template.claims]
                if all(claim is not None and claim.bound for claim in claims):
                    del self._waiting[pod]
                    changed |= self._bind(state, pod, waiting.node, now)
                    break
                if now - waiting.since_s >= self.control_plane.volume_bind_timeout_s:
                    del self._waiting[pod]
                    self._aside[pod] = Aside(now, ANYTHING)
                    self.framework.forget(pod)
                    break
        return changed


def _helps(decision: Decision) -> frozenset[str]:
    """What could change the mind of one of the plugins that rejected the pod."""
    return frozenset().union(*(HINTS.get(plugin, ANYTHING) for plugin in decision.plugins)) or ANYTHING


def _is_gated(state: ClusterState, pod: int) -> bool:
    return bool(state.templates[state.pod_template[pod]].scheduling_gates)
