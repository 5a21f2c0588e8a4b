"""Same seed, same bytes: a run can always be produced again, and another seed is another run."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gxsim.engine.simulation import Simulation
from gxsim.load.scenario import load
from gxsim.model.fault import Fault, FaultSelector
from gxsim.rng import Streams
from gxsim.study.start import started
from gxsim.timeline import QUANTITIES

ROOT = Path(__file__).parent.parent
DAY_S = 86_400.0


def digest(seed: int) -> str:
    """Everything a month of random failures of the documented cluster leaves behind."""
    case, streams = load(ROOT / "scenarios" / "node-loss.yaml"), Streams(seed)
    state, framework = started(case, case.placement, streams.take("scheduler/ties"))
    nodes = FaultSelector(nodes=tuple(node.name for node in state.nodes))
    api = {"component": "kube-apiserver"}
    faults = [
        Fault(name="node", kind="NodeChaos", action="node-stop", selector=nodes, mtbf_s=10 * DAY_S, mttr_s=3600.0),
        Fault(name="cut", kind="NetworkChaos", action="partition", selector=nodes, mtbf_s=10 * DAY_S, mttr_s=900.0),
        Fault(name="pod", kind="PodChaos", action="pod-kill", mode="one", mtbf_s=DAY_S),
        Fault(
            name="api", kind="ComponentChaos", action="component-stop", parameters=api, mtbf_s=5 * DAY_S, mttr_s=120.0
        ),
    ]
    sim = Simulation(state, framework=framework, streams=streams, faults=faults, etcd_members=nodes.nodes[:3])
    timeline = sim.run(30 * DAY_S)
    found = hashlib.sha256(repr((state.events, state.pod_names, timeline.degradations)).encode())
    for quantity in QUANTITIES:
        changes = timeline.changes(quantity)
        found.update(changes.times_s.tobytes() + changes.rows.tobytes() + changes.values.tobytes())
    for name in timeline.level_names:
        found.update(name.encode() + b"".join(part.tobytes() for part in timeline.levels(name)))
    return found.hexdigest()


def test_the_same_seed_gives_the_same_bytes_in_one_process() -> None:
    assert digest(1) == digest(1)


@pytest.mark.parametrize("hash_seed", ["1", "2"])
def test_the_same_seed_gives_the_same_bytes_in_another_process(hash_seed: str) -> None:
    # The order of sets of strings differs from one hash seed to the next: nothing may depend on it.
    command = [sys.executable, "-c", "from tests.test_replay import digest; print(digest(1))"]
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    told = subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True, text=True)
    assert told.stdout.strip() == digest(1)


def test_another_seed_gives_another_run() -> None:
    assert digest(1) != digest(2)
