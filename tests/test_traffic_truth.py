"""Do rate limit, load balancing and pools agree with the recordings of nginx, iptables and PostgreSQL?"""

import csv
import gzip
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gxsim.kernels.balancing import chain_pick, turn_pick
from gxsim.kernels.ratelimit import RateLimit, Zone, limit_requests
from gxsim.kernels.upstream import Balancer
from gxsim.validate import load_balancing, pools, rate_limit
from gxsim.validate.record import Family
from tests.reference import stations

RECORDINGS = Path(__file__).parent / "truth" / "components"


def recording(name: str) -> Any:
    text = gzip.decompress((RECORDINGS / f"{name}.gz").read_bytes()).decode()
    return json.loads(text) if name.endswith(".json") else list(csv.DictReader(io.StringIO(text)))


def disagreements(family: Family, name: str) -> list[str]:
    document = recording(name)
    assert family.recognises(document)
    return [f"{check.name}: {check.detail}" for check in family.replay(document) if not check.agreed]


@pytest.mark.parametrize("setting", ["none", "b20", "b20nd", "b20d8"])
def test_every_decision_of_nginx_is_the_recorded_one(setting: str) -> None:
    assert disagreements(rate_limit.FAMILY, f"nginx_limit_req/{setting}.csv") == []


@pytest.mark.parametrize("wrong", [{"burst": 21}, {"rate_milli": 9_900}, {"delay": 1}])
def test_a_limit_that_is_slightly_off_is_told_apart(wrong: dict[str, int]) -> None:
    rows = recording("nginx_limit_req/b20.csv")
    addresses = sorted({row["ip"] for row in rows})
    keys = np.array([addresses.index(row["ip"]) for row in rows])
    clock_ms = np.array([int(row["ngx_clock_ms"]) for row in rows])
    limit = RateLimit(**{"rate_milli": 10_000, "burst": 20, "delay": 0, **wrong})
    told = limit_requests(limit, clock_ms, keys, Zone.empty(len(addresses)))
    delays = [int(row["delay_ms"]) for row in rows]
    assert (told.delay_ms != delays).mean() > 0.01


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(-70_000, 4000), st.integers(0, 5)), max_size=120),
    st.integers(500, 50_000),
    st.integers(0, 5),
    st.integers(0, 5),
    st.integers(0, 120),
)
def test_the_limit_agrees_with_one_request_at_a_time_on_any_clock(
    moves: list[tuple[int, int]], rate_milli: int, burst: int, delay: int, cut: int
) -> None:
    """The clock may go back, by more than a minute, too; and the requests may come in two batches."""
    clock_ms = np.cumsum([abs(move) % 400 if move > -60_000 else move for move, _ in moves], dtype=np.int64)
    keys = np.array([key for _, key in moves], np.int64)
    limit = RateLimit(rate_milli=rate_milli, burst=burst, delay=min(delay, burst))
    expected = stations.limit_requests(
        clock_ms.tolist(), keys.tolist(), rate_milli=rate_milli, burst=burst, delay=limit.delay
    )
    zone = Zone.empty(6)
    batches = [limit_requests(limit, clock_ms[part], keys[part], zone) for part in (slice(0, cut), slice(cut, None))]
    told = [row for b in batches for row in zip(b.accepted, b.excess, b.delay_ms, strict=True)]
    assert told == expected


def test_thousands_of_requests_of_one_address_agree_with_one_at_a_time() -> None:
    rng = np.random.default_rng(2)
    clock_ms = np.cumsum(rng.integers(0, 150, 5000))
    told = limit_requests(RateLimit(rate_milli=10_000, burst=3), clock_ms, np.zeros(5000, np.int64), Zone.empty(1))
    expected = stations.limit_requests(clock_ms.tolist(), [0] * 5000, rate_milli=10_000, burst=3, delay=0)
    assert list(zip(told.accepted, told.excess, told.delay_ms, strict=True)) == expected


@pytest.mark.parametrize("name", ["iptables_random", "keepalive_pinning", "nginx_upstream"])
def test_backends_are_chosen_as_recorded(name: str) -> None:
    assert disagreements(load_balancing.FAMILY, f"load_balancing/{name}.json") == []


def test_round_robin_is_no_random_chain() -> None:
    document = recording("load_balancing/iptables_random.json")
    turns = "".join(str(number % 3) for number in range(10_000))
    run = {**document["runs"][0], "picks": turns}
    failed = [c.name for c in load_balancing.replay({"runs": [run]}) if not c.agreed]
    assert failed == [f"{run['id']} same as before"]


def test_pools_wait_as_stations_do() -> None:
    assert disagreements(pools.FAMILY, "postgres/pool_latency.csv") == []


def test_a_pool_whose_host_never_stalls_waits_too_little() -> None:
    """Without the stalls in a cell's own service times two pools of 20 seem to wait for nothing."""
    calm = []
    for row in recording("postgres/pool_latency.csv"):
        sleep = pools.SLEEPS.get(row["service"], (0.0, lambda share: 0.0))[1]
        usual_ms = float(row["service_p50_ms"]) - sleep(0.5)
        calm.append({**row, **{f"service_{name}_ms": str(sleep(at) + usual_ms) for name, at in pools.RECORDED.items()}})
    failed = [check.name for check in pools.replay(calm) if not check.agreed]
    assert {"fixed20ms pool 20 at 482.22/s", "fixed20ms pool 20 at 771.56/s"} <= set(failed)


def test_a_chain_without_endpoints_refuses() -> None:
    assert chain_pick(np.array([0.2, 0.99]), np.array([0, 3])).tolist() == [-1, 2]


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 2), st.integers(0, 3)), max_size=40), st.integers(0, 40))
def test_turns_agree_with_one_connection_at_a_time(made: list[tuple[int, int, int]], cut: int) -> None:
    made = [*sorted(made[:cut]), *sorted(made[cut:])]
    turns, told, counters = np.zeros(3, np.int64), [], [0, 0, 0]
    for part in (made[:cut], made[cut:]):
        columns = [np.array([one[i] for one in part], kind) for i, kind in enumerate((float, np.int64, np.int64))]
        told += turn_pick(columns[0], columns[1], columns[2], turns).tolist()
    expected = []
    for _, caller, count in made:
        expected.append(counters[caller] % count if count else -1)
        counters[caller] += 1
    assert told == expected


def test_an_nginx_whose_backends_all_fail_tries_each_once() -> None:
    worker = Balancer()
    worker.meet(range(3), (1, 1, 1))
    assert worker.tries(0.0, frozenset({0, 1, 2})) == [0, 1, 2]
    assert worker.tries(5.0) == []
