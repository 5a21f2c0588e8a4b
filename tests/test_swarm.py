"""Does anything break under any schedule of faults? Random clusters and faults from a seed, which a failure names."""

import os
from typing import Any

import numpy as np
import pytest

from gxsim.controllers.node_memory import NodeMemory
from gxsim.engine.simulation import Simulation
from gxsim.engine.start import start
from gxsim.load.objects import cluster
from gxsim.model.cluster import Cluster
from gxsim.model.control_plane import ControlPlane, Kubelet
from gxsim.model.fault import DIRECTIONS, Fault, FaultSelector
from gxsim.model.model import Usage
from gxsim.rng import Streams
from gxsim.scheduler import Framework
from gxsim.state import NO_OWNER, PENDING, READY, ClusterState

SEEDS = int(os.environ.get("GXSIM_SWARM_SEEDS", "200"))
HOUR_S = 3600.0
FAULTS_UNTIL_S, QUIET_UNTIL_S = 2 * HOUR_S, 4 * HOUR_S
TOLERATIONS = [
    {"key": f"node.kubernetes.io/{what}", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 60}
    for what in ("not-ready", "unreachable")
]
USAGE = [
    Usage(namespace="app", workload=name, cpu_milli=0, memory_bytes=mebibytes * 2**20, source="chosen")
    for name, mebibytes in (("web0", 96), ("db", 32))
]
PROBE = {"httpGet": {"port": 80}, "periodSeconds": 5, "failureThreshold": 2}
NODE_ACTIONS = ("node-stop", "node-reboot", "kubelet-stop", "node-cordon", "node-drain", "node-taint", "node-delete")
POD_ACTIONS = ("pod-kill", "pod-failure", "pod-unresponsive", "container-kill", "crash-loop")
DEGRADATIONS = (  # kind, action, and how its parameters are drawn
    ("NetworkChaos", "partition", lambda rng: {}),
    ("NetworkChaos", "delay", lambda rng: {"latency": f"{rng.choice([1, 100, 6000, 30_000])}ms", "jitter": "1ms"}),
    ("NetworkChaos", "loss", lambda rng: {"loss": int(rng.choice([1, 30, 80, 95, 100]))}),
    ("NetworkChaos", "bandwidth", lambda rng: {"rate": "1mbit"}),
    ("IOChaos", "disk-slow", lambda rng: {"latency": f"{rng.integers(1, 9000)}ms"}),
    ("StressChaos", "cpu-stress", lambda rng: {"workers": int(rng.integers(1, 64)), "load": int(rng.integers(1, 101))}),
    ("TimeChaos", "clock-skew", lambda rng: {"offset": f"{rng.integers(-3600, 3601)}s"}),
)
MEBIBYTE = 2**20
COMPONENTS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "etcd", "registry")


def random_cluster(rng: np.random.Generator) -> Cluster:
    """Three to seven nodes in up to three zones, workloads of each kind, budgets, and now and then a quota."""
    count, zones = int(rng.integers(3, 8)), int(rng.integers(1, 4))
    nodes = [
        {
            "kind": "Node",
            "metadata": {
                "name": f"n{i}",
                "labels": {"kubernetes.io/hostname": f"n{i}", "topology.kubernetes.io/zone": f"z{i % zones}"},
            },
            "status": {"capacity": {"cpu": str(rng.integers(2, 9)), "memory": "16Gi", "pods": "30"}},
        }
        for i in range(count)
    ]
    local = {
        "kind": "StorageClass",
        "metadata": {"name": "local-path"},
        "provisioner": "rancher.io/local-path",
        "volumeBindingMode": "WaitForFirstConsumer",
    }
    claim = {"metadata": {"name": "data"}, "spec": {"storageClassName": "local-path", "accessModes": ["ReadWriteOnce"]}}
    policy = ("OrderedReady", "Parallel")[rng.integers(2)]
    objects = [
        *nodes,
        local,
        *(workload("Deployment", f"web{i}", rng, replicas=int(rng.integers(1, 6))) for i in range(rng.integers(1, 4))),
        workload(
            "StatefulSet",
            "db",
            rng,
            replicas=int(rng.integers(1, 4)),
            podManagementPolicy=policy,
            volumeClaimTemplates=[claim],
        ),
        workload("DaemonSet", "agent", rng),
        *(batch("Job", f"load{i}", rng) for i in range(rng.integers(0, 3))),
        *(batch("CronJob", f"report{i}", rng) for i in range(rng.integers(0, 3))),
        budget("web0", minAvailable=1),
        budget("db", maxUnavailable=1),
        {"kind": "Service", "metadata": {"name": "web0", "namespace": "app"}, "spec": {"selector": {"app": "web0"}}},
    ]
    if rng.random() < 0.3:
        hard = {"pods": str(rng.integers(5, 40))}
        objects.append({"kind": "ResourceQuota", "metadata": {"name": "q", "namespace": "app"}, "spec": {"hard": hard}})
    return cluster(objects)


def workload(kind: str, name: str, rng: np.random.Generator, **spec: object) -> dict:
    container: dict = {"name": "c", "resources": {"requests": {"cpu": f"{rng.integers(1, 8) * 50}m", "memory": "64Mi"}}}
    if rng.random() < 0.5:
        container["resources"]["limits"] = {"memory": "256Mi"}
    if rng.random() < 0.5:
        container["readinessProbe"] = PROBE
    if rng.random() < 0.3:
        container["livenessProbe"] = PROBE
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container], "tolerations": TOLERATIONS}}
    spec |= {"selector": {"matchLabels": labels}, "template": template}
    return {"kind": kind, "metadata": {"name": name, "namespace": "app"}, "spec": spec}


def batch(kind: str, name: str, rng: np.random.Generator) -> dict:
    """A Job, or a CronJob that makes one every few minutes, under random rules."""
    requests = {"cpu": "50m", "memory": "64Mi"}
    pod = {
        "containers": [{"name": "c", "resources": {"requests": requests}}],
        "restartPolicy": str(rng.choice(["Never", "OnFailure"])),
        "tolerations": TOLERATIONS,
    }
    job: dict = {
        "template": {"metadata": {"labels": {"app": name}}, "spec": pod},
        "parallelism": int(rng.integers(1, 4)),
        "backoffLimit": int(rng.integers(0, 5)),
        "podReplacementPolicy": str(rng.choice(["TerminatingOrFailed", "Failed"])),
    }
    if rng.random() < 0.7:
        job["completions"] = int(rng.integers(1, 6))
    if rng.random() < 0.3:
        job["activeDeadlineSeconds"] = int(rng.integers(30, 600))
    if rng.random() < 0.3:
        job["ttlSecondsAfterFinished"] = int(rng.integers(0, 600))
    if kind == "CronJob":
        job = {
            "schedule": f"*/{rng.integers(2, 30)} * * * *",
            "concurrencyPolicy": str(rng.choice(["Allow", "Forbid", "Replace"])),
            "jobTemplate": {"spec": job},
        }
        if rng.random() < 0.3:
            job["startingDeadlineSeconds"] = int(rng.integers(10, 300))
    return {"kind": kind, "metadata": {"name": name, "namespace": "app"}, "spec": job}


def budget(app: str, **spec: int) -> dict:
    return {
        "kind": "PodDisruptionBudget",
        "metadata": {"name": app, "namespace": "app"},
        "spec": {"selector": {"matchLabels": {"app": app}}, **spec},
    }


def random_faults(rng: np.random.Generator, nodes: list[str]) -> list[Fault]:
    """Up to ten overlapping faults, all over at the end of the first two hours."""
    return [random_fault(rng, nodes, f"f{i}") for i in range(rng.integers(1, 11))]


def random_fault(rng: np.random.Generator, nodes: list[str], name: str) -> Fault:
    at_s = float(rng.uniform(0, 0.7 * FAULTS_UNTIL_S))
    when = {"name": name, "at_s": at_s, "duration_s": float(rng.uniform(1, FAULTS_UNTIL_S - at_s))}
    chosen = tuple(rng.choice(nodes, size=int(rng.integers(1, len(nodes) + 1)), replace=False).tolist())
    match rng.integers(8):
        case 0 | 1:
            return Fault(
                kind="NodeChaos",
                action=str(rng.choice(NODE_ACTIONS)),
                selector=FaultSelector(nodes=chosen),
                **when,
            )
        case 2:
            return Fault(kind="NetworkChaos", action="partition", selector=FaultSelector(nodes=chosen), **when)
        case 3:
            return Fault(
                kind="PodChaos",
                action=str(rng.choice(POD_ACTIONS)),
                mode="fixed-percent",
                value=int(rng.integers(1, 101)),
                **when,
            )
        case 4:
            return Fault(
                kind="ComponentChaos",
                action="component-stop",
                parameters={"component": str(rng.choice(COMPONENTS))},
                **when,
            )
        case 5:
            return random_degradation(rng, chosen, nodes, when)
        case 6:
            return memory_fault(rng, chosen, when)
    if rng.random() < 0.5:
        replicas = {"replicas": int(rng.integers(0, 7))}
        target = FaultSelector(workloads=("Deployment/web0",))
        return Fault(kind="Operation", action="scale", selector=target, parameters=replicas, name=name, at_s=at_s)
    target = FaultSelector(workloads=(str(rng.choice(["Deployment/web0", "StatefulSet/db", "DaemonSet/agent"])),))
    return Fault(kind="Operation", action="rollout-restart", selector=target, name=name, at_s=at_s)


def random_degradation(rng: np.random.Generator, chosen: tuple[str, ...], nodes: list[str], when: dict) -> Fault:
    """At nodes or pods, against everything else or against one node or workload, in any direction."""
    kind, action, parameters = DEGRADATIONS[rng.integers(len(DEGRADATIONS))]
    pods = FaultSelector(workloads=(str(rng.choice(["Deployment/web0", "StatefulSet/db"])),))
    selector = pods if kind != "TimeChaos" and rng.random() < 0.4 else FaultSelector(nodes=chosen)
    linked: dict = {}
    if kind == "NetworkChaos":
        other = (None, pods, FaultSelector(nodes=(str(rng.choice(nodes)),)))[rng.integers(3)]
        linked = {"target": other, "direction": str(rng.choice(DIRECTIONS))}
    return Fault(kind=kind, action=action, selector=selector, parameters=parameters(rng), **linked, **when)


def memory_fault(rng: np.random.Generator, nodes: tuple[str, ...], when: dict[str, Any]) -> Fault:
    """A leak in some pods, or a process that takes up to more than a node has, at once or slowly."""
    growth = {"time": f"{rng.integers(0, 1800)}s"}
    if rng.random() < 0.5:
        size = {"size": int(rng.integers(1, 24 * 1024)) * MEBIBYTE, "oomScoreAdj": int(rng.integers(-1000, 1001))}
        selector = FaultSelector(nodes=nodes)
        return Fault(
            kind="StressChaos", action="memory-stress", selector=selector, parameters={**growth, **size}, **when
        )
    size = {"size": int(rng.integers(1, 2048)) * MEBIBYTE}
    share = {
        "mode": "fixed-percent",
        "value": int(rng.integers(1, 101)),
        "selector": FaultSelector(namespaces=("app",)),
    }
    return Fault(kind="StressChaos", action="memory-stress", parameters={**growth, **size}, **share, **when)


@pytest.mark.parametrize("seed", range(SEEDS))
def test_whatever_happens_the_state_stays_consistent_and_the_cluster_recovers(seed: int) -> None:
    rng = np.random.default_rng(seed)
    given = random_cluster(rng)
    state = ClusterState(given)
    framework = Framework(state, rng=np.random.default_rng(seed))
    start(state, framework)
    nodes = [node.name for node in state.nodes]
    simulation = Simulation(
        state,
        framework=framework,
        streams=Streams(seed),
        control_plane=ControlPlane(leader_election=bool(rng.random() < 0.5), leader=str(rng.choice(["", nodes[0]]))),
        kubelet=Kubelet(memory_available_bytes=int(rng.choice([0, 100 * MEBIBYTE]))),
        usage=USAGE,
        faults=random_faults(rng, nodes),
        etcd_members=tuple(nodes[:3]) if rng.random() < 0.5 else (),
    )
    simulation.run(QUIET_UNTIL_S)  # every change is checked on the way
    assert (state.node_ready == READY).all()
    assert not any(state.taints)
    assert not state.unschedulable.any()
    lasting = state.pod_exists & ~of_jobs(state)
    assert not (lasting & state.pod_terminating).any()
    settled = lasting & state.pod_active & (state.pod_node != PENDING) & ~state.pod_ready  # evicted ones stay as Failed
    assert not settled.any(), [state.pod_key(int(pod)) for pod in np.flatnonzero(settled)]
    anew = NodeMemory(state, USAGE)
    anew.follow(state)
    for node in range(len(nodes)):
        kept = simulation.components.memory.available_bytes(state, node, QUIET_UNTIL_S)
        assert kept == anew.available_bytes(state, node, QUIET_UNTIL_S)
    wrong = missing(state) + unfinished(simulation)
    assert wrong == [] or "q" in {quota["metadata"]["name"] for quota in given.quotas}


def of_jobs(state: ClusterState) -> np.ndarray:
    """(pods,) True for pods that come and go by themselves."""
    return np.array([owner != NO_OWNER and state.owners[owner].kind == "Job" for owner in state.pod_owner], bool)


def unfinished(simulation: Simulation) -> list[str]:
    """Jobs of the start that are not over, and CronJobs that run more at once than they may."""
    state, ended = simulation.state, {j for j, s in simulation.components.batch.jobs.items() if s.ended_s is not None}
    open_jobs = [j for j, o in enumerate(state.owners) if o.kind == "Job" and not o.deleted and j not in ended]
    wrong = [f"Job {state.owners[job].name} goes on" for job in open_jobs if state.owners[job].parent == NO_OWNER]
    for row, owner in enumerate(state.owners):
        cron = owner.workload.cron if owner.kind == "CronJob" else None
        running = [job for job in open_jobs if state.owners[job].parent == row]
        if cron is not None and cron.concurrency_policy != "Allow" and len(running) > 1:
            wrong.append(f"CronJob {owner.name} has {len(running)} Jobs")
    return wrong


def missing(state: ClusterState) -> list[str]:
    """Workloads that have fewer or more pods than they want."""
    wrong = []
    for row, owner in enumerate(state.owners):
        active = int(np.count_nonzero(state.pod_active & (state.pod_owner == row)))
        if owner.kind in ("ReplicaSet", "StatefulSet") and active != owner.replicas:
            wrong.append(f"{owner.kind} {owner.name}: {active} of {owner.replicas}")
        if owner.kind == "DaemonSet" and active != len(state.nodes):
            wrong.append(f"DaemonSet {owner.name}: {active} of {len(state.nodes)}")
    return wrong
