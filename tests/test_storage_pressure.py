"""A disk that runs full: thresholds, image garbage collection, the order of evictions, and how it ends."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gxsim.kernels.pressure import (
    CRITICAL_PRIORITY,
    K3S,
    KUBELET,
    collected_bytes,
    condition,
    eviction_order,
    starvation,
    starved,
)

DISK = 1000.0


def test_a_threshold_is_met_below_its_share_and_held_until_the_minimum_reclaim_is_there() -> None:
    available = np.array([50.0, 49.0, 149.0, 150.0])
    met = np.array([False, False, True, True])
    assert starved(available, DISK, met).tolist() == [False, True, True, False]


def test_a_kubelet_by_itself_looks_at_ten_percent_and_asks_for_no_more() -> None:
    available = np.array([99.0, 100.0, 100.0])
    assert starved(available, DISK, np.array([False, False, True]), KUBELET).tolist() == [True, False, False]


def test_the_condition_outlasts_the_shortage_by_the_transition_period() -> None:
    assert condition(True, 0.0, 0.0)
    assert condition(False, 100.0, 399.9)
    assert not condition(False, 100.0, 400.0)


def test_image_collection_begins_at_85_percent_and_stops_at_80() -> None:
    used = np.array([849.0, 850.0, 900.0, 900.0])
    unused = np.array([500.0, 500.0, 500.0, 30.0])
    assert collected_bytes(used, DISK, unused).tolist() == [0.0, 50.0, 100.0, 30.0]


def test_who_exceeds_its_request_goes_first_then_the_lower_priority_then_the_larger_use() -> None:
    usage = np.array([10.0, 90.0, 40.0, 500.0, 40.0, 70.0])
    request = np.array([0.0, 100.0, 0.0, 0.0, 50.0, 0.0])
    priority = np.array([0, 0, 0, 1000, 0, 0])
    # over their request: 0, 2, 5 by the larger use, then the higher priority 3; within: 1 and 4, both 10 under
    assert eviction_order(usage, request, priority).tolist() == [5, 2, 0, 3, 1, 4]


def test_critical_and_static_pods_stay() -> None:
    priority = np.array([CRITICAL_PRIORITY, CRITICAL_PRIORITY - 1, 0])
    order = eviction_order(np.ones(3), np.zeros(3), priority, exempt=np.array([False, False, True]))
    assert order.tolist() == [1]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 2)), min_size=1, max_size=8))
def test_the_order_is_that_of_comparing_pods_one_by_one(pods: list[tuple[int, int, int]]) -> None:
    usage, request, priority = (np.array([pod[i] for pod in pods], float) for i in range(3))
    obvious = sorted(range(len(pods)), key=lambda i: (not usage[i] > request[i], priority[i], -(usage[i] - request[i])))
    assert eviction_order(usage, request, priority).tolist() == obvious  # both are stable


def pods(count: int, *, usage: float, writes: float = 0.0) -> dict[str, np.ndarray]:
    return {
        "usage_bytes": np.full(count, usage),
        "request_bytes": np.zeros(count),
        "priority": np.zeros(count, int),
        "writes_bytes_per_s": np.full(count, writes),
    }


def test_evictions_stop_when_the_minimum_reclaim_is_there() -> None:
    found = starvation(40.0, DISK, **pods(10, usage=30.0))
    assert len(found.evictions) == 4  # 40 + 4 · 30 = 160, at least 15 % of 1000
    assert found.relieved_s == 4 * K3S.cleanup_s
    assert found.full_s is None


def test_data_in_volumes_is_not_freed_so_everybody_goes_and_it_does_not_help() -> None:
    found = starvation(40.0, DISK, **pods(10, usage=1.0))
    assert len(found.evictions) == 10
    assert found.relieved_s is None
    assert found.full_s is None  # but nobody is left to write


def test_unused_images_go_before_any_pod() -> None:
    found = starvation(40.0, DISK, **pods(10, usage=30.0), unused_image_bytes=110.0)
    assert (found.evictions, found.relieved_s) == ((), 0.0)


def test_a_host_that_goes_on_writing_fills_the_disk_though_all_pods_are_gone() -> None:
    found = starvation(40.0, DISK, **pods(2, usage=0.0, writes=1.0), host_bytes_per_s=2.0)
    # 40 − (2 + 1) · 1 s − 2 · 1 s = 35 after two evictions, then 2 a second
    assert found.full_s == pytest.approx(2 * K3S.cleanup_s + 35.0 / 2.0)


def test_a_disk_that_fills_faster_than_pods_are_put_out_is_full_before() -> None:
    found = starvation(40.0, DISK, **pods(50, usage=0.0), host_bytes_per_s=100.0)
    assert len(found.evictions) == 1
    assert found.full_s == pytest.approx(0.4)
