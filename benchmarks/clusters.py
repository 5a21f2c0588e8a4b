"""Clusters and pods of the sizes the placement benchmarks use."""

from collections.abc import Sequence

from gxsim.model.cluster import Cluster
from gxsim.model.node import Node
from gxsim.model.pod import (
    Container,
    PodAffinity,
    PodAffinityTerm,
    PodTemplate,
    TopologySpreadConstraint,
)
from gxsim.model.selectors import LabelSelector, Requirement

GIBIBYTE, MEBIBYTE = 2**30, 2**20
HOSTNAME, ZONE = "kubernetes.io/hostname", "topology.kubernetes.io/zone"
SIZES = [(cpu, memory * MEBIBYTE) for cpu in range(100, 401, 50) for memory in range(128, 385, 64)]  # 35
_APP = LabelSelector((Requirement("app", "In", ("web",)),))


def cluster(count: int) -> Cluster:
    """*count* nodes of 32 vCPU, 128 GiB and 110 pods in three zones."""
    return Cluster(nodes=tuple(_node(i) for i in range(count)))


def _node(number: int) -> Node:
    name = f"node-{number:05}"
    return Node(
        name=name,
        labels={HOSTNAME: name, ZONE: f"zone-{number % 3}"},
        allocatable={"cpu": 32_000, "memory": 128 * GIBIBYTE, "ephemeral-storage": 500 * GIBIBYTE, "pods": 110},
    )


def templates(*, constrained: bool, sizes: Sequence[tuple[int, int]] = SIZES) -> list[PodTemplate]:
    """One template per size; *constrained* ones spread over hosts and prefer not to share one with their like."""
    return [_template(cpu, memory, constrained=constrained) for cpu, memory in sizes]


def different_sizes(count: int) -> list[tuple[int, int]]:
    """*count* sizes, no two alike."""
    return [(100 + i % 301, (128 + i % 257) * MEBIBYTE + i) for i in range(count)]


def _template(cpu_milli: int, memory_bytes: int, *, constrained: bool) -> PodTemplate:
    requests = {"cpu": cpu_milli, "memory": memory_bytes}
    plain = PodTemplate(
        namespace="default",
        labels={"app": "web"},
        containers=(Container(name="main", image="web:1", requests=requests),),
        requests=requests,
        scored_requests=(cpu_milli, memory_bytes),
    )
    if not constrained:
        return plain
    term = PodAffinityTerm(HOSTNAME, _APP, ("default",), weight=100)
    return PodTemplate(
        namespace=plain.namespace,
        labels=plain.labels,
        containers=plain.containers,
        requests=requests,
        scored_requests=plain.scored_requests,
        pod_anti_affinity=PodAffinity(preferred=(term,)),
        topology_spread_constraints=(TopologySpreadConstraint(HOSTNAME, 1, "ScheduleAnyway", _APP),),
    )
