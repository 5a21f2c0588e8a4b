"""Queueing kernels against event loops fed the same draws, bit by bit, and against themselves cut anywhere."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gxsim.kernels.disruption import FINISHED, LOST, RESTARTED, RESUMED, Disruption, fifo_disrupted
from gxsim.kernels.queueing import (
    bounded_any_order,
    bounded_rows,
    fifo,
    fifo_lanes,
    fifo_rows,
    idle_servers,
    lindley_rows,
)
from gxsim.kernels.service_times import service_times
from gxsim.kernels.sharing import Sharing, processor_sharing
from tests.reference import stations


def draws(seed: int, count: int, servers: float, load: float) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.standard_exponential(count) / (servers * load), rng.standard_exponential(count)


@pytest.mark.parametrize("load", [0.02, 0.5, 0.9, 1.2])
@pytest.mark.parametrize("servers", [1, 3, 8])
def test_a_station_is_bit_identical_to_simpy(servers: int, load: float) -> None:
    gaps, services = draws(1, 6000, servers, load)
    told = stations.fifo(gaps, services, servers)
    starts, state = fifo(np.cumsum(gaps), services, idle_servers(servers))
    assert np.array_equal(np.cumsum(gaps), told["arrivals"])
    assert np.array_equal(starts, told["starts"])
    assert np.array_equal(state, np.sort(told["departures"])[-servers:])


@settings(max_examples=30, deadline=None)
@given(
    st.integers(0, 10_000),
    st.integers(1, 9),
    st.floats(0.05, 1.3),
    st.lists(st.integers(0, 3000), max_size=9),
)
def test_a_station_cut_anywhere_is_the_same_station(seed: int, servers: int, load: float, cuts: list[int]) -> None:
    gaps, services = draws(seed, 3000, servers, load)
    arrivals = np.cumsum(gaps)
    whole, end = fifo(arrivals, services, idle_servers(servers))
    state, parts = idle_servers(servers), []
    for first, past in zip([0, *sorted(cuts)], [*sorted(cuts), 3000], strict=True):
        starts, state = fifo(arrivals[first:past], services[first:past], state)
        parts.append(starts)
    assert np.array_equal(np.concatenate(parts), whole)
    assert np.array_equal(state, end)


def test_rows_lanes_and_single_stations_agree() -> None:
    lanes, steps, servers = 40, 300, 3
    pairs = [draws(seed, steps, servers, 0.9) for seed in range(lanes)]
    arrivals = np.stack([np.cumsum(gaps) for gaps, _ in pairs], axis=1)
    services = np.stack([times for _, times in pairs], axis=1)
    rows = fifo_rows(arrivals, services, np.repeat(idle_servers(servers)[:, None], lanes, axis=1))
    lane = np.tile(np.arange(lanes), steps)
    order = np.argsort(arrivals.ravel(), kind="stable")
    free = [idle_servers(servers) for _ in range(lanes)]
    starts = fifo_lanes(arrivals.ravel()[order], services.ravel()[order], lane[order], free)
    assert np.array_equal(starts, rows.ravel()[order])


def test_lindley_waits_are_those_of_a_station_with_one_server() -> None:
    gaps, services = draws(5, 4000, 1, 0.8)
    starts, _ = fifo(np.cumsum(gaps), services, idle_servers(1))
    waits = lindley_rows(gaps[:, None], services[:, None], np.zeros(1))[:, 0]
    assert waits == pytest.approx(starts - np.cumsum(gaps), abs=1e-9)  # relative times round elsewhere


def test_services_too_short_to_move_the_clock_keep_their_order() -> None:
    arrivals, services = np.array([1e9, 1e9, 1e9]), np.array([2.0, 0.0, 1e-12])
    starts, _ = fifo(arrivals, services, idle_servers(1))
    assert starts.tolist() == [1e9, 1e9 + 2, 1e9 + 2]


def plans(servers: int) -> dict[str, list[Disruption]]:
    """Changes of a station of *servers* by what they try."""
    fewer, crash = max(1, servers - 1), {"time_s": 250.0, "until_s": 300.0, "servers": servers}
    return {
        "fewer, then more": [Disruption(time_s=200.0, servers=fewer), Disruption(time_s=420.0, servers=servers + 2)],
        "lost": [Disruption(**crash, work=LOST)],
        "restarted": [Disruption(**crash, work=RESTARTED)],
        "resumed": [Disruption(**crash, work=RESUMED)],
        "all of it": [
            Disruption(time_s=100.0, servers=servers + 1),
            Disruption(time_s=250.0, until_s=275.0, servers=servers + 1, work=RESUMED),
            Disruption(time_s=300.0, servers=fewer),
            Disruption(time_s=500.0, until_s=520.0, servers=fewer, work=LOST),
            Disruption(time_s=700.0, until_s=710.0, servers=fewer, work=RESTARTED),
            Disruption(time_s=720.0, servers=servers),
        ],
    }


@pytest.mark.parametrize("servers", [1, 3, 8])
@pytest.mark.parametrize("plan", plans(1))
def test_capacity_changes_and_crashes_are_bit_identical_to_simpy(plan: str, servers: int) -> None:
    gaps, services = draws(7, 1000 * servers, servers, 0.85)  # until about 1200
    changes = plans(servers)[plan]
    told = stations.fifo_disrupted(gaps, services, servers, changes)
    visits = fifo_disrupted(told["arrivals"], services, servers, changes)
    assert np.array_equal(visits.starts, told["starts"], equal_nan=True)
    assert np.array_equal(visits.departures, told["departures"], equal_nan=True)
    assert np.isnan(visits.departures).any() == any(change.work == LOST for change in changes)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 8), st.lists(st.floats(0.0, 900.0), max_size=6))
def test_a_change_that_changes_nothing_changes_nothing(servers: int, times: list[float]) -> None:
    gaps, services = draws(13, 2000, servers, 0.95)
    arrivals = np.cumsum(gaps)
    starts, _ = fifo(arrivals, services, idle_servers(servers))
    cuts = [Disruption(time_s=time_s, servers=servers, work=FINISHED) for time_s in sorted(times)]
    assert np.array_equal(fifo_disrupted(arrivals, services, servers, cuts).starts, starts)


def test_a_crash_that_loses_the_queue_serves_only_who_comes_later() -> None:
    crash = Disruption(time_s=5.0, until_s=10.0, servers=1, work=LOST, keeps_queue=False)
    visits = fifo_disrupted(np.array([1.0, 2.0, 3.0, 6.0]), np.full(4, 3.0), 1, [crash])
    assert np.array_equal(visits.departures, [4.0, np.nan, np.nan, 13.0], equal_nan=True)


def test_a_station_without_servers_keeps_everyone_waiting_until_it_has_some() -> None:
    plan = [Disruption(time_s=0.5, servers=0), Disruption(time_s=8.0, servers=2)]
    visits = fifo_disrupted(np.array([1.0, 2.0, 9.0]), np.ones(3), 1, plan)
    assert visits.starts.tolist() == [8.0, 8.0, 9.0]


@pytest.mark.parametrize(("servers", "places"), [(1, 1), (1, 4), (3, 3), (3, 7), (8, 10)])
def test_a_bounded_station_refuses_whom_simpy_refuses(servers: int, places: int) -> None:
    gaps, services = draws(3, 4000, servers, 0.95)
    last = np.repeat(idle_servers(places)[:, None], 1, axis=1)
    _, departures = bounded_rows(np.cumsum(gaps)[:, None], services[:, None], last, servers)
    expected = stations.bounded(gaps, services, servers, places)
    assert np.array_equal(departures[:, 0], expected, equal_nan=True)
    assert np.isnan(expected).any()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 4), st.integers(0, 4), st.floats(0.1, 1.5), st.integers(0, 1500))
def test_a_bounded_station_in_any_order_and_cut_anywhere_is_the_same(
    seed: int, servers: int, more: int, load: float, cut: int
) -> None:
    gaps, services = draws(seed, 1500, servers, load)
    arrivals, shuffle = np.cumsum(gaps), np.random.default_rng(seed).permutation(1500)
    expected = stations.bounded(gaps, services, servers, servers + more)
    last, departures = idle_servers(servers + more), np.empty(1500)
    for part in (shuffle[shuffle < cut], shuffle[shuffle >= cut]):
        _, departures[part], last = bounded_any_order(arrivals[part], services[part], last, servers)
    assert np.array_equal(departures, expected, equal_nan=True)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000), st.sampled_from([0.7, 1.0, 2.5]), st.lists(st.floats(0.0, 700.0), max_size=6))
def test_processor_sharing_cut_anywhere_is_the_same(seed: int, servers: float, cuts: list[float]) -> None:
    gaps, services = draws(seed, 600, 1, 0.6)
    arrivals, tickets = np.cumsum(gaps), np.arange(600)
    sharing, departures, begin = Sharing(servers), np.full(600, np.nan), 0
    for until in [*sorted(cuts), np.inf]:
        past = int(np.searchsorted(arrivals, until))
        who, when = sharing.advance(arrivals[begin:past], services[begin:past], tickets[begin:past], until)
        assert (when < until).all()
        departures[who], begin = when, past
    assert np.array_equal(departures, processor_sharing(arrivals, services, servers))


@pytest.mark.parametrize("servers", [1, 1.5, 3])
def test_processor_sharing_agrees_with_an_event_loop_over_remaining_work(servers: float) -> None:
    gaps, services = draws(17, 1500, servers, 0.8)
    departures = processor_sharing(np.cumsum(gaps), services, servers)
    # The loop subtracts from everyone's work at every event, the kernel adds to one virtual time: they round apart.
    assert departures == pytest.approx(stations.processor_sharing(gaps, services, servers), abs=1e-8)


@pytest.mark.parametrize("scv", [0.0, 0.25, 0.5, 1.0, 2.0, 6.0])
@pytest.mark.parametrize("distribution", ["auto", "lognormal"])
def test_service_times_have_the_mean_and_variability_asked_for(distribution: str, scv: float) -> None:
    times = service_times(np.random.default_rng(1), 400_000, 0.003, scv=scv, distribution=distribution)
    assert times.mean() == pytest.approx(0.003, rel=0.02)
    assert times.var() / times.mean() ** 2 == pytest.approx(scv, rel=0.12, abs=1e-9)  # fourth moments are large


def test_empirical_service_times_are_the_measured_ones() -> None:
    times = service_times(np.random.default_rng(1), 1000, 1.0, distribution="empirical", samples=np.array([1.0, 4.0]))
    assert set(times) == {1.0, 4.0}
