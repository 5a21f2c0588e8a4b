"""What "one more" is: a pod, one more replica of a workload, or a tenant with all its workloads."""

from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np

from gxsim.controllers.admission import Admission
from gxsim.controllers.daemon_set import NodeTemplates, daemon_tolerations, wants
from gxsim.controllers.stateful_set import OrdinalTemplates, put_claims
from gxsim.model.cluster import Claim, Cluster, Workload
from gxsim.model.pod import PodAffinity, PodTemplate
from gxsim.plan.countings import Recount
from gxsim.state import ClusterState, Owner


class Increment(Protocol):
    """One copy of what is wanted. ``single`` is its template where each copy is the same one pod."""

    @property
    def name(self) -> str: ...

    @property
    def single(self) -> PodTemplate | None: ...

    def create(self, state: ClusterState, admission: Admission, number: int, recount: Recount) -> list[int]:
        """Rows of the new pods of copy *number* (from 1), still Pending; raises Refused where a quota is spent."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class OnePod:
    """The same pod again and again, without a controller."""

    name: str
    single: PodTemplate

    def create(self, state: ClusterState, admission: Admission, number: int, recount: Recount) -> list[int]:
        template = recount.template(state, self.single, f"{self.single.namespace}/{self.name}")
        return [admission.create_pod(state, f"{self.name}-{number}", template, now=0.0)]


@dataclass(frozen=True, slots=True, kw_only=True)
class OneReplica:
    """One more replica of a workload of the cluster; a StatefulSet's comes with claims of its own."""

    name: str
    kind: str
    namespace: str
    workload: str
    single: PodTemplate | None = None
    _ordinals: OrdinalTemplates = field(default_factory=OrdinalTemplates)

    def create(self, state: ClusterState, admission: Admission, number: int, recount: Recount) -> list[int]:
        owner = self._owner(state)
        held = state.owners[owner]
        ordinal = -1
        template = held.template
        if held.kind == "StatefulSet":
            ordinal = held.replicas + number - 1
            put_claims(state, held, ordinal, admission)
            template = self._ordinals.of(held, owner, ordinal)
        pod = f"{held.name}-{held.replicas + number - 1}"
        counted = recount.template(state, template, f"{self.namespace}/{self.workload}")
        return [admission.create_pod(state, pod, counted, now=0.0, owner=owner, ordinal=ordinal)]

    def _owner(self, state: ClusterState) -> int:
        """The StatefulSet, or the newest ReplicaSet of the Deployment."""
        matches = [
            i
            for i, o in enumerate(state.owners)
            if (o.kind, o.namespace, o.name) == (self.kind, self.namespace, self.workload)
        ]
        sets = [i for i, o in enumerate(state.owners) if o.parent == matches[0] and not o.deleted]
        return sets[-1] if sets else matches[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    """A set of workloads with its namespaces and quotas; each copy after the first has namespaces of its own."""

    name: str
    cluster: Cluster
    taken: frozenset[str]  # namespaces that are there already
    quotas: bool = True  # whether its own quotas hold for it
    single: PodTemplate | None = None

    def create(self, state: ClusterState, admission: Admission, number: int, recount: Recount) -> list[int]:
        names = {namespace: self._namespace(namespace, number) for namespace in self._namespaces()}
        for quota in self.cluster.quotas if self.quotas and recount.counting.real else ():
            metadata = quota["metadata"]
            space = names[metadata.get("namespace") or "default"]
            admission.set_quota(space, metadata["name"], (quota.get("spec") or {}).get("hard") or {})
        for claim in self.cluster.claims:
            _create_claim(state, admission, replace(claim, namespace=names[claim.namespace], volume="", bound=False))
        rows = []
        for workload in self.cluster.workloads:
            rows += _pods_of(state, admission, _renamed(workload, names), recount, workload.key)
        for pod in self.cluster.pods:
            template = recount.template(state, _moved(pod.template, names), f"{pod.template.namespace}/{pod.name}")
            rows.append(admission.create_pod(state, pod.name, template, now=0.0))
        return rows

    def _namespaces(self) -> set[str]:
        named = {w.namespace for w in self.cluster.workloads} | {p.template.namespace for p in self.cluster.pods}
        quotas = {q["metadata"].get("namespace") or "default" for q in self.cluster.quotas}
        return named | quotas | {claim.namespace for claim in self.cluster.claims} | set(self.cluster.namespaces)

    def _namespace(self, name: str, number: int) -> str:
        return name if number == 1 and name not in self.taken else f"{name}-{number}"


def _create_claim(state: ClusterState, admission: Admission, claim: Claim) -> None:
    """*claim*, of the cluster's default class where it names none, unless it is there."""
    if claim.key not in state.storage.claims:
        default = next((c.name for c in state.cluster.storage_classes if c.default), None)
        admission.create_claim(state, replace(claim, storage_class=claim.storage_class or default))


def _pods_of(state: ClusterState, admission: Admission, workload: Workload, recount: Recount, name: str) -> list[int]:
    """New pods of a workload that is not in *state* yet; a Deployment's stand under it directly."""
    held = Owner(
        kind=workload.kind,
        namespace=workload.namespace,
        name=workload.name,
        workload=workload,
        template=workload.template,
        replicas=workload.replicas,
    )
    owner = state.own(held)
    if workload.kind == "DaemonSet":
        daemons, tolerations = NodeTemplates(), daemon_tolerations(workload.template)
        nodes = np.flatnonzero(state.node_exists).tolist()
        pods = [(daemons.of(state, owner, n), n) for n in nodes if wants(state, owner, n, tolerations)[0]]
    elif workload.kind == "StatefulSet":
        ordinals = OrdinalTemplates()
        pods = []
        for ordinal in range(workload.replicas):
            put_claims(state, held, ordinal, admission)
            pods.append((ordinals.of(held, owner, ordinal), ordinal))
    else:
        count = workload.parallelism if workload.kind in ("Job", "CronJob") else workload.replicas
        pods = [(workload.template, -1)] * count
    return [
        admission.create_pod(
            state,
            f"{workload.name}-{number}",
            recount.template(state, template, name),
            now=0.0,
            owner=owner,
            ordinal=ordinal,
        )
        for number, (template, ordinal) in enumerate(pods)
    ]


def _renamed(workload: Workload, names: dict[str, str]) -> Workload:
    namespace = names[workload.namespace]
    return replace(workload, namespace=namespace, template=_moved(workload.template, names))


def _moved(template: PodTemplate, names: dict[str, str]) -> PodTemplate:
    """*template* in its new namespace, with affinity terms that follow."""

    def follow(affinity: PodAffinity) -> PodAffinity:
        parts = (
            tuple(replace(t, namespaces=tuple(names.get(n, n) for n in t.namespaces)) for t in terms)
            for terms in (affinity.required, affinity.preferred)
        )
        return PodAffinity(*parts)

    return replace(
        template,
        namespace=names[template.namespace],
        pod_affinity=follow(template.pod_affinity),
        pod_anti_affinity=follow(template.pod_anti_affinity),
    )
