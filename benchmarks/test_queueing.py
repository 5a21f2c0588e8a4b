"""Requests per CPU-second: kernels beside SimPy in the same run, and a day of the documented cluster.

Process CPU, not wall time, as other work on the machine must not count. ``requests_per_second`` and, for the kernels,
``times_simpy`` stand in the extra information; SimPy is measured first and at a size it can bear.
"""

import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from gxsim.kernels.queueing import fifo, idle_servers
from gxsim.kernels.ratelimit import RateLimit, Zone, limit_requests
from gxsim.kernels.tandem import multi_server_tandem, single_server_tandem
from tests.reference import stations

ROOT = Path(__file__).parent.parent
LOAD, LANES, MILLION = 0.8, 8192, 1_000_000
pytestmark = pytest.mark.benchmark(timer=time.process_time)
simpy_rates: dict[str, float] = {}


def generator() -> np.random.Generator:
    return np.random.Generator(np.random.SFC64(20261123))


def measure(benchmark: BenchmarkFixture, run: Callable[[], object], requests: int, rival: str = "") -> None:
    benchmark.pedantic(run, rounds=3, warmup_rounds=1)
    rate = requests / benchmark.stats["median"]
    benchmark.extra_info["requests_per_second"] = round(rate)
    if rival in simpy_rates:
        benchmark.extra_info["times_simpy"] = round(rate / simpy_rates[rival], 1)


# ---- SimPy ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("hops", "servers"), [(1, 1), (5, 1), (5, 3)])
def test_simpy(benchmark: BenchmarkFixture, hops: int, servers: int) -> None:
    count = 40_000 // hops
    rng = generator()
    gaps, services = rng.standard_exponential(count) / (LOAD * servers), rng.standard_exponential((hops, count))
    measure(benchmark, lambda: stations.tandem(gaps, services, servers), count)
    simpy_rates[f"{hops}x{servers}"] = benchmark.extra_info["requests_per_second"]


# ---- kernels --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("hops", [1, 5])
def test_single_server_hops(benchmark: BenchmarkFixture, hops: int) -> None:
    """100 million requests, random numbers included."""
    steps = 100 * MILLION // LANES

    def run() -> None:
        sojourn = single_server_tandem(generator(), LOAD, np.ones(hops), lanes=LANES, steps=steps)
        assert abs(sojourn.mean() - 5 * hops) < 0.02 * hops

    measure(benchmark, run, steps * LANES, f"{hops}x1")


def test_five_three_server_hops_with_each_request_followed(benchmark: BenchmarkFixture) -> None:
    """10 million requests, random numbers and sorting included."""

    def run() -> None:
        blocks = multi_server_tandem(generator(), 3 * LOAD, 3, 5, lanes=1000, steps=1000, blocks=10)
        kept = np.mean([sojourns[:, 250:].mean() for sojourns in blocks])
        assert abs(kept - 10.3933) < 0.2  # short lanes begin empty

    measure(benchmark, run, 10 * MILLION, "5x3")


@pytest.mark.parametrize("load", [0.05, 0.8, 0.95])
@pytest.mark.parametrize("servers", [1, 3, 8])
def test_one_long_run(benchmark: BenchmarkFixture, servers: int, load: float) -> None:
    """Two million customers of one station, draws ready: nobody waits, or chunks side by side."""
    rng = generator()
    arrivals = np.cumsum(rng.standard_exponential(2 * MILLION) / (servers * load))
    services = rng.standard_exponential(2 * MILLION)
    measure(benchmark, lambda: fifo(arrivals, services, idle_servers(servers)), 2 * MILLION)


@pytest.mark.parametrize("burst", [0, 20])
def test_rate_limit(benchmark: BenchmarkFixture, burst: int) -> None:
    """A million requests of 4000 addresses, most of them far under the limit."""
    rng = generator()
    clock_ms = np.sort(rng.integers(0, 5_000_000, MILLION))
    keys = rng.integers(0, 4000, MILLION)
    limit = RateLimit(rate_milli=10_000, burst=burst)
    measure(benchmark, lambda: limit_requests(limit, clock_ms, keys, Zone.empty(4000)), MILLION)


# ---- the whole, and its memory --------------------------------------------------------------------------------------

DAY = """
from gxsim.rng import Streams
from gxsim.study.simulate import simulate
from gxsim.traffic.run import run_traffic
result = simulate("gx/node-loss")
traffic = run_traffic(result.case.model, result.state, result.timeline, Streams(1))
assert traffic.tally.sent.sum() > 17e6
"""
KERNEL = """
import numpy as np
from gxsim.kernels.tandem import multi_server_tandem, single_server_tandem
single_server_tandem(np.random.default_rng(1), 0.8, np.ones(5), lanes=8192, steps={0})
for block in multi_server_tandem(np.random.default_rng(1), 2.4, 3, 5, lanes=1000, steps=1000, blocks={1}): pass
"""


def peak_mib(code: str) -> float:
    """Peak resident memory of a fresh interpreter that runs *code*; ru_maxrss would begin with this process's own."""
    watch = f"{code}\nprint(next(line for line in open('/proc/self/status') if line.startswith('VmHWM')).split()[1])"
    told = subprocess.run([sys.executable, "-c", watch], cwd=ROOT, check=True, capture_output=True, text=True)
    return float(told.stdout) / 1024


def test_a_day_of_the_documented_cluster_with_a_node_loss(benchmark: BenchmarkFixture) -> None:
    """17 million requests through the documented paths, in a fresh interpreter, peak memory beside its CPU time."""

    def run() -> None:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        benchmark.extra_info["peak_mib"] = round(peak_mib(DAY))
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        benchmark.extra_info["cpu_s"] = round(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 1)

    benchmark.pedantic(run, rounds=1)
    assert benchmark.extra_info["peak_mib"] < 1536


def test_memory_does_not_grow_with_requests(benchmark: BenchmarkFixture) -> None:
    imported = peak_mib("import numpy")
    few, many = (peak_mib(KERNEL.format(*sizes)) - imported for sizes in ((100, 1), (1000, 4)))
    benchmark.extra_info.update(few_mib=round(few), many_mib=round(many))
    benchmark.pedantic(lambda: None, rounds=1)
    assert many < 300
    assert many - few < 10
