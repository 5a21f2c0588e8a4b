"""The cluster of a recorded run, as it stood when the fault came."""

from collections.abc import Mapping, Sequence
from typing import Any

from gxsim.api.context import AdmissionContext
from gxsim.api.defaulting import default
from gxsim.load import objects as load
from gxsim.load.manifests import admit_template
from gxsim.model.cluster import Cluster, Workload
from gxsim.model.control_plane import ControlPlane, Kubelet, PodTiming
from gxsim.model.placement import PlacedPods, Placement
from gxsim.units import duration_s

Object = dict[str, Any]

NAMESPACE = "default"
LOCAL, NETWORK = "local-path", "fake-csi"  # the classes of the recordings, with what stands behind them
PROVISIONERS = {LOCAL: "rancher.io/local-path", NETWORK: "driver.longhorn.io"}
EARLY_S = 0.75  # an API server answers requests so long before its /readyz is ok
LEASE_BEHIND_S = 0.6  # about three renewals at 2 % jitter on average: runs begin half a minute after their kubelets
TIMINGS = ("sim/start", "sim/ready", "sim/stop")


class Recording:
    """A recorded run: what it began with, in nouns, and what was done and seen, as written."""

    def __init__(self, document: Object):
        self.document = document
        settings, kubelet = document["effectiveDefaults"], document["kubelet"]
        written = _first(settings["tolerationSeconds(not-ready/unreachable)"])
        self.context = AdmissionContext(not_ready_toleration_s=int(written), unreachable_toleration_s=int(written))
        self.control_plane = ControlPlane(
            leader_election=str(settings["leader-elect"]).startswith("true"),
            node_monitor_period_s=_duration_s(settings["node-monitor-period"]),
            node_monitor_grace_period_s=_duration_s(settings["node-monitor-grace-period"]),
            node_eviction_rate=float(_first(settings["node-eviction-rate"])),
            secondary_node_eviction_rate=float(_first(settings["secondary-node-eviction-rate"])),
            large_cluster_size_threshold=int(_first(settings["large-cluster-size-threshold"])),
            unhealthy_zone_threshold=float(_first(settings["unhealthy-zone-threshold"])),
            provision_s=float(kubelet.get("provisionerDelaySeconds", ControlPlane().provision_s)),
            apiserver_start_s=_start_s(document["events"]),
        )
        self.kubelet = Kubelet(
            # jitter included: no renewal fell between the last one recorded and the fault
            lease_renew_s=kubelet.get("leaseRenewSeconds", 10.0) * (1 + kubelet.get("leaseRenewJitter", 0.04)),
            relist_s=0.0,  # the imitated kubelet has no containers to look at, and no images
            image_check_s=0.0,
            resync_s=float(kubelet.get("returnResyncSeconds", 1.0)),
        )
        self.events: list[Object] = document["events"]
        self.horizon_s = float(document["recordedSeconds"])
        self.letter = str(document["scenario"])[0]
        self.name = f"{document['scenario']} {document['variant']}"

    def cluster(self) -> Cluster:
        """Nodes, workloads and what they need, as the API server stored them."""
        written = [*self._nodes(), *_storage_classes(), *self._workloads()]
        return load.cluster([self._stored(obj) for obj in written])

    def created(self, obj: Object) -> Workload:
        """A workload that is created during the run."""
        return load.workload(self._stored(obj))

    def _stored(self, obj: Object) -> Object:
        stored = default(_named(obj), self.context)
        if stored["kind"] in load.WORKLOADS:
            admit_template(stored, self.context)
        return stored

    def placement(self) -> Placement:
        """Where the pods lay."""
        placed: list[PlacedPods] = []
        for deployment, pods in self.initial("ReplicaSet").items():
            nodes = tuple(pod["node"] for pod in pods)
            placed.append(PlacedPods(namespace=NAMESPACE, deployment=deployment, nodes=nodes))
        for pods in (*self.initial("StatefulSet").values(), *self.initial("").values()):
            placed += [PlacedPods(namespace=NAMESPACE, pod=pod["name"], node=pod["node"]) for pod in pods]
        return Placement(pods=tuple(placed))

    def initial(self, kind: str) -> dict[str, list[Object]]:
        """The pods at the start by workload, for owners of *kind*."""
        found: dict[str, list[Object]] = {}
        for pod in self.document["initialState"]["pods"]:
            owner_kind = (pod["owner"] or "").partition("/")[0]
            if owner_kind == kind:
                found.setdefault(workload_name(pod["owner"]) or pod["name"], []).append(pod)
        return found

    def renewed_s(self, node: str) -> float:
        """When the node last renewed its Lease before the fault."""
        return float(self.document["fault"]["lastLeaseRenewal_ms"].get(node, 0.0)) / 1000

    def compared_s(self, node: str) -> float:
        """When the node's kubelet compared its status with the API's: both loops began with the kubelet.

        The Lease's period is longer by its jitter, so that its renewals fall behind from then on.
        """
        return self.renewed_s(node) - LEASE_BEHIND_S

    def _nodes(self) -> list[Object]:
        return [
            {"kind": "Node", "metadata": dict(node), "status": {"capacity": self.document["nodeCapacity"]}}
            for node in self.document["initialState"]["nodes"]
        ]

    def _workloads(self) -> list[Object]:
        """Objects of the start; a Deployment or a quota that comes later, or comes twice, is an action."""
        there = {(obj["kind"], obj["metadata"]["name"]): obj for obj in reversed(self.document["workloads"])}
        return list(reversed(there.values()))


def workload_name(owner: str | None) -> str:
    """``ReplicaSet/web-786d886957`` is Deployment ``web``; any other owner is itself, and without one it is empty."""
    kind, _, name = (owner or "").partition("/")
    return name.rpartition("-")[0] if kind == "ReplicaSet" else name


def timing_of(annotations: Mapping[str, str]) -> PodTiming | None:
    """The durations that a template's annotations set, for the templates that carry them; negative is never."""
    given = {key: float(annotations[key]) for key in TIMINGS if key in annotations}
    if not given:
        return None
    start_s, ready_s, stop_s = (given.get(key) for key in TIMINGS)
    if ready_s is not None and ready_s < 0:
        ready_s = float("inf")
    return PodTiming(
        annotations={key: annotations[key] for key in given},
        start_s=start_s,
        ready_s=ready_s,
        unprobed_ready_s=ready_s or 0.0,
        stop_s=stop_s,
    )


def _named(obj: Object) -> Object:
    metadata = dict(obj["metadata"])
    if obj["kind"] not in ("Node", "StorageClass"):
        metadata.setdefault("namespace", NAMESPACE)
    return {**obj, "metadata": metadata}


def _storage_classes() -> list[Object]:
    return [
        {
            "kind": "StorageClass",
            "metadata": {"name": name},
            "provisioner": provisioner,
            "volumeBindingMode": "WaitForFirstConsumer",
        }
        for name, provisioner in PROVISIONERS.items()
    ]


def _start_s(events: Sequence[Object]) -> float:
    """How long the API server took to answer after its start, as far as the recording says."""
    started = [e["t_ms"] / 1000 for e in events if e["kind"] == "Action" and e["what"] == "api started"]
    ready = [e["t_ms"] / 1000 for e in events if e["kind"] == "Process" and e["what"] == "readyz ok"]
    return max(0.0, ready[-1] - EARLY_S - started[-1]) if started and ready else ControlPlane().apiserver_start_s


def _duration_s(setting: str) -> float:
    """``50s (default)`` in seconds."""
    return duration_s(_first(setting))


def _first(setting: object) -> str:
    """``300 (default)`` without its remark."""
    return str(setting).split()[0]
