"""What manifests cannot say: the file ``kind: Model``. Every entry carries ``source``: where the value comes from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from gxsim.model.control_plane import ControlPlane, Kubelet, PodTiming
from gxsim.model.fields import spec
from gxsim.model.ledger import Ledger
from gxsim.model.paths import Path, Station
from gxsim.model.storage import Backup, Growth, HostGrowth, SampleStore, StorageStatement, Store
from gxsim.model.users import Dns, Edge, Population


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
    """Delays, one way, from the great-circle distance of two regions or from a listed link."""

    region_label: str = spec("topology.kubernetes.io/region", doc="Node label that names the region")
    same_node_delay_s: float = spec(doc="Between pods of one node", ge=0)
    same_region_delay_s: float = spec(doc="Between nodes of one region", ge=0)
    fibre_speed_km_per_s: float = spec(200_000.0, doc="Speed of light in fibre", gt=0)
    route_factor: float = spec(1.5, doc="Length of the cable over the great-circle distance", ge=1)
    regions: tuple[Region, ...] = spec((), doc="Where nodes stand")
    delays: str = spec(
        "links",
        doc="links: a listed link counts before the distance; distance: links are there for comparison only",
        choices=("links", "distance"),
    )
    links: tuple[Link, ...] = spec((), doc="Measured or documented delays")
    source: str = spec(doc="Where the values come from")


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What one pod of a workload really uses, on average while it runs."""

    namespace: str = spec(doc="Namespace of the workload")
    workload: str = spec(doc="Name of the workload; shell patterns such as orderer* are allowed")
    cpu_milli: int = spec(doc="CPU per pod", ge=0)
    memory_bytes: int = spec(doc="Working set per pod", ge=0)
    memory_per_day_bytes: int = spec(
        0, doc="What the working set grows by in a day from the start of the containers on: a leak", ge=0
    )
    source: str = spec(doc="Where the value comes from")


@dataclass(frozen=True, slots=True, kw_only=True)
class HostUsage:
    """What each node uses outside pods: K3s and etcd, a web server, the system. The first entry that matches counts."""

    node_selector: Mapping[str, str] = spec(doc="Labels of the nodes; none: every node", factory=dict)
    cpu_milli: int = spec(doc="CPU in use", ge=0)
    memory_bytes: int = spec(doc="Memory in use", ge=0)
    source: str = spec(doc="Where the value comes from")


def usage_of(usage: Sequence[Usage], namespace: str, workload: str) -> Usage | None:
    """The first entry of *usage* that means *workload*."""
    meant = (entry for entry in usage if entry.namespace == namespace and fnmatchcase(workload, entry.workload))
    return next(meant, None)


def host_usage_of(host_usage: Sequence[HostUsage], labels: Mapping[str, str]) -> HostUsage | None:
    """The first entry of *host_usage* that means a node with *labels*."""
    return next((entry for entry in host_usage if entry.node_selector.items() <= labels.items()), None)


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
    pre_vote: bool | None = spec(None, doc="Ask before entering a term; absent: yes. etcd 3.4 does not")
    check_quorum: bool | None = spec(None, doc="A leader that hears no majority steps down; absent: yes")
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
class ScrapeJob:
    """A Prometheus job that has its own period."""

    job: str = spec(doc="Name of the job")
    interval_s: float = spec(doc="Period of its scrapes", gt=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertRoute:
    """Alertmanager: alerts with these labels go to this receiver; the first route that matches counts."""

    labels: Mapping[str, str] = spec(doc="Labels the alert carries; none: every alert", factory=dict)
    receiver: str = spec(doc="Who is told")


@dataclass(frozen=True, slots=True, kw_only=True)
class Monitoring:
    """Prometheus and Alertmanager: how often one looks, and when the other tells."""

    scrape_interval_s: float = spec(60.0, doc="Period of the scrapes", gt=0)
    evaluation_interval_s: float = spec(60.0, doc="Period at which alerting rules are evaluated", gt=0)
    jobs: tuple[ScrapeJob, ...] = spec((), doc="Jobs with their own period")
    group_by: tuple[str, ...] = spec((), doc="Labels that put alerts into one notification")
    group_wait_s: float = spec(30.0, doc="From a group's first alert to its first notification", ge=0)
    group_interval_s: float = spec(300.0, doc="Between notifications of a group that changed", gt=0)
    repeat_interval_s: float = spec(14400.0, doc="Between notifications of a group that did not", gt=0)
    routes: tuple[AlertRoute, ...] = spec((), doc="Who is told of what")
    store: SampleStore | None = spec(None, doc="Where samples are stored")
    source: str = spec(doc="Where the values come from")


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """Everything beside the manifests; each part may be left out."""

    name: str = spec("model", doc="Name of the model")
    network: Network | None = spec(None, doc="Regions and delays")
    usage: tuple[Usage, ...] = spec((), doc="What pods really use")
    host_usage: tuple[HostUsage, ...] = spec((), doc="What nodes use outside pods")
    node_usage: tuple[NodeUsage, ...] = spec((), doc="Documented load of whole nodes")
    consensus_groups: tuple[ConsensusGroup, ...] = spec((), doc="Groups that need a majority")
    dns: Dns | None = spec(None, doc="The public name")
    edges: tuple[Edge, ...] = spec((), doc="Reverse proxies outside Kubernetes")
    populations: tuple[Population, ...] = spec((), doc="Users by region")
    paths: tuple[Path, ...] = spec((), doc="Request paths")
    stations: tuple[Station, ...] = spec((), doc="What a visit costs at each step of a path")
    ledgers: tuple[Ledger, ...] = spec((), doc="The way of a write through the blockchain")
    growth: tuple[Growth, ...] = spec((), doc="How volumes grow")
    host_growth: tuple[HostGrowth, ...] = spec((), doc="What lies on nodes' disks outside volumes")
    backups: tuple[Backup, ...] = spec((), doc="Copies and restores")
    stores: tuple[Store, ...] = spec((), doc="What crashes cost, and who else has the data")
    storage_statements: tuple[StorageStatement, ...] = spec((), doc="Documented figures to check")
    failure_rates: tuple[FailureRate, ...] = spec((), doc="How often things fail")
    monitoring: Monitoring | None = spec(None, doc="Periods of Prometheus and Alertmanager")
    alerts: tuple[AlertRule, ...] = spec((), doc="Alerting rules")
    control_plane: ControlPlane = spec(doc="Timings of the control plane", factory=ControlPlane)
    kubelet: Kubelet = spec(doc="Timings of the kubelet", factory=Kubelet)
    pod_timings: tuple[PodTiming, ...] = spec((), doc="How long pods of a workload take to start, get ready, stop")
