"""A loop of fixed work: speed is told as a ratio to it, so that machines and their moods drop out."""

import time
from collections.abc import Callable

import numpy as np

ROUNDS = 300
NODES = 1500


def calibration_s() -> float:
    """Seconds that the fixed work takes here and now: small numpy calls and dict lookups, as placing pods is."""
    started_s = time.perf_counter()
    taken = np.zeros((NODES, 4), np.int64, order="F")
    wanted = np.array([100, 200, 0, 1], np.int64)
    offered = np.full((NODES, 4), 100_000, np.int64)
    counts: dict[int, int] = {}
    for _ in range(ROUNDS):
        fits = (offered - taken >= wanted).all(axis=1)
        ranked = np.where(fits, -taken[:, 0], np.iinfo(np.int64).min)
        node = int(ranked.argmax())
        taken[node] += wanted
        counts[node] = counts.get(node, 0) + 1
    return time.perf_counter() - started_s


def ratio(work: Callable[[], object], repeats: int) -> float:
    """The fastest of *repeats* runs of *work* over the fastest calibration beside them."""
    fastest_s, loop_s = float("inf"), calibration_s()
    for _ in range(repeats):
        started_s = time.perf_counter()
        work()
        fastest_s = min(fastest_s, time.perf_counter() - started_s)
        loop_s = min(loop_s, calibration_s())
    return fastest_s / loop_s
