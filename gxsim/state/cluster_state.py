"""The state of a cluster at one moment: columns, the few verbs that change them, and what must always hold.

What is true and what the control plane believes are different columns. True: ``node_down``, ``node_kubelet_down``,
``pod_running``, ``pod_answering``, ``pod_stalled``. Believed (the API's objects): everything else.
"""

import copy
import dataclasses
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from gxsim.errors import InvariantError
from gxsim.model.cluster import Cluster
from gxsim.model.node import Node, Taint
from gxsim.model.pod import PodTemplate
from gxsim.state.columns import (
    NO_OWNER,
    NOT_READY,
    PENDING,
    PHASE_RUNNING,
    READY,
    RESOURCES,
    Binding,
    Event,
    Owner,
    PodColumns,
    record,
    with_room,
)
from gxsim.state.degradation import Degradation, Degradations, Ends
from gxsim.state.invariants import check
from gxsim.state.storage import Storage
from gxsim.state.templates import Templates, extended_resources


class ClusterState(PodColumns):
    """Struct of arrays: ``(nodes, resources)``, ``(nodes,)`` and ``(pods,)``; cpu in millicores, memory in bytes.

    Rows are only appended; a replaced pod is a new row. Nothing but the verbs below assigns to a column.
    ``journal`` lists bindings in order, so that caches can catch up; ``node_revision`` counts changes of node
    properties. Claims and volumes are in ``storage``.
    """

    def __init__(self, cluster: Cluster):
        self.cluster = cluster
        self.nodes: list[Node] = list(cluster.nodes)
        self.node_index = {node.name: i for i, node in enumerate(self.nodes)}
        self.resources = (*RESOURCES, *extended_resources(cluster))
        self.resource_index = {name: i for i, name in enumerate(self.resources)}
        count = len(self.nodes)
        # Column by column in memory: the scheduler's arithmetic runs over the nodes, three times faster that way
        # (benchmarks/test_placement.py, every pod a different size).
        self.allocatable = np.zeros((count, len(self.resources)), np.int64, order="F")
        for i, node in enumerate(self.nodes):
            self.allocatable[i] = self.vector(node.allocatable)
        self.requested = np.zeros_like(self.allocatable)
        self.scored_requested = np.zeros((count, 2), np.int64, order="F")  # cpu, memory as LeastAllocated counts them
        self.unschedulable = np.array([n.unschedulable for n in self.nodes], bool)
        self.node_exists = np.ones(count, bool)
        self.node_ready = np.array([READY if n.ready else NOT_READY for n in self.nodes], np.int8)
        self.node_down = np.zeros(count, np.int32)  # open faults that stop the host or cut it off
        self.node_kubelet_down = np.zeros(count, np.int32)  # open faults that stop the kubelet only
        self.taints: list[tuple[Taint, ...]] = [node.taints for node in self.nodes]
        self.node_revision = self.label_revision = 0

        self._templates = Templates(len(self.resources))
        self.pod_names: list[str] = []
        self._columns: dict[str, NDArray] = with_room({}, 0, 64)
        self._show(0)

        self.owners: list[Owner] = []
        self.storage = Storage(cluster.claims, cluster.volumes)
        self.degradations = Degradations(count)
        self.journal: list[Binding] = []
        self.touched: list[int] = []  # rows of pods and
        self.revised: list[int] = []  # of owners as verbs changed them, for those who follow along
        self.published: list[int] = []  # rows of pods whose endpoint changed
        self.events: list[Event] = []
        self._tries: dict[tuple, int] = {}  # what a failed try says: its row in ``events``

    def vector(self, amounts: Mapping[str, int]) -> NDArray[np.int64]:
        """*amounts* by resource name as a (resources,) row; names no node or pod uses are left out."""
        row = np.zeros(len(self.resources), np.int64)
        for name, amount in amounts.items():
            if name in self.resource_index:
                row[self.resource_index[name]] = amount
        return row

    def template(self, template: PodTemplate) -> int:
        """The index of *template*, which is taken in when it is new."""
        return self._templates.index(template, self.vector)

    @property
    def templates(self) -> list[PodTemplate]:
        """Every pod template of the run; a pod's is ``templates[pod_template[pod]]``."""
        return self._templates.nouns

    @property
    def template_requests(self) -> NDArray[np.int64]:
        """(templates, resources) effective requests; every pod requests one of ``pods``."""
        return self._templates.requests[: len(self.templates)]

    @property
    def template_scored(self) -> NDArray[np.int64]:
        """(templates, 2) cpu and memory as LeastAllocated counts them."""
        return self._templates.scored[: len(self.templates)]

    # ---- pods

    def create(
        self,
        name: str,
        template: PodTemplate,
        *,
        now: float = 0.0,
        owner: int = NO_OWNER,
        ordinal: int = -1,
    ) -> int:
        """A new pod, bound nowhere; returns its row."""
        pod = len(self.pod_names)
        if pod >= len(self._columns["pod_node"]):
            self._columns = with_room(self._columns, pod, 2 * pod)
        self.pod_names.append(name)
        self._show(pod + 1)
        self.pod_template[pod] = self.template(template)
        self.pod_owner[pod] = owner
        self.pod_ordinal[pod] = ordinal
        self.pod_exists[pod] = True
        self.pod_created_s[pod] = now
        self.touched.append(pod)
        return pod

    def bind(self, pod: int, node: int) -> None:
        """Give *pod* to *node*, whose resources it takes from now on."""
        self._changing(pod, self.pod_node[pod] == PENDING and self.pod_phase[pod] <= PHASE_RUNNING, "is bound or over")
        if not self.node_exists[node]:
            raise InvariantError(f"pod {self.pod_names[pod]} is bound to a deleted node")
        self.pod_node[pod] = node
        template = self.pod_template[pod]
        self.requested[node] += self._templates.requests[template]
        self.scored_requested[node] += self._templates.scored[template]
        self.journal.append(Binding(pod, node, 1))

    def start(self, pod: int, now: float, *, answering: bool = True) -> None:
        """The containers of *pod* run, and the kubelet has said so; they answer already, or from ``answer`` on."""
        self._changing(pod, self.pod_node[pod] != PENDING and self.pod_phase[pod] <= PHASE_RUNNING, "cannot start")
        self.pod_running[pod] = True
        self.pod_phase[pod] = PHASE_RUNNING
        self.pod_started_s[pod] = now
        self.pod_answering[pod] = answering

    def answer(self, pod: int) -> None:
        """The application in the containers of *pod* has started up."""
        self._changing(pod, bool(self.pod_running[pod]), "does not run")
        self.pod_answering[pod] = True

    def crash(self, pod: int) -> None:
        """The containers of *pod* are dead; nobody has noticed yet."""
        self._changing(pod, True, "")
        self.pod_running[pod] = False

    def restart(self, pod: int) -> None:
        """Count a restart of the containers of *pod*; they run again from ``start``."""
        self._changing(pod, True, "")
        self.pod_running[pod] = False
        self.pod_restarts[pod] += 1

    def stall(self, pod: int) -> None:
        """*pod* stops answering while its containers run (a counter: faults may overlap)."""
        self._changing(pod, True, "")
        self.pod_stalled[pod] += 1

    def unstall(self, pod: int) -> None:
        """End one stall of *pod*; a pod that was replaced or restarted meanwhile keeps a count of zero."""
        self.pod_stalled[pod] = max(0, self.pod_stalled[pod] - 1)
        self.touched.append(pod)

    def publish(self, pod: int, endpoint: int) -> None:
        """Set what the EndpointSlices say of *pod*: one of ``ENDPOINTS``."""
        self.pod_endpoint[pod] = endpoint
        self.published.append(pod)

    def mark_pod_ready(self, pod: int, now: float) -> None:
        """Set the pod's Ready condition."""
        self._changing(pod, self.pod_phase[pod] == PHASE_RUNNING, "is not Running")
        if not self.pod_ready[pod]:
            self.pod_ready[pod] = True
            self.pod_ready_since_s[pod] = now

    def mark_pod_not_ready(self, pod: int) -> None:
        """Clear the pod's Ready condition; its phase stays."""
        self._changing(pod, True, "")
        self.pod_ready[pod] = False
        self.pod_ready_since_s[pod] = np.nan

    def terminate(self, pod: int, now: float, grace_s: float | None = None) -> None:
        """Set the deletion timestamp; the object stays until ``delete``. A shorter grace period may follow."""
        self._changing(pod, True, "")
        if grace_s is None:
            grace_s = self.templates[self.pod_template[pod]].termination_grace_period_s
        if self.pod_terminating[pod]:
            self.pod_grace_s[pod] = min(self.pod_grace_s[pod], grace_s)
            return
        self.pod_terminating[pod] = True
        self.pod_deleted_s[pod] = now
        self.pod_grace_s[pod] = grace_s
        if self.pod_node[pod] != PENDING and self.pod_phase[pod] <= PHASE_RUNNING:
            self.journal.append(Binding(pod, int(self.pod_node[pod]), 0))

    def finish(self, pod: int, phase: int) -> None:
        """The containers have ended for good (``PHASE_SUCCEEDED`` or ``PHASE_FAILED``); the resources are free."""
        self._changing(pod, self.pod_phase[pod] <= PHASE_RUNNING, "is over already")
        self._release(pod)
        self.pod_phase[pod] = phase
        self.pod_running[pod] = self.pod_ready[pod] = False

    def delete(self, pod: int) -> None:
        """Remove the object; the row stays, so that a row number means one pod for the whole run."""
        self._changing(pod, True, "")
        if self.pod_phase[pod] <= PHASE_RUNNING:
            self._release(pod)
        self.pod_exists[pod] = self.pod_ready[pod] = self.pod_running[pod] = False

    @property
    def pod_active(self) -> NDArray[np.bool_]:
        """(pods,) True for objects that exist, are not over and are not being deleted."""
        return self.pod_exists & ~self.pod_terminating & (self.pod_phase <= PHASE_RUNNING)

    @property
    def pod_serving(self) -> NDArray[np.bool_]:
        """(pods,) True where the containers truly run, have started up and answer, and their node is reachable."""
        reachable = np.append(self.node_down == 0, False)  # index -1: bound nowhere
        serving = self.pod_running & self.pod_answering & (self.pod_stalled == 0) & reachable[self.pod_node]
        serving[self.degradations.severed] = False
        return serving

    # ---- nodes

    def fail(self, node: int) -> None:
        """One more fault stops *node* or cuts it off."""
        self.node_down[node] += 1

    def repair(self, node: int) -> None:
        """One fault of *node* is over."""
        if self.node_down[node] < 1:
            raise InvariantError(f"node {self.nodes[node].name} is repaired but was not down")
        self.node_down[node] -= 1

    def stop_kubelet(self, node: int) -> None:
        """One more fault stops the kubelet of *node*; its containers run on."""
        self.node_kubelet_down[node] += 1

    def start_kubelet(self, node: int) -> None:
        """One fault of the kubelet of *node* is over."""
        if self.node_kubelet_down[node] < 1:
            raise InvariantError(f"the kubelet of {self.nodes[node].name} is started but was not down")
        self.node_kubelet_down[node] -= 1

    @property
    def node_heartbeats(self) -> NDArray[np.bool_]:
        """(nodes,) True where the kubelet lives and its heartbeats reach the API server's network."""
        return (self.node_down == 0) & (self.node_kubelet_down == 0) & self.node_exists & ~self.degradations.silent

    def mark_ready(self, node: int, condition: int) -> None:
        """Set what the control plane believes: ``READY``, ``NOT_READY`` or ``UNKNOWN``."""
        self.node_ready[node] = condition

    def cordon(self, node: int) -> None:
        self.unschedulable[node] = True
        self.node_revision += 1

    def uncordon(self, node: int) -> None:
        self.unschedulable[node] = False
        self.node_revision += 1

    def taint(self, node: int, taint: Taint) -> None:
        """Put *taint* on *node*, in place of one with the same key and effect."""
        self.untaint(node, taint.key, taint.effect)
        self.taints[node] = (*self.taints[node], taint)
        self.node_revision += 1

    def untaint(self, node: int, key: str, effect: str) -> None:
        """Remove the taint with this key and effect, if it is there."""
        kept = tuple(t for t in self.taints[node] if (t.key, t.effect) != (key, effect))
        if len(kept) != len(self.taints[node]):
            self.taints[node] = kept
            self.node_revision += 1

    def relabel(self, node: int, labels: Mapping[str, str]) -> None:
        """Give *node* these labels."""
        self.nodes[node] = dataclasses.replace(self.nodes[node], labels=labels)
        self.label_revision += 1
        self.node_revision += 1

    def remove_node(self, node: int) -> None:
        """Delete the Node object; its pods stay until pod GC finds them."""
        self.node_exists[node] = False
        self.node_revision += 1

    def restore_node(self, node: int) -> None:
        """Register a deleted Node object again, with the taints it was given in the input."""
        self.node_exists[node] = True
        self.taints[node] = self.nodes[node].taints
        self.node_revision += 1

    # ---- links, disks, processors, clocks

    def degrade(self, degradation: Degradation) -> None:
        """A fault begins that slows its targets, or their links, down."""
        self.degradations.begin(degradation)
        self.touched.extend(degradation.near.pods)

    def recover(self, fault: str, near: Ends, now: float) -> Degradation:
        """The oldest such *fault* at *near* is over; returns it."""
        self.touched.extend(near.pods)
        return self.degradations.end(fault, near, now)

    # ---- owners, events

    def own(self, owner: Owner) -> int:
        """Take in a controller object; returns its index."""
        self.owners.append(owner)
        self.revised.append(len(self.owners) - 1)
        return len(self.owners) - 1

    def scale(self, owner: int, replicas: int) -> None:
        """Set the wanted number of replicas."""
        self.owners[owner].replicas = replicas
        self.revised.append(owner)

    def roll(self, owner: int, template: PodTemplate) -> None:
        """Give *owner* another pod template, as a new revision."""
        self.owners[owner].template = template
        self.owners[owner].revision += 1
        self.revised.append(owner)

    def disown(self, owner: int) -> None:
        """Remove a controller object; its pods are left to its controller."""
        self.owners[owner].deleted = True
        self.revised.append(owner)

    def emit(self, event: Event) -> None:
        """Record an Event for people; nothing is ever decided on one. Equal ones of failed tries are counted."""
        record(self.events, self._tries, event)

    def copy(self) -> "ClusterState":
        """An independent state with the same rows, for trying something out; nouns are shared."""
        twin = copy.copy(self)
        for name, value in vars(self).items():
            if isinstance(value, (np.ndarray, list, dict)):
                setattr(twin, name, value.copy())
        twin.owners = [dataclasses.replace(owner) for owner in self.owners]
        twin._templates = self._templates.copy()
        twin.storage, twin.degradations = self.storage.copy(), self.degradations.copy()
        twin._columns = {name: column.copy() for name, column in self._columns.items()}
        twin._show(len(self.pod_names))
        return twin

    def check(self) -> None:
        """Raise InvariantError unless the columns agree with one another."""
        check(self)

    def pod_key(self, pod: int) -> str:
        """``namespace/name`` of a pod, for people."""
        return f"{self.templates[self.pod_template[pod]].namespace}/{self.pod_names[pod]}"

    def _changing(self, pod: int, allowed: bool, problem: str) -> None:
        """Refuse what is not allowed; otherwise note that the row changes."""
        if not self.pod_exists[pod]:
            raise InvariantError(f"pod {self.pod_key(pod)} does not exist any more")
        if not allowed:
            raise InvariantError(f"pod {self.pod_key(pod)} {problem}")
        self.touched.append(pod)

    def _release(self, pod: int) -> None:
        node = int(self.pod_node[pod])
        if node == PENDING:
            return
        template = self.pod_template[pod]
        self.requested[node] -= self._templates.requests[template]
        self.scored_requested[node] -= self._templates.scored[template]
        self.journal.append(Binding(pod, node, -1))

    def _show(self, count: int) -> None:
        """Let each column's attribute be its first *count* rows."""
        for name, column in self._columns.items():
            setattr(self, name, column[:count])
