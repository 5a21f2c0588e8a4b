"""A cluster that has changed, with every pod that the change does not concern where it lay."""

from collections import Counter
from dataclasses import replace

import numpy as np

from gxsim.load.scenario import Case
from gxsim.model.cluster import Cluster, Workload
from gxsim.model.placement import PlacedPods, Placement
from gxsim.plan.place import Placed
from gxsim.state import PENDING, ClusterState, kind_of, owner_name
from gxsim.study.start import started

Key = tuple[str, str, str]  # kind, namespace, name


def carried(before: Placed, cluster: Cluster) -> Placed:
    """*cluster* as it comes to lie after *before*: what is unchanged stays, the scheduler places the rest.

    A workload whose pod template changed has all its pods made anew. Volumes stay on their nodes, so that a pod whose
    node is gone waits for it.
    """
    state = before.state
    owned = {(w.kind, w.namespace, w.name) for w in cluster.workloads}
    pods = tuple(
        pod
        for pod in cluster.pods
        if pod.owner is None or (pod.owner.kind, pod.template.namespace, pod.owner.name) not in owned
    )
    claims = {claim.key: claim for claim in cluster.claims} | state.storage.claims
    volumes = {volume.name: volume for volume in cluster.volumes} | state.storage.volumes
    after = replace(
        cluster,
        pods=pods,
        workloads=_grown_last(_without_stale_sets(cluster, state.cluster), state),
        claims=tuple(claims.values()),
        volumes=tuple(volumes.values()),
    )
    case = replace(before.case, cluster=after, placement=_placement(state, after))
    return place_case(case)


def place_case(case: Case) -> Placed:
    """*case* with every pod where its placement, or else the scheduler, puts it."""
    state, framework = started(case, case.placement)
    return Placed(case=case, state=state, framework=framework)


def _without_stale_sets(cluster: Cluster, old: Cluster) -> tuple[Workload, ...]:
    """The workloads, less a snapshot's ReplicaSets of Deployments that have changed since: those get new ones."""
    before = {(w.kind, w.namespace, w.name): w for w in old.workloads}
    changed = {
        (w.namespace, w.name)
        for w in cluster.workloads
        if w.kind == "Deployment" and not _same(before.get((w.kind, w.namespace, w.name)), w, replicas=True)
    }
    return tuple(w for w in cluster.workloads if w.owner is None or (w.namespace, w.owner.name) not in changed)


def _grown_last(workloads: tuple[Workload, ...], state: ClusterState) -> tuple[Workload, ...]:
    """*workloads*, those that lack pods last: pods that are there hold their quota before new ones ask for it."""
    before = {(w.kind, w.namespace, w.name): w for w in state.cluster.workloads}
    active = np.flatnonzero(state.pod_active).tolist()
    have = Counter(
        (kind_of(state, pod), state.templates[state.pod_template[pod]].namespace, owner_name(state, pod))
        for pod in active
    )

    def grows(workload: Workload) -> bool:
        key = (workload.kind, workload.namespace, workload.name)
        return not _same(before.get(key), workload) or have[key] < workload.replicas

    return tuple(sorted(workloads, key=grows))


def _same(old: Workload | None, new: Workload, *, replicas: bool = False) -> bool:
    """Whether a workload's pods need not be made anew; with *replicas*, whether their number is the same too."""
    if old is None or old.template.manifest.get("spec") != new.template.manifest.get("spec"):
        return False
    if old.template.labels != new.template.labels or old.template.annotations != new.template.annotations:
        return False
    return not replicas or old.replicas == new.replicas


def _placement(state: ClusterState, cluster: Cluster) -> Placement:
    """Where the pods of *state* lie, as far as *cluster* still wants them there."""
    nodes = {node.name for node in cluster.nodes}
    before = {(w.kind, w.namespace, w.name): w for w in state.cluster.workloads}
    kept = {
        (w.kind, w.namespace, w.name): w.replicas
        for w in cluster.workloads
        if _same(before.get((w.kind, w.namespace, w.name)), w)
    }
    bound = {(pod.template.namespace, pod.name) for pod in cluster.pods if pod.node_name}
    bare = {(pod.template.namespace, pod.name) for pod in cluster.pods} - bound
    entries, spread = [], dict[Key, list[str]]()
    for pod in np.flatnonzero(state.pod_active & (state.pod_node != PENDING)).tolist():
        node, namespace = state.nodes[state.pod_node[pod]].name, state.templates[state.pod_template[pod]].namespace
        kind, name = kind_of(state, pod), state.pod_names[pod]
        key = (kind, namespace, owner_name(state, pod))
        if node not in nodes:
            continue
        ordered = kind == "StatefulSet" and key in kept and int(state.pod_ordinal[pod]) < kept[key]
        if ordered or (kind == "Pod" and (namespace, name) in bare):
            entries.append(PlacedPods(namespace=namespace, pod=name, node=node))
        elif kind in ("Deployment", "ReplicaSet") and key in kept:
            spread.setdefault(key, []).append(node)
    for key, places in spread.items():
        left = _fewer(places, kept[key])
        if left:
            entries.append(PlacedPods(namespace=key[1], deployment=key[2], nodes=tuple(left)))
    return Placement(name="as before", pods=tuple(entries))


def _fewer(nodes: list[str], wanted: int) -> list[str]:
    """*nodes* of replicas less those a ReplicaSet gives up first: where most of them lie together, the youngest."""
    left = list(nodes)
    while len(left) > wanted:
        together = Counter(left)
        victim = max(range(len(left)), key=lambda i: (together[left[i]], i))
        del left[victim]
    return left
