"""Faults that slow their targets down: what their parameters say, whom they hit, and their begin and end."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gxsim.engine.targets import nearest, nodes_of, pods_of, selects_pods
from gxsim.errors import ScenarioError
from gxsim.model.fault import Fault, FaultSelector
from gxsim.state.degradation import Degradation, Ends
from gxsim.units import cpu_milli, duration_s, whole

if TYPE_CHECKING:
    from gxsim.engine.simulation import Simulation

RATES = {"bit": 1 / 8, "bps": 1.0}  # tc's words: bps are bytes per second
PREFIXES = {"": 1.0, "k": 1e3, "m": 1e6, "g": 1e9, "t": 1e12}
_RATE = re.compile(r"(\d+\.?\d*|\.\d+)([kmgt]?)(bit|bps)", re.ASCII)


def degrade(sim: "Simulation", fault: Fault, rows: Sequence[int]) -> None:
    """Begin *fault* at *rows* together; one that lets nothing pass between nodes is a partition."""
    amount, spread = amounts(fault)
    near = _near(fault, rows)
    far = None if fault.target is None else _far(sim, fault.target, near)
    degradation = Degradation(
        fault=fault.name,
        action=fault.action,
        amount=amount,
        spread=spread,
        near=near,
        far=far,
        direction=fault.direction,
        begin_s=float(sim.env.now),
    )
    sim.state.degrade(degradation)
    if degradation.severs and near.nodes and (far is None or far.nodes):
        sim.components.cut(_cut(sim, degradation))


def recover(sim: "Simulation", fault: Fault, rows: Sequence[int]) -> None:
    """End *fault* at the *rows* at which it began."""
    over = sim.state.recover(fault.name, _near(fault, rows), float(sim.env.now))
    if over.severs and over.near.nodes and (over.far is None or over.far.nodes):
        sim.components.heal(_cut(sim, over))


def _near(fault: Fault, rows: Sequence[int]) -> Ends:
    return Ends(pods=tuple(rows)) if selects_pods(fault.selector) else Ends(nodes=tuple(rows))


def _far(sim: "Simulation", target: FaultSelector, near: Ends) -> Ends:
    if selects_pods(target):
        return Ends(pods=tuple(pod for pod in pods_of(sim.state, target) if pod not in near.pods))
    return Ends(nodes=tuple(node for node in nodes_of(sim.state, target) if node not in near.nodes))


def _cut(sim: "Simulation", severed: Degradation) -> tuple[frozenset[int], frozenset[int]]:
    near = frozenset(severed.near.nodes)
    far = range(len(sim.state.nodes)) if severed.far is None else severed.far.nodes
    return near, frozenset(far) - near


# ---- parameters -----------------------------------------------------------------------------------------------------


def _latency_s(written: object) -> float:
    seconds = duration_s(written)
    if seconds < 0:
        raise ValueError(f"expected a duration of at least 0, got {written!r}")
    return seconds


def _share(written: object) -> float:
    """``5`` and ``5%`` are 0.05."""
    try:
        share = float(str(written).removesuffix("%")) / 100
    except ValueError:
        share = math.nan
    if not 0 <= share <= 1:
        raise ValueError(f"expected a percentage from 0 to 100, such as 5 or 5%, got {written!r}")
    return share


def _bytes_per_s(written: object) -> float:
    """tc's ``10mbit`` and ``1mbps`` (bytes), or a quantity of bytes such as ``2Mi``."""
    match = _RATE.fullmatch(str(written))
    rate = float(match[1]) * PREFIXES[match[2]] * RATES[match[3]] if match else float(_whole_rate(written))
    if rate <= 0:
        raise ValueError(f"expected a rate above 0, got {written!r}")
    return rate


def _whole_rate(written: object) -> int:
    try:
        return whole(written)
    except ValueError:
        raise ValueError(f"expected a rate such as 10mbit, 1mbps (bytes) or 2Mi, got {written!r}") from None


def _workers(written: object) -> float:
    if not str(written).isdigit() or int(str(written)) < 1:
        raise ValueError(f"expected a whole number of workers, got {written!r}")
    return float(str(written))


READERS: dict[str, Callable[[Any], float]] = {
    "latency": _latency_s,
    "jitter": _latency_s,
    "correlation": _share,
    "loss": _share,
    "rate": _bytes_per_s,
    "limit": lambda written: float(whole(written)),
    "buffer": lambda written: float(whole(written)),
    "offset": duration_s,
    "cores": lambda written: cpu_milli(written) / 1000,
    "workers": _workers,
    "load": _share,
}
PARAMETERS: dict[str, tuple[str, ...]] = {  # of each action; the first is needed, but for those of cpu-stress
    "partition": (),
    "delay": ("latency", "jitter", "correlation"),
    "loss": ("loss", "correlation"),
    "bandwidth": ("rate", "limit", "buffer"),
    "disk-slow": ("latency",),
    "cpu-stress": ("cores", "workers", "load"),
    "clock-skew": ("offset",),
}


def amounts(fault: Fault) -> tuple[float, float]:
    """Amount and spread of a Degradation, as its action means them; *fault* has passed ``check_parameters``."""
    given = {name: READERS[name](value) for name, value in fault.parameters.items()}
    match fault.action:
        case "partition":
            return 0.0, 0.0
        case "delay":
            return given["latency"], given.get("jitter", 0.0)
        case "cpu-stress":
            workers = given.get("workers", 1.0)
            cores = given.get("cores", workers * given.get("load", 1.0))
            return cores, max(workers, math.ceil(cores))
    return given[PARAMETERS[fault.action][0]], 0.0


def check_parameters(fault: Fault, path: str) -> None:
    """Raise ScenarioError for a parameter that is unknown, missing or not understood."""
    if fault.action not in PARAMETERS:
        return
    known = PARAMETERS[fault.action]
    for name, value in fault.parameters.items():
        if name not in known:
            raise ScenarioError(f"{path}.parameters.{name}", f"{fault.action} has none; {nearest(name, known)}")
        try:
            READERS[name](value)
        except ValueError as error:
            raise ScenarioError(f"{path}.parameters.{name}", str(error)) from None
    _check_needed(fault.action, fault.parameters, path)


def _check_needed(action: str, given: Mapping[str, object], path: str) -> None:
    if action == "cpu-stress":
        if "cores" in given and len(given) > 1:
            raise ScenarioError(f"{path}.parameters", "cores, or workers and their load, not both")
        if not given:
            raise ScenarioError(f"{path}.parameters", "is empty; write cores, or workers and their load")
    elif PARAMETERS[action] and PARAMETERS[action][0] not in given:
        raise ScenarioError(f"{path}.parameters.{PARAMETERS[action][0]}", f"is missing: {NEEDED[action]}")


NEEDED = {
    "delay": "how long packets are held back, such as 80ms",
    "loss": "the share of packets that are lost, such as 5%",
    "bandwidth": "the rate that is left, such as 10mbit",
    "disk-slow": "how much longer each write takes, such as 50ms",
    "clock-skew": "how far the clock is ahead, such as 5m or -5m",
}
