"""Leases renewed over bad links: when the control plane notices; a slow link or a wrong clock is not enough."""

import numpy as np
import pytest

from gxsim.engine.heartbeats import SHORT, renewals_before_silence
from gxsim.kernels.retransmission import exchange_failure
from gxsim.model.fault import Fault
from gxsim.state import READY, UNKNOWN
from gxsim.state.degradation import DELAY, DISK_SLOW, LOSS, OUTSIDE, PARTITION, Degradation, Ends
from gxsim.state.links import links_at, write_delays
from tests.test_degradation import N0, simulate

HOUR_S = 3600.0


def link_fault(action: str, **parameters: object) -> Fault:
    return Fault(kind="NetworkChaos", action=action, selector=N0, parameters=parameters, at_s=60)


def readiness(fault: Fault, until_s: float) -> list[int]:
    """What the control plane believes of n0, change by change."""
    _, timeline = simulate(fault, until_s=until_s)
    return timeline.changes("node_ready").of(0)[1].tolist()


# ---- arithmetic -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", [0.3, 0.7, 0.9])
def test_an_exchange_fails_when_its_time_outs_add_up_to_more_than_it_may_take(loss: float) -> None:
    """Time-outs of 0.2 s, 0.4 s ...: five losses cost 6.2 s, six 12.6 s."""
    chance = exchange_failure(loss, 0.0, 0.0, 10.0)
    assert chance == pytest.approx(loss**6)
    rng = np.random.default_rng(1)
    there, back = (0.2 * (2.0 ** (rng.geometric(1 - loss, 200_000) - 1) - 1) for _ in range(2))
    assert exchange_failure(loss, loss, 0.0, 10.0) == pytest.approx(float((there + back > 10).mean()), abs=0.005)


def test_a_round_trip_beyond_the_time_out_fails_always_and_one_within_it_never() -> None:
    assert exchange_failure(0.0, 0.0, 9.9, 10.0) == 0.0
    assert exchange_failure(0.0, 0.0, 10.1, 10.0) == 1.0


@pytest.mark.parametrize("chance", [0.3, 0.6])
def test_renewals_before_a_long_silence_are_those_of_coins_thrown_one_by_one(chance: float) -> None:
    """The mean wait for a run of r failures, the run left out, is (1 - f^r) / ((1 - f) f^r) - r."""
    rng, run = np.random.default_rng(1), SHORT + 1
    drawn = [renewals_before_silence(chance, rng) for _ in range(20_000)]
    expected = (1 - chance**run) / ((1 - chance) * chance**run) - run
    assert np.mean(drawn) == pytest.approx(expected, rel=0.03)  # nearly exponential: a standard error of 0.7 %
    thrown = []
    for _ in range(2_000):
        count = row = 0
        while row < run:
            count, row = count + 1, row + 1 if rng.random() < chance else 0
        thrown.append(count - run)
    assert np.quantile(drawn, [0.25, 0.5, 0.75]) == pytest.approx(np.quantile(thrown, [0.25, 0.5, 0.75]), rel=0.12)


# ---- in a run -------------------------------------------------------------------------------------------------------


def test_a_slow_link_below_the_time_out_leaves_no_trace() -> None:
    assert readiness(link_fault("delay", latency="4s"), HOUR_S) == [READY]


def test_a_link_slower_than_the_time_out_of_a_renewal_silences_the_node() -> None:
    assert readiness(link_fault("delay", latency="6s"), HOUR_S) == [READY, UNKNOWN]


def test_a_link_that_loses_some_packets_leaves_no_trace() -> None:
    assert readiness(link_fault("loss", loss=20), 24 * HOUR_S) == [READY]


def test_a_link_that_loses_most_packets_makes_the_node_flap() -> None:
    changes = readiness(link_fault("loss", loss=85), 6 * HOUR_S)
    assert changes[:4] == [READY, UNKNOWN, READY, UNKNOWN]
    assert len(changes) > 10


def test_the_pods_of_a_node_that_is_not_heard_go_on_serving() -> None:
    _, timeline = simulate(link_fault("delay", latency="6s"), until_s=200.0)
    assert timeline.at("node_ready", 199.0)[0] == UNKNOWN
    assert timeline.at("pod_serving", 199.0)[:2].all()


@pytest.mark.parametrize("offset", ["5m", "-2h"])
def test_a_wrong_clock_makes_no_node_unready(offset: str) -> None:
    """The controller goes by its own clock, from when it saw a renewal."""
    skew = Fault(kind="TimeChaos", action="clock-skew", selector=N0, parameters={"offset": offset}, at_s=60)
    assert readiness(skew, HOUR_S) == [READY]


# ---- links at a moment ----------------------------------------------------------------------------------------------


def fault(action: str, amount: float, near: Ends, far: Ends | None = None, **fields: object) -> Degradation:
    given: dict = {"begin_s": 10.0, "end_s": 20.0, **fields}
    return Degradation(fault="f", action=action, amount=amount, near=near, far=far, **given)


def test_links_add_delays_multiply_what_survives_and_part() -> None:
    first, second = Ends(nodes=(0,)), Ends(nodes=(1,))
    faults = [
        fault(DELAY, 0.1, first),
        fault(DELAY, 0.2, first, second, direction="to"),
        fault(LOSS, 0.5, first, second),
        fault(LOSS, 0.2, second),
        fault(PARTITION, 0.0, Ends(pods=(7,)), second),
    ]
    node, pod = np.array([0, 1, 2]), np.array([OUTSIDE, OUTSIDE, 7])
    found = links_at(faults, 15.0, node, pod)
    assert found.delay_s == pytest.approx(np.array([[0, 0.3, 0.1], [0.1, 0, 0], [0.1, 0, 0]]))
    assert found.loss == pytest.approx(np.array([[0, 0.6, 0], [0.6, 0, 0.2], [0, 0.2, 0]]))
    assert found.passes.tolist() == [[True, True, True], [True, True, False], [True, False, True]]
    over = links_at(faults, 20.0, node, pod)
    assert not over.delay_s.any()
    assert over.passes.all()


def test_slow_disks_add_up_by_node_and_pod() -> None:
    slow = [fault(DISK_SLOW, 0.05, Ends(nodes=(0,))), fault(DISK_SLOW, 0.1, Ends(pods=(7,)))]
    node, pod = np.array([0, 1, 0]), np.array([7, 7, 3])
    assert write_delays(slow, 15.0, node, pod) == pytest.approx(np.array([0.15, 0.1, 0.05]))
