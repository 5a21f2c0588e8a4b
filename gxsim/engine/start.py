"""From a Cluster to its state at t = 0: every workload has its pods, bound, running and ready for long."""

from collections import defaultdict
from collections.abc import Sequence

from gxsim.controllers.admission import Admission, Refused
from gxsim.controllers.daemon_set import NodeTemplates, daemon_tolerations, wants
from gxsim.controllers.replica_set import next_pod_name, replica_set_of
from gxsim.controllers.stateful_set import OrdinalTemplates, put_claims
from gxsim.controllers.volume_binder import provision
from gxsim.errors import ScenarioError
from gxsim.model.cluster import Cluster, Workload
from gxsim.model.placement import Placement
from gxsim.model.pod import Pod
from gxsim.scheduler.queue import Framework
from gxsim.state import NO_OWNER, PENDING, ClusterState, Event, Owner

LONG_AGO_S = -86_400.0  # when everything that runs at t = 0 was started


def start(state: ClusterState, framework: Framework, placement: Placement | None = None) -> None:
    """Create owners and pods, place them as *placement* or else the scheduler says, and let them run.

    Pods of a snapshot keep their node and count for their owner. Refused pods are missing, pods that fit nowhere stay
    Pending; Events say why. Raises ScenarioError for a placement that names a pod or node that is not there.
    """
    Start(state, framework, placement or Placement()).run()


class Start:
    """One start; holds what its steps share."""

    def __init__(self, state: ClusterState, framework: Framework, placement: Placement):
        self.state, self.framework = state, framework
        self.admission = Admission(state)
        self.found: dict[tuple[str, str, str], list[Pod]] = defaultdict(list)  # snapshot pods by owner
        self.places = _places(state, placement)
        self.ordinals, self.daemons = OrdinalTemplates(), NodeTemplates()
        self.owner_of: dict[tuple[str, str, str], int] = {}

    def run(self) -> None:
        cluster = self.state.cluster
        self._own(cluster)
        for pod in cluster.pods:
            key = (pod.template.namespace, pod.owner.kind, pod.owner.name) if pod.owner else ("", "", "")
            if pod.owner and key in self.owner_of:
                self.found[key].append(pod)
            else:
                self._adopt(pod, NO_OWNER, -1)
        for owner, held in enumerate(self.state.owners):
            POPULATE.get(held.kind, Start._populate_none)(self, owner)
        self._check_places()
        self._schedule()
        self._settle_in()

    # ---- owners -------------------------------------------------------------------------------------------------

    def _own(self, cluster: Cluster) -> None:
        """Owner objects of all workloads, each Deployment with its current ReplicaSet."""
        snapshot_sets = [w for w in cluster.workloads if w.kind == "ReplicaSet" and w.owner is not None]
        for workload in cluster.workloads:
            if workload in snapshot_sets:
                continue
            index = self._take(workload, workload.name, NO_OWNER)
            if workload.kind == "Deployment":
                self._own_sets(index, workload, snapshot_sets)

    def _own_sets(self, deployment: int, workload: Workload, snapshot_sets: Sequence[Workload]) -> None:
        mine = [
            w
            for w in snapshot_sets
            if w.namespace == workload.namespace and w.owner is not None and w.owner.name == workload.name
        ]
        for one in mine:
            index = self._take(one, one.name, deployment)
            self.state.owners[index].kind = "ReplicaSet"
        if not mine:
            owner = replica_set_of(self.state, deployment, workload.template, LONG_AGO_S)
            owner.replicas = workload.replicas
            self.owner_of[owner.namespace, owner.kind, owner.name] = self.state.own(owner)

    def _take(self, workload: Workload, name: str, parent: int) -> int:
        owner = Owner(
            kind=workload.kind,
            namespace=workload.namespace,
            name=name,
            workload=workload,
            template=workload.template,
            replicas=workload.replicas,
            parent=parent,
            created_s=LONG_AGO_S,
        )
        index = self.state.own(owner)
        self.owner_of[workload.namespace, workload.kind, name] = index
        return index

    # ---- their pods ---------------------------------------------------------------------------------------------

    def _found_for(self, owner: int) -> list[Pod]:
        held = self.state.owners[owner]
        return self.found.pop((held.namespace, held.kind, held.name), [])

    def _populate_replica_set(self, owner: int) -> None:
        held = self.state.owners[owner]
        found = self._found_for(owner)
        for one in found:
            self._adopt(one, owner, -1)
        parent = self.state.owners[held.parent].name if held.parent != NO_OWNER else held.name
        nodes = self.places.pop((held.namespace, "Deployment", parent), [])
        for _ in range(held.replicas - len(found)):
            pod = self._create(owner, next_pod_name(self.state, owner), -1)
            if pod is None:
                return
            if nodes:
                self._bind(pod, nodes.pop(0))
        if nodes:
            self.places[held.namespace, "Deployment", parent] = nodes

    def _populate_stateful_set(self, owner: int) -> None:
        held = self.state.owners[owner]
        for one in self._found_for(owner):
            self._adopt(one, owner, int(one.name.rsplit("-", 1)[1]))
        have = {int(o) for o in self.state.pod_ordinal[self.state.pod_owner == owner]}
        for ordinal in range(held.replicas):
            if ordinal in have:
                continue
            name = f"{held.name}-{ordinal}"
            nodes = self.places.pop((held.namespace, "Pod", name), [])
            pod = self._create(owner, name, ordinal)
            if pod is None:
                return
            if nodes:
                self._bind(pod, nodes[0])

    def _populate_daemon_set(self, owner: int) -> None:
        have = set()
        for pod in self._found_for(owner):
            node = self.state.node_index.get(pod.node_name, -1)
            self._adopt(pod, owner, node)
            have.add(node)
        tolerations = daemon_tolerations(self.state.owners[owner].template)
        for node in range(len(self.state.nodes)):
            if node not in have and wants(self.state, owner, node, tolerations)[0]:
                pod_row = self._create(owner, next_pod_name(self.state, owner), node)
                if pod_row is None:
                    return

    def _populate_none(self, owner: int) -> None:
        """Deployments have their pods through their ReplicaSets; other kinds are not populated."""
        for pod in self._found_for(owner):
            self._adopt(pod, owner, -1)

    def _create(self, owner: int, name: str, ordinal: int) -> int | None:
        """A pod of *owner*, or None when a quota refuses it."""
        held = self.state.owners[owner]
        template = held.template
        if held.kind == "StatefulSet":
            template = self.ordinals.of(held, owner, ordinal)
        elif held.kind == "DaemonSet":
            template = self.daemons.of(self.state, owner, ordinal)
        try:
            if held.kind == "StatefulSet":
                put_claims(self.state, held, ordinal, self.admission)
            return self.admission.create_pod(self.state, name, template, now=LONG_AGO_S, owner=owner, ordinal=ordinal)
        except Refused as refusal:
            name = f"{held.namespace}/{held.name}"
            self.state.emit(Event(0.0, held.kind, name, "FailedCreate", f"Error creating: {refusal}"))
            return None

    def _adopt(self, pod: Pod, owner: int, ordinal: int) -> None:
        """A pod of the input, on its node if it has one."""
        row = self.state.create(pod.name, pod.template, now=LONG_AGO_S, owner=owner, ordinal=ordinal)
        places = self.places.pop((pod.template.namespace, "Pod", pod.name), [])
        if pod.node_name:
            if pod.node_name not in self.state.node_index:
                raise ScenarioError(pod.source, f"pod {pod.name} is bound to {pod.node_name!r}, which is no node here")
            self._bind(row, self.state.node_index[pod.node_name])
        elif places:
            self._bind(row, places[0])

    # ---- placing ------------------------------------------------------------------------------------------------

    def _bind(self, pod: int, node: int) -> None:
        """Bind *pod*, and make the volumes it still lacks where it lies."""
        template = self.state.templates[self.state.pod_template[pod]]
        for name in template.claims:
            claim = self.state.storage.claims.get(f"{template.namespace}/{name}")
            if claim is not None and not claim.bound:
                provision(self.state, claim, node)
        self.state.bind(pod, node)

    def _schedule(self) -> None:
        """The scheduler places what is left, by priority and in the order of creation."""
        state = self.state
        left = [p for p in range(len(state.pod_names)) if state.pod_node[p] == PENDING and state.pod_exists[p]]
        for pod in sorted(left, key=lambda p: (-state.templates[state.pod_template[p]].priority, p)):
            if state.templates[state.pod_template[pod]].scheduling_gates:
                continue
            decision = self.framework.decide(pod)
            if decision.node != PENDING:
                self._bind(pod, decision.node)

    def _settle_in(self) -> None:
        """What is bound on a ready node runs and is Ready, since long."""
        state = self.state
        for pod in range(len(state.pod_names)):
            if state.pod_node[pod] != PENDING and state.pod_exists[pod]:
                state.start(pod, LONG_AGO_S)
                state.mark_pod_ready(pod, LONG_AGO_S)

    def _check_places(self) -> None:
        for (namespace, kind, name), _ in self.places.items():
            raise ScenarioError(
                "placement", f"{kind} {namespace}/{name} is not in the manifests, or has fewer replicas"
            )


POPULATE = {
    "ReplicaSet": Start._populate_replica_set,
    "StatefulSet": Start._populate_stateful_set,
    "DaemonSet": Start._populate_daemon_set,
}


def _places(state: ClusterState, placement: Placement) -> dict[tuple[str, str, str], list[int]]:
    """Rows of nodes by (namespace, Pod or Deployment, name)."""
    result = {}
    for i, placed in enumerate(placement.pods):
        kind, name = ("Pod", placed.pod) if placed.pod else ("Deployment", placed.deployment)
        names = (placed.node,) if placed.pod else placed.nodes
        unknown = next((node for node in names if node not in state.node_index), None)
        if unknown is not None:
            raise ScenarioError(f"placement: pods[{i}]", f"there is no node {unknown!r}")
        result[placed.namespace, kind, name] = [state.node_index[node] for node in names]
    return result
