"""Everything manifests say: the desired state, and what a snapshot already binds."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gxsim.model.node import Node
from gxsim.model.pod import OwnerReference, Pod, PodTemplate
from gxsim.model.selectors import LabelSelector, NodeSelector


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimTemplate:
    """A volumeClaimTemplate: the claim that each pod of a StatefulSet gets; ``manifest`` is it as written."""

    name: str
    storage_class: str | None
    size_bytes: int
    access_modes: tuple[str, ...] = ("ReadWriteOnce",)
    selector: LabelSelector | None = None
    manifest: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A PersistentVolumeClaim; ``volume`` names the PersistentVolume once it is bound.

    ``storage_class`` None means that the field is absent and no default class filled it. ``manifest`` is the object
    as admission judges it.
    """

    namespace: str
    name: str
    storage_class: str | None
    size_bytes: int
    access_modes: tuple[str, ...] = ("ReadWriteOnce",)
    selector: LabelSelector | None = None
    volume: str = ""
    bound: bool = False
    selected_node: str = ""
    deleting: bool = False
    lost: bool = False
    volume_mode: str = "Filesystem"
    uid: str = ""
    manifest: Mapping[str, Any] = field(default_factory=dict)
    source: str = ""

    @property
    def key(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """A PersistentVolume; ``node_affinity`` None reaches every node; ``claim`` is ``namespace/name`` of its claimRef.

    ``csi_driver`` and ``csi_handle`` are empty for other kinds of volume; ``spec`` is the object's spec as written.
    """

    name: str
    storage_class: str
    size_bytes: int
    access_modes: tuple[str, ...] = ("ReadWriteOnce",)
    node_affinity: NodeSelector | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    claim: str = ""
    claim_uid: str = ""
    phase: str = "Available"
    volume_mode: str = "Filesystem"
    reclaim_policy: str = "Delete"
    csi_driver: str = ""
    csi_handle: str = ""
    spec: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageClass:
    name: str
    provisioner: str = ""
    binding_mode: str = "Immediate"
    reclaim_policy: str = "Delete"
    allowed_topologies: NodeSelector | None = None
    allow_volume_expansion: bool = False
    default: bool = False
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class CronSchedule:
    """What a CronJob says beside its Job; ``time_zone`` None is UTC, ``starting_deadline_s`` None never ends."""

    schedule: str
    time_zone: str | None = None
    concurrency_policy: str = "Allow"
    starting_deadline_s: float | None = None
    suspend: bool = False
    successful_history: int = 3
    failed_history: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """A controller's desired state. *kind* is Deployment, StatefulSet, DaemonSet, ReplicaSet, Job or CronJob.

    ``max_surge`` and ``max_unavailable`` are as written: a count, or a percentage such as ``25%``. ``update_strategy``
    is RollingUpdate, Recreate or OnDelete. A ReplicaSet of the input that a Deployment owns carries ``owner``. A Job
    without ``completions`` is done when one of its pods has succeeded and none is left; ``finished`` says that it was
    over when it was read. Fields of a CronJob's Job stand here, its own in ``cron``.
    """

    kind: str
    namespace: str
    name: str
    template: PodTemplate
    replicas: int = 1
    selector: LabelSelector | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    owner: OwnerReference | None = None
    uid: str = ""
    service_name: str = ""
    claim_templates: tuple[ClaimTemplate, ...] = ()
    pod_management_policy: str = "OrderedReady"
    update_strategy: str = "RollingUpdate"
    partition: int = 0
    max_surge: int | str = "25%"
    max_unavailable: int | str = "25%"
    min_ready_s: float = 0.0
    progress_deadline_s: float = 600.0
    completions: int | None = 1
    parallelism: int = 1
    backoff_limit: int = 6
    active_deadline_s: float | None = None
    ttl_s: float | None = None
    pod_replacement_policy: str = "TerminatingOrFailed"
    suspend: bool = False
    finished: bool = False
    cron: CronSchedule | None = None
    source: str = ""

    @property
    def key(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServicePort:
    name: str
    port: int
    target_port: int | str
    protocol: str = "TCP"
    node_port: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """``selector`` None selects nothing (endpoints are somebody else's business)."""

    namespace: str
    name: str
    type: str = "ClusterIP"
    headless: bool = False
    selector: LabelSelector | None = None
    ports: tuple[ServicePort, ...] = ()
    publish_not_ready_addresses: bool = False
    session_affinity: str = "None"
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PodDisruptionBudget:
    """``min_available`` or ``max_unavailable`` as written (count or percentage); ``selector`` None matches nothing."""

    namespace: str
    name: str
    selector: LabelSelector | None = None
    min_available: int | str | None = None
    max_unavailable: int | str | None = None
    unhealthy_pod_eviction_policy: str = "IfHealthyBudget"
    disruptions_allowed: int = 0
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CSINode:
    """Volume limits per CSI driver on one node."""

    name: str
    limits: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class CSIDriver:
    """``storage_capacity`` says that the scheduler must ask the driver's CSIStorageCapacity objects for room."""

    name: str
    storage_capacity: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CSIStorageCapacity:
    """Room for one volume of a storage class on the nodes that ``node_topology`` selects (None: on none).

    ``limit_bytes`` is ``maximumVolumeSize``, or ``capacity`` where that is absent; None means unknown.
    """

    name: str
    storage_class: str
    node_topology: LabelSelector | None = None
    limit_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PriorityClass:
    name: str
    value: int = 0
    global_default: bool = False
    preemption_policy: str = "PreemptLowerPriority"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unmodelled:
    """An object, or a part of one, that gxsim does not model; listed, never dropped in silence."""

    kind: str
    name: str
    source: str
    reason: str = "kind not modelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """All objects of the input, resolved. ``namespaces`` maps a name to its labels.

    ``quotas`` are ResourceQuota objects and ``policies`` NetworkPolicies and RBAC objects, as written (dicts): their
    evaluators read the API's own shape. ``digests`` maps each input file to its SHA-256.
    """

    nodes: tuple[Node, ...] = ()
    namespaces: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    workloads: tuple[Workload, ...] = ()
    pods: tuple[Pod, ...] = ()
    services: tuple[Service, ...] = ()
    claims: tuple[Claim, ...] = ()
    volumes: tuple[Volume, ...] = ()
    storage_classes: tuple[StorageClass, ...] = ()
    csi_nodes: tuple[CSINode, ...] = ()
    csi_drivers: tuple[CSIDriver, ...] = ()
    csi_storage_capacities: tuple[CSIStorageCapacity, ...] = ()
    disruption_budgets: tuple[PodDisruptionBudget, ...] = ()
    priority_classes: tuple[PriorityClass, ...] = ()
    quotas: tuple[Mapping[str, Any], ...] = ()
    limit_ranges: tuple[Mapping[str, Any], ...] = ()
    policies: tuple[Mapping[str, Any], ...] = ()
    unmodelled: tuple[Unmodelled, ...] = ()
    digests: Mapping[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        replicas = sum(w.replicas for w in self.workloads if w.kind != "DaemonSet")
        return (
            f"<Cluster: {len(self.nodes)} nodes, {len(self.workloads)} workloads ({replicas} replicas), "
            f"{len(self.pods)} pods, {len(self.services)} services, {len(self.unmodelled)} not modelled>"
        )
