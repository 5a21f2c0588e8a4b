"""Recordings of waiting for a connection of a PostgreSQL pool, against a station with as many servers.

A stall of the host stops every connection at once, and the queue that builds up meanwhile waits for all of it. How
often and how long the host stalled is in the recorded service times: what they exceed the statement's own sleep by.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gxsim.kernels.disruption import RESUMED, Disruption, fifo_disrupted
from gxsim.kernels.service_times import service_times
from gxsim.rng import Streams
from gxsim.validate.record import Check, Family

COLUMNS = {"service", "pool", "offered_tps", "duration_s", "wait_mean_ms", "service_mean_ms", "n"}
SLEEP_MS = 20.0
# The sleep of each service: its squared coefficient of variation, and its quantile. tpcb waits for locks and the disk
# besides: no station describes it.
SLEEPS: dict[str, tuple[float, Callable[[float], float]]] = {
    "exp20ms": (1.0, lambda share: -SLEEP_MS * math.log1p(-share)),
    "fixed20ms": (0.0, lambda share: SLEEP_MS),
}
RECORDED = {"p90": 0.90, "p95": 0.95, "p99": 0.99}
LANES = 10
FACTOR = 2.5  # recorded on a crowded host: shapes, not speeds
FLOOR_MS = 3.0  # what the host's scheduler adds to a wait of nearly nothing


def _recognises(document: Any) -> bool:
    return (
        isinstance(document, list)
        and bool(document)
        and isinstance(document[0], dict)
        and document[0].keys() >= COLUMNS
    )


def replay(rows: Sequence[Mapping[str, str]]) -> list[Check]:
    """Per cell with a known service: the mean wait over as long a run, from an empty pool."""
    return [_compared(row) for row in rows if row["service"] in SLEEPS]


def _compared(row: Mapping[str, str]) -> Check:
    waits_ms = _mean_waits_ms(row)
    low, high = float(waits_ms.min()) / FACTOR - FLOOR_MS, float(waits_ms.max()) * FACTOR + FLOOR_MS
    recorded = float(row["wait_mean_ms"])
    agreed = low <= recorded <= high
    name = f"{row['service']} pool {row['pool']} at {row['offered_tps']}/s"
    return Check(name=name, agreed=agreed, detail="" if agreed else f"{recorded} ms is not in {low:.1f} to {high:.1f}")


def _mean_waits_ms(row: Mapping[str, str]) -> NDArray:
    """(lanes,) mean waits of independent runs of the recorded length."""
    pool, rate, lasts_s = int(row["pool"]), float(row["offered_tps"]), float(row["duration_s"])
    rng = Streams(0).take(f"validate/pool/{row['service']}/{pool}/{rate}")
    means = []
    for _ in range(LANES):
        arrivals = np.cumsum(rng.standard_exponential(math.ceil(rate * lasts_s)) / rate)
        begins_s, lengths_s = stalls(rng, row)
        stalled_s = lengths_s.sum() * _served(row) / (rate * lasts_s)  # of a mean visit
        mean_s = float(row["service_mean_ms"]) / 1000 - stalled_s
        services = service_times(rng, len(arrivals), mean_s, scv=SLEEPS[row["service"]][0])
        pauses = [
            Disruption(time_s=begin_s, until_s=begin_s + length_s, servers=pool, work=RESUMED)
            for begin_s, length_s in zip(begins_s.tolist(), lengths_s.tolist(), strict=True)
        ]
        means.append(1000 * float((fifo_disrupted(arrivals, services, pool, pauses).begun - arrivals).mean()))
    return np.array(means)


def stalls(rng: np.random.Generator, row: Mapping[str, str]) -> tuple[NDArray, NDArray]:
    """Begins and lengths, in seconds, of stalls such as a cell's service times tell of; less than a floor is none.

    A stall extends every visit in service by its length, so that the share of visits that exceed their sleep by more
    than a length, times the rate of visits over those in service, is the rate of longer stalls. The logarithm of that
    share is taken to be linear between the recorded quantiles, and on beyond the last.
    """
    sleep = SLEEPS[row["service"]][1]
    usual_ms = float(row["service_p50_ms"]) - sleep(0.5)
    excess_ms = [float(row[f"service_{name}_ms"]) - sleep(share) - usual_ms for name, share in RECORDED.items()]
    depth = -np.log1p(-np.array(list(RECORDED.values())))
    first, last_s = 1 - min(RECORDED.values()), float(row["duration_s"])
    count = int(rng.poisson(first * float(row["offered_tps"]) / _served(row) * last_s))
    drawn = depth[0] + rng.standard_exponential(count)
    slope = max(0.0, (excess_ms[-1] - excess_ms[-2]) / (depth[-1] - depth[-2]))
    lengths_ms = np.interp(drawn, depth, excess_ms) + slope * (drawn - depth[-1]).clip(min=0.0)
    lengths_ms = lengths_ms[lengths_ms > FLOOR_MS]
    return np.sort(rng.random(len(lengths_ms))) * last_s, lengths_ms / 1000


def _served(row: Mapping[str, str]) -> float:
    """Visits in service at a time, on average."""
    return min(float(row["offered_tps"]) * float(row["service_mean_ms"]) / 1000, int(row["pool"]))


FAMILY = Family(name="pools", bound=0.9, recognises=_recognises, replay=replay)
