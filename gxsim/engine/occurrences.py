"""When a fault happens: pairs of pause and duration, whatever the fault is."""

import math
from collections.abc import Iterator

import numpy as np

from gxsim.errors import ScenarioError
from gxsim.model.fault import Fault

Occurrence = tuple[float, float | None]  # pause since the last end in seconds, duration (None: for ever)


def check_times(fault: Fault, path: str) -> None:
    """Raise ScenarioError where *fault* says twice when it happens, or says what nothing would read."""
    ways = {"trace": bool(fault.trace or fault.trace_file), "mtbf": fault.mtbf_s, "schedule": fault.schedule_s}
    given = [name for name, value in ways.items() if value]
    if len(given) > 1:
        raise ScenarioError(f"{path}.{given[1]}", f"{given[0]} says already when it happens; keep one of the two")
    if fault.mttr_s is not None and fault.mtbf_s is None:
        raise ScenarioError(f"{path}.mttr", "only a fault with an mtbf has one; write a duration, or add the mtbf")
    for i, moment in enumerate(fault.trace):
        if not all(0 <= value < math.inf for value in moment):
            problem = f"expected a begin and a duration of at least 0 s, got {', '.join(f'{v:g}' for v in moment)}"
            raise ScenarioError(f"{path}.trace[{i}]", problem)


def occurrences(fault: Fault, rng: np.random.Generator) -> Iterator[Occurrence]:
    """Each occurrence of *fault*, measured from the end of the one before it; endless for random and repeated ones."""
    if fault.trace:
        yield from _from_trace(fault)
    elif fault.mtbf_s is not None:
        yield from _random(fault, rng)
    elif fault.schedule_s is not None:
        yield from _repeated(fault)
    else:
        yield fault.at_s, fault.duration_s


def _from_trace(fault: Fault) -> Iterator[Occurrence]:
    end_s = 0.0
    for begin_s, duration_s in sorted(fault.trace):
        yield max(0.0, begin_s - end_s), duration_s
        end_s = max(end_s, begin_s) + duration_s


def _random(fault: Fault, rng: np.random.Generator) -> Iterator[Occurrence]:
    """Exponential times to failure and to repair; a fixed ``duration`` stands for a missing ``mttr``."""
    assert fault.mtbf_s is not None
    start_s = fault.at_s
    while True:
        gap_s = start_s + float(rng.exponential(fault.mtbf_s))
        # drawn always, so that two variants that differ in the repair only meet the same failures
        repair_s = float(rng.exponential(fault.mttr_s or 1.0))
        yield gap_s, repair_s if fault.mttr_s is not None else fault.duration_s
        start_s = 0.0


def _repeated(fault: Fault) -> Iterator[Occurrence]:
    assert fault.schedule_s is not None
    duration_s = min(fault.duration_s or 0.0, fault.schedule_s)
    yield fault.at_s, duration_s
    while True:
        yield fault.schedule_s - duration_s, duration_s
