"""What manifests cannot say: the file ``kind: Model``. Every entry carries ``source``: where the value comes from."""

from collections.abc import Mapping
from dataclasses import dataclass

from gxsim.model.control_plane import ControlPlane, Kubelet, PodTiming
from gxsim.model.fields import spec


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """Nodes whose region label has the region's name stand at one place on the globe."""

    name: str = spec(doc="Value of the nodes' region label")
    place: str = spec("", doc="The place, for people")
    latitude: float = spec(doc="Degrees north", ge=-90, le=90)
    longitude: float = spec(doc="Degrees east", ge=-180, le=180)
    source: str = spec(doc="Where the value comes from")


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One-way delay between two regions, or within one when both names are equal."""

    between: tuple[str, str] = spec(doc="The two regions")
    delay_s: float = spec(doc="One-way delay", ge=0)
    source: str = spec(doc="Where the value comes from")


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """Delays, one way. A link that is not listed follows from the great-circle distance of its regions."""

    region_label: str = spec("topology.kubernetes.io/region", doc="Node label that names the region")
    same_node_delay_s: float = spec(doc="Between pods of one node", ge=0)
    same_region_delay_s: float = spec(doc="Between nodes of one region", ge=0)
    fibre_speed_km_per_s: float = spec(200_000.0, doc="Speed of light in fibre", gt=0)
    route_factor: float = spec(1.5, doc="Length of the cable over the great-circle distance", ge=1)
    regions: tuple[Region, ...] = spec((), doc="Where nodes stand")
    links: tuple[Link, ...] = spec((), doc="Measured or documented delays")
    source: str = spec(doc="Where the values come from")


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What one pod of a workload really uses, on average while it runs."""

    namespace: str = spec(doc="Namespace of the workload")
    workload: str = spec(doc="Name of the workload; shell patterns such as orderer* are allowed")
    cpu_milli: int = spec(doc="CPU per pod", ge=0)
    memory_bytes: int = spec(doc="Working set per pod", ge=0)
    source: str = spec(doc="Where the value comes from")


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeUsage:
    """A documented load of a whole node, to hold against the sum over its pods."""

    node: str = spec(doc="Name of the node")
    cpu_milli: int = spec(doc="CPU in use", ge=0)
    memory_bytes: int = spec(doc="Memory in use", ge=0)
    source: str = spec(doc="Where the value comes from")


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsensusGroup:
    """Voters that need a majority: pods by namespace and labels, or nodes by label."""

    name: str = spec(doc="Name of the group")
    protocol: str = spec("etcd", doc="Profile of its timings", choices=("etcd", "k3s", "fabric"))
    namespace: str = spec("", doc="Namespace of the member pods")
    pod_selector: Mapping[str, str] = spec(doc="Labels of the member pods", factory=dict)
    node_selector: Mapping[str, str] = spec(doc="Labels of the member nodes", factory=dict)
    control_plane: bool = spec(False, doc="Whether the API server lives on this group's quorum")
    heartbeat_s: float | None = spec(None, doc="Heartbeat interval, where it is not the profile's", gt=0)
    source: str = spec(doc="Where the value comes from")


@dataclass(frozen=True, slots=True, kw_only=True)
class Population:
    """Users of one region and the edge that DNS gives them."""

    name: str = spec(doc="Name of the population")
    latitude: float = spec(doc="Degrees north", ge=-90, le=90)
    longitude: float = spec(doc="Degrees east", ge=-180, le=180)
    edge: str = spec(doc="Node whose address DNS answers")
    rate: float = spec(doc="Requests per second on average", ge=0)
    source: str = spec(doc="Where the value comes from")


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """A request path: steps in order; a step is ``namespace/service`` or an edge such as ``nginx``."""

    name: str = spec(doc="Name of the path")
    route: str = spec("", doc="URL prefix at the edge")
    node_port: int = spec(0, doc="NodePort the edge forwards to", ge=0, le=65535)
    steps: tuple[str, ...] = spec(doc="The services a request visits, in order")
    share: float = spec(doc="Share of all requests that take this path", ge=0, le=1)
    writes: bool = spec(False, doc="Whether the request ends in the outbox")
    source: str = spec(doc="Where the value comes from")


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """What a workload's volumes grow by, each; *retention* cuts off what is older."""

    name: str = spec(doc="What grows")
    namespace: str = spec(doc="Namespace of the workload")
    workload: str = spec(doc="Name of the workload; shell patterns are allowed")
    per_day_bytes: tuple[int, int] = spec(doc="Lowest and highest growth per day", ge=0)
    retention_s: float | None = spec(None, doc="How long data is kept; absent: for ever", gt=0)
    source: str = spec(doc="Where the value comes from")


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """A schedule of copies and how long it takes to bring one back."""

    name: str = spec(doc="What is saved")
    namespace: str = spec(doc="Namespace of the workload")
    workload: str = spec(doc="Name of the workload; shell patterns are allowed")
    every_s: float = spec(doc="Interval between copies", gt=0)
    keep: int = spec(doc="Copies that are kept", ge=1)
    restore_s: tuple[float, float] = spec(doc="Shortest and longest time to restore", ge=0)
    replicated: bool = spec(False, doc="Whether other members hold the same data")
    source: str = spec(doc="Where the value comes from")


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureRate:
    """How often something fails, and how long until it is repaired."""

    target: str = spec(doc="What fails", choices=("node", "pod", "disk", "region"))
    mtbf_s: float | None = spec(None, doc="Mean time between failures; absent: not stated", gt=0)
    mttr_s: tuple[float, float] = spec(doc="Shortest and longest time to repair", ge=0)
    source: str = spec(doc="Where the value comes from")


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertRule:
    """A Prometheus alerting rule as written."""

    alert: str = spec(doc="Name of the alert")
    expr: str = spec(doc="PromQL expression")
    for_s: float = spec(0.0, doc="How long it must hold", ge=0)
    labels: Mapping[str, str] = spec(doc="Labels such as severity", factory=dict)
    source: str = spec(doc="Where the value comes from")


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """Everything beside the manifests; each part may be left out."""

    name: str = spec("model", doc="Name of the model")
    network: Network | None = spec(None, doc="Regions and delays")
    usage: tuple[Usage, ...] = spec((), doc="What pods really use")
    node_usage: tuple[NodeUsage, ...] = spec((), doc="Documented load of whole nodes")
    consensus_groups: tuple[ConsensusGroup, ...] = spec((), doc="Groups that need a majority")
    populations: tuple[Population, ...] = spec((), doc="Users by region")
    paths: tuple[Path, ...] = spec((), doc="Request paths")
    growth: tuple[Growth, ...] = spec((), doc="How volumes grow")
    backups: tuple[Backup, ...] = spec((), doc="Copies and restores")
    failure_rates: tuple[FailureRate, ...] = spec((), doc="How often things fail")
    alerts: tuple[AlertRule, ...] = spec((), doc="Alerting rules")
    control_plane: ControlPlane = spec(doc="Timings of the control plane", factory=ControlPlane)
    kubelet: Kubelet = spec(doc="Timings of the kubelet", factory=Kubelet)
    pod_timings: tuple[PodTiming, ...] = spec((), doc="How long pods of a workload take to start, get ready, stop")
