"""The timers and limits of the control plane and the kubelet; defaults are those of K3s v1.33.5."""

from collections.abc import Mapping
from dataclasses import dataclass

from gxsim.model.fields import spec


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlPlane:
    """kube-controller-manager, kube-scheduler, kube-apiserver and etcd; names are those of their flags."""

    leader_election: bool = spec(True, doc="Whether controllers and scheduler hold a lease and exit without it")
    leader: str = spec(
        "", doc="Server whose controllers and scheduler lead at the start; absent: the control plane's first"
    )
    lease_duration_s: float = spec(15.0, doc="How long a lost leader's lease keeps others waiting", gt=0)
    renew_deadline_s: float = spec(10.0, doc="A leader that cannot renew for so long exits", gt=0)
    retry_period_s: float = spec(2.0, doc="Pause between tries to get the lease", gt=0)
    supervisor_restart_s: float = spec(5.0, doc="Pause before systemd starts an exited process again", ge=0)
    component_start_s: float = spec(0.5, doc="From the start of controllers or scheduler to their first work", ge=0)
    single_process: bool = spec(
        True, doc="Whether a server, its etcd and its kubelet are one process, as with K3s: one ends with the other"
    )
    apiserver_start_s: float = spec(5.0, doc="From the start of an API server to its first answer", ge=0)
    request_timeout_s: float = spec(60.0, doc="Longest time a request hangs in the API server without etcd", gt=0)
    watch_backoff_s: float = spec(0.8, doc="First pause before a lost watch is opened again; it doubles", gt=0)
    watch_backoff_cap_s: float = spec(30.0, doc="Longest pause before a lost watch is opened again", gt=0)

    node_monitor_period_s: float = spec(5.0, doc="Pause between two looks at the node leases", gt=0)
    node_monitor_grace_period_s: float = spec(50.0, doc="Silence after which a node is Unknown", gt=0)
    node_eviction_rate: float = spec(0.1, doc="Nodes tainted NoExecute per second and zone", ge=0)
    secondary_node_eviction_rate: float = spec(0.01, doc="The same in a zone that is partly down", ge=0)
    large_cluster_size_threshold: int = spec(50, doc="Zones up to this size get no secondary rate at all", ge=0)
    unhealthy_zone_threshold: float = spec(
        0.55, doc="Share of nodes not ready that makes a zone partly down", ge=0, le=1
    )
    taint_retry_s: float = spec(0.1, doc="Period of the worker that puts NoExecute taints", gt=0)

    quota_sync_s: float = spec(300.0, doc="Period at which what quotas count is computed anew", gt=0)
    pod_gc_period_s: float = spec(20.0, doc="Pause between two looks for orphaned pods", gt=0)
    pod_gc_quarantine_s: float = spec(40.0, doc="How long a node must be missing before its pods are deleted", ge=0)
    terminated_pod_gc_threshold: int = spec(12_500, doc="Finished pods kept before the oldest are deleted", ge=0)

    slow_start_batch: int = spec(1, doc="Pods in the first batch of a ReplicaSet; each further batch doubles", gt=0)
    burst_replicas: int = spec(500, doc="Most pods a ReplicaSet creates or deletes in one sync", gt=0)
    revision_history_limit: int = spec(10, doc="Empty ReplicaSets a Deployment keeps for an undo", ge=0)
    requeue_base_s: float = spec(0.005, doc="First pause after a failed sync; it doubles", gt=0)
    requeue_cap_s: float = spec(1000.0, doc="Longest pause after failed syncs", gt=0)

    job_backoff_s: float = spec(10.0, doc="First pause before a Job replaces a failed pod; it doubles", gt=0)
    job_backoff_cap_s: float = spec(600.0, doc="Longest pause before a Job replaces a failed pod", gt=0)

    daemon_backoff_s: float = spec(1.0, doc="First pause before a failed daemon pod is deleted; it doubles", gt=0)
    daemon_backoff_cap_s: float = spec(900.0, doc="Longest pause before a failed daemon pod is deleted", gt=0)
    cron_start_delay_s: float = spec(0.1, doc="From the time a CronJob is due to the Job it makes", ge=0)

    pod_initial_backoff_s: float = spec(1.0, doc="First pause of an unschedulable pod; it doubles", gt=0)
    pod_max_backoff_s: float = spec(10.0, doc="Longest pause of an unschedulable pod", gt=0)
    unschedulable_flush_s: float = spec(300.0, doc="A pod unschedulable for so long is tried again", gt=0)
    unschedulable_flush_period_s: float = spec(30.0, doc="Period of the check for such pods", gt=0)
    volume_poll_s: float = spec(1.0, doc="Period at which the scheduler looks whether a claim is bound", gt=0)
    volume_bind_timeout_s: float = spec(600.0, doc="Longest wait for a claim to be bound", gt=0)
    provision_s: float = spec(1.5, doc="Time the provisioner takes to make a volume", ge=0)

    detach_timeout_s: float = spec(360.0, doc="Silence after which a volume is detached by force", gt=0)
    attach_s: float = spec(1.0, doc="Time a network volume takes to be attached to a node", ge=0)
    detach_s: float = spec(1.0, doc="Time a network volume takes to be detached", ge=0)
    drain_retry_s: float = spec(5.0, doc="Pause before kubectl drain tries a refused eviction again", gt=0)
    drain_timeout_s: float = spec(0.0, doc="Time after which kubectl drain gives up; 0: never", ge=0)
    drain_poll_s: float = spec(1.0, doc="Period at which kubectl drain looks whether a pod is gone", gt=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kubelet:
    """What every kubelet does by itself."""

    lease_renew_s: float = spec(10.0, doc="Period of the node lease renewal", gt=0)
    status_period_s: float = spec(10.0, doc="Period at which the kubelet compares its status with the API's", gt=0)
    resync_s: float = spec(1.0, doc="Time after a return until pods are reported and ended", ge=0)
    start_s: float = spec(2.0, doc="From binding to running containers, images present", ge=0)
    image_pull_s: float = spec(
        0.0, doc="Additional time when a node starts a template's images for the first time", ge=0
    )
    image_check_s: float = spec(
        0.5, doc="Additional time to ask a registry about an image that is there, for imagePullPolicy Always", ge=0
    )
    pull_backoff_s: float = spec(10.0, doc="First pause after an image could not be pulled; it doubles", gt=0)
    pull_backoff_cap_s: float = spec(300.0, doc="Longest pause after an image could not be pulled", gt=0)
    reboot_s: float = spec(0.0, doc="Additional time after a reboot before containers start", ge=0)
    restart_s: float = spec(1.0, doc="From the end of the back-off to running containers again", ge=0)
    ready_s: float = spec(0.0, doc="From running to an application that answers", ge=0)
    relist_s: float = spec(1.0, doc="Period of the look at containers that notices starts and ends; 0: at once", ge=0)
    run_s: float = spec(60.0, doc="From running to the end of containers that are not restarted, as a Job's", ge=0)
    stop_s: float = spec(1.0, doc="From the deletion to the end of the containers, at most the grace period", ge=0)
    minimum_grace_s: float = spec(2.0, doc="What a preStop hook leaves of the grace period at least", ge=0)
    crash_backoff_s: float = spec(10.0, doc="First pause before a crashed container starts again; it doubles", gt=0)
    crash_backoff_cap_s: float = spec(300.0, doc="Longest pause before a crashed container starts again", gt=0)
    crash_backoff_reset_s: float = spec(
        600.0, doc="A container that ran so long starts with the first pause again", gt=0
    )
    memory_available_bytes: int = spec(
        0,
        doc="Memory below which pods are evicted; 0: never, since K3s sets eviction-hard for disks only, which takes "
        "the kubelet's own 100Mi away",
        ge=0,
    )
    nodefs_available: float = spec(
        0.05, doc="Share of a disk below which pods are evicted; 0.1 where K3s does not set it", ge=0, le=1
    )
    imagefs_available: float = spec(
        0.05,
        doc="The same where images lie, on the same disk; 0.15 where K3s does not set it",
        ge=0,
        le=1,
    )
    inodes_free: float = spec(
        0.0,
        doc="Share of free inodes below which pods are evicted; 0.05 where K3s sets no limits",
        ge=0,
        le=1,
    )
    minimum_reclaim: float = spec(
        0.10, doc="Share of a disk that must be free beyond the limit once it was met; 0 where not K3s", ge=0, le=1
    )
    pressure_transition_s: float = spec(300.0, doc="How long a pressure condition outlasts its cause", ge=0)
    eviction_period_s: float = spec(10.0, doc="Pause between two looks at what is left", gt=0)
    eviction_cleanup_s: float = spec(1.0, doc="The same after an eviction: until the pod is gone", gt=0)
    admission_s: float = spec(
        1.0, doc="From the binding of a pod until a kubelet under pressure has turned it away", gt=0
    )
    image_gc_high: float = spec(0.85, doc="Used share of a disk from which on unused images are removed", ge=0, le=1)
    image_gc_low: float = spec(0.80, doc="Used share of a disk down to which unused images are removed", ge=0, le=1)
    image_gc_period_s: float = spec(300.0, doc="Pause between two looks at whether images must be removed", gt=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class PodTiming:
    """Durations of the pods it selects; the first entry that matches counts. An absent one is the kubelet's."""

    namespaces: tuple[str, ...] = spec((), doc="Namespaces meant; none: all")
    labels: Mapping[str, str] = spec(doc="Labels the pod must carry; none: every pod", factory=dict)
    annotations: Mapping[str, str] = spec(doc="Annotations the pod must carry", factory=dict)
    start_s: float | None = spec(None, doc="From binding to running containers", ge=0)
    ready_s: float | None = spec(None, doc="From running to an application that answers; inf: never")
    unprobed_ready_s: float = spec(
        0.0, doc="From running to Ready of pods without a readiness probe: at once, as a kubelet reports it", ge=0
    )
    run_s: float | None = spec(None, doc="From running to the end of containers that are not restarted", ge=0)
    stop_s: float | None = spec(None, doc="From the deletion to the end of the containers", ge=0)

    def selects(self, namespace: str, labels: Mapping[str, str], annotations: Mapping[str, str]) -> bool:
        if self.namespaces and namespace not in self.namespaces:
            return False
        return self.labels.items() <= labels.items() and self.annotations.items() <= annotations.items()
