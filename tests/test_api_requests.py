"""What a pod asks of a node, and its quality-of-service class."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gxsim.api.requests import effective_limits, effective_requests, qos_class, scored_requests


def container(cpu: str = "", memory: str = "", *, limits: dict[str, str] | None = None, **more: Any) -> dict[str, Any]:
    requests = {name: text for name, text in (("cpu", cpu), ("memory", memory)) if text}
    return {"name": "c", "resources": {"requests": requests, "limits": limits or {}}, **more}


def test_containers_run_together() -> None:
    spec = {"containers": [container("1", "1Gi"), container("500m")]}
    assert effective_requests(spec) == {"cpu": 1500, "memory": 2**30}


def test_the_largest_init_container_counts_if_it_exceeds_the_rest() -> None:
    spec = {"initContainers": [container("2"), container("3")], "containers": [container("1"), container("1")]}
    assert effective_requests(spec) == {"cpu": 3000}


def test_an_init_container_runs_beside_the_sidecars_declared_before_it() -> None:
    sidecar = container("1", restartPolicy="Always")
    assert effective_requests({"initContainers": [sidecar, container("2")], "containers": [container("1")]}) == {
        "cpu": 3000
    }
    assert effective_requests({"initContainers": [container("2"), sidecar], "containers": [container("1")]}) == {
        "cpu": 2000
    }


def test_pod_level_resources_replace_the_sums_and_overhead_comes_last() -> None:
    spec = {
        "containers": [container("1", "1Gi")],
        "resources": {"requests": {"cpu": "2"}},
        "overhead": {"cpu": "250m", "memory": "160Mi"},
    }
    assert effective_requests(spec) == {"cpu": 2250, "memory": 2**30 + 160 * 2**20}


def test_overhead_raises_only_limits_that_are_set() -> None:
    spec = {"containers": [container(limits={"memory": "1Gi"})], "overhead": {"cpu": "250m", "memory": "1Gi"}}
    assert effective_limits(spec) == {"memory": 2**31}


def test_the_sum_is_rounded_up_once() -> None:
    assert effective_requests({"containers": [container("100u"), container("100u")]}) == {"cpu": 1}


def test_scoring_fills_in_what_a_container_does_not_state_and_ignores_pod_level_resources() -> None:
    spec = {"containers": [container(), container("1")], "resources": {"requests": {"cpu": "8"}}}
    assert scored_requests(spec) == (1100, 2 * 209_715_200)
    assert scored_requests({"containers": []}) == (0, 0)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"containers": [container()]}, "BestEffort"),
        ({"containers": [container("0", "0")]}, "BestEffort"),
        ({"containers": [container("1", "1Gi", limits={"cpu": "1", "memory": "1024Mi"})]}, "Guaranteed"),
        ({"containers": [container("1", "1Gi", limits={"cpu": "2", "memory": "1Gi"})]}, "Burstable"),
        ({"containers": [container("1", limits={"cpu": "1"})]}, "Burstable"),
        ({"containers": [container()], "initContainers": [container("1")]}, "Burstable"),
        (
            {
                "containers": [container()],
                "resources": {
                    "requests": {"cpu": "1", "memory": "1Gi"},
                    "limits": {"cpu": "1", "memory": "1Gi"},
                },
            },
            "Guaranteed",
        ),
    ],
)
def test_the_quality_of_service_class_follows_cpu_and_memory(spec: dict[str, Any], expected: str) -> None:
    assert qos_class(spec) == expected


MILLI = st.integers(0, 5000)


@given(st.lists(MILLI, min_size=1, max_size=4), st.lists(st.tuples(MILLI, st.booleans()), max_size=4))
def test_the_effective_request_is_the_largest_moment_of_the_start(
    steady: list[int], first: list[tuple[int, bool]]
) -> None:
    spec = {
        "containers": [container(f"{milli}m") for milli in steady],
        "initContainers": [
            container(f"{milli}m", **({"restartPolicy": "Always"} if sidecar else {})) for milli, sidecar in first
        ],
    }
    running, moments = 0, []
    for milli, sidecar in first:
        moments.append(running + milli)
        running += milli if sidecar else 0
    moments.append(running + sum(steady))
    assert effective_requests(spec)["cpu"] == max(moments)
