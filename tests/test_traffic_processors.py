"""Computing pods on nodes that are short of CPU: fair shares, limits, and stresses that come and go."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gxsim.kernels.shares import beside_threads, fair_shares
from gxsim.kernels.sharing import Sharing
from gxsim.rng import Streams
from gxsim.study.simulate import simulate
from gxsim.traffic.processors import lane_cores
from gxsim.traffic.routes import plan_traffic
from gxsim.traffic.run import run_traffic
from tests.small_world import small_world

FRONT = {"namespaces": ["default"], "labelSelectors": {"app": "front"}}


def filled(capacity: float, demands: list[float], weights: list[float]) -> list[float]:
    """Pour it out drop by drop: everyone who still wants something gets drops by weight."""
    given_, drop = [0.0] * len(demands), capacity / 20_000
    left = min(capacity, sum(demands))
    while left > drop / 2:
        thirsty = [i for i, demand in enumerate(demands) if given_[i] < demand - 1e-9]
        total = sum(weights[i] for i in thirsty)
        for i in thirsty:
            part = min(drop * weights[i] / total, demands[i] - given_[i])
            given_[i] += part
            left -= part
    return given_


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 10), st.floats(0.5, 4)), min_size=1, max_size=6), st.floats(1, 20))
def test_shares_are_what_pouring_by_weight_gives(wants: list[tuple[float, float]], capacity: float) -> None:
    demands, weights = [demand for demand, _ in wants], [weight for _, weight in wants]
    shares = fair_shares(capacity, np.array(demands), np.array(weights))
    assert shares == pytest.approx(filled(capacity, demands, weights), abs=0.01 * capacity)
    assert shares.sum() <= capacity * (1 + 1e-12)


def test_under_contention_a_share_is_the_request_over_the_sum() -> None:
    wanted = fair_shares(4000.0, np.array([9000.0, 9000.0]), np.array([100.0, 300.0]))
    assert wanted.tolist() == [1000.0, 3000.0]


def test_threads_of_one_pod_weigh_the_same() -> None:
    assert beside_threads(1000.0, 1000.0, 1, stress=3000.0, stressing=3) == 250.0
    assert beside_threads(1000.0, 1000.0, 1, stress=100.0, stressing=1) == 900.0
    assert beside_threads(1000.0, 1000.0, 1, stress=0.0, stressing=0) == 1000.0


# ---- servers that change --------------------------------------------------------------------------------------------


def test_a_visit_takes_longer_while_there_is_less_of_a_processor() -> None:
    """One second of work: 0.4 s at full speed, then half speed for one second, then full speed again."""
    sharing = Sharing(1.0, [(1.4, 0.5), (2.4, 1.0)])
    _, left = sharing.advance(np.array([1.0]), np.array([1.0]), np.array([0]))
    assert left.tolist() == [pytest.approx(2.5)]


def stepped(arrivals: np.ndarray, services: np.ndarray, changes: list[tuple[float, float]], servers: float) -> list:
    """Departures by small steps of time."""
    step_s, now_s, present, departures = 1e-4, 0.0, {}, [np.nan] * len(arrivals)
    coming, pending = 0, list(changes)
    while np.isnan(departures).any():
        while pending and pending[0][0] <= now_s:
            servers = pending.pop(0)[1]
        while coming < len(arrivals) and arrivals[coming] <= now_s:
            present[coming] = services[coming]
            coming += 1
        rate = min(1.0, servers / len(present)) if present else 0.0
        now_s += step_s
        for who in list(present):
            present[who] -= step_s * rate
            if present[who] <= 0:
                departures[who] = now_s
                del present[who]
    return departures


@pytest.mark.parametrize("seed", range(4))
def test_changing_servers_agree_with_small_steps_and_cuts_change_no_bit(seed: int) -> None:
    rng = np.random.default_rng(seed)
    arrivals, services = np.cumsum(rng.exponential(0.3, 20)), rng.exponential(0.4, 20)
    changes = [(1.0, 0.4), (2.5, 2.0), (4.0, 0.7)]
    who, left = Sharing(1.5, changes.copy()).advance(arrivals, services, np.arange(20))
    whole = np.empty(20)
    whole[who] = left
    assert whole.tolist() == pytest.approx(stepped(arrivals, services, changes, 1.5), abs=5e-3)
    cut, pieces = Sharing(1.5, changes.copy()), np.empty(20)
    for begin_s, end_s in ((0.0, 1.0), (1.0, 2.2), (2.2, 4.0), (4.0, np.inf)):
        mine = np.flatnonzero((arrivals >= begin_s) & (arrivals < end_s))
        who, left = cut.advance(arrivals[mine], services[mine], mine, end_s)
        pieces[who] = left
    assert pieces.tobytes() == whole.tobytes()


# ---- in a run -------------------------------------------------------------------------------------------------------


def front_cores(folder: Path, limits: dict[str, str] | None, fault: dict[str, Any]) -> dict[str, list]:
    """Cores over time of the front pod on each node, while *fault* lasts from 200 s to 400 s."""
    stations = [
        {"step": "proxy", "serviceTime": "1ms", "servers": 16, "source": "chosen"},
        {"step": "default/*", "serviceTime": "10ms", "servers": 1, "cpuBound": True, "source": "chosen"},
    ]
    fault = {"kind": "StressChaos", "action": "cpu-stress", "at": "200s", "duration": "200s", **fault}
    result = simulate(small_world(folder, limits=limits, stations=stations, faults=[fault]))
    plan = plan_traffic(result.case.model, result.state, result.timeline)
    stop = plan.stops[1]
    assert stop.name == "default/front"
    assert stop.cores is not None
    names = [node.name for node in result.state.nodes]
    return {names[node]: own for node, own in zip(stop.endpoints.lanes.node, stop.cores, strict=True)}


def test_a_busy_host_leaves_a_pod_its_request_over_the_sum(tmp_path: Path) -> None:
    """8 cores: the pod's request of 100m against the host's weight of a core, and nobody wants the rest."""
    found = front_cores(tmp_path, {"cpu": "4"}, {"selector": {"nodes": ["one"]}, "parameters": {"workers": 100}})
    assert found == {"one": [(0.0, 4.0), (200.0, pytest.approx(8 * 100 / 1100)), (400.0, 4.0)], "two": [(0.0, 4.0)]}


def test_a_host_that_wants_little_leaves_the_rest(tmp_path: Path) -> None:
    found = front_cores(tmp_path, {"cpu": "4"}, {"selector": {"nodes": ["one"]}, "parameters": {"cores": "6"}})
    assert found["one"] == [(0.0, 4.0), (200.0, 2.0), (400.0, 4.0)]


def test_a_pod_without_a_limit_has_what_its_node_has(tmp_path: Path) -> None:
    found = front_cores(tmp_path, None, {"selector": {"nodes": ["one"]}, "parameters": {"cores": "6"}})
    assert found["one"] == [(0.0, 8.0), (200.0, 2.0), (400.0, 8.0)]


def test_a_pod_without_a_limit_on_a_node_of_unknown_size_has_a_core_per_visit(tmp_path: Path) -> None:
    case = small_world(tmp_path, stations=[{"step": "*", "serviceTime": "1ms", "servers": 3, "source": "chosen"}])
    result = simulate(case)
    (station,) = (dataclasses.replace(one, cpu_bound=True) for one in case.model.stations)
    result.state.nodes[:] = [dataclasses.replace(n, capacity={}, allocatable={}) for n in result.state.nodes]
    lanes = plan_traffic(case.model, result.state, result.timeline).stops[1].endpoints.lanes
    assert lane_cores(case.model, result.state, result.timeline, station, lanes) == ([(0.0, 3.0)], [(0.0, 3.0)])


def test_a_stress_inside_a_pod_competes_by_threads(tmp_path: Path) -> None:
    found = front_cores(tmp_path, {"cpu": "1"}, {"selector": FRONT, "parameters": {"workers": 3}})
    assert found["one"] == [(0.0, 1.0), (200.0, 0.25), (400.0, 1.0)]


def test_requests_wait_as_in_a_queue_that_serves_so_much_more_slowly(tmp_path: Path) -> None:
    """50/s of 10 ms at five eighths of a core: M/M/1-PS with a service time of 16 ms, so 80 ms in all."""
    stations = [
        {"step": "proxy", "serviceTime": "1ms", "servers": 16, "source": "chosen"},
        {"step": "default/front", "serviceTime": "10ms", "cpuBound": True, "source": "chosen"},
        {"step": "default/back", "serviceTime": "1ms", "servers": 50, "source": "chosen"},
    ]
    stress = {"name": "f", "kind": "StressChaos", "action": "cpu-stress", "selector": FRONT, "duration": "600s"}
    stress |= {"parameters": {"cores": "375m"}}
    result = simulate(small_world(tmp_path, limits={"cpu": "1"}, stations=stations, faults=[stress]))
    traffic = run_traffic(result.case.model, result.state, result.timeline, Streams(1))
    visits, _, waited_s, served_s = traffic.tally.steps[0][1].sum(axis=1)
    assert (waited_s + served_s) / visits == pytest.approx(0.016 / (1 - 0.8), rel=0.06)  # 30 000 at each of two pods
