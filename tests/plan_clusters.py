"""Random small clusters for the tests of plans."""

import dataclasses

from hypothesis import strategies as st

from gxsim.engine.start import start
from gxsim.model.cluster import ClaimTemplate, Cluster, StorageClass, Workload
from gxsim.model.node import Node, Taint
from gxsim.model.pod import (
    Container,
    HostPort,
    PodAffinity,
    PodAffinityTerm,
    PodTemplate,
    Toleration,
    TopologySpreadConstraint,
)
from gxsim.model.selectors import LabelSelector, Requirement
from gxsim.scheduler import Framework
from gxsim.state import ClusterState

MEBIBYTE = 2**20
HOSTNAME, ZONE = "kubernetes.io/hostname", "topology.kubernetes.io/zone"


def node(name: str, cpu: int = 4000, memory: int = 8192, pods: int = 20, zone: str = "a", *taints: Taint) -> Node:
    amounts = {"cpu": cpu, "memory": memory * MEBIBYTE, "ephemeral-storage": 10**12, "pods": pods}
    return Node(name=name, labels={HOSTNAME: name, ZONE: zone}, allocatable=amounts, capacity=amounts, taints=taints)


def template(app: str, cpu: int, memory: int, **more: object) -> PodTemplate:
    requests = {name: amount for name, amount in (("cpu", cpu), ("memory", memory * MEBIBYTE)) if amount}
    limits = {name: 2 * amount for name, amount in requests.items()}
    containers = (Container(name="main", requests=requests, limits=limits),)
    written = {name: f"{amount}m" if name == "cpu" else str(amount) for name, amount in requests.items()}
    pod = {"containers": [{"name": "main", "resources": {"requests": written}}]}
    plain = PodTemplate(
        namespace="default",
        labels={"app": app},
        containers=containers,
        requests=requests,
        limits=limits,
        scored_requests=(cpu, memory * MEBIBYTE),
        manifest={"apiVersion": "v1", "kind": "Pod", "metadata": {"namespace": "default"}, "spec": pod},
        tolerations=(Toleration("node.kubernetes.io/unreachable", "Exists", "", "NoExecute", 300.0),),
    )
    return dataclasses.replace(plain, **more)


def deployment(name: str, replicas: int, pod: PodTemplate) -> Workload:
    return Workload(
        kind="Deployment",
        namespace="default",
        name=name,
        template=pod,
        replicas=replicas,
        selector=selecting(name),
    )


def daemon_set(name: str, pod: PodTemplate) -> Workload:
    return dataclasses.replace(deployment(name, 1, pod), kind="DaemonSet")


def stateful_set(name: str, replicas: int, pod: PodTemplate) -> Workload:
    """Each replica on a volume of its node, as local-path makes it."""
    claim = ClaimTemplate(name="data", storage_class="local", size_bytes=2**30)
    return dataclasses.replace(deployment(name, replicas, pod), kind="StatefulSet", claim_templates=(claim,))


LOCAL_PATH = StorageClass(name="local", provisioner="rancher.io/local-path", binding_mode="WaitForFirstConsumer")


def selecting(app: str) -> LabelSelector:
    return LabelSelector((Requirement("app", "In", (app,)),))


def apart(app: str, key: str = HOSTNAME) -> PodAffinity:
    return PodAffinity(required=(PodAffinityTerm(key, selecting(app), ("default",)),))


def spread(app: str, key: str) -> tuple[TopologySpreadConstraint, ...]:
    return (TopologySpreadConstraint(key, 1, "DoNotSchedule", selecting(app)),)


nodes = st.lists(
    st.tuples(st.integers(1, 8), st.integers(1, 8), st.integers(2, 12), st.sampled_from("ab"), st.booleans()),
    min_size=2,
    max_size=5,
).map(
    lambda rows: tuple(
        node(f"node-{i}", 500 * cpu, 512 * memory, pods, zone, *((Taint("only", "", "NoSchedule"),) if tainted else ()))
        for i, (cpu, memory, pods, zone, tainted) in enumerate(rows)
    )
)


@st.composite
def templates(draw: st.DrawFn, app: str) -> PodTemplate:
    """A pod of a random size that perhaps has a rule: taints, anti-affinity, a spread, a host port, a selector."""
    cpu, memory = draw(st.sampled_from([0, 100, 250, 700])), draw(st.sampled_from([0, 64, 300, 900]))
    rules: dict[str, object] = draw(
        st.sampled_from(
            [
                {},
                {},
                {"pod_anti_affinity": apart(app)},
                {"topology_spread_constraints": spread(app, HOSTNAME)},
                {"topology_spread_constraints": spread(app, ZONE)},
                {"host_ports": (HostPort("0.0.0.0", "TCP", 80),)},
                {"node_selector": {ZONE: "a"}},
                {"tolerations": (Toleration("only", "Exists", "", ""),)},
            ]
        )
    )
    return template(app, cpu, memory, **rules)


@st.composite
def clusters(draw: st.DrawFn) -> Cluster:
    count = draw(st.integers(1, 3))
    workloads = []
    for name in (f"app-{i}" for i in range(count)):
        make = draw(st.sampled_from([deployment, deployment, stateful_set]))
        workloads.append(make(name, draw(st.integers(1, 4)), draw(templates(name))))
    if draw(st.booleans()):
        workloads.append(daemon_set("agent", template("agent", 100, 64)))
    return Cluster(nodes=draw(nodes), workloads=tuple(workloads), storage_classes=(LOCAL_PATH,))


def running(cluster: Cluster) -> ClusterState:
    """The cluster with its pods where the scheduler puts them."""
    state = ClusterState(cluster)
    start(state, Framework(state))
    return state
