"""Memory that runs out: the sums and scores, and who is killed by the kernel or put out by the kubelet, when."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gxsim.kernels.memory import (
    BEST_EFFORT,
    BURSTABLE,
    GUARANTEED,
    Ramps,
    badness,
    oom_score_adj,
    reaches_s,
    used_bytes,
)

MIB, GIB = 2.0**20, 2.0**30


def ramps(*rows: tuple[float, float, float, float]) -> Ramps:
    return Ramps(*np.array(rows, float).reshape(-1, 4).T)


# ---- sums that grow -------------------------------------------------------------------------------------------------


def test_a_ramp_is_nothing_before_it_begins_and_stays_after_it_ends() -> None:
    one = ramps((10.0, 20.0, 5.0, 2.0))
    assert [float(used_bytes(one, now)[0]) for now in (9.0, 10.0, 15.0, 20.0, 99.0)] == [0.0, 5.0, 15.0, 25.0, 25.0]


def test_a_bound_is_reached_within_a_ramp_at_its_step_or_never() -> None:
    both = ramps((10.0, 20.0, 5.0, 2.0), (30.0, 30.0, 100.0, 0.0))
    assert reaches_s(both, 15.0, 0.0) == 15.0
    assert reaches_s(both, 26.0, 0.0) == 30.0
    assert reaches_s(both, 126.0, 0.0) == math.inf
    assert reaches_s(both, 15.0, 40.0) == 40.0  # long ago
    assert reaches_s(ramps(), 1.0, 3.0) == math.inf
    assert reaches_s(ramps(), 0.0, 3.0) == 3.0


ROWS = st.tuples(st.integers(0, 20), st.integers(0, 20), st.integers(0, 9), st.integers(0, 3))


@given(st.lists(ROWS, max_size=5), st.integers(1, 100), st.integers(0, 30))
def test_the_time_a_bound_is_reached_is_that_of_a_walk_in_small_steps(
    rows: list[tuple[int, int, int, int]], bound: int, now: int
) -> None:
    some = ramps(*((begin, begin + lasts, step, rate) for begin, lasts, step, rate in rows))
    walked = next((t for t in np.arange(now, 60, 0.125) if used_bytes(some, t).sum() >= bound), math.inf)
    found = reaches_s(some, float(bound), float(now))
    assert math.isinf(found) if math.isinf(walked) else walked - 0.125 < found <= walked


# ---- scores (qos.GetContainerOOMScoreAdjust, oom_badness) -----------------------------------------------------------


def test_the_kubelet_protects_guaranteed_pods_and_burstable_ones_by_their_request() -> None:
    service = np.array([BEST_EFFORT, BURSTABLE, BURSTABLE, BURSTABLE, GUARANTEED])
    requested = np.array([0, 0, 4 * GIB, 16 * GIB, 4 * GIB])
    assert oom_score_adj(service, requested, 16 * GIB).tolist() == [1000, 999, 750, 3, -997]


def test_who_uses_more_over_its_request_has_more_points_and_minus_1000_is_immune() -> None:
    usage, requested = np.array([5 * GIB, 9 * GIB, 3 * GIB]), np.array([1 * GIB, 8 * GIB, 0])
    adj = oom_score_adj(np.full(3, BURSTABLE), requested, 16 * GIB)
    assert np.argsort(-badness(usage, adj, 16 * GIB)).tolist() == [0, 2, 1]  # 4, 3 and 1 GiB over
    assert badness(np.array([GIB]), np.array([-1000]), 16 * GIB).tolist() == [-math.inf]
