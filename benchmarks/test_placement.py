"""Pods placed per second, every node filtered and scored, with peak memory beside it.

``python -m pytest benchmarks/test_placement.py`` runs all sizes; ``extra_info`` holds pods per second, the peak
resident memory of the process and the ratio to the real scheduling framework (v1.34.1, in process, all nodes scored) on
a machine of this class. Compare ratios on one machine, not seconds between machines.
"""

from pathlib import Path
from typing import Any

import pytest

from benchmarks.clusters import cluster, different_sizes, templates
from gxsim.model.pod import PodTemplate
from gxsim.scheduler import place
from gxsim.state import ClusterState

SIZES = [(4, 60), (100, 1_000), (1_000, 5_000), (5_000, 5_000)]
LIMIT = (5_000, 150_000)  # the documented limit of Kubernetes
REAL_PODS_PER_S = {
    False: {100: 4_400, 1_000: 660, 5_000: 160},
    True: {100: 1_900, 1_000: 240, 5_000: 106},
}
ROUNDS = 3


@pytest.mark.parametrize("constrained", [False, True], ids=["plain", "spread-and-anti-affinity"])
@pytest.mark.parametrize(("nodes", "pods"), [*SIZES, LIMIT], ids=lambda n: str(n))
def test_35_sizes(benchmark: Any, nodes: int, pods: int, constrained: bool) -> None:
    rounds = 1 if (nodes, pods) == LIMIT else ROUNDS
    measure(benchmark, nodes, pods, templates(constrained=constrained), constrained=constrained, rounds=rounds)


@pytest.mark.parametrize("constrained", [False, True], ids=["plain", "spread-and-anti-affinity"])
@pytest.mark.parametrize(("nodes", "pods"), SIZES, ids=lambda n: str(n))
def test_every_pod_a_different_size(benchmark: Any, nodes: int, pods: int, constrained: bool) -> None:
    shapes = templates(constrained=constrained, sizes=different_sizes(pods))
    measure(benchmark, nodes, pods, shapes, constrained=constrained, rounds=ROUNDS)


def measure(
    benchmark: Any, nodes: int, pods: int, shapes: list[PodTemplate], *, constrained: bool, rounds: int
) -> None:
    """Time ``place`` on a fresh state each round, and check that every pod found a node."""
    nodes_given = cluster(nodes)

    def fresh() -> tuple[tuple[ClusterState], dict]:
        state = ClusterState(nodes_given)
        for number in range(pods):
            state.create(f"pod-{number}", shapes[number % len(shapes)])
        return (state,), {}

    forget_peak()
    decisions = benchmark.pedantic(place, setup=fresh, rounds=rounds)
    assert all(decision.scheduled for decision in decisions)
    pods_per_s = pods / benchmark.stats.stats.min
    benchmark.extra_info["pods_per_s"] = round(pods_per_s)
    benchmark.extra_info["peak_mib"] = peak_mib()
    real = REAL_PODS_PER_S[constrained].get(nodes)
    benchmark.extra_info["times_the_real_one"] = round(pods_per_s / real, 1) if real else None


def forget_peak() -> None:
    """Let the kernel count the peak of resident memory anew (Linux)."""
    clear = Path("/proc/self/clear_refs")
    if clear.exists():
        clear.write_text("5")


def peak_mib() -> int | None:
    """Peak resident memory since ``forget_peak``, None where the system does not say."""
    status = Path("/proc/self/status")
    if not status.exists():
        return None
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) // 1024
