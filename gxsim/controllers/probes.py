"""When probes notice: the first to run after an application answers, or the last of enough failures in a row.

From the kubelet's probe workers (``pkg/kubelet/prober/worker.go``). A worker ticks with its period and leaves ticks out
until the initial delay is over. That of a startup or liveness probe began with the pod, so where its ticks lie after
a start of the container is chance. Readiness is probed as soon as the kubelet sees that the container has started, and
with the period from then on.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gxsim.model.pod import Probe


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run of a container: its start, when the kubelet saw it, and from when on the application answers.

    *share* of a period passes between the start and the first tick of a worker that began with the pod.
    """

    started_s: float
    seen_s: float
    answers_s: float
    share: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """When a probe has failed often enough, and its own grace period; None: the pod's."""

    time_s: float = math.inf
    grace_s: float | None = None


def begun_s(startup: Sequence[Probe], run: Run) -> float:
    """When the startup probes have passed; the start of the container where there are none."""
    return max((_tick_s(probe, run, _base_s(probe, run), run.answers_s) for probe in startup), default=run.started_s)


def passing_s(readiness: Sequence[Probe], startup: Sequence[Probe], run: Run) -> float:
    """When a container is Ready by its probes; without any that is its start, whether it answers or not."""
    begun = begun_s(startup, run)
    first_s = begun if startup else run.seen_s
    return max((_passes_s(probe, run, first_s, begun) for probe in readiness), default=begun)


def starting(startup: Sequence[Probe], liveness: Sequence[Probe], run: Run) -> Failure:
    """The first failure of a container that takes longer to answer than its startup, or else liveness probes wait.

    A port that nobody listens on refuses at once, so a time-out adds nothing.
    """
    failures = []
    for probe in startup or liveness:
        failed_s = (
            _tick_s(probe, run, _base_s(probe, run), run.started_s) + (probe.failure_threshold - 1) * probe.period_s
        )
        if failed_s < run.answers_s:
            failures.append(Failure(time_s=failed_s, grace_s=probe.termination_grace_period_s))
    return _first(failures)


def hanging(liveness: Sequence[Probe], run: Run, silent_s: float) -> Failure:
    """The first failure of *liveness* probes of an application that is silent since *silent_s*."""
    return _first(
        Failure(time_s=_fails_s(probe, run, _base_s(probe, run), silent_s), grace_s=probe.termination_grace_period_s)
        for probe in liveness
    )


def unready_s(readiness: Sequence[Probe], startup: Sequence[Probe], run: Run, silent_s: float) -> float:
    """When *readiness* probes have failed for an application that is silent since *silent_s*; inf without any."""
    first_s = begun_s(startup, run) if startup else run.seen_s
    return min(
        (_fails_s(probe, run, _readiness_base_s(probe, run, first_s), silent_s) for probe in readiness),
        default=math.inf,
    )


def _first(failures: Iterable[Failure]) -> Failure:
    return min(failures, key=lambda failure: failure.time_s, default=Failure())


def _passes_s(probe: Probe, run: Run, first_s: float, begun: float) -> float:
    passes_s = _tick_s(probe, run, _readiness_base_s(probe, run, first_s), max(run.answers_s, begun))
    return passes_s + (probe.success_threshold - 1) * probe.period_s


def _fails_s(probe: Probe, run: Run, base_s: float, silent_s: float) -> float:
    first_s = _tick_s(probe, run, base_s, silent_s)
    return first_s + (probe.failure_threshold - 1) * probe.period_s + probe.timeout_s


def _base_s(probe: Probe, run: Run) -> float:
    """A tick of a worker that began with the pod."""
    return run.started_s + run.share * probe.period_s


def _readiness_base_s(probe: Probe, run: Run, first_s: float) -> float:
    """A tick of a readiness worker; nobody knows where those of containers lie that ran before the clock began."""
    return first_s if run.started_s >= 0 else _base_s(probe, run)


def _tick_s(probe: Probe, run: Run, base_s: float, time_s: float) -> float:
    """The first run of *probe* at or after *time_s*, its initial delay and *base_s*; inf where that is."""
    time_s = max(time_s, run.started_s + probe.initial_delay_s, base_s)
    if not math.isfinite(time_s):
        return time_s
    return base_s + math.ceil((time_s - base_s) / probe.period_s - 1e-9) * probe.period_s
