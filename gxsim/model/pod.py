"""A pod as the scheduler, the controllers and the kubelet see it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gxsim.model.selectors import LabelSelector, NodeSelector, NodeSelectorTerm


@dataclass(frozen=True, slots=True)
class Toleration:
    """``toleration_s`` None tolerates for ever; an empty key with Exists tolerates every taint."""

    key: str = ""
    operator: str = "Equal"
    value: str = ""
    effect: str = ""
    toleration_s: float | None = None


@dataclass(frozen=True, slots=True)
class PreferredNodeTerm:
    weight: int
    term: NodeSelectorTerm


@dataclass(frozen=True, slots=True)
class PodAffinityTerm:
    """Pods meant by an affinity term; *weight* is 0 for a required one.

    ``selector`` None matches no pod. The namespaces meant are ``namespaces`` and those whose labels match
    ``namespace_selector`` (None: none); both empty mean the pod's own, which load fills in.
    """

    topology_key: str
    selector: LabelSelector | None
    namespaces: tuple[str, ...] = ()
    namespace_selector: LabelSelector | None = None
    weight: int = 0


@dataclass(frozen=True, slots=True)
class PodAffinity:
    required: tuple[PodAffinityTerm, ...] = ()
    preferred: tuple[PodAffinityTerm, ...] = ()


@dataclass(frozen=True, slots=True)
class TopologySpreadConstraint:
    """``selector`` None selects no pod; the scheduler merges the pod's values of ``match_label_keys`` into it."""

    topology_key: str
    max_skew: int
    when_unsatisfiable: str
    selector: LabelSelector | None
    min_domains: int | None = None
    node_affinity_policy: str = "Honor"
    node_taints_policy: str = "Ignore"
    match_label_keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Probe:
    initial_delay_s: float = 0.0
    period_s: float = 10.0
    timeout_s: float = 1.0
    success_threshold: int = 1
    failure_threshold: int = 3
    termination_grace_period_s: float | None = None  # None: the pod's


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """Requests and limits: cpu in milli, everything else in bytes or counts. ``pre_stop_s`` is what preStop takes."""

    name: str
    image: str = ""
    requests: Mapping[str, int] = field(default_factory=dict)
    limits: Mapping[str, int] = field(default_factory=dict)
    restart_policy: str = ""
    image_pull_policy: str = "IfNotPresent"
    pre_stop_s: float = 0.0
    startup_probe: Probe | None = None
    readiness_probe: Probe | None = None
    liveness_probe: Probe | None = None


@dataclass(frozen=True, slots=True)
class HostPort:
    """A port taken on the node; *ip* ``0.0.0.0`` collides with every address."""

    ip: str
    protocol: str
    port: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PodTemplate:
    """What all pods made from one template share. Compared and hashed by identity: build it once, share it.

    ``requests`` are the effective requests (init containers, sidecars, overhead and pod-level resources applied), cpu
    in milli; ``scored_requests`` are cpu in milli and memory in bytes as LeastAllocated counts them, where a container
    without a request counts 100m and 200 MiB. ``claims`` name PersistentVolumeClaims in the pod's namespace.
    ``volumes`` are all volumes as written. ``manifest`` is the Pod object itself, as admission judges it.
    """

    namespace: str
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    containers: tuple[Container, ...] = ()
    init_containers: tuple[Container, ...] = ()
    requests: Mapping[str, int] = field(default_factory=dict)
    limits: Mapping[str, int] = field(default_factory=dict)
    scored_requests: tuple[int, int] = (0, 0)
    manifest: Mapping[str, Any] = field(default_factory=dict)
    node_selector: Mapping[str, str] = field(default_factory=dict)
    node_affinity: NodeSelector | None = None
    preferred_node_terms: tuple[PreferredNodeTerm, ...] = ()
    pod_affinity: PodAffinity = PodAffinity()
    pod_anti_affinity: PodAffinity = PodAffinity()
    tolerations: tuple[Toleration, ...] = ()
    topology_spread_constraints: tuple[TopologySpreadConstraint, ...] = ()
    priority: int = 0
    priority_class_name: str = ""
    preemption_policy: str = "PreemptLowerPriority"
    host_ports: tuple[HostPort, ...] = ()
    claims: tuple[str, ...] = ()
    volumes: tuple[Mapping[str, Any], ...] = ()
    scheduling_gates: tuple[str, ...] = ()
    termination_grace_period_s: float = 30.0
    restart_policy: str = "Always"
    scheduler_name: str = "default-scheduler"
    host_network: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnerReference:
    """The controller that made an object."""

    kind: str
    name: str
    uid: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pod:
    """One pod of the input: bare, or bound as a snapshot shows it.

    ``start_s`` is ``status.startTime`` as seconds since the epoch; None when absent. ``phase`` is as the API holds it.
    """

    name: str
    template: PodTemplate
    uid: str = ""
    node_name: str = ""
    owner: OwnerReference | None = None
    phase: str = "Pending"
    ready: bool = False
    terminating: bool = False
    start_s: float | None = None
    nominated_node_name: str = ""
    source: str = ""
