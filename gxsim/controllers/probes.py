"""When probes notice: the first to run after an application answers, or the last of enough failures in a row."""

import math
from collections.abc import Sequence

from gxsim.model.pod import Probe


def passing_s(readiness: Sequence[Probe], startup: Sequence[Probe], started_s: float, answers_s: float) -> float:
    """When a pod whose containers started at *started_s* and answer from *answers_s* on is Ready.

    Without probes that is when it runs, whether it answers or not: then *answers_s* counts as known to the kubelet.
    """
    begun_s = max((_passes_s(probe, started_s, answers_s) for probe in startup), default=started_s)
    return max(
        (_passes_s(probe, started_s, max(answers_s, begun_s)) for probe in readiness), default=max(answers_s, begun_s)
    )


def failing_s(probes: Sequence[Probe], started_s: float, stalled_s: float) -> float:
    """When the first of *probes* has failed often enough, the application being silent since *stalled_s*."""
    return min((_fails_s(probe, started_s, stalled_s) for probe in probes), default=math.inf)


def _passes_s(probe: Probe, started_s: float, answers_s: float) -> float:
    return _next_s(probe, started_s, answers_s) + (probe.success_threshold - 1) * probe.period_s


def _fails_s(probe: Probe, started_s: float, stalled_s: float) -> float:
    first_s = _next_s(probe, started_s, stalled_s)
    return first_s + (probe.failure_threshold - 1) * probe.period_s + probe.timeout_s


def _next_s(probe: Probe, started_s: float, time_s: float) -> float:
    """The first run of *probe* at or after *time_s*."""
    first_s = started_s + probe.initial_delay_s
    if math.isinf(time_s) or time_s <= first_s:
        return max(first_s, time_s) if math.isinf(time_s) else first_s
    return first_s + math.ceil((time_s - first_s) / probe.period_s - 1e-9) * probe.period_s
