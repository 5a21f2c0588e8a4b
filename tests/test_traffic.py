"""Requests on their way: what paths, failures, names and limits do to users."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import simpy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gxsim.errors import InvariantError, ScenarioError
from gxsim.kernels.histogram import BINS, bins_of, quantile
from gxsim.kernels.keyed import salt_of, uniforms
from gxsim.load.scenario import Case
from gxsim.model.users import Population, RateChange
from gxsim.observe.table import Table
from gxsim.observe.traffic import sweep, tables_of, traffic_tables
from gxsim.rng import Streams
from gxsim.study.result import Result
from gxsim.study.simulate import simulate
from gxsim.traffic.arrivals import Source, factors
from gxsim.traffic.capacity import capacity
from gxsim.traffic.delays import great_circle_km, node_delays, user_delays
from gxsim.traffic.flow import Flow
from gxsim.traffic.routes import plan_traffic
from gxsim.traffic.run import Traffic, run_traffic
from gxsim.traffic.tally import ANSWERED, CAUSES, EDGE_DOWN, FULL, RATE_LIMITED
from tests.reference import stations
from tests.small_world import network, path, small_world

FIXED = [{"step": "*", "serviceTime": "1ms", "scv": 0, "servers": 50, "source": "chosen"}]
QUARTER_S = 2 * np.pi * 6371.0088 / 4 * 1.5 / 200_000  # a quarter of the globe through fibre


def traffic_of(case: Case, seed: int = 1) -> tuple[Result, Traffic]:
    result = simulate(case)
    return result, run_traffic(case.model, result.state, result.timeline, Streams(seed))


def rows(table: Table, **wanted: str) -> list[dict[str, Any]]:
    return [row for row in table.rows() if all(row[name] == value for name, value in wanted.items())]


def users(table: Table, population: str, phase: str) -> dict[str, Any]:
    (found,) = rows(table, path="all", population=population, phase=phase)
    return found


# ---- queues along paths ---------------------------------------------------------------------------------------------

TWO_PATHS = {
    "paths": [path("long", ["default/front", "default/back"], share=0.6), path("short", ["default/back"], share=0.4)],
    "populations": [
        {"name": "all", "latitude": 0, "longitude": 0, "edge": "one", "rate": 50, "clients": 1, "source": "chosen"}
    ],
    "stations": [
        {"step": "default/front", "serviceTime": "50ms", "scv": 0, "servers": 2, "source": "chosen"},
        {"step": "default/back", "serviceTime": "35ms", "scv": 0, "servers": 2, "source": "chosen"},
    ],
}


def event_loop(times_s: np.ndarray, longs: np.ndarray, picks: np.ndarray) -> list[float]:
    """Latencies when each request is a SimPy process: front pods by *picks*, then back; all services fixed."""
    env = simpy.Environment()
    front = [simpy.Resource(env, capacity=2) for _ in range(2)]
    back = simpy.Resource(env, capacity=2)
    latencies: list[float] = []

    def request(number: int, pick: int | None) -> Iterator[Any]:
        yield env.timeout(times_s[number])
        stops = [(front[pick], 0.05)] if pick is not None else []
        for station, service_s in [*stops, (back, 0.035)]:
            with station.request() as served:
                yield served
                yield env.timeout(service_s)
        latencies.append(env.now - times_s[number])

    following = iter(picks.tolist())
    for number in range(len(times_s)):
        env.process(request(number, next(following) if longs[number] else None))
    env.run()
    return latencies


@pytest.mark.parametrize("cuts_s", [[], [1.0, 1.5, 30.0, 30.01, 77.7], list(range(5, 120, 5))])
def test_two_paths_that_share_a_station_are_the_same_as_processes_however_time_is_cut(
    tmp_path: Path, cuts_s: list[float]
) -> None:
    case = small_world(tmp_path, **TWO_PATHS)
    result = simulate(case)
    plan = plan_traffic(case.model, result.state, result.timeline)

    streams = Streams(1)
    flow = Flow(plan, [Source(plan, result.timeline, 0, 0.0, streams)], streams, np.array([0.0, 120.0]))
    for end_s in [*cuts_s, 120.0]:
        flow.advance(end_s)
    tally = flow.finish()

    again = Streams(1)
    sent = Source(plan, result.timeline, 0, 0.0, again).send(120.0)
    longs = uniforms(salt_of(again.take("traffic/routes")), sent.ident) < 0.6
    picks = (uniforms(salt_of(again.take("traffic/picks/default/front")), sent.ident[longs]) * 2).astype(int)
    latencies = event_loop(sent.times_s, longs, picks)
    assert tally.sent.sum() == len(latencies) > 5000
    assert tally.latency_s.sum() == pytest.approx(sum(latencies), rel=1e-12)  # another order of summation
    told = np.bincount(bins_of(np.array(latencies)), minlength=BINS)
    assert np.abs(tally.histograms.sum(axis=(0, 1)) - told).sum() <= 2  # a latency on the edge of a bin may round over


def test_the_same_seed_gives_the_same_bytes_and_another_seed_does_not(tmp_path: Path) -> None:
    case = small_world(tmp_path, loss=("one", "200s", "200s"))
    one, other, third = (traffic_of(case, seed)[1].tally for seed in (1, 1, 2))
    assert one.histograms.tobytes() == other.histograms.tobytes()
    assert one.latency_s.tobytes() == other.latency_s.tobytes()
    assert one.histograms.tobytes() != third.histograms.tobytes()


def test_waits_at_each_station_agree_with_erlang(tmp_path: Path) -> None:
    slow = [
        {"step": "proxy", "serviceTime": "1ms", "servers": 16, "source": "chosen"},
        {"step": "default/front", "serviceTime": "30ms", "servers": 2, "source": "chosen"},
        {"step": "default/back", "serviceTime": "30ms", "servers": 4, "source": "chosen"},
    ]
    result, traffic = traffic_of(small_world(tmp_path, stations=slow))
    table = {row["step"]: row for row in tables_of(traffic, result.state)[2].rows()}
    for step in ("default/front", "default/back"):
        # 60 000 requests at 0.75: five standard errors of a mean wait by Daley's variance are about 8 %.
        assert table[step]["utilisation_percent"] == pytest.approx(75, rel=0.03)
        assert table[step]["wait_s"] == pytest.approx(table[step]["theory_wait_s"], rel=0.15)
    assert table["default/front"]["busiest_over_mean"] < 1.03


BRANCHES = ["default/front", "default/back"]


def _together(wait_for: int) -> list[dict[str, Any]]:
    return [path("page", ["proxy", *BRANCHES], parallel=[{"steps": BRANCHES, "waitFor": wait_for}])]


@pytest.mark.parametrize(("wait_for", "mean_s"), [(0, 0.0075), (1, 0.0025), (2, 0.0075)])
def test_calls_made_together_take_the_longest_or_the_shortest(tmp_path: Path, wait_for: int, mean_s: float) -> None:
    """Two exponential branches of 5 ms: the greater has mean 7.5 ms, the lesser 2.5 ms; the proxy takes 1 ms."""
    stations_ = [
        {"step": "proxy", "serviceTime": "1ms", "scv": 0, "servers": 50, "source": "chosen"},
        {"step": "default/*", "serviceTime": "5ms", "servers": 50, "source": "chosen"},
    ]
    case = small_world(tmp_path, paths=_together(wait_for), stations=stations_)
    result = simulate(case)
    streams = Streams(1)
    plan = plan_traffic(case.model, result.state, result.timeline)
    sources = [Source(plan, result.timeline, number, 0.0, streams) for number in range(2)]
    flow = Flow(plan, sources, streams, np.array([0.0, 600.0]))
    for end_s in range(1, 601):  # many pieces: answers of one call are known before those of its sibling
        flow.advance(float(end_s))
    tally = flow.finish()
    latency_s = tally.latency_s.sum() / tally.outcomes[0, ANSWERED].sum()
    assert latency_s == pytest.approx(0.001 + mean_s, rel=0.02)  # 60 000 requests: 0.4 % standard error
    assert [steps[0].sum() for steps in tally.steps[0]] == [tally.sent.sum()] * 3
    assert flow.joins == []


@pytest.mark.parametrize(("wait_for", "expected_s"), [(0, {0.007}), (1, {0.003, 0.007})])
def test_calls_made_together_end_where_they_began(tmp_path: Path, wait_for: int, expected_s: set[float]) -> None:
    """From the east, proxy on one: the front is near or far, the back is far."""
    case = small_world(tmp_path, network=network("links"), stations=FIXED, paths=_together(wait_for))
    _, traffic = traffic_of(case)
    _assert_means(traffic, 0, {0.005 + each for each in expected_s})


def test_one_of_two_answers_is_enough_when_the_other_side_is_dead(tmp_path: Path) -> None:
    fates = {}
    for wait_for in (1, 2):
        case = small_world(tmp_path, loss=("two", "200s", "200s"), paths=_together(wait_for))
        result, traffic = traffic_of(case)
        fates[wait_for] = users(tables_of(traffic, result.state)[0], "easterners", "outage")
    assert fates[1]["answered_percent"] > 99.9
    assert fates[2]["answered_percent"] < 5  # the last seconds, when its pod is back and the node's users are, too
    assert fates[2]["no_endpoint"] > 0.95 * fates[2]["sent"]


# ---- failures -------------------------------------------------------------------------------------------------------


def test_a_lost_node_takes_its_users_and_until_it_is_noticed_half_of_the_others(tmp_path: Path) -> None:
    result, traffic = traffic_of(small_world(tmp_path, loss=("one", "200s", "200s")))
    tables = {table.name: table for table in tables_of(traffic, result.state)}
    paths = tables["paths"]
    for population in ("easterners", "westerners"):
        for phase in ("before", "after"):
            assert users(paths, population, phase)["answered_percent"] > 99.9
    # Nobody changes the name, so its users stay away until the node is back; the outage ends when its pod is, too.
    blocked = [users(paths, "easterners", phase) for phase in ("undetected", "outage")]
    assert blocked[0]["edge_down"] == blocked[0]["sent"] > 0
    assert blocked[1]["edge_down"] > 0.97 * blocked[1]["sent"]
    blind = users(paths, "westerners", "undetected")
    assert 40 < blind["answered_percent"] < 60
    assert blind["no_connection"] > 0.95 * (blind["sent"] - blind["answered"])
    assert users(paths, "westerners", "outage")["answered_percent"] > 99.9
    (noticed,) = result.tables["node_losses"].rows()
    assert blind["lasts_s"] == pytest.approx(noticed["noticed_s"] - noticed["lost_s"])
    front = {row["phase"]: row for row in rows(tables["stations"], step="default/front")}
    assert front["outage"]["pods"] == 1
    assert front["outage"]["visits_per_second"] == pytest.approx(50, rel=0.05)
    assert front["before"]["visits_per_second"] == pytest.approx(100, rel=0.05)


def test_a_caller_that_tries_again_halves_its_misfortune(tmp_path: Path) -> None:
    retrying = [path("page", ["proxy", "default/front", "default/back"], retries=1, connectTimeout="1s")]
    result, traffic = traffic_of(small_world(tmp_path, loss=("one", "200s", "200s"), paths=retrying))
    blind = users(tables_of(traffic, result.state)[0], "westerners", "undetected")
    assert 66 < blind["answered_percent"] < 84  # three quarters, of 2000 requests
    assert blind["p90_s"] > 1.0 > blind["p50_s"]  # those who were lucky the second time waited for the time-out


def test_users_leave_a_dead_address_as_their_caches_run_out(tmp_path: Path) -> None:
    """The share still there falls linearly over one TTL after the change."""
    dns = {"name": "example.org", "ttl": "100s", "change": "50s", "source": "chosen"}
    _, traffic = traffic_of(small_world(tmp_path, loss=("one", "200s", "400s"), dns=dns))
    keys = traffic.tally.keys // 2
    dead = traffic.tally.outcomes[0, EDGE_DOWN, :keys] / np.maximum(traffic.tally.sent[0, :keys], 1)
    middle_s = (traffic.slots.edges_s[:-1] + traffic.slots.edges_s[1:]) / 2
    expected = np.where(middle_s < 200, 0.0, np.clip((350 - middle_s) / 100, 0.0, 1.0))
    part = traffic.slots.lengths_s > 10  # shorter slots hold few requests
    assert dead[part] == pytest.approx(expected[part], abs=0.12)  # 100 clients: a standard error of 5 %


def test_an_answer_after_the_users_patience_is_a_failure(tmp_path: Path) -> None:
    hasty = [path("page", ["proxy", "default/front", "default/back"], patience="10ms")]
    result, traffic = traffic_of(small_world(tmp_path, paths=hasty))
    (before,) = rows(tables_of(traffic, result.state)[0], path="page", population="all")
    # Exponential services of 5, 5 and 1 ms: P(sum > 10 ms) is 46.5 % (hypoexponential); queues are next to nothing.
    assert 100 * before["too_late"] / before["sent"] == pytest.approx(46.5, abs=1.0)


def test_requests_in_a_pod_that_dies_are_lost_with_it(tmp_path: Path) -> None:
    slow = [
        {"step": "proxy", "serviceTime": "1ms", "servers": 16, "source": "chosen"},
        {"step": "default/*", "serviceTime": "1s", "servers": 200, "source": "chosen"},
    ]
    result, traffic = traffic_of(small_world(tmp_path, loss=("one", "200s", "200s"), stations=slow))
    lost = sum(row["lost"] for row in rows(tables_of(traffic, result.state)[0], path="all", population="all"))
    # 50/s pass the front pod on node one, a second there and a second for the back's answer; 25/s more of those who
    # came through its proxy are two seconds with the other front pod and the back. Four standard errors of 150.
    assert 100 < lost < 200


# ---- names, limits, caches ------------------------------------------------------------------------------------------


def test_the_rate_limit_is_that_of_nginx_per_address_and_host(tmp_path: Path) -> None:
    edges = [{"name": "proxy", "nodes": ["one", "two"], "rateLimit": 2, "burst": 1, "source": "chosen"}]
    busy = [
        {
            "name": "few",
            "latitude": 0,
            "longitude": 0,
            "edge": "one",
            "rate": 20,
            "clients": 8,
            "skew": 1.2,
            "source": "s",
        }
    ]
    case = small_world(tmp_path, edges=edges, populations=busy)
    result = simulate(case)
    traffic = run_traffic(case.model, result.state, result.timeline, Streams(1))
    source = Source(traffic.plan, result.timeline, 0, 0.0, Streams(1))
    sent = source.send(600.0)
    client = source.client(sent.ident)
    told = stations.limit_requests(
        (sent.times_s * 1000).astype(int).tolist(), client.tolist(), rate_milli=2000, burst=1, delay=0
    )
    refused = sum(not accepted for accepted, _, _ in told)
    assert traffic.tally.outcomes[0, RATE_LIMITED].sum() == refused > 2000
    assert np.bincount(client)[0] > 3 * np.bincount(client)[7]  # skewed


def test_a_cache_that_hits_spares_the_steps_after_it(tmp_path: Path) -> None:
    caching = [
        {"step": "proxy", "serviceTime": "1ms", "servers": 16, "source": "chosen"},
        {"step": "default/front", "serviceTime": "1ms", "hitRatio": 0.8, "source": "chosen"},
        {"step": "default/back", "serviceTime": "1ms", "source": "chosen"},
    ]
    _, traffic = traffic_of(small_world(tmp_path, stations=caching))
    front, back = (traffic.tally.steps[0][step][0].sum() for step in (1, 2))
    assert back / front == pytest.approx(0.2, abs=0.01)
    assert traffic.tally.outcomes[0, ANSWERED].sum() == front
    assert capacity(traffic.plan, 2).visits == pytest.approx([1.0, 1.0, 0.2])


def test_the_rate_follows_the_time_of_day() -> None:
    noun = Population(name="a", latitude=0, longitude=0, edge="one", rate=1, source="chosen")
    changes = [("08:00", 3.0), ("20:00", 0.5)]
    listed = tuple({"at_s": int(clock[:2]) * 3600.0, "factor": factor} for clock, factor in changes)
    noun = dataclasses.replace(noun, profile=tuple(RateChange(**one) for one in listed))
    hours = np.array([0.0, 7.9, 8.0, 19.9, 20.0, 30.0, 33.0])
    assert factors(noun, hours * 3600).tolist() == [0.5, 0.5, 3.0, 3.0, 0.5, 0.5, 3.0]


def _front(**fields: Any) -> list[dict[str, Any]]:
    """Stations where the front is as *fields* say and nothing else takes long."""
    quick = {"serviceTime": "1ms", "servers": 16, "source": "chosen"}
    return [{"step": "default/front", **quick, **fields}, {"step": "*", **quick}]


def test_a_pod_with_few_places_refuses_what_it_cannot_hold(tmp_path: Path) -> None:
    """Each front pod sees 50/s of 20 ms: M/M/1/1 loses one in two (Erlang B at a load of one)."""
    stations_ = _front(serviceTime="20ms", servers=1, places=1)
    _, traffic = traffic_of(small_world(tmp_path, stations=stations_))
    refused = traffic.tally.outcomes[0, FULL].sum() / traffic.tally.sent.sum()
    assert refused == pytest.approx(0.5, abs=0.01)


def test_connections_that_stay_open_leave_a_new_pod_idle(tmp_path: Path) -> None:
    case = small_world(tmp_path, loss=("one", "200s", "100s"), stations=_front(connections=20))
    result, traffic = traffic_of(case)
    table = tables_of(traffic, result.state)[2]
    front = {row["phase"]: row for row in rows(table, step="default/front")}
    assert front["before"]["busiest_over_mean"] > 1.02  # forty connections are seldom twenty and twenty
    assert front["after"]["busiest_over_mean"] > 1.9  # the pod that came back gets no old connection
    assert users(tables_of(traffic, result.state)[0], "westerners", "after")["answered_percent"] == 100


def test_callers_that_take_turns_treat_pods_alike(tmp_path: Path) -> None:
    by_pod = {}
    for balancing in ("random", "roundRobin"):
        _, traffic = traffic_of(small_world(tmp_path, stations=_front(balancing=balancing)))
        by_pod[balancing] = traffic.tally.lanes[1][0].reshape(2, 2, -1).sum(axis=2)  # front pods by populations
    assert np.abs(np.diff(by_pod["roundRobin"], axis=0)).max() <= 1
    assert np.abs(np.diff(by_pod["random"], axis=0)).max() > 10  # two standard deviations are 350


def test_client_affinity_sends_all_that_comes_from_one_host_to_one_pod(tmp_path: Path) -> None:
    case = small_world(tmp_path, stations=_front())
    services = tuple(dataclasses.replace(s, session_affinity="ClientIP") for s in case.cluster.services)
    case = dataclasses.replace(case, cluster=dataclasses.replace(case.cluster, services=services))
    _, traffic = traffic_of(case)
    by_host = traffic.tally.lanes[1][0].reshape(2, 2, -1).sum(axis=2)  # front pods by populations, one host each
    assert sorted(by_host.min(axis=0)) == [0, 0]


def test_writes_are_handed_on_when_the_last_step_has_done_them(tmp_path: Path) -> None:
    paths = [
        path("read", ["proxy", "default/front"], share=0.75),
        path("write", ["proxy", "default/back"], share=0.25, writes=True),
    ]
    case = small_world(tmp_path, paths=paths, loss=("two", "200s", "200s"))
    result = simulate(case)
    traffic = run_traffic(case.model, result.state, result.timeline, Streams(1), keep_writes=True)
    (written_s,) = traffic.writes_s.values()
    assert list(traffic.writes_s) == ["default/back"]
    assert (np.diff(written_s) >= 0).all()
    assert not ((written_s > 200) & (written_s < 400)).any()  # the back's node is lost
    assert len(written_s) >= traffic.tally.outcomes[1, ANSWERED].sum() > 0.6 * 15_000
    assert run_traffic(case.model, result.state, result.timeline, Streams(1)).writes_s == {}


@pytest.mark.parametrize(("cpu", "wait_s"), [("1", 0.010), ("2", 0.010 * 0.25**2 / (1 - 0.25**2))])
def test_visits_of_a_computing_pod_share_its_cpu_limit(tmp_path: Path, cpu: str, wait_s: float) -> None:
    """50/s of 10 ms at each of two pods: M/M/c-PS, whose mean is that of M/M/c."""
    case = small_world(tmp_path, limits={"cpu": cpu}, stations=_front(cpuBound=True, serviceTime="10ms", servers=64))
    result = simulate(case)
    streams = Streams(1)
    plan = plan_traffic(case.model, result.state, result.timeline)
    sources = [Source(plan, result.timeline, number, 0.0, streams) for number in range(2)]
    flow = Flow(plan, sources, streams, np.array([0.0, 600.0]))
    for end_s in range(3, 603, 3):  # visits that are not over go on in the next piece
        flow.advance(float(end_s))
    tally = flow.finish()
    visits, _, waited_s, served_s = tally.steps[0][1].sum(axis=1)
    assert visits == tally.sent.sum() == tally.outcomes[0, ANSWERED].sum()
    assert served_s / visits == pytest.approx(0.010, rel=0.02)
    assert waited_s / visits == pytest.approx(wait_s, rel=0.06)  # 30 000 customers of each pod
    assert capacity(plan, 2).saturation_rate[1] == pytest.approx(2 * int(cpu) / 0.01)


def test_a_pod_at_its_limit_answers_ever_later(tmp_path: Path) -> None:
    slow = _front(cpuBound=True, serviceTime="10ms")
    result, traffic = traffic_of(small_world(tmp_path, limits={"cpu": "400m"}, stations=slow))
    (row,) = rows(tables_of(traffic, result.state)[2], step="default/front")
    assert row["utilisation_percent"] > 99
    assert row["wait_s"] > 5  # 50/s arrive at a pod that does 40/s, for ten minutes


# ---- delays ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("delays", "between_s"), [("distance", QUARTER_S), ("links", 0.003)])
def test_latency_is_the_sum_of_the_ways_there_and_back(tmp_path: Path, delays: str, between_s: float) -> None:
    """The back is on node two; the front that a request meets is on its own node or on the other one."""
    case = small_world(tmp_path, network=network(delays), stations=FIXED)
    _, traffic = traffic_of(case)
    own, steps, user = 0.001, 0.003, 0.002
    near = {2 * user + steps + 2 * (there + back) for there, back in ((own, between_s), (between_s, own))}
    _assert_means(traffic, 0, near)
    far = {2 * user + steps + 2 * (there + back) for there, back in ((own, own), (between_s, between_s))}
    _assert_means(traffic, 1, far)


def _assert_means(traffic: Traffic, population: int, expected_s: set[float]) -> None:
    """Half of the requests take each of *expected_s*."""
    slots = len(traffic.slots.phase)
    mine = slice(population * slots, (population + 1) * slots)
    mean_s = traffic.tally.latency_s[0, mine].sum() / traffic.tally.outcomes[0, ANSWERED, mine].sum()
    assert mean_s == pytest.approx(sum(expected_s) / len(expected_s), rel=0.03)


def test_a_sibling_call_goes_back_to_its_caller_first(tmp_path: Path) -> None:
    calls = [path("page", ["proxy", "default/front", "default/back"], callers={"default/back": "proxy"})]
    case = small_world(tmp_path, network=network("links"), stations=FIXED, paths=calls)
    _, traffic = traffic_of(case)
    # From the east: user, proxy on one; front on one or two and back to one; back on two and back to one; user.
    _assert_means(traffic, 0, {0.007 + 2 * 0.001 + 2 * 0.003, 0.007 + 2 * 0.003 + 2 * 0.003})


def test_distances_are_those_of_the_globe() -> None:
    kuala_lumpur, boston, frankfurt = (3.14, 101.69), (42.36, -71.06), (50.11, 8.68)
    places = np.array([kuala_lumpur, boston, frankfurt, frankfurt])
    kilometres = great_circle_km(places[:, 0], places[:, 1])
    assert kilometres[0, 1:3] == pytest.approx([14_905, 9_970], rel=0.01)  # as flown
    assert kilometres[1, 2] == pytest.approx(5_890, rel=0.01)
    assert np.array_equal(kilometres, kilometres.T)
    assert kilometres[2, 3] == 0


def test_a_model_without_a_network_has_no_delays(tmp_path: Path) -> None:
    case = small_world(tmp_path)
    assert node_delays(case.model.network, list(case.cluster.nodes)).max() == 0
    assert user_delays(None, case.model.populations, list(case.cluster.nodes)).shape == (2, 2)


# ---- any traffic ----------------------------------------------------------------------------------------------------


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_no_traffic_breaks_littles_law_flow_balance_or_a_station(tmp_path: Path, data: st.DataObject) -> None:
    """run_traffic checks all three; whatever the stations, the calls and the failure."""
    draw = data.draw
    stations_ = []
    for step in ("proxy", "default/front", "default/back"):
        servers = draw(st.integers(1, 4))
        station = {"step": step, "serviceTime": draw(st.sampled_from(["1ms", "20ms", "60ms"])), "servers": servers}
        station["scv"] = draw(st.sampled_from([0, 0.5, 1, 3]))
        station["source"] = "drawn"
        if step == "default/back" and draw(st.booleans()):
            stations_.append({**station, "cpuBound": True})
            continue
        if step != "proxy":
            station["connections"] = draw(st.sampled_from([0, 1, 7]))
            station["hitRatio"] = draw(st.sampled_from([0, 0.5]))
            station |= draw(st.sampled_from([{}, {"places": servers + draw(st.integers(0, 3))}]))
        stations_.append(station)
    fields: dict[str, Any] = {
        "retries": draw(st.integers(0, 2)),
        "connectTimeout": draw(st.sampled_from(["10ms", "5s"])),
    }
    steps = ["proxy", "default/front", "default/back"]
    together = draw(st.sampled_from([None, 0, 1]))
    if together is not None:
        fields["parallel"] = [{"steps": steps[1:], "waitFor": together}]
    dns = {"name": "example.org", "ttl": "30s", "change": draw(st.sampled_from(["0s", "40s"])), "source": "drawn"}
    loss = (draw(st.sampled_from(["one", "two"])), f"{draw(st.integers(1, 500))}s", f"{draw(st.integers(1, 300))}s")
    paths = [path("page", steps, **fields), path("short", [steps[0], steps[2]], retries=1)]
    model = {"stations": stations_, "paths": paths, "dns": draw(st.sampled_from([None, dns]))}
    limits = {"cpu": "3"}
    case = small_world(
        tmp_path, loss=loss, limits=limits, network=network(), **{k: v for k, v in model.items() if v is not None}
    )
    result, traffic = traffic_of(case, seed=draw(st.integers(0, 99)))
    assert traffic.tally.sent.sum() > 50_000
    tables_of(traffic, result.state)


# ---- tables, invariants, errors -------------------------------------------------------------------------------------


def test_tables_tell_the_whole_and_its_parts(tmp_path: Path) -> None:
    case = small_world(tmp_path, loss=("one", "200s", "200s"))
    result = simulate(case)
    tables = {table.name: table for table in traffic_tables(case, result.state, result.timeline, Streams(1))[1]}
    paths = tables["paths"]
    for phase in ("before", "undetected", "outage", "after"):
        whole = users(paths, "all", phase)
        parts = [users(paths, name, phase) for name in ("easterners", "westerners")]
        assert whole["sent"] == sum(part["sent"] for part in parts)
        assert whole["sent"] == sum(whole[cause] for cause in CAUSES)
    steps = rows(tables["waterfall"], path="page", population="all", phase="after")
    assert [row["step"] for row in steps] == ["proxy", "default/front", "default/back", "answer"]
    total_s = sum(row["travel_s"] + row["wait_s"] + row["service_s"] for row in steps)
    assert total_s == pytest.approx(users(paths, "all", "after")["mean_s"], rel=1e-6)
    assert users(paths, "all", "before")["p99_9_s"] is None  # 20 000 requests: 20 beyond, not enough to say


def test_saturation_names_the_bottleneck_and_latency_grows_towards_it(tmp_path: Path) -> None:
    result, traffic = traffic_of(small_world(tmp_path))
    table = tables_of(traffic, result.state)[4]
    (worst,) = rows(table, bottleneck=True)  # type: ignore[arg-type]
    assert (worst["step"], worst["saturation_rate"]) == ("default/back", pytest.approx(800.0))
    assert (worst["worst_node"], worst["rate_without_it"]) == ("two", 0.0)
    curve = sweep(result.state, result.timeline, 1, traffic)
    assert list(curve.columns["rate"]) == pytest.approx([80, 240, 400, 560, 640, 720, 760])
    assert curve.columns["mean_s"][-1] > 1.5 * curve.columns["mean_s"][0]


def test_a_request_that_goes_missing_is_noticed(tmp_path: Path) -> None:
    _, traffic = traffic_of(small_world(tmp_path))
    traffic.tally.sent[0, 0] += 1
    with pytest.raises(InvariantError, match=r"\d+ requests were sent and \d+ ended"):
        traffic.tally.check(traffic.plan)


def test_a_station_that_works_more_than_it_can_is_noticed(tmp_path: Path) -> None:
    _, traffic = traffic_of(small_world(tmp_path))
    traffic.tally.busy_s[0][0] = 1e6
    with pytest.raises(InvariantError, match="proxy works more than its servers can"):
        traffic.tally.check(traffic.plan)


@pytest.mark.parametrize(
    ("model", "problem"),
    [
        (
            {"paths": [path("a", ["default/front", "default/back"]), path("b", ["default/back", "default/front"])]},
            "paths: requests would visit in circles: default/front -> default/back; queues need an order",
        ),
        (
            {"paths": [path("a", ["proxy", "default/side"])]},
            "step default/side: there is no such Service and no such edge; write namespace/service",
        ),
        (
            {"stations": [{"step": "proxy", "serviceTime": "1ms", "source": "chosen"}]},
            "step default/front: no station says what a visit costs; add one under stations",
        ),
        (
            {"paths": [path("a", ["proxy", "default/front"], callers={"default/front": "default/back"})]},
            "path a: 'default/back' calls 'default/front' but is no step before it",
        ),
        (
            {"paths": [path("a", ["proxy", "default/front"], parallel=[{"steps": ["default/front", "default/x"]}])]},
            "path a: parallel: default/front, default/x do not follow each other after the path's first step",
        ),
        (
            {"paths": [path("a", ["proxy", "default/front"], parallel=[{"steps": ["default/front"], "waitFor": 2}])]},
            "path a: parallel: waitFor: 2 answers of 1 steps; write at most 1",
        ),
        (
            {"edges": [{"name": "proxy", "nodes": ["one"], "source": "chosen"}]},
            "population westerners: proxy does not run on two; name one of one",
        ),
        (
            {"network": {**network(), "regions": network()["regions"][:1], "links": []}},
            "node two: its label topology.kubernetes.io/region says 'west'; list that region under network.regions",
        ),
        ({"paths": []}, "model: nobody sends a request; list populations, and paths with a share"),
    ],
)
def test_paths_that_lead_nowhere_are_refused(tmp_path: Path, model: dict[str, Any], problem: str) -> None:
    with pytest.raises(ScenarioError) as raised:
        traffic_of(small_world(tmp_path, **model))
    assert str(raised.value) == problem


def test_traffic_without_users_is_refused(tmp_path: Path) -> None:
    case = small_world(tmp_path, populations=[])
    result = simulate(case)
    with pytest.raises(ScenarioError, match="nobody sends a request"):
        traffic_tables(case, result.state, result.timeline, Streams(1))


@given(st.lists(st.floats(1e-4, 1000.0), min_size=1, max_size=200), st.sampled_from([0.5, 0.9, 0.99]))
def test_a_quantile_of_the_histogram_is_within_its_bin(values: list[float], probability: float) -> None:
    counts = np.bincount(bins_of(np.array(values)), minlength=BINS)
    exact = np.sort(values)[max(0, int(np.ceil(probability * len(values))) - 1)]
    assert quantile(counts, probability) == pytest.approx(exact, rel=1 / 127)
