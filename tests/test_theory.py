"""Stations against closed forms. Bounds are confidence intervals over independent lanes, at 99.9 % unless said."""

import math
from collections.abc import Callable

import numpy as np
import pytest

from gxsim.kernels.dispatch import Call, Dispatch, Rules
from gxsim.kernels.keyed import uniform
from gxsim.kernels.queueing import IDLE, bounded_rows, fifo_rows, lindley_rows
from gxsim.kernels.service_times import service_times
from gxsim.kernels.sharing import processor_sharing
from gxsim.kernels.tandem import multi_server_tandem, single_server_tandem
from gxsim.kernels.upstream import RANDOM_TWO, Balancer
from gxsim.kernels.waiting import erlang_b, erlang_c, mean_wait
from tests.reference import stations

LANES, STEPS = 1000, 4000
T_999 = 3.3  # two-sided 99.9 % point of Student's t for hundreds of lanes


def agrees(per_lane: np.ndarray, expected: float, *, width: float = 0.05) -> None:
    """The mean over lanes lies within its own interval of *expected*, which is narrower than this *width* of it."""
    half_width = T_999 * per_lane.std(ddof=1) / math.sqrt(len(per_lane))
    assert half_width < width * expected, "too few customers to tell"
    assert abs(per_lane.mean() - expected) <= half_width


def steady(waits: np.ndarray) -> np.ndarray:
    """(lanes,) means after the first quarter, when the empty start is forgotten at the loads used here."""
    return waits[len(waits) // 4 :].mean(axis=0)


def waits_of(servers: int, load: float, *, scv: float = 1.0, gaps_scv: float = 1.0) -> np.ndarray:
    rng = np.random.default_rng(20261123)
    size = LANES * STEPS
    gaps = service_times(rng, size, 1 / (servers * load), scv=gaps_scv).reshape(STEPS, LANES)
    services = service_times(rng, size, 1.0, scv=scv).reshape(STEPS, LANES)
    if servers == 1:
        return lindley_rows(gaps, services, np.zeros(LANES))
    arrivals = np.cumsum(gaps, axis=0)
    return fifo_rows(arrivals, services, np.full((servers, LANES), IDLE)) - arrivals


# ---- the formulas themselves ----------------------------------------------------------------------------------------

ERLANG_C = [(2, 0.8, 0.7111111), (3, 0.8, 0.6471910), (5, 0.8, 0.5541126), (8, 0.8, 0.4576449)]
ERLANG_C += [(10, 0.9, 0.6687315), (32, 0.8, 0.1606232), (50, 0.95, 0.6290947), (100, 0.9, 0.2169405)]


@pytest.mark.parametrize(("servers", "load", "expected"), ERLANG_C)
def test_erlang_c_has_its_tabulated_values(servers: int, load: float, expected: float) -> None:
    assert erlang_c(servers, servers * load) == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize(
    ("servers", "load", "expected"), [(3, 0.8, 0.2684063), (10, 0.9, 0.1679632), (100, 0.9, 0.0269574)]
)
def test_erlang_b_has_its_tabulated_values(servers: int, load: float, expected: float) -> None:
    assert erlang_b(servers, servers * load) == pytest.approx(expected, abs=1e-7)


WAITS = [(2, 0.8, 1.7777778), (3, 0.8, 1.0786517), (5, 0.8, 0.5541126), (8, 0.8, 0.2860281), (10, 0.9, 0.6687315)]
WAITS += [(32, 0.8, 0.0250974), (50, 0.95, 0.2516379), (100, 0.9, 0.0216940)]


@pytest.mark.parametrize(("servers", "load", "expected"), WAITS)
def test_the_mean_wait_has_its_tabulated_values(servers: int, load: float, expected: float) -> None:
    assert mean_wait(servers, arrival_rate=servers * load, service_time_s=1.0) == pytest.approx(expected, abs=1e-7)


def test_a_saturated_station_waits_for_ever() -> None:
    assert mean_wait(2, arrival_rate=2.0, service_time_s=1.0) == math.inf
    assert mean_wait(2, arrival_rate=2.5, service_time_s=1.0) == math.inf


# ---- stations against the formulas ----------------------------------------------------------------------------------


def test_m_m_1_waits_four_services_at_four_fifths() -> None:
    waits = waits_of(1, 0.8)
    agrees(steady(waits), 4.0)
    assert mean_wait(1, arrival_rate=0.8, service_time_s=1.0) == pytest.approx(4.0)
    beyond = waits[STEPS // 4 :] > math.log(80) / 0.2  # P(W > t) = rho exp(-(1 - rho) t)
    agrees(beyond.mean(axis=0), 0.01, width=0.25)


@pytest.mark.parametrize(("servers", "load"), [(2, 0.8), (3, 0.8), (5, 0.8), (8, 0.8), (10, 0.9)])
def test_m_m_c_waits_as_erlang_says(servers: int, load: float) -> None:
    waits = waits_of(servers, load)
    agrees(steady(waits), mean_wait(servers, arrival_rate=servers * load, service_time_s=1.0))
    agrees((waits[STEPS // 4 :] > 0).mean(axis=0), erlang_c(servers, servers * load))


@pytest.mark.parametrize(("servers", "load", "width"), [(32, 0.8, 0.1), (50, 0.95, 0.15), (100, 0.9, 0.2)])
def test_a_station_of_many_servers_waits_as_erlang_says(servers: int, load: float, width: float) -> None:
    """Fewer, longer lanes: a station this large takes long to forget that it began empty."""
    rng, lanes, steps = np.random.default_rng(servers), 200, 20_000
    arrivals = np.cumsum(rng.standard_exponential((steps, lanes)) / (servers * load), axis=0)
    waits = fifo_rows(arrivals, rng.standard_exponential((steps, lanes)), np.full((servers, lanes), IDLE)) - arrivals
    agrees(steady(waits), mean_wait(servers, arrival_rate=servers * load, service_time_s=1.0), width=width)


def test_one_customer_in_a_hundred_stays_longer_than_23_services_at_m_m_1() -> None:
    rng = np.random.default_rng(2)
    gaps, services = rng.standard_exponential((STEPS, LANES)) / 0.8, rng.standard_exponential((STEPS, LANES))
    sojourns = lindley_rows(gaps, services, np.zeros(LANES)) + services
    agrees((sojourns[STEPS // 4 :] > math.log(100) / 0.2).mean(axis=0), 0.01, width=0.2)
    agrees(steady(sojourns), 5.0)
    agrees(0.8 * steady(sojourns), 4.0)  # Little: 4 present


@pytest.mark.parametrize("load", [0.5, 0.8, 0.9, 0.95])
def test_the_better_of_two_pods_is_nearly_the_best_of_all(load: float) -> None:
    """Power of two choices (Vvedenskaya et al. 1996, Mitzenmacher 1996): the mean stay with very many servers."""
    expected = {0.5: 1.26569, 0.8: 1.94736, 0.9: 2.61406, 0.95: 3.38305}[load]
    pods, count, batches = 400, 60_000, []
    for seed in range(2):
        rng = np.random.default_rng(seed)
        arrivals = np.cumsum(rng.standard_exponential(count) / (pods * load))
        calls = [
            Call(number, 0, at_s, service_s)
            for number, (at_s, service_s) in enumerate(
                zip(arrivals.tolist(), rng.standard_exponential(count).tolist(), strict=True)
            )
        ]
        dispatch = Dispatch(servers=1, places=0, rules=Rules(), new_balancer=lambda: Balancer(RANDOM_TWO))
        visits, failures = dispatch.advance(_Farm(pods, salt=seed), calls, np.inf)
        assert failures == []
        stays = np.array([visit.left_s - visit.at_s for visit in sorted(visits)])
        batches += [part.mean() for part in np.array_split(stays[count // 3 :], 4)]
    # 400 servers differ from infinitely many by well under a percent; so do eight batches that began empty.
    agrees(np.array(batches), expected, width=0.06)


class _Farm:
    """Pods without distance or death."""

    def __init__(self, pods: int, salt: int):
        self.known, self.salt = (range(pods), [1] * pods, range(pods)), salt

    def peers(self, at_s: float) -> tuple[range, list[int], range]:
        return self.known

    def delay_s(self, caller: int, lane: int) -> float:
        return 0.0

    def end_s(self, lane: int) -> float:
        return math.inf

    def draw(self, ident: int, attempt: int) -> Callable[[int], float]:
        return lambda number: uniform(self.salt, ident, number)


def test_the_tail_of_the_wait_at_m_m_c_is_exponential() -> None:
    """P(W > t) = C exp(-(c - a) t)."""
    late = waits_of(5, 0.8)[STEPS // 4 :]
    for time in (0.5, 2.0):
        agrees((late > time).mean(axis=0), erlang_c(5, 4.0) * math.exp(-time), width=0.08)


@pytest.mark.parametrize("scv", [0.0, 0.25, 0.5, 2.0])
def test_m_g_1_waits_as_pollaczek_and_khinchine_say(scv: float) -> None:
    agrees(steady(waits_of(1, 0.8, scv=scv)), 4.0 * (1 + scv) / 2)
    assert mean_wait(1, arrival_rate=0.8, service_time_s=1.0, scv=scv) == pytest.approx(4.0 * (1 + scv) / 2)


@pytest.mark.parametrize(("load", "expected"), [(0.5, 0.255001), (0.8, 1.692731), (0.9, 4.178659), (0.95, 9.172434)])
def test_d_m_1_waits_as_its_root_says(load: float, expected: float) -> None:
    agrees(steady(waits_of(1, load, gaps_scv=0.0)), expected)


def test_m_m_c_c_loses_as_erlang_b_says() -> None:
    rng = np.random.default_rng(3)
    arrivals = np.cumsum(rng.standard_exponential((STEPS, LANES)) / 2.4, axis=0)
    services = rng.standard_exponential((STEPS, LANES))
    _, departures = bounded_rows(arrivals, services, np.full((3, LANES), IDLE), 3)
    agrees(np.isnan(departures[STEPS // 4 :]).mean(axis=0), erlang_b(3, 2.4))


def test_five_stations_in_a_row_are_five_stations() -> None:
    """Burke (1956), Jackson (1957): departures of M/M/1 are Poisson again."""
    agrees(single_server_tandem(np.random.default_rng(5), 0.8, np.ones(5), lanes=1000, steps=4000), 25.0)


def test_stations_in_a_row_may_differ_in_speed_and_lanes_in_load() -> None:
    services_s, rates = np.array([0.5, 0.2, 0.8]), np.repeat([0.3, 0.9], 600)
    sojourns = single_server_tandem(np.random.default_rng(6), rates, services_s, lanes=1200, steps=3000)
    for rate in (0.3, 0.9):
        agrees(sojourns[rates == rate], sum(s / (1 - rate * s) for s in services_s))


def test_five_stations_of_three_servers_in_a_row_are_five_stations() -> None:
    blocks = multi_server_tandem(np.random.default_rng(5), 2.4, 3, 5, lanes=100, steps=6000, blocks=4)
    agrees(np.concatenate([sojourns[:, 2000:].mean(axis=1) for sojourns in blocks]), 5 * (1.0786517 + 1.0))


def test_the_customers_of_a_row_are_those_of_an_event_loop() -> None:
    """The same draws: one block of one lane is a SimPy model of three hops."""
    (block,) = multi_server_tandem(np.random.default_rng(8), 1.7, 2, 3, lanes=1, steps=2000, blocks=1)
    rng = np.random.default_rng(8)
    gaps = rng.standard_exponential(2000) / 1.7
    drawn = [rng.standard_exponential(2000) for _ in range(3)]
    assert np.sort(block[0]) == pytest.approx(np.sort(_followed(gaps, drawn, servers=2)), abs=1e-9)


def _followed(gaps: np.ndarray, drawn: list[np.ndarray], *, servers: int) -> np.ndarray:
    """Latencies hop by hop, where service n of a hop belongs to the n-th customer that arrives there."""
    born = times = np.cumsum(gaps)
    for services in drawn:
        told = stations.fifo(np.diff(times, prepend=0.0), services, servers)
        order = np.argsort(told["departures"], kind="stable")
        times, born = told["departures"][order], born[order]
    return times - born


def test_fork_join_of_two_m_m_1_takes_seven_services() -> None:
    """Flatto and Hahn; Nelson and Tantawi (1988): (12 - rho) / 8 of the sojourn of one."""
    rng = np.random.default_rng(7)
    gaps = rng.standard_exponential((STEPS, LANES)) / 0.8
    branches = [rng.standard_exponential((STEPS, LANES)) for _ in range(2)]
    sojourns = [lindley_rows(gaps, services, np.zeros(LANES)) + services for services in branches]
    agrees(steady(np.maximum(*sojourns)), 7.0)


def test_processor_sharing_gives_each_size_its_share() -> None:
    """M/G/1-PS: a customer of size x stays x / (1 - rho), whatever the distribution."""
    rng = np.random.default_rng(9)
    stays = []
    for _ in range(30):
        services = service_times(rng, 10_000, 1.0, scv=2.0)
        arrivals = np.cumsum(rng.standard_exponential(10_000) / 0.7)
        sojourns = processor_sharing(arrivals, services) - arrivals
        stays.append((sojourns / services)[2000:].mean())
    agrees(np.array(stays), 1 / 0.3)
