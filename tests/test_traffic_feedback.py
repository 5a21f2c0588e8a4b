"""What feeds back: users who send again, threads and connections held until answers; against processes of SimPy."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gxsim.kernels.histogram import BINS, bins_of
from gxsim.kernels.keyed import exponentials, salt_of, uniforms
from gxsim.rng import Streams
from gxsim.study.simulate import simulate
from gxsim.traffic.arrivals import Source
from gxsim.traffic.feedback import Feedback
from gxsim.traffic.flow import Flow
from gxsim.traffic.routes import plan_traffic
from gxsim.traffic.tally import CAUSES
from tests.reference import users
from tests.small_world import path, small_world

SERVICE_S, UNTIL_S = 0.01, 30.0


def world_of(folder: Path, rate: float, **given: Any) -> tuple[Any, Any]:
    """The case and the same for SimPy; *given* are what is asked about: holds, pool, places, patience, attempts."""
    holds, pool, places = given.get("holds", False), given.get("pool", 0), given.get("places")
    patience_s, attempts = given.get("patience"), given.get("attempts", 0)
    retries = {"attempts": attempts, "backoff": "200ms", "factor": 2, "jitter": 0.5, "source": "chosen"}
    source = {"name": "all", "latitude": 0, "longitude": 0, "edge": "one", "rate": rate, "source": "chosen"}
    source["bursts"] = [{"at": "10s", "duration": "5s", "factor": given.get("burst", 1.0)}]
    if attempts:
        source["retries"] = retries
    asked = {"patience": f"{patience_s * 1000:g}ms"} if patience_s else {}
    bounded = {"places": places} if places else {}
    case = small_world(
        folder,
        paths=[path("page", ["default/front", "default/back"], **asked)],
        populations=[source],
        stations=[
            {"step": "default/front", "serviceTime": "10ms", "servers": 2, "holds": holds, "source": "chosen"},
            {"step": "default/back", "serviceTime": "10ms", "servers": 2, "pool": pool, **bounded, "source": "chosen"},
        ],
    )
    streams = Streams(1)
    salts = {
        name: salt_of(streams.take(f"traffic/{name}"))
        for name in ("service/default/front", "service/default/back", "picks/default/front", "retries")
    }

    def one(ident: int) -> np.ndarray:
        return np.array([ident])

    twin = users.World(
        front_servers=2,
        back_servers=2,
        holds=holds,
        pool=pool,
        places=places,
        patience_s=patience_s,
        attempts=attempts,
        pause_s=lambda i: 0.2 * 2.0 ** (i % 16) * (1 - 0.5 * float(uniforms(salts["retries"], one(i))[0])),
        pod=lambda i: int(uniforms(salts["picks/default/front"], one(i))[0] * 2),
        front_s=lambda i: SERVICE_S * float(exponentials(salts["service/default/front"], one(i))[0]),
        back_s=lambda i: SERVICE_S * float(exponentials(salts["service/default/back"], one(i))[0]),
    )
    return case, twin


CASES = {
    "threads held": (110.0, {"holds": True}),
    "all threads held for a while": (90.0, {"holds": True, "burst": 2.0}),
    "connections held": (130.0, {"pool": 1}),
    "threads and connections": (90.0, {"holds": True, "pool": 1}),
    "retries of the refused": (150.0, {"places": 4, "attempts": 2}),
    "impatient users": (150.0, {"patience": 0.1, "attempts": 3}),
    "a storm": (140.0, {"patience": 0.2, "attempts": 3, "burst": 1.6}),
    "impatient users of held threads": (80.0, {"patience": 0.2, "attempts": 2, "burst": 2.0, "holds": True}),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("cuts_s", [(), (0.5, 7.0, 7.001, 21.0)])
def test_feedback_settles_at_what_processes_do(tmp_path: Path, name: str, cuts_s: tuple[float, ...]) -> None:
    rate, given = CASES[name]
    case, twin = world_of(tmp_path, rate, **given)
    result = simulate(case)
    plan = plan_traffic(case.model, result.state, result.timeline)
    streams = Streams(1)
    source = Source(plan, result.timeline, 0, 0.0, streams)
    flow = Flow(plan, [source], streams, np.array([0.0, UNTIL_S]))
    feedback = Feedback(flow, UNTIL_S, tolerance=0.0)
    for end_s in (*cuts_s, UNTIL_S):
        feedback.advance(end_s)
    tally = feedback.finish()

    sent = Source(plan, result.timeline, 0, 0.0, Streams(1)).send(UNTIL_S)
    outcomes, latencies, attempts = users.run(twin, sent.times_s.tolist(), sent.ident.tolist())
    assert dict(zip(CAUSES, tally.outcomes[0, :, 0].tolist(), strict=True)) == {
        cause: outcomes[cause] for cause in CAUSES
    }
    assert tally.attempts.sum() == attempts
    assert tally.latency_s.sum() == pytest.approx(sum(latencies), rel=1e-9)
    told = np.bincount(bins_of(np.array(latencies)), minlength=BINS)
    assert np.abs(tally.histograms.sum(axis=(0, 1)) - told).sum() <= 2  # a latency on the edge of a bin may round over
    assert feedback.settled.unsettled == 0
    assert sum(outcomes.values()) > 1_000
    assert not given.get("attempts") or attempts > len(sent.times_s)
