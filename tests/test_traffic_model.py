"""What a model file can say about traffic: traces, bursts, changes of stations, upstreams, names and caches."""

import math
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gxsim.errors import ScenarioError
from gxsim.kernels.dispatch import FULL, LOST, SERVED, TIMED_OUT, Call, Dispatch, Failure, Rules, Visit
from gxsim.kernels.disruption import Disrupted, Disruption, customers
from gxsim.kernels.keyed import service_times_of, uniform, uniforms
from gxsim.kernels.queueing import fifo, idle_servers
from gxsim.kernels.upstream import HTTP_503, IP_HASH, LEAST_CONN, POLICIES, ROUND_ROBIN, Balancer
from gxsim.load.scenario import Case
from gxsim.model.users import Dns
from gxsim.observe.traffic import tables_of
from gxsim.rng import Streams
from gxsim.study.simulate import simulate
from gxsim.traffic.dns import changed_s
from gxsim.traffic.run import Traffic, run_traffic
from gxsim.traffic.tally import ANSWERED, CAUSES, EDGE_DOWN, SERVICE, VISITS
from tests.small_world import EAST, path, small_world

TRACES = Path(__file__).parent.parent.parent / "shared" / "traces"


def traffic_of(case: Case, seed: int = 1) -> Traffic:
    result = simulate(case)
    return run_traffic(case.model, result.state, result.timeline, Streams(seed))


def outcomes(traffic: Traffic) -> dict[str, int]:
    counts = traffic.tally.outcomes.sum(axis=(0, 2)).tolist()
    return {cause: count for cause, count in zip(CAUSES, counts, strict=True) if count}


UNREADABLE = "file: {f}/no.csv is not a readable text file: [Errno 2] No such file or directory: '{f}/no.csv'"


def users(**fields: Any) -> list[dict[str, Any]]:
    return [{"name": "all", **EAST, "edge": "one", "rate": 50, "clients": 50, "source": "chosen", **fields}]


def rates_per_minute(traffic: Traffic) -> np.ndarray:
    sent = traffic.tally.sent.sum(axis=0)
    return 60 * sent / traffic.slots.lengths_s


# ---- chance that belongs to requests ---------------------------------------------------------------------------------


def test_one_number_is_the_same_drawn_alone_or_with_others() -> None:
    idents = np.array([0, 1, 16, 2**40, 2**62 + 5])
    for draw in (0, 3):
        assert uniforms(2**62 + 1, idents, draw).tolist() == [uniform(2**62 + 1, int(i), draw) for i in idents]


def test_numbers_of_a_request_are_uniform_and_do_not_depend_on_each_other() -> None:
    idents = np.arange(400_000) * 16
    columns = np.array([uniforms(7_777_777, idents), uniforms(7_777_777, idents, 1), uniforms(7_777_777, idents + 1)])
    counts = np.array([np.bincount((column * 100).astype(int), minlength=100) for column in columns])
    assert (((counts - 4000) ** 2 / 4000).sum(axis=1) < 149).all()  # 99.9 % of chi-squared with 99 degrees of freedom
    assert np.abs(np.corrcoef(columns) - np.eye(3)).max() < 4 / math.sqrt(400_000)
    assert abs(np.corrcoef(columns[0, 1:], columns[0, :-1])[0, 1]) < 4 / math.sqrt(400_000)


@pytest.mark.parametrize("scv", [0.0, 0.25, 1.0, 2.0, 6.0])
@pytest.mark.parametrize("distribution", ["auto", "lognormal"])
def test_service_times_of_requests_have_the_mean_and_variability_asked_for(distribution: str, scv: float) -> None:
    times = service_times_of(99, np.arange(400_000), 0.003, scv=scv, distribution=distribution)
    assert times.mean() == pytest.approx(0.003, rel=0.02)
    assert times.var() / times.mean() ** 2 == pytest.approx(scv, rel=0.12, abs=1e-9)  # fourth moments are large


# ---- arrivals --------------------------------------------------------------------------------------------------------


def test_recorded_times_are_the_requests(tmp_path: Path) -> None:
    (tmp_path / "times.csv").write_text("who,creation\n" + "".join(f"x,{time_s}\n" for time_s in (90, 30, 10, 700)))
    trace = {"file": "times.csv", "column": "creation", "begin": "10s", "speed": 2}
    case = small_world(tmp_path, populations=users(rate=0, trace=trace))
    assert case.model.populations[0].trace.times_s == (90.0, 30.0, 10.0, 700.0)
    assert "times.csv" in case.digests
    traffic = traffic_of(case)
    assert traffic.tally.sent.sum() == 4  # at 0, 10, 40 and 345 s
    edges_s = traffic.slots.edges_s
    inside = [int(np.searchsorted(edges_s, time_s, side="right")) - 1 for time_s in (0.0, 10.0, 40.0, 345.0)]
    assert np.flatnonzero(traffic.tally.sent[0]).tolist() == sorted(set(inside))


def test_recorded_rates_are_followed(tmp_path: Path) -> None:
    trace = {"times": [0, "200s", "400s"], "rates": [10, 100, 0]}
    traffic = traffic_of(small_world(tmp_path, populations=users(rate=0, trace=trace)))
    edges_s, sent = traffic.slots.edges_s, traffic.tally.sent.sum(axis=0)
    counts = [
        sent[(edges_s[:-1] >= begin) & (edges_s[1:] <= end)].sum() for begin, end in ((0, 200), (200, 400), (400, 600))
    ]
    assert counts[0] == pytest.approx(2000, abs=5 * math.sqrt(2000))
    assert counts[1] == pytest.approx(20_000, abs=5 * math.sqrt(20_000))
    assert counts[2] == 0


def test_a_burst_multiplies_the_rate_while_it_lasts(tmp_path: Path) -> None:
    traffic = traffic_of(
        small_world(tmp_path, populations=users(bursts=[{"at": "200s", "duration": "100s", "factor": 4}]))
    )
    middle_s = (traffic.slots.edges_s[:-1] + traffic.slots.edges_s[1:]) / 2
    rates = traffic.tally.sent.sum(axis=0) / traffic.slots.lengths_s
    assert rates[(middle_s > 200) & (middle_s < 300)].mean() == pytest.approx(200, rel=0.05)
    assert rates[(middle_s < 200) | (middle_s > 300)].mean() == pytest.approx(50, rel=0.05)


@pytest.mark.skipif(not TRACES.is_dir(), reason="other people's traces are not beside the checkout")
def test_someone_elses_trace_is_played_where_it_lies(tmp_path: Path) -> None:
    file = TRACES / "alibaba-openb-gpu-v2023" / "csv" / "openb_pod_list_default.csv"
    trace = {"file": str(file), "column": "creation_time", "begin": "12000000s", "speed": 1000}
    case = small_world(tmp_path, populations=users(rate=0, trace=trace))
    found = [float(line.split(",")[8]) for line in file.read_text().splitlines()[1:]]
    wanted = sum(12_000_000 <= time_s < 12_600_000 for time_s in found)
    assert traffic_of(case).tally.sent.sum() == wanted > 1000


@pytest.mark.parametrize(
    ("trace", "problem"),
    [
        ({"file": "no.csv"}, UNREADABLE),
        ({"file": "t.csv"}, "column: {f}/t.csv has no column 'time_s'; did you mean 'times'?"),
        ({"file": "t.csv", "column": "times"}, "column: {f}/t.csv:3: expected a number, got 'x'"),
    ],
)
def test_a_trace_that_cannot_be_read_says_where(tmp_path: Path, trace: dict[str, Any], problem: str) -> None:
    (tmp_path / "t.csv").write_text("times\n1\nx\n")
    with pytest.raises(ScenarioError) as told:
        small_world(tmp_path, populations=users(trace=trace))
    assert str(told.value) == f"populations[0].trace.{problem.format(f=tmp_path)}"


# ---- changes of stations ---------------------------------------------------------------------------------------------


def front(**fields: Any) -> list[dict[str, Any]]:
    return [
        {"step": "proxy", "serviceTime": "1ms", "servers": 16, "source": "chosen"},
        {"step": "default/front", "serviceTime": "5ms", "servers": 4, "source": "chosen", **fields},
        {"step": "default/back", "serviceTime": "5ms", "servers": 4, "source": "chosen"},
    ]


def test_a_pause_makes_everyone_wait_for_its_end(tmp_path: Path) -> None:
    pause = {"at": "100s", "duration": "10s", "work": "resumed", "source": "chosen"}
    traffic = traffic_of(small_world(tmp_path, stations=front(changes=[pause])))
    assert outcomes(traffic) == {"answered": int(traffic.tally.sent.sum())}
    waited_s = traffic.tally.steps[0][1][2].sum()
    # 100/s for 10 s wait 5 s on average, then what is queued at two pods of four servers: 1/700 s each, one by one.
    assert waited_s == pytest.approx(1000 * 5 * (1 + 100 / 1500), rel=0.1)


def test_a_crash_loses_what_its_pod_was_doing_and_the_queue_where_it_is_not_kept(tmp_path: Path) -> None:
    lost = {}
    for keeps in (True, False):
        crash = {"at": "100s", "duration": "10s", "work": "lost", "keepsQueue": keeps, "source": "chosen"}
        pause = {"at": "95s", "duration": "5s", "work": "finished", "source": "chosen"}
        traffic = traffic_of(small_world(tmp_path, stations=front(changes=[pause, crash])))
        lost[keeps] = outcomes(traffic).get("lost", 0)
    assert lost[True] <= 8  # what eight servers had begun at that instant
    assert lost[False] == pytest.approx(500, abs=5 * math.sqrt(500))  # five seconds of 100/s


def test_a_change_of_one_pod_leaves_the_others_alone(tmp_path: Path) -> None:
    fewer = {"at": "0s", "servers": 0, "pods": "front-*-0", "source": "chosen"}
    case = small_world(tmp_path, stations=front(changes=[{**fewer, "at": "1ms"}]))
    result = simulate(case)
    names = [name for name in result.timeline.pod_names if "front" in name]
    stuck = {**fewer, "at": "300s", "duration": "100s", "pods": names[0].split("/")[-1] + "*", "work": "resumed"}
    del stuck["servers"]
    for pattern in (stuck["pods"], names[0]):
        case = small_world(tmp_path, stations=front(changes=[{**stuck, "pods": pattern}]))
        traffic = traffic_of(case)
        waits = traffic.tally.lanes[1][2].sum(axis=1)
        if waits.max() > 1000:
            assert waits.min() < 10
            return
    pytest.fail("no pattern of the pod's name hit it")


def test_pauses_that_come_again_take_their_share(tmp_path: Path) -> None:
    collection = {"at": "0s", "every": "2s", "duration": "100ms", "work": "resumed", "source": "chosen"}
    traffic = traffic_of(small_world(tmp_path, stations=front(changes=[collection])))
    waits = traffic.tally.lanes[1][2].sum() / traffic.tally.lanes[1][VISITS].sum()
    # One in twenty meets a pause: 50 ms on average, and it keeps a queue of 5 (or a visit in service) for a moment.
    assert waits == pytest.approx(0.1**2 / 2 / 2, rel=0.35)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000), st.sampled_from([1, 3, 8]), st.lists(st.floats(0.0, 1400.0), max_size=6))
def test_a_station_with_changes_cut_anywhere_is_the_same(seed: int, servers: int, cuts: list[float]) -> None:
    rng = np.random.default_rng(seed)
    arrivals = np.cumsum(rng.standard_exponential(600 * servers) / (0.85 * servers))
    services, idents = rng.standard_exponential(len(arrivals)), np.arange(len(arrivals))
    plan = [
        Disruption(time_s=100.0, servers=servers + 1),
        Disruption(time_s=200.0, until_s=230.0, servers=servers + 1, work="resumed"),
        Disruption(time_s=300.0, until_s=310.0, servers=servers, work="lost", keeps_queue=bool(seed % 2)),
        Disruption(time_s=400.0, until_s=410.0, servers=servers, work="restarted"),
    ]
    told = []
    for edges in ([np.inf], [*sorted(cuts), np.inf]):
        station, begin, left = Disrupted(idle_servers(servers), list(plan)), 0, []
        for until_s in edges:
            past = int(np.searchsorted(arrivals, until_s))
            part = slice(begin, max(begin, past))
            left.append(station.advance(customers(idents[part], arrivals[part], services[part]), until_s))
            begin = max(begin, past)
        records = np.concatenate(left)
        told.append(records[np.argsort(records["ident"])])
    assert told[0].tobytes() == told[1].tobytes()


# ---- upstreams -------------------------------------------------------------------------------------------------------


class Pods:
    """Three pods at 10 ms; the third dies at *dies_s*."""

    def __init__(self, dies_s: float = math.inf, weights: tuple[int, ...] = (1, 1, 1)):
        self.known = (("a", "b", "c"), weights, (0, 1, 2))
        self.ends_s = (math.inf, math.inf, dies_s)

    def peers(self, at_s: float) -> Any:
        return self.known

    def delay_s(self, caller: int, lane: int) -> float:
        return 0.01

    def end_s(self, lane: int) -> float:
        return self.ends_s[lane]

    def draw(self, ident: int, attempt: int) -> Callable[[int], float]:
        return lambda number: uniform(5, ident, 64 * attempt + number)


def played(
    policy: str, calls: list[Call], pods: Pods, cuts: tuple[float, ...] = (), places: int = 0, **rules: Any
) -> tuple[list[Visit], list[Failure]]:
    dispatch = Dispatch(servers=2, places=places, rules=Rules(**rules), new_balancer=lambda: Balancer(policy))
    visits, failures = [], []
    for begin_s, end_s in pairwise([-math.inf, *sorted(cuts), math.inf]):
        told = dispatch.advance(pods, [call for call in calls if begin_s <= call.at_s < end_s], end_s)
        visits += told[0]
        failures += told[1]
    return sorted(visits), sorted(failures)


def some_calls(count: int, rate: float, service_s: float = 0.1, seed: int = 1) -> list[Call]:
    rng = np.random.default_rng(seed)
    at_s = np.cumsum(rng.standard_exponential(count) / rate)
    services = rng.standard_exponential(count) * service_s
    return [Call(i, i % 2, float(at_s[i]), float(services[i]), 1.0, (i % 7, i % 5, i % 3)) for i in range(count)]


def test_turns_of_an_upstream_are_stations_of_their_own() -> None:
    calls = [Call(i, 0, one.at_s, one.service_s) for i, one in enumerate(some_calls(3000, 40.0))]
    visits, failures = played(ROUND_ROBIN, calls, Pods())
    assert failures == []
    for lane in range(3):
        mine = calls[lane::3]
        starts, _ = fifo(
            np.array([c.at_s + 0.01 for c in mine]), np.array([c.service_s for c in mine]), idle_servers(2)
        )
        assert [visit.start_s for visit in visits if visit.lane == lane] == starts.tolist()


def test_weights_of_an_upstream_are_shares() -> None:
    visits, _ = played(ROUND_ROBIN, [Call(i, 0, float(i), 0.0) for i in range(800)], Pods(weights=(5, 2, 1)))
    assert np.bincount([visit.lane for visit in visits]).tolist() == [500, 200, 100]
    assert [visit.lane for visit in visits[:8]] == [0, 1, 0, 0, 2, 0, 1, 0]  # smooth: nobody twice who need not


def test_least_connections_avoids_the_busy_pod() -> None:
    calls = [Call(0, 0, 0.0, 100.0), *(Call(i, 0, float(i), 0.1) for i in range(1, 91))]
    visits, _ = played(LEAST_CONN, calls, Pods())
    assert np.bincount([visit.lane for visit in visits]).tolist() == [1, 45, 45]


def test_a_client_comes_back_to_its_pod_by_hash() -> None:
    calls = [Call(i, 0, float(i), 0.0, math.inf, (10, i % 9, 0)) for i in range(900)]
    visits, _ = played(IP_HASH, calls, Pods())
    lanes = np.array([visit.lane for visit in visits]).reshape(-1, 9)
    assert (lanes == lanes[0]).all()
    assert len(set(lanes[0].tolist())) > 1


def test_work_lost_with_a_pod_is_tried_at_another_and_the_pod_rests() -> None:
    calls = [Call(i, 0, 0.1 * i, 0.05) for i in range(400)]
    visits, failures = played(ROUND_ROBIN, calls, Pods(dies_s=10.0))
    assert failures == []
    lost = [visit for visit in visits if visit.outcome == LOST]
    assert len(lost) == 3  # nginx asks the dead pod again each time its rest is over: at 10, 21 and 32 s
    assert np.diff([visit.at_s for visit in lost]) == pytest.approx([11.0, 11.0], abs=0.4)
    assert sum(visit.outcome == SERVED for visit in visits) == 400


def test_a_full_pod_is_passed_over_where_the_rules_say_so() -> None:
    calls = [Call(i, 0, 0.001 * i, 10.0) for i in range(20)]
    one, two = (
        played(ROUND_ROBIN, calls, Pods(), places=2),
        played(ROUND_ROBIN, calls, Pods(), places=2, next_on=(HTTP_503,)),
    )
    assert len(one[1]) == 14 == sum(visit.outcome == FULL for visit in one[0])
    assert sum(visit.outcome == SERVED for visit in two[0]) == 6


def test_whoever_waits_too_long_tries_another_and_the_work_goes_on() -> None:
    visits, failures = played(ROUND_ROBIN, [Call(0, 0, 0.0, 5.0)], Pods(), read_timeout_s=1.0)
    assert [visit.outcome for visit in visits] == [TIMED_OUT] * 3
    assert [visit.at_s for visit in visits] == pytest.approx([0.01, 1.01, 2.01])
    assert [visit.left_s - visit.start_s for visit in visits] == [5.0] * 3
    assert failures == [Failure(0, 3.0, TIMED_OUT)]


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(POLICIES), st.lists(st.floats(0.0, 30.0), max_size=5), st.integers(0, 3), st.integers(0, 50))
def test_an_upstream_cut_anywhere_is_the_same(policy: str, cuts: list[float], places: int, seed: int) -> None:
    calls, rules = some_calls(600, 30.0, seed=seed), {"next_on": ("error", "timeout", HTTP_503), "read_timeout_s": 0.5}
    places = places and places + 1
    whole = played(policy, calls, Pods(dies_s=8.0), places=places, **rules)
    assert played(policy, calls, Pods(dies_s=8.0), tuple(cuts), places=places, **rules) == whole
    assert sum(visit.outcome == SERVED for visit in whole[0]) + len(whole[1]) == 600


def test_an_upstream_spares_users_the_undetected_window(tmp_path: Path) -> None:
    """Half of the front is dead for 40 s: kube-proxy sends half of the requests there, nginx few, who try again."""
    fates = []
    for upstream in ({}, {"upstream": {"source": "nginx"}}):
        slow = [path("page", ["proxy", "default/front", "default/back"], connectTimeout="1s")]
        case = small_world(tmp_path, loss=("one", "200s", "200s"), stations=front(**upstream), paths=slow)
        result = simulate(case)
        traffic = run_traffic(case.model, result.state, result.timeline, Streams(1))
        table = {
            row["phase"]: row for row in tables_of(traffic, result.state)[0].rows() if row["population"] == "westerners"
        }
        fates.append(table["undetected"]["answered_percent"])
    assert fates[0] < 60
    assert fates[1] > 95


# ---- caches and names ------------------------------------------------------------------------------------------------


def test_a_dead_cache_is_a_miss_where_it_may_be_passed_over(tmp_path: Path) -> None:
    steps = ["proxy", "default/front", "default/back"]
    answered = []
    for passed in (False, True):
        case = small_world(
            tmp_path,
            loss=("one", "200s", "200s"),
            paths=[path("page", steps, callers={"default/back": "proxy"}, connectTimeout="100ms")],
            stations=front(hitRatio=0.5, passedOver=passed),
        )
        traffic = traffic_of(case)
        answered.append(int(traffic.tally.outcomes[0, ANSWERED].sum()))
        west = traffic.tally.outcomes[0].reshape(len(CAUSES), 2, -1)[:, 1].sum(axis=1)
    assert answered[1] > answered[0] + 500
    assert west[ANSWERED] == west.sum()


@pytest.mark.parametrize(
    ("dns", "changed"),
    [
        ({"change_s": 90.0}, 190.0),
        ({"check_interval_s": 30.0, "failures": 3, "publish_s": 5.0}, 120.0 + 60.0 + 5.0),
        ({"operator_s": 900.0, "publish_s": 30.0}, 1030.0),
        ({"check_interval_s": 60.0, "operator_s": 900.0}, 120.0 + 900.0),
    ],
)
def test_an_answer_changes_when_it_is_noticed_decided_and_published(dns: dict[str, float], changed: float) -> None:
    assert changed_s(Dns(name="n", ttl_s=60.0, source="chosen", **dns), 100.0) == changed  # type: ignore[arg-type]


def test_users_behind_caches_that_overstay_leave_later(tmp_path: Path) -> None:
    """The node is lost at 200 s; checks at 200 and 210 s fail, so half leave by 220 s, the others by 360 s."""
    dns = {"name": "n", "ttl": "10s", "checkInterval": "10s", "failures": 2, "overstaying": 0.5, "overstay": "150s"}
    told = {**dns, "source": "chosen"}
    traffic = traffic_of(
        small_world(tmp_path, loss=("one", "200s", "400s"), dns=told, populations=users(clients=2000, rate=200))
    )
    dead = traffic.tally.outcomes[0, EDGE_DOWN] / np.maximum(traffic.tally.sent[0], 1)
    middle_s = (traffic.slots.edges_s[:-1] + traffic.slots.edges_s[1:]) / 2
    part = traffic.slots.lengths_s > 4
    gone = np.where(middle_s < 220, np.nan, 0.5 * np.clip((360 - middle_s) / 150, 0.0, 1.0))
    later = part & (middle_s > 222)
    assert dead[later] == pytest.approx(gone[later], abs=0.07)  # 2000 clients, and slots of some seconds
    assert dead[part & (middle_s > 200) & (middle_s < 208)].min(initial=1.0) == 1.0


def test_stations_that_cannot_be_both_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=r"stations\[1\]: changes: is not modelled together with holds; leave one"):
        small_world(tmp_path, stations=front(holds=True, changes=[{"at": "1s", "source": "chosen"}]))


def test_held_servers_are_busy_while_they_wait(tmp_path: Path) -> None:
    """A thread that waits 5 ms for the back is busy for 10 ms: twice the utilisation."""
    used = []
    for holds in (False, True):
        case = small_world(tmp_path, stations=front(holds=holds))
        result = simulate(case)
        traffic = run_traffic(case.model, result.state, result.timeline, Streams(1))
        (row,) = [row for row in tables_of(traffic, result.state)[2].rows() if row["step"] == "default/front"]
        used.append(row["utilisation_percent"])
    assert used[1] == pytest.approx(2 * used[0], rel=0.03)
    assert traffic.tally.lanes[1][SERVICE].sum() > 0


@pytest.mark.parametrize("kind", [{}, {"cpuBound": True}, {"holds": True}, {"upstream": {"source": "chosen"}}])
def test_no_pod_is_busier_than_it_can_be_however_late_it_serves_what_was_sent(tmp_path: Path, kind: dict) -> None:
    """Twice as much as pods can do: requests of one stretch of time are served in later ones, and after the end."""
    stations = front(serviceTime="40ms", servers=1, **kind)
    case = small_world(tmp_path, stations=stations, limits={"cpu": "1"}, loss=("one", "200s", "100s"))
    result = simulate(case)
    traffic = run_traffic(case.model, result.state, result.timeline, Streams(1))
    table = tables_of(traffic, result.state)[2]
    found = [row for row in table.rows() if row["step"] == "default/front"]
    assert len(found) > 2
    for row in found:
        assert row["utilisation_percent"] == pytest.approx(100, abs=1)
        assert row["busiest_percent"] <= 100 + 1e-6
