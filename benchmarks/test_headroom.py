"""Headroom: the documented cluster as a user asks for it, and a cluster of 5 000 nodes and 50 000 pods."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.clusters import cluster, templates
from gxsim.model.cluster import Workload
from gxsim.model.model import Model
from gxsim.plan.headroom import headroom_of
from gxsim.plan.increments import OnePod
from gxsim.plan.wanted import median_pod
from gxsim.scheduler import place
from gxsim.state import ClusterState, Owner

ROOT = Path(__file__).parent.parent


def test_documented(benchmark: BenchmarkFixture) -> None:
    command = [sys.executable, "-m", "gxsim", "headroom", "-f", "scenarios/node-loss.yaml"]
    environment = {**os.environ, "COLUMNS": "100"}
    benchmark.pedantic(
        lambda: subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True),
        rounds=5,
        warmup_rounds=1,
    )


def filled(nodes: int, pods: int) -> ClusterState:
    """Deployments of 50 replicas over *nodes*, as many as make *pods*."""
    state = ClusterState(cluster(nodes))
    sizes = templates(constrained=False)
    for number in range(pods // 50):
        template = sizes[number % len(sizes)]
        name = f"app-{number}"
        workload = Workload(kind="ReplicaSet", namespace="default", name=name, template=template, replicas=50)
        owner = state.own(
            Owner(kind="ReplicaSet", namespace="default", name=name, workload=workload, template=template, replicas=50)
        )
        for replica in range(50):
            state.create(f"{name}-{replica}", template, owner=owner)
    place(state)
    return state


@pytest.mark.parametrize(("nodes", "pods"), [(500, 5_000), (5_000, 50_000)])
def test_filled(benchmark: BenchmarkFixture, nodes: int, pods: int) -> None:
    state = filled(nodes, pods)
    typical: OnePod = median_pod(state)
    answer = benchmark.pedantic(lambda: headroom_of(state, typical, Model()), rounds=1)
    assert next(iter(answer.fits.rows()))["fits"] > 0
