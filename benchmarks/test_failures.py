"""Long runs with random failures: a year of the documented cluster, and a month of a large one.

Faults are drawn with rates of this order: a node every two months, a container every half day, a component every month.
``extra_info`` says how many pods and Events there were, and the peak resident memory.
A year should take less than 5 s and the month of 500 nodes and about 5 000 pods less than 60 s.
"""

import resource
from pathlib import Path
from typing import Any

from gxsim.engine.simulation import Simulation
from gxsim.engine.start import start
from gxsim.load.objects import cluster
from gxsim.load.scenario import load
from gxsim.model.cluster import Cluster
from gxsim.model.fault import Fault, FaultSelector
from gxsim.rng import Streams
from gxsim.scheduler import Framework
from gxsim.state import ClusterState
from gxsim.study.start import started

SCENARIO = Path(__file__).parent.parent / "scenarios" / "node-loss.yaml"
HOUR_S, DAY_S = 3600.0, 86_400.0
COMPONENTS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "etcd")
TOLERATIONS = [
    {"key": f"node.kubernetes.io/{what}", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}
    for what in ("not-ready", "unreachable")
]
LOCAL = {
    "kind": "StorageClass",
    "metadata": {"name": "local-path"},
    "provisioner": "rancher.io/local-path",
    "volumeBindingMode": "WaitForFirstConsumer",
}
CLAIM = {"metadata": {"name": "data"}, "spec": {"storageClassName": "local-path", "accessModes": ["ReadWriteOnce"]}}


def every_component(nodes: tuple[str, ...]) -> list[Fault]:
    """Nodes, kubelets, the network, pods, containers and control-plane components, each failing at random."""
    at_nodes = {"selector": FaultSelector(nodes=nodes)}
    return [
        Fault(name="node", kind="NodeChaos", action="node-stop", mtbf_s=60 * DAY_S, mttr_s=2 * HOUR_S, **at_nodes),
        Fault(name="kubelet", kind="NodeChaos", action="kubelet-stop", mtbf_s=90 * DAY_S, mttr_s=600.0, **at_nodes),
        Fault(name="cut", kind="NetworkChaos", action="partition", mtbf_s=60 * DAY_S, mttr_s=900.0, **at_nodes),
        Fault(name="pod", kind="PodChaos", action="pod-kill", mode="one", mtbf_s=DAY_S),
        Fault(name="container", kind="PodChaos", action="container-kill", mode="one", mtbf_s=12 * HOUR_S),
        Fault(name="hang", kind="PodChaos", action="pod-unresponsive", mode="one", mtbf_s=DAY_S, mttr_s=300.0),
        *(
            Fault(
                name=component,
                kind="ComponentChaos",
                action="component-stop",
                parameters={"component": component},
                mtbf_s=30 * DAY_S,
                mttr_s=120.0,
            )
            for component in COMPONENTS
        ),
    ]


def large_cluster(nodes: int) -> Cluster:
    """*nodes* nodes of 16 CPU in three zones with about ten pods each: Deployments, StatefulSets, a DaemonSet."""
    capacity = {"cpu": "16", "memory": "64Gi", "pods": "110"}
    machines = [
        {
            "kind": "Node",
            "metadata": {
                "name": f"n{i:03}",
                "labels": {"kubernetes.io/hostname": f"n{i:03}", "topology.kubernetes.io/zone": f"z{i % 3}"},
            },
            "status": {"capacity": capacity},
        }
        for i in range(nodes)
    ]
    stateless = [workload("Deployment", f"web{i}", replicas=100) for i in range(nodes * 8 // 100)]
    stateful = [
        workload("StatefulSet", f"db{i}", replicas=10, volumeClaimTemplates=[CLAIM]) for i in range(nodes // 10)
    ]
    return cluster([*machines, LOCAL, *stateless, *stateful, workload("DaemonSet", "agent")])


def workload(kind: str, name: str, **spec: object) -> dict[str, Any]:
    labels = {"app": name}
    container = {"name": "c", "resources": {"requests": {"cpu": "200m", "memory": "256Mi"}}}
    pod = {"containers": [container], "tolerations": TOLERATIONS}
    template = {"metadata": {"labels": labels}, "spec": pod}
    metadata = {"name": name, "namespace": "app"}
    return {
        "kind": kind,
        "metadata": metadata,
        "spec": {"selector": {"matchLabels": labels}, "template": template, **spec},
    }


def test_a_year_of_the_documented_cluster(benchmark: Any) -> None:
    def prepare() -> tuple[tuple[Simulation], dict]:
        case, streams = load(SCENARIO), Streams(1)
        state, framework = started(case, case.placement, streams.take("scheduler/ties"))
        names = tuple(node.name for node in state.nodes)
        return (simulation(state, framework, streams, names[:3]),), {}

    measure(benchmark, prepare, 365 * DAY_S, rounds=3)


def test_a_month_of_500_nodes_and_5000_pods(benchmark: Any) -> None:
    def prepare() -> tuple[tuple[Simulation], dict]:
        state = ClusterState(large_cluster(500))
        framework = Framework(state)
        start(state, framework)
        return (simulation(state, framework, Streams(1), ("n000", "n001", "n002")),), {}

    measure(benchmark, prepare, 30 * DAY_S, rounds=1)


def simulation(
    state: ClusterState, framework: Framework, streams: Streams, etcd_members: tuple[str, ...]
) -> Simulation:
    names = tuple(node.name for node in state.nodes)
    return Simulation(
        state, framework=framework, streams=streams, faults=every_component(names), etcd_members=etcd_members
    )


def measure(benchmark: Any, prepare: Any, horizon_s: float, *, rounds: int) -> None:
    """Time the runs alone: loading and placing are measured elsewhere."""
    last: list[Simulation] = []

    def run(sim: Simulation) -> None:
        last[:] = [sim]
        sim.run(horizon_s)

    benchmark.pedantic(run, setup=prepare, rounds=rounds)
    state = last[0].state
    benchmark.extra_info["pods"] = len(state.pod_names)
    benchmark.extra_info["events"] = len(state.events)
    benchmark.extra_info["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
