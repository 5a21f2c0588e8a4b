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
    source: str = spec(doc="Where the value comes from")


@dataclass(frozen=True, slots=True, kw_only=True)
class HostUsage:
    """What each node uses outside pods: K3s and etcd, a web server, the system. The first entry that matches counts."""

    node_selector: Mapping[str, str] = spec(doc="Labels of the nodes; none: every node", factory=dict)
    cpu_milli: int = spec(doc="CPU in use", ge=0)
    memory_bytes: int = spec(doc="Memory in use", ge=0)
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
class Dns:
    """How the public name follows failures."""

    name: str = spec(doc="The public name")
    ttl_s: float = spec(doc="How long resolvers keep an answer", ge=0)
    change_s: float | None = spec(None, doc="From a failure to a changed answer; absent: nobody changes it", ge=0)
    source: str = spec(doc="Where the values come from")


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """A reverse proxy on some nodes, outside Kubernetes, that forwards to NodePorts of its own node."""

    name: str = spec(doc="Name by which paths mention it")
    nodes: tuple[str, ...] = spec(doc="Nodes it runs on")
    rate_limit: float | None = spec(None, doc="Requests per second and client address; absent: no limit", gt=0)
    burst: int = spec(0, doc="Requests above the rate that may wait, as in nginx's limit_req", ge=0)
    source: str = spec(doc="Where the values come from")


@dataclass(frozen=True, slots=True, kw_only=True)
class Population:
    """Users of one region and the edge that DNS gives them."""

    name: str = spec(doc="Name of the population")
    latitude: float = spec(doc="Degrees north", ge=-90, le=90)
    longitude: float = spec(doc="Degrees east", ge=-180, le=180)
    edge: str = spec(doc="Node whose address DNS answers")
    rate: float = spec(doc="Requests per second on average", ge=0)
    clients: int = spec(1, doc="Client addresses the requests come from", ge=1)
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
class Station:
    """What one visit costs at the pods behind a step of a path."""

    step: str = spec(doc="The step: namespace/service or an edge; shell patterns are allowed")
    service_time_s: float = spec(doc="Mean service time of one visit", gt=0)
    scv: float = spec(1.0, doc="Squared coefficient of variation of the service time", ge=0)
    servers: int = spec(1, doc="Visits that one pod serves at a time: threads or connections", ge=1)
    source: str = spec(doc="Where the values come from")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """The way of a write after the request: outbox, endorsement, ordering, commit, projection."""

    name: str = spec(doc="Name of the channel")
    outbox: str = spec(doc="Service of the database that holds the outbox")
    submitter: str = spec(doc="Workload that submits (namespace/name)")
    poll_s: float = spec(doc="Pause between two looks at the outbox", gt=0)
    endorsers: Mapping[str, tuple[str, ...]] = spec(doc="Peer Services by organisation; one of each endorses")
    chaincode: str = spec(doc="Service that peers run the chaincode with")
    orderers: str = spec(doc="Name of the orderers' consensus group")
    batch_timeout_s: float = spec(2.0, doc="Longest wait of a batch's first transaction", gt=0)
    max_message_count: int = spec(500, doc="Transactions that cut a block", ge=1)
    preferred_max_bytes: int = spec(2 * 1024**2, doc="Bytes that cut a block", ge=1)
    state_database: str = spec("goleveldb", doc="State database of the peers", choices=("goleveldb", "CouchDB"))
    event_peer: str = spec(doc="Service whose events the projector follows")
    projector: str = spec(doc="Workload that projects (namespace/name)")
    source: str = spec(doc="Where the values come from")


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """What a workload's volumes grow by, each; *retention* cuts off what is older.

    Entries of one name grow alike: the same ledger lies on every orderer and every peer.
    """

    name: str = spec(doc="What grows")
    namespace: str = spec(doc="Namespace of the workload")
    workload: str = spec(doc="Name of the workload; shell patterns are allowed")
    ordinal: int | None = spec(None, doc="The only pod of a StatefulSet whose volume grows; absent: each", ge=0)
    per_day_bytes: tuple[int, int] = spec(doc="Lowest and highest growth per day", ge=0)
    per_write_bytes: tuple[int, int] | None = spec(
        None, doc="Lowest and highest growth per write of the request paths, for a forecast from the traffic", ge=0
    )
    each: str = spec(
        "volume",
        doc="What the growth is of: the volume, or every container whose logs it holds",
        choices=("volume", "container"),
    )
    per_month: tuple[float, float] = spec(
        (0.0, 0.0), doc="Lowest and highest growth of the rate itself; 0.02 is 2 %", gt=-1
    )
    level_bytes: tuple[int, int] = spec((0, 0), doc="Lowest and highest amount that is there besides, and stays", ge=0)
    age_s: float = spec(0.0, doc="How long it has grown when the clock starts", ge=0)
    retention_s: float | None = spec(None, doc="How long data is kept; absent: for ever", gt=0)
    purge_every_s: float = spec(86400.0, doc="How often data that is too old is removed", gt=0)
    source: str = spec(doc="Where the value comes from")


@dataclass(frozen=True, slots=True, kw_only=True)
class HostGrowth:
    """What lies on a node's disk outside volumes: images, container logs, etcd, the system. Every entry counts."""

    name: str = spec(doc="What it is")
    node_selector: Mapping[str, str] = spec(doc="Labels of the nodes; none: every node", factory=dict)
    each: str = spec(
        "node", doc="What the amounts are of: the node, or each of its containers", choices=("node", "container")
    )
    level_bytes: tuple[int, int] = spec((0, 0), doc="Lowest and highest amount that is there", ge=0)
    per_day_bytes: tuple[int, int] = spec((0, 0), doc="Lowest and highest growth per day", ge=0)
    retention_s: float | None = spec(None, doc="How long data is kept; absent: for ever", gt=0)
    source: str = spec(doc="Where the value comes from")


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """How a workload keeps its data: what a crash costs, and who else has it. The first entry that matches counts."""

    name: str = spec(doc="Name of the variant, such as independent or streaming replica")
    namespace: str = spec(doc="Namespace of the workload")
    workload: str = spec(doc="Name of the workload; shell patterns are allowed")
    in_force: bool = spec(True, doc="false: a variant to compare with, such as a planned replication")
    persistence: str = spec(
        "log", doc="log: acknowledged writes are in a log; snapshot: in the last copy only", choices=("log", "snapshot")
    )
    process_loss_s: tuple[float, float] = spec(
        (0.0, 0.0), doc="Newest acknowledged writes that a killed process loses", ge=0
    )
    power_loss_s: tuple[float, float] = spec((0.0, 0.0), doc="Newest acknowledged writes that a lost host loses", ge=0)
    recovery_s: tuple[float, float] = spec((0.0, 0.0), doc="From the start of the process until it answers again", ge=0)
    replicas: int = spec(0, doc="Further copies of the data on other nodes: standbys, or members of a group", ge=0)
    replica_lag_s: tuple[float, float] = spec((0.0, 0.0), doc="How far a replica is behind what was acknowledged", ge=0)
    failover_s: tuple[float, float] | None = spec(
        None, doc="Until a replica serves by itself; absent: nobody promotes it", ge=0
    )
    archive_lag_s: tuple[float, float] | None = spec(
        None, doc="How far a log archived off the node is behind; absent: no archive", ge=0
    )
    restore_bytes_per_s: tuple[float, float] | None = spec(
        None, name="restoreRate", doc="Bytes of data per second when a copy or a replica is brought back", gt=0
    )
    source: str = spec(doc="Where the values come from")


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageStatement:
    """A documented figure of storage, to hold against what follows from the rest of the model and the manifests."""

    text: str = spec(doc="What is stated, in words")
    figure: str = spec(
        doc="growth: bytes per month; relativeGrowth: share of the level per month at the end of the first; claims: bytes "
        "of volume claims; claimsShare: of the nodes' disks; nodeClaims: bytes of claims on a node; reach: seconds that "
        "the kept copies reach back; restore: seconds; fits: bytes kept at most, all copies of a backup, or all that "
        "retention leaves",
        choices=("growth", "relativeGrowth", "claims", "claimsShare", "nodeClaims", "reach", "restore", "fits"),
    )
    namespaces: tuple[str, ...] = spec((), doc="Namespaces it speaks of; none: all")
    workload: str = spec("*", doc="Name of the workloads it speaks of; shell patterns are allowed")
    names: tuple[str, ...] = spec((), doc="Growth entries or backups it speaks of; none: all")
    node: str = spec("", doc="The node it speaks of")
    at_least: float | None = spec(None, doc="Lowest stated figure, in bytes, seconds or as a share")
    at_most: float | None = spec(None, doc="Highest stated figure, in bytes, seconds or as a share")
    source: str = spec(doc="Where it is stated")


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """A schedule of copies and how long it takes to bring one back."""

    name: str = spec(doc="What is saved")
    namespace: str = spec(doc="Namespace of the workload")
    workload: str = spec(doc="Name of the workload; shell patterns are allowed")
    every_s: float = spec(doc="Interval between copies", gt=0)
    keep: int = spec(doc="Copies that are kept", ge=1)
    restore_s: tuple[float, float] = spec(doc="Shortest and longest time to restore", ge=0)
    size_ratio: tuple[float, float] = spec(
        (1.0, 1.0), doc="Lowest and highest size of a copy over the size of the data", gt=0
    )
    copy_s: tuple[float, float] = spec((0.0, 0.0), doc="Shortest and longest time to make a copy", ge=0)
    replicated: bool = spec(False, doc="Whether other members hold the same data")
    off_node: bool = spec(False, doc="Whether a copy survives the loss of the volume's node")
    reserved_bytes: int | None = spec(None, doc="Space set aside for the copies; absent: none", gt=0)
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
class Series:
    """Time series that Prometheus stores: so many for each of something the cluster has."""

    job: str = spec(doc="Name of the job that scrapes them")
    each: str = spec("target", doc="What has these series", choices=("target", "node", "pod", "container"))
    targets: int = spec(1, doc="How many targets, where it is targets that have them", ge=1)
    count: tuple[int, int] = spec(doc="Lowest and highest number of series of each", ge=0)
    source: str = spec(doc="Where the value comes from")


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleStore:
    """The volume of Prometheus: bytes per sample times samples per second times retention."""

    namespace: str = spec(doc="Namespace of the workload")
    workload: str = spec(doc="Name of the workload")
    retention_s: float = spec(1_296_000.0, doc="How long samples are kept", gt=0)
    sample_bytes: tuple[float, float] = spec((1.0, 2.0), doc="Lowest and highest size of a stored sample", gt=0)
    series: tuple[Series, ...] = spec(doc="What is stored")
    source: str = spec(doc="Where the values come from")


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
