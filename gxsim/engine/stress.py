"""Memory stress: what its parameters say, and its begin and end in a pod or on a node."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from gxsim.controllers.node_memory import Stress
from gxsim.engine.targets import nearest, selects_pods
from gxsim.errors import ScenarioError
from gxsim.model.fault import Fault
from gxsim.units import duration_s, whole

if TYPE_CHECKING:
    from gxsim.engine.simulation import Simulation


def stress_memory(sim: "Simulation", fault: Fault, row: int) -> None:
    """A pod takes more memory, again after each start of its containers; or a process of the node's host does."""
    stress = stress_of(fault, float(sim.env.now))
    if selects_pods(fault.selector):
        sim.components.memory.stress(sim.state, row, fault.name, stress)
    else:
        sim.components.memory.hog(row, fault.name, stress)
    sim.components.raised[_level(fault)] = stress.size_bytes


def relieve_memory(sim: "Simulation", fault: Fault, row: int) -> None:
    if selects_pods(fault.selector):
        sim.components.memory.relieve(sim.state, row, fault.name)
    else:
        sim.components.memory.release(row, fault.name)
    sim.components.raised[_level(fault)] = 0.0


def stress_of(fault: Fault, now: float) -> Stress:
    """What *fault* takes from *now* on; its parameters have been checked."""
    given = {name: READERS[name](value) for name, value in fault.parameters.items()}
    return Stress(
        begins_s=now,
        size_bytes=given["size"],
        over_s=given.get("time", 0.0),
        oom_score_adj=given.get("oomScoreAdj", 0),
    )


def check_stress(fault: Fault, path: str) -> None:
    """Raise ScenarioError for a parameter that is unknown, missing or not understood."""
    here = f"{path}.parameters"
    for name, value in fault.parameters.items():
        if name not in READERS:
            raise ScenarioError(f"{here}.{name}", f"{fault.action} has none; {nearest(name, list(READERS))}")
        try:
            READERS[name](value)
        except ValueError as error:
            raise ScenarioError(f"{here}.{name}", str(error)) from None
    if "size" not in fault.parameters:
        raise ScenarioError(f"{here}.size", "is missing: how much memory is taken, such as 512Mi")
    if "oomScoreAdj" in fault.parameters and selects_pods(fault.selector):
        raise ScenarioError(f"{here}.oomScoreAdj", "is of a process on a node; the kubelet sets that of a pod")


def _level(fault: Fault) -> str:
    """``memory-stress/leak``: a level of the Timeline, in bytes."""
    return f"{fault.action}/{fault.name}"


def _oom_score_adj(written: object) -> int:
    text = str(written)
    if not text.removeprefix("-").isdigit() or not -1000 <= int(text) <= 1000:
        raise ValueError(f"expected a whole number from -1000 to 1000, got {written!r}")
    return int(text)


def _time_s(written: object) -> float:
    seconds = duration_s(written)
    if seconds < 0:
        raise ValueError(f"expected a duration of at least 0, got {written!r}")
    return seconds


READERS: dict[str, Callable[[Any], Any]] = {  # Chaos Mesh's names
    "size": lambda written: float(whole(written)),
    "time": _time_s,  # it takes to fill
    "oomScoreAdj": _oom_score_adj,
}
