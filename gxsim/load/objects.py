"""Every other object of the API's own shape into nouns, and a list of objects into a Cluster."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from gxsim.api.kinds import KINDS, kind_of
from gxsim.load.pods import amounts, owner_reference, pod, pod_template
from gxsim.load.selectors import equal_labels, label_selector, node_selector
from gxsim.model.cluster import (
    Claim,
    ClaimTemplate,
    Cluster,
    CronSchedule,
    CSIDriver,
    CSINode,
    CSIStorageCapacity,
    PodDisruptionBudget,
    PriorityClass,
    Service,
    ServicePort,
    StorageClass,
    Unmodelled,
    Volume,
    Workload,
)
from gxsim.model.node import Image, Node, Taint
from gxsim.model.selectors import NodeSelector, NodeSelectorTerm, Requirement

Object = Mapping[str, Any]


def node(obj: Object, source: str = "") -> Node:
    """A Node; allocatable falls back to capacity, and a node without conditions counts as Ready."""
    metadata, spec, status = obj["metadata"], obj.get("spec") or {}, obj.get("status") or {}
    capacity = amounts(status.get("capacity"))
    conditions = {c["type"]: c["status"] for c in status.get("conditions") or ()}
    return Node(
        name=metadata["name"],
        labels={k: str(v) for k, v in (metadata.get("labels") or {}).items()},
        capacity=capacity,
        allocatable=amounts(status.get("allocatable")) or capacity,
        taints=tuple(
            Taint(t["key"], str(t.get("value") or ""), t.get("effect") or "") for t in spec.get("taints") or ()
        ),
        unschedulable=bool(spec.get("unschedulable")),
        images=tuple(
            Image(tuple(i.get("names") or ()), int(i.get("sizeBytes") or 0)) for i in status.get("images") or ()
        ),
        ready=conditions.get("Ready", "True") == "True",
        source=source,
    )


def workload(obj: Object, source: str = "") -> Workload:
    """A Deployment, StatefulSet, DaemonSet, ReplicaSet, ReplicationController, Job or CronJob."""
    metadata, spec = obj["metadata"], obj.get("spec") or {}
    namespace = metadata.get("namespace") or "default"
    run = spec["jobTemplate"]["spec"] if obj["kind"] == "CronJob" else spec
    template = run.get("template") or {}
    strategy = spec.get("strategy") or spec.get("updateStrategy") or {}
    rolling = strategy.get("rollingUpdate") or {}
    selector = spec.get("selector")
    plain = obj["kind"] == "ReplicationController"
    return Workload(
        kind=obj["kind"],
        namespace=namespace,
        name=metadata["name"],
        template=pod_template(namespace, template.get("metadata") or {}, template.get("spec") or {}),
        replicas=_or(spec.get("replicas"), 1),
        selector=equal_labels(selector) if plain and selector else label_selector(selector),
        labels=metadata.get("labels") or {},
        owner=owner_reference(metadata),
        uid=metadata.get("uid", ""),
        service_name=spec.get("serviceName") or "",
        claim_templates=tuple(_claim_template(t) for t in spec.get("volumeClaimTemplates") or ()),
        pod_management_policy=spec.get("podManagementPolicy") or "OrderedReady",
        update_strategy=strategy.get("type") or "RollingUpdate",
        partition=rolling.get("partition") or 0,
        max_surge=_or(rolling.get("maxSurge"), 0 if obj["kind"] == "DaemonSet" else "25%"),
        max_unavailable=_or(rolling.get("maxUnavailable"), 1 if obj["kind"] == "DaemonSet" else "25%"),
        min_ready_s=float(spec.get("minReadySeconds") or 0),
        progress_deadline_s=float(_or(spec.get("progressDeadlineSeconds"), 600)),
        completions=_or(run.get("completions"), 1 if run.get("parallelism") is None else None),
        parallelism=_or(run.get("parallelism"), 1),
        backoff_limit=_or(run.get("backoffLimit"), 6),
        active_deadline_s=_seconds(run.get("activeDeadlineSeconds")),
        ttl_s=_seconds(run.get("ttlSecondsAfterFinished")),
        pod_replacement_policy=run.get("podReplacementPolicy") or "TerminatingOrFailed",
        suspend=bool(run.get("suspend")),
        finished=obj["kind"] == "Job" and _is_finished(obj.get("status") or {}),
        cron=_cron_schedule(spec) if obj["kind"] == "CronJob" else None,
        source=source,
    )


def _cron_schedule(spec: Object) -> CronSchedule:
    return CronSchedule(
        schedule=spec["schedule"],
        time_zone=spec.get("timeZone"),
        concurrency_policy=spec.get("concurrencyPolicy") or "Allow",
        starting_deadline_s=_seconds(spec.get("startingDeadlineSeconds")),
        suspend=bool(spec.get("suspend")),
        successful_history=_or(spec.get("successfulJobsHistoryLimit"), 3),
        failed_history=_or(spec.get("failedJobsHistoryLimit"), 1),
    )


def _is_finished(status: Object) -> bool:
    """Whether a Job is Complete or Failed."""
    conditions = status.get("conditions") or ()
    return any(c["type"] in ("Complete", "Failed") and c.get("status") == "True" for c in conditions)


def claim(obj: Object, source: str = "") -> Claim:
    metadata, spec, status = obj["metadata"], obj.get("spec") or {}, obj.get("status") or {}
    annotations = metadata.get("annotations") or {}
    volume = spec.get("volumeName") or ""
    return Claim(
        namespace=metadata.get("namespace") or "default",
        name=metadata["name"],
        storage_class=spec.get("storageClassName"),
        size_bytes=_storage(spec.get("resources")),
        access_modes=tuple(spec.get("accessModes") or ()),
        selector=label_selector(spec.get("selector")),
        volume=volume,
        bound=bool(volume) and ("pv.kubernetes.io/bind-completed" in annotations or status.get("phase") == "Bound"),
        selected_node=annotations.get("volume.kubernetes.io/selected-node", ""),
        deleting="deletionTimestamp" in metadata,
        lost=status.get("phase") == "Lost",
        volume_mode=spec.get("volumeMode") or "Filesystem",
        uid=metadata.get("uid", ""),
        manifest=obj,
        source=source,
    )


def volume(obj: Object, source: str = "") -> Volume:
    metadata, spec, status = obj["metadata"], obj.get("spec") or {}, obj.get("status") or {}
    reference, csi = spec.get("claimRef") or {}, spec.get("csi") or {}
    return Volume(
        name=metadata["name"],
        storage_class=spec.get("storageClassName") or "",
        size_bytes=amounts(spec.get("capacity")).get("storage", 0),
        access_modes=tuple(spec.get("accessModes") or ()),
        node_affinity=node_selector((spec.get("nodeAffinity") or {}).get("required")),
        labels=metadata.get("labels") or {},
        claim=f"{reference.get('namespace', 'default')}/{reference['name']}" if reference else "",
        claim_uid=reference.get("uid", ""),
        phase=status.get("phase") or "Available",
        volume_mode=spec.get("volumeMode") or "Filesystem",
        reclaim_policy=spec.get("persistentVolumeReclaimPolicy") or "Retain",
        csi_driver=csi.get("driver", ""),
        csi_handle=csi.get("volumeHandle", ""),
        spec=spec,
    )


def storage_class(obj: Object, source: str = "") -> StorageClass:
    metadata = obj["metadata"]
    annotations = metadata.get("annotations") or {}
    topologies = obj.get("allowedTopologies")
    return StorageClass(
        name=metadata["name"],
        provisioner=obj.get("provisioner", ""),
        binding_mode=obj.get("volumeBindingMode") or "Immediate",
        reclaim_policy=obj.get("reclaimPolicy") or "Delete",
        allowed_topologies=NodeSelector(tuple(_topology_term(t) for t in topologies)) if topologies else None,
        allow_volume_expansion=bool(obj.get("allowVolumeExpansion")),
        default=annotations.get("storageclass.kubernetes.io/is-default-class") == "true",
        annotations=annotations,
    )


def service(obj: Object, source: str = "") -> Service:
    metadata, spec = obj["metadata"], obj.get("spec") or {}
    return Service(
        namespace=metadata.get("namespace") or "default",
        name=metadata["name"],
        type=spec.get("type") or "ClusterIP",
        headless=spec.get("clusterIP") == "None",
        selector=equal_labels(spec["selector"]) if spec.get("selector") else None,
        ports=tuple(
            ServicePort(
                name=p.get("name") or "",
                port=p["port"],
                target_port=p.get("targetPort") or p["port"],
                protocol=p.get("protocol") or "TCP",
                node_port=p.get("nodePort") or 0,
            )
            for p in spec.get("ports") or ()
        ),
        publish_not_ready_addresses=bool(spec.get("publishNotReadyAddresses")),
        session_affinity=spec.get("sessionAffinity") or "None",
        source=source,
    )


def disruption_budget(obj: Object, source: str = "") -> PodDisruptionBudget:
    metadata, spec, status = obj["metadata"], obj.get("spec") or {}, obj.get("status") or {}
    return PodDisruptionBudget(
        namespace=metadata.get("namespace") or "default",
        name=metadata["name"],
        selector=label_selector(spec.get("selector")),
        min_available=spec.get("minAvailable"),
        max_unavailable=spec.get("maxUnavailable"),
        unhealthy_pod_eviction_policy=spec.get("unhealthyPodEvictionPolicy") or "IfHealthyBudget",
        disruptions_allowed=status.get("disruptionsAllowed") or 0,
        source=source,
    )


def csi_node(obj: Object, source: str = "") -> CSINode:
    drivers = (obj.get("spec") or {}).get("drivers") or ()
    limits = {d["name"]: d["allocatable"]["count"] for d in drivers if "count" in (d.get("allocatable") or {})}
    return CSINode(name=obj["metadata"]["name"], limits=limits)


def csi_driver(obj: Object, source: str = "") -> CSIDriver:
    return CSIDriver(
        name=obj["metadata"]["name"], storage_capacity=bool((obj.get("spec") or {}).get("storageCapacity"))
    )


def csi_storage_capacity(obj: Object, source: str = "") -> CSIStorageCapacity:
    room = amounts({k: obj[k] for k in ("capacity", "maximumVolumeSize") if obj.get(k) is not None})
    return CSIStorageCapacity(
        name=obj["metadata"]["name"],
        storage_class=obj.get("storageClassName") or "",
        node_topology=label_selector(obj.get("nodeTopology")),
        limit_bytes=room.get("maximumVolumeSize", room.get("capacity")),
    )


def priority_class(obj: Object, source: str = "") -> PriorityClass:
    return PriorityClass(
        name=obj["metadata"]["name"],
        value=obj.get("value") or 0,
        global_default=bool(obj.get("globalDefault")),
        preemption_policy=obj.get("preemptionPolicy") or "PreemptLowerPriority",
    )


def _as_written(obj: Object, source: str = "") -> Object:
    return obj


WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController", "Job", "CronJob")
JOB_PARTS = ("completionMode", "backoffLimitPerIndex", "podFailurePolicy", "successPolicy")
POLICIES = ("NetworkPolicy", "Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding", "ServiceAccount")
NAMED_ONLY = ("ConfigMap", "Secret", "Endpoints", "EndpointSlice", "Event", "Lease")  # their existence changes nothing

READERS: dict[str, tuple[str, Callable[[Object, str], Any]]] = {
    "Node": ("nodes", node),
    "Pod": ("pods", pod),
    "Service": ("services", service),
    "PersistentVolumeClaim": ("claims", claim),
    "PersistentVolume": ("volumes", volume),
    "StorageClass": ("storage_classes", storage_class),
    "CSINode": ("csi_nodes", csi_node),
    "CSIDriver": ("csi_drivers", csi_driver),
    "CSIStorageCapacity": ("csi_storage_capacities", csi_storage_capacity),
    "PodDisruptionBudget": ("disruption_budgets", disruption_budget),
    "PriorityClass": ("priority_classes", priority_class),
    "ResourceQuota": ("quotas", _as_written),
    "LimitRange": ("limit_ranges", _as_written),
    **dict.fromkeys(WORKLOADS, ("workloads", workload)),
    **dict.fromkeys(POLICIES, ("policies", _as_written)),
}


def cluster(objects: Iterable[Object | tuple[Object, str]], digests: Mapping[str, str] | None = None) -> Cluster:
    """All *objects* (each alone or with its ``file:line``) as one Cluster; kinds gxsim does not model are listed."""
    fields: dict[str, list[Any]] = defaultdict(list)
    namespaces: dict[str, Mapping[str, str]] = {}
    for item in objects:
        obj, source = item if isinstance(item, tuple) else (item, "")
        kind, metadata = obj["kind"], obj.get("metadata") or {}
        if kind == "Namespace":
            namespaces[metadata["name"]] = metadata.get("labels") or {}
        elif kind in READERS and (kind not in KINDS or kind_of(obj)):
            field, read = READERS[kind]
            fields[field].append(read(obj, source))
            fields["unmodelled"] += _unmodelled_parts(obj, source)
        elif kind not in NAMED_ONLY:
            fields["unmodelled"].append(Unmodelled(kind=kind, name=metadata.get("name", ""), source=source))
    return Cluster(namespaces=namespaces, digests=digests or {}, **{k: tuple(v) for k, v in fields.items()})


def _unmodelled_parts(obj: Object, source: str) -> Iterator[Unmodelled]:
    """What a Job or a CronJob says and gxsim does not follow."""
    if obj["kind"] not in ("Job", "CronJob"):
        return
    spec = obj.get("spec") or {}
    run = spec["jobTemplate"]["spec"] if obj["kind"] == "CronJob" else spec
    for part in JOB_PARTS:
        if run.get(part) not in (None, "NonIndexed"):
            reason = f"{part} is not modelled"
            yield Unmodelled(kind=obj["kind"], name=obj["metadata"]["name"], source=source, reason=reason)


def _or(value: Any, default: Any) -> Any:
    return default if value is None else value


def _seconds(value: int | None) -> float | None:
    return None if value is None else float(value)


def _storage(resources: Object | None) -> int:
    return amounts((resources or {}).get("requests")).get("storage", 0)


def _claim_template(obj: Object) -> ClaimTemplate:
    spec = obj.get("spec") or {}
    return ClaimTemplate(
        name=obj["metadata"]["name"],
        storage_class=spec.get("storageClassName"),
        size_bytes=_storage(spec.get("resources")),
        access_modes=tuple(spec.get("accessModes") or ("ReadWriteOnce",)),
        selector=label_selector(spec.get("selector")),
        manifest={"apiVersion": "v1", "kind": "PersistentVolumeClaim", **obj},
    )


def _topology_term(term: Object) -> NodeSelectorTerm:
    expressions = term.get("matchLabelExpressions") or ()
    return NodeSelectorTerm(tuple(Requirement(e["key"], "In", tuple(e["values"])) for e in expressions))
