"""The Alibaba openb trace: published GPU allocations reproduced, and its cpu and memory placed by the scheduler."""

from typing import Any

import numpy as np
import pytest

from benchmarks.openb import (
    TRACE,
    WORKLOADS,
    Policy,
    allocation,
    published_allocation,
    read_machines,
    read_tasks,
)
from gxsim.model.cluster import Cluster
from gxsim.model.node import Node
from gxsim.model.pod import Container, PodTemplate
from gxsim.scheduler import place
from gxsim.state import ClusterState

pytestmark = pytest.mark.skipif(not TRACE.exists(), reason=f"the trace is not at {TRACE.name} beside the repository")
MEBIBYTE = 2**20
TOLERANCE = 0.7  # points; ten seeds of the published runs have a standard error of up to 0.2, and so have ours


@pytest.mark.parametrize("policy", ["Random", "BestFit"])
@pytest.mark.parametrize("workload", WORKLOADS)
def test_gpu_allocation_is_the_published_one(benchmark: Any, workload: str, policy: Policy) -> None:
    machines = read_machines()
    tasks = read_tasks(workload, machines)
    found = benchmark.pedantic(allocation, args=(machines, tasks, policy), rounds=1)
    published = published_allocation(workload, policy)
    benchmark.extra_info["allocation"] = round(float(found.mean()), 2)
    benchmark.extra_info["published"] = round(published, 2)
    assert abs(found.mean() - published) <= TOLERANCE


def test_the_scheduler_places_the_cpu_and_memory_of_the_trace(benchmark: Any) -> None:
    machines = read_machines("all_node")
    tasks = read_tasks("default", machines)
    nodes = tuple(
        Node(name=f"openb-node-{i:04}", allocatable={"cpu": cpu, "memory": memory * MEBIBYTE, "pods": 110})
        for i, (cpu, memory) in enumerate(zip(machines.cpu_milli.tolist(), machines.memory_mib.tolist(), strict=True))
    )
    sizes = list(zip(tasks.cpu_milli.tolist(), tasks.memory_mib.tolist(), strict=True))
    templates = {size: _template(*size) for size in dict.fromkeys(sizes)}

    def fresh() -> tuple[tuple[ClusterState], dict]:
        state = ClusterState(Cluster(nodes=nodes))
        for i, size in enumerate(sizes):
            state.create(f"openb-pod-{i:04}", templates[size])
        return (state,), {}

    decisions = benchmark.pedantic(place, setup=fresh, rounds=3)
    placed = np.array([decision.scheduled for decision in decisions])
    benchmark.extra_info["placed"] = int(placed.sum())
    benchmark.extra_info["pods_per_s"] = round(len(sizes) / benchmark.stats.stats.min)
    # Not all fit: the trace was recorded over time, and here nobody leaves.
    assert placed.mean() > 0.9
    assert all("Insufficient" in decisions[i].message() for i in np.flatnonzero(~placed))


def _template(cpu_milli: int, memory_mib: int) -> PodTemplate:
    requests = {"cpu": cpu_milli, "memory": memory_mib * MEBIBYTE}
    return PodTemplate(
        namespace="openb",
        containers=(Container(name="task", requests=requests),),
        requests=requests,
        scored_requests=(cpu_milli, memory_mib * MEBIBYTE),
    )
