"""Recordings of waiting for a connection of a PostgreSQL pool, against a station with as many servers."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gxsim.kernels.queueing import IDLE, fifo_rows
from gxsim.kernels.service_times import service_times
from gxsim.rng import Streams
from gxsim.validate.record import Check, Family

COLUMNS = {"service", "pool", "offered_tps", "duration_s", "wait_mean_ms", "service_mean_ms", "n"}
SCV = {"exp20ms": 1.0, "fixed20ms": 0.0}  # tpcb waits for locks and the disk besides: no station describes it
LANES = 40
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
    return [_compared(row) for row in rows if row["service"] in SCV]


def _compared(row: Mapping[str, str]) -> Check:
    waits_ms = _mean_waits_ms(row)
    low, high = float(waits_ms.min()) / FACTOR - FLOOR_MS, float(waits_ms.max()) * FACTOR + FLOOR_MS
    recorded = float(row["wait_mean_ms"])
    agreed = low <= recorded <= high
    name = f"{row['service']} pool {row['pool']} at {row['offered_tps']}/s"
    return Check(name=name, agreed=agreed, detail="" if agreed else f"{recorded} ms is not in {low:.1f} to {high:.1f}")


def _mean_waits_ms(row: Mapping[str, str]) -> np.ndarray:
    """(lanes,) mean waits of independent runs of the recorded length."""
    pool, rate = int(row["pool"]), float(row["offered_tps"])
    rng = Streams(0).take(f"validate/pool/{row['service']}/{pool}/{rate}")
    steps = math.ceil(rate * float(row["duration_s"]))
    arrivals = np.cumsum(rng.standard_exponential((steps, LANES)) / rate, axis=0)
    mean_s = float(row["service_mean_ms"]) / 1000
    services = service_times(rng, steps * LANES, mean_s, scv=SCV[row["service"]]).reshape(steps, LANES)
    starts = fifo_rows(arrivals, services, np.full((pool, LANES), IDLE))
    return (starts - arrivals).mean(axis=0) * 1000


FAMILY = Family(name="pools", bound=0.85, recognises=_recognises, replay=replay)
