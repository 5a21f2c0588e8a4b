"""Ten thousand growth paths over three years: the issue's bound is 2 s for 60 volumes at daily resolution."""

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from gxsim.load.scenario import load
from gxsim.rng import Streams
from gxsim.storage.drivers import Source
from gxsim.storage.forecast import forecast, walk
from gxsim.storage.plan import Plan, Row
from gxsim.study.start import started

DAYS, PATHS, DRIVERS, SHOWN = 1096, 10_000, 12, np.arange(0, 1097, 30)


def plan_of(volumes: int) -> Plan:
    """Volumes of two drivers each; every fourth driver has a trend, every second a retention."""
    rng = np.random.default_rng(1)
    sources = tuple(
        Source(
            name=f"driver {i}",
            per_day=rng.uniform(1e8, 2e8, PATHS),
            trend=rng.uniform(0, 1e-3, PATHS) if i % 4 == 0 else np.zeros(PATHS),
            level=np.zeros(PATHS),
            retention_days=90.0 if i % 2 else None,
        )
        for i in range(DRIVERS)
    )
    weights = np.zeros((volumes, DRIVERS))
    for row in weights:
        row[rng.choice(DRIVERS, 2, replace=False)] = 1.0
    rows = tuple(Row(name=f"volume {i}", kind="volume", node="", workload="", size_bytes=3e11) for i in range(volumes))
    return Plan(rows=rows, drivers=sources, weights=weights)


@pytest.mark.parametrize("volumes", [6, 60, 600])
def test_ten_thousand_paths_over_three_years(benchmark: BenchmarkFixture, volumes: int) -> None:
    planned = plan_of(volumes)
    found = benchmark.pedantic(walk, (planned, DAYS, PATHS, SHOWN), rounds=2 if volumes > 60 else 4, warmup_rounds=1)
    assert found.first.shape == (2, volumes, PATHS)


def test_the_documented_cluster(benchmark: BenchmarkFixture) -> None:
    case = load("gx/node-loss")
    state, _ = started(case, case.placement)
    made = benchmark.pedantic(lambda: forecast(state, case.model, Streams(1)), rounds=3, warmup_rounds=1)
    assert np.isfinite(made.dates).any()
