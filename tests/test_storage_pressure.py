"""A disk that runs full: thresholds, image garbage collection, the order of evictions, and how it ends."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gxsim.kernels.pressure import CRITICAL_PRIORITY, collected_bytes, condition, eviction_order, starved, threshold

DISK = 1000.0


def test_a_threshold_is_met_below_its_share_and_held_until_the_minimum_reclaim_is_there() -> None:
    available = np.array([50.0, 49.0, 149.0, 150.0])
    met = np.array([False, False, True, True])
    found = starved(available, threshold(0.05, DISK), threshold(0.10, DISK), met)
    assert found.tolist() == [False, True, True, False]


def test_without_a_minimum_reclaim_the_threshold_alone_counts() -> None:
    available = np.array([99.0, 100.0, 100.0])
    met = np.array([False, False, True])
    assert starved(available, threshold(0.10, DISK), threshold(0.0, DISK), met).tolist() == [True, False, False]


def test_a_threshold_is_rounded_down_to_whole_bytes() -> None:
    assert threshold(0.05, np.array([1001.0])).tolist() == [50.0]


def test_the_condition_outlasts_the_shortage_by_the_transition_period() -> None:
    assert condition(True, 0.0, 0.0, 300.0)
    assert condition(False, 100.0, 399.9, 300.0)
    assert not condition(False, 100.0, 400.0, 300.0)


def test_image_collection_begins_at_85_percent_and_stops_at_80() -> None:
    used = np.array([849.0, 850.0, 900.0, 900.0])
    unused = np.array([500.0, 500.0, 500.0, 30.0])
    assert collected_bytes(used, DISK, unused, high_share=0.85, low_share=0.80).tolist() == [0.0, 50.0, 100.0, 30.0]


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
