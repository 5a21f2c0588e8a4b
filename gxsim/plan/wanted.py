"""What a user asks room for, as an increment: a manifest, a workload, a tenant, or nothing in particular."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gxsim.api.context import context_of
from gxsim.api.defaulting import default
from gxsim.errors import ScenarioError
from gxsim.load.documents import read
from gxsim.load.fields import unknown_name
from gxsim.load.manifests import load_cluster
from gxsim.load.pods import pod_template
from gxsim.load.scenario import bundled
from gxsim.model.pod import Container, PodTemplate
from gxsim.plan.increments import Increment, OnePod, OneReplica, Tenant
from gxsim.state import CPU, MEMORY, NO_OWNER, ClusterState
from gxsim.units import human_bytes, human_cpu

SHORT_KINDS = {"deploy": "Deployment", "sts": "StatefulSet", "ds": "DaemonSet", "rs": "ReplicaSet"}


def wanted(
    state: ClusterState,
    *,
    podspec: str | Path | None = None,
    workload: str = "",
    mix: Sequence[str | Path] = (),
    quotas: bool = True,
) -> Increment:
    """The one increment that is asked for; without any, a pod of the median size. Raises ScenarioError."""
    if sum(map(bool, (podspec, workload, mix))) > 1:
        raise ScenarioError("headroom", "give one of --podspec, --workload and --mix")
    if podspec:
        return pod_of_file(podspec)
    if workload:
        return replica_of(state, workload)
    return tenant_of(mix, state, quotas=quotas) if mix else median_pod(state)


def pod_of_file(path: str | Path) -> OnePod:
    """The pod in a manifest file: a Pod, or the template of any workload; raises ScenarioError."""
    documents = read([path])
    if len(documents) != 1 or not isinstance(documents[0].value, dict):
        raise ScenarioError(str(path), f"expected one Pod or workload, found {len(documents)} documents")
    obj = default(documents[0].value, context_of([]))
    metadata, spec = obj.get("metadata") or {}, obj.get("spec") or {}
    if obj.get("kind") != "Pod":
        template = obj.get("template") or spec.get("template")
        if not isinstance(template, dict):
            raise documents[0].error(("kind",), f"expected a Pod or a workload, got {obj.get('kind')!r}")
        namespace = metadata.get("namespace")
        metadata, spec = template.get("metadata") or {}, template.get("spec") or {}
    else:
        namespace = metadata.get("namespace")
    name = str((obj.get("metadata") or {}).get("name") or Path(path).stem)
    return OnePod(name=name, single=pod_template(str(namespace or "default"), metadata, spec))


def median_pod(state: ClusterState) -> OnePod:
    """A plain pod of the median size of the cluster's pods, what DaemonSets run left out."""
    owners = [state.owners[o].kind if o != NO_OWNER else "Pod" for o in state.pod_owner.tolist()]
    counted = state.pod_active & np.array([kind != "DaemonSet" for kind in owners], bool)
    if not counted.any():
        raise ScenarioError("headroom", "the cluster runs no pod to take the size from; give --podspec")
    cpu, memory = (int(np.median(state.template_requests[state.pod_template[counted]][:, r])) for r in (CPU, MEMORY))
    requests = {"cpu": cpu, "memory": memory}
    container = Container(name="main", requests=requests)
    template = PodTemplate(
        namespace="", containers=(container,), requests=requests, limits={}, scored_requests=(cpu, memory)
    )
    return OnePod(name=f"a pod of the median size here ({human_cpu(cpu)}, {human_bytes(memory)})", single=template)


def replica_of(state: ClusterState, name: str) -> OneReplica:
    """One more replica of the workload that *name* means: ``[namespace/][kind/]name``; raises ScenarioError."""
    owner = find_workload(state, name)
    held = state.owners[owner]
    if held.kind == "DaemonSet":
        raise ScenarioError(name, "a DaemonSet has one pod per node, and cannot have more")
    return OneReplica(
        name=f"{held.kind} {held.namespace}/{held.name}", kind=held.kind, namespace=held.namespace, workload=held.name
    )


def find_workload(state: ClusterState, name: str) -> int:
    """The owner that ``[namespace/][kind/]name`` means, kinds also as kubectl shortens them; raises ScenarioError."""
    found = []
    for index, held in enumerate(state.owners):
        if held.parent != NO_OWNER or held.deleted:
            continue
        kinds = [held.kind.lower(), *(short for short, kind in SHORT_KINDS.items() if kind == held.kind)]
        spelt = {held.name, f"{held.namespace}/{held.name}"}
        spelt |= {f"{kind}/{held.name}" for kind in kinds} | {f"{held.namespace}/{k}/{held.name}" for k in kinds}
        if name.lower() in spelt:
            found.append(index)
    if len(found) == 1:
        return found[0]
    known = [f"{o.namespace}/{o.kind.lower()}/{o.name}" for o in state.owners if o.parent == NO_OWNER]
    if found:
        meant = ", ".join(known_name for known_name in known if known_name.endswith(f"/{name.rpartition('/')[2]}"))
        raise ScenarioError(name, f"several workloads are meant; write one of {meant}")
    raise ScenarioError(name, f"there is no such workload; {unknown_name(name, known)}")


def _found(path: str | Path) -> str | Path:
    """*path*, or the bundled file or folder of this name."""
    inside = bundled() / path
    return inside if not Path(path).exists() and inside.exists() else path


def tenant_of(paths: Sequence[str | Path], state: ClusterState, *, quotas: bool = True) -> Tenant:
    """The manifests at *paths* as a tenant: workloads, bare pods, namespaces and quotas; raises ScenarioError."""
    cluster = load_cluster([_found(path) for path in paths])
    if not cluster.workloads and not cluster.pods:
        raise ScenarioError(" ".join(map(str, paths)), "holds no workload and no pod")
    spaces = sorted({w.namespace for w in cluster.workloads} | {p.template.namespace for p in cluster.pods})
    taken = frozenset(state.cluster.namespaces) | {t.namespace for t in state.templates}
    return Tenant(name=f"tenant {', '.join(spaces)}", cluster=cluster, taken=frozenset(taken), quotas=quotas)
