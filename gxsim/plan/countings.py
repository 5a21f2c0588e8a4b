"""What a pod counts for: its requests, its limits, its documented usage, or the disk behind its claims."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gxsim.model.cluster import Cluster
from gxsim.model.model import Model, host_usage_of, usage_of
from gxsim.model.node import Node
from gxsim.model.pod import PodTemplate
from gxsim.observe.nodes import volume_nodes
from gxsim.scheduler import provisioned_volume
from gxsim.state import PENDING, PHASE_RUNNING, PODS, ClusterState, workload_of

Amounts = Mapping[str, int]
AmountsOf = Callable[[ClusterState, PodTemplate, str], Amounts]  # of a template, in ``namespace/workload``
OfNodes = Callable[[ClusterState], Mapping[int, Amounts]]  # by node, what the node itself takes


@dataclass(frozen=True, slots=True, kw_only=True)
class Counting:
    """One way to count pods against what nodes offer; ``of_nodes`` is what no pod accounts for.

    A ``real`` one is what the scheduler itself counts: quotas and requests hold as they are written.
    """

    name: str
    amounts: AmountsOf
    of_nodes: OfNodes
    real: bool = False


def countings(model: Model) -> tuple[Counting, ...]:
    """Requests as the scheduler counts them; what stands in for an absent limit or usage is the request."""

    def usage(state: ClusterState, template: PodTemplate, workload: str) -> Amounts:
        namespace, _, name = workload.partition("/")
        entry = usage_of(model.usage, namespace, name)
        if entry is None:
            return _cpu_and_memory(template.requests)
        return {"cpu": entry.cpu_milli, "memory": entry.memory_bytes}

    def hosts(state: ClusterState) -> Mapping[int, Amounts]:
        found = {}
        for node, noun in enumerate(state.nodes):
            entry = host_usage_of(model.host_usage, noun.labels)
            if entry is not None:
                found[node] = {"cpu": entry.cpu_milli, "memory": entry.memory_bytes}
        return found

    return (
        REQUESTS,
        Counting(name="limits", amounts=_limits, of_nodes=_nothing),
        Counting(name="usage", amounts=usage, of_nodes=hosts),
        Counting(name="volumes", amounts=_disk, of_nodes=_unclaimed_disk),
    )


def _nothing(state: ClusterState) -> Mapping[int, Amounts]:
    return {}


def _cpu_and_memory(amounts: Amounts) -> Amounts:
    return {name: amounts[name] for name in ("cpu", "memory") if name in amounts}


def _limits(state: ClusterState, template: PodTemplate, workload: str) -> Amounts:
    return {**_cpu_and_memory(template.requests), **_cpu_and_memory(template.limits)}


def _disk(state: ClusterState, template: PodTemplate, workload: str) -> Amounts:
    """Ephemeral storage, and the claims whose volumes lie on the disk of one node."""
    total = template.requests.get("ephemeral-storage", 0)
    for name in template.claims:
        claim = state.storage.claims.get(f"{template.namespace}/{name}")
        if claim is None:
            continue
        if claim.volume in state.storage.volumes:
            local = len(volume_nodes(state, claim.volume)) == 1
        else:
            classes = [c.name for c in state.cluster.storage_classes]
            local = claim.storage_class in classes and provisioned_volume(state, claim, 0).node_affinity is not None
        total += claim.size_bytes if local else 0
    return {"ephemeral-storage": total} if total else {}


def _unclaimed_disk(state: ClusterState) -> Mapping[int, Amounts]:
    """Volumes that lie on a node though no pod uses them."""
    used = {
        f"{template.namespace}/{name}"
        for template in (state.templates[index] for index in np.unique(state.pod_template[_holding(state)]).tolist())
        for name in template.claims
    }
    left: dict[int, int] = {}
    for volume in state.storage.volumes.values():
        nodes = volume_nodes(state, volume.name) if volume.claim not in used else []
        if len(nodes) == 1:
            left[nodes[0]] = left.get(nodes[0], 0) + volume.size_bytes
    return {node: {"ephemeral-storage": size} for node, size in left.items()}


def _holding(state: ClusterState) -> NDArray[np.bool_]:
    """(pods,) True where a pod exists and is not over: bound ones hold what they request, terminating ones too."""
    return state.pod_exists & (state.pod_phase <= PHASE_RUNNING)


REQUESTS = Counting(name="requests", amounts=lambda state, template, _: template.requests, of_nodes=_nothing, real=True)


class Recount:
    """Templates with other amounts in place of their requests; one for each template and workload, made once."""

    def __init__(self, counting: Counting):
        self.counting = counting
        self._made: dict[tuple[PodTemplate, str], PodTemplate] = {}

    def template(self, state: ClusterState, template: PodTemplate, workload: str) -> PodTemplate:
        """*template* as if it requested what it counts for, as a pod of ``namespace/workload``."""
        if self.counting.real:
            return template
        key = (template, workload)
        if key not in self._made:
            amounts = dict(self.counting.amounts(state, template, workload))
            scored = (amounts.get("cpu", 0), amounts.get("memory", 0))
            self._made[key] = replace(template, requests=amounts, scored_requests=scored)
        return self._made[key]

    def state(self, state: ClusterState) -> ClusterState:
        """A copy of *state* in which every pod lies where it lay and requests what it counts for.

        What a node takes by itself it does not offer. Pods that are over are left out.
        """
        if self.counting.real:
            return state.copy()
        own = self.counting.of_nodes(state)
        nodes = tuple(_less(noun, own.get(node, {})) for node, noun in enumerate(state.nodes))
        twin = emptied(state, replace(state.cluster, nodes=nodes))
        populate(twin, state, lambda template, workload: self.template(state, template, workload))
        return twin


def _less(node: Node, own: Amounts) -> Node:
    return replace(node, allocatable={name: amount - own.get(name, 0) for name, amount in node.allocatable.items()})


def populate(twin: ClusterState, state: ClusterState, template_of: Callable[[PodTemplate, str], PodTemplate]) -> None:
    """Give *twin* the pods of *state* that are not over, each where it lies, with the template *template_of* says."""
    for pod in np.flatnonzero(_holding(state)).tolist():
        template = template_of(state.templates[state.pod_template[pod]], workload_of(state, pod))
        owner, ordinal = int(state.pod_owner[pod]), int(state.pod_ordinal[pod])
        row = twin.create(state.pod_names[pod], template, owner=owner, ordinal=ordinal)
        if state.pod_node[pod] != PENDING:
            twin.bind(row, int(state.pod_node[pod]))


def emptied(state: ClusterState, cluster: Cluster) -> ClusterState:
    """The nodes, owners, claims and volumes of *state* as they are now, without pods.

    *cluster* is that of *state*, perhaps with other amounts, or with more nodes behind the others.
    """
    twin = ClusterState(cluster)
    for node in range(len(state.nodes)):
        if not state.node_exists[node]:
            twin.remove_node(node)
        if state.unschedulable[node] != twin.unschedulable[node]:
            (twin.cordon if state.unschedulable[node] else twin.uncordon)(node)
        for taint in state.taints[node]:
            if taint not in twin.taints[node]:
                twin.taint(node, taint)
        for taint in set(twin.taints[node]) - set(state.taints[node]):
            twin.untaint(node, taint.key, taint.effect)
    for owner in state.owners:
        twin.own(replace(owner))
    for key in twin.storage.claims.keys() - state.storage.claims.keys():
        twin.storage.delete_claim(key)
    for claim in state.storage.claims.values():
        twin.storage.put_claim(claim)
    for name in twin.storage.volumes.keys() - state.storage.volumes.keys():
        twin.storage.delete_volume(name)
    for volume in state.storage.volumes.values():
        twin.storage.put_volume(volume)
    return twin


def free(state: ClusterState, counting: Counting) -> NDArray[np.int64]:
    """(nodes, resources) what each node offers less what its pods and the node itself count for; may be negative."""
    if counting.real:
        return state.allocatable - state.requested
    left = state.allocatable.copy()
    for node, own in counting.of_nodes(state).items():
        left[node] -= state.vector(own)
    bound = np.flatnonzero(_holding(state) & (state.pod_node != PENDING))
    amounts = np.zeros_like(state.template_requests)
    amounts[:, PODS] = 1
    templates, first = np.unique(state.pod_template[bound], return_index=True)
    for index, pod in zip(templates.tolist(), bound[first].tolist(), strict=True):
        amounts[index] += state.vector(counting.amounts(state, state.templates[index], workload_of(state, pod)))
    np.subtract.at(left, state.pod_node[bound], amounts[state.pod_template[bound]])
    return left
