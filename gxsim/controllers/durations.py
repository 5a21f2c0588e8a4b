"""How long the containers of a pod take to start, answer, get ready and end, and by which probes that is seen."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from gxsim.model.control_plane import Kubelet as Parameters
from gxsim.model.control_plane import PodTiming
from gxsim.model.pod import PodTemplate, Probe
from gxsim.state import ClusterState


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Durations of the pods of one template, and its probes."""

    start_s: float
    ready_s: float  # until the application answers
    unprobed_ready_s: float  # until Ready, without a readiness probe
    never_restarts: bool
    run_s: float  # inf for containers that are always restarted
    stop_s: float
    pre_stop_s: float
    minimum_grace_s: float
    startup: tuple[Probe, ...]
    readiness: tuple[Probe, ...]
    liveness: tuple[Probe, ...]

    def stops_after_s(self, grace_s: float) -> float:
        """From a deletion with *grace_s* to the end: preStop hooks, then the signal, then what is left of the grace."""
        left_s = max(grace_s - self.pre_stop_s, self.minimum_grace_s)
        return min(self.pre_stop_s, grace_s) + min(self.stop_s, left_s)

    def hangs_for_s(self, grace_s: float) -> float:
        """The same for an application that hangs: it heeds no signal and is killed when the grace is over."""
        return max(grace_s, self.minimum_grace_s)


class Timings:
    """The Timing of every pod."""

    def __init__(self, parameters: Parameters, pod_timings: Sequence[PodTiming]):
        self.parameters, self.pod_timings = parameters, tuple(pod_timings)
        self._known: dict[int, Timing] = {}

    def of(self, state: ClusterState, pod: int) -> Timing:
        index = int(state.pod_template[pod])
        if index not in self._known:
            self._known[index] = _timing(state.templates[index], self.parameters, self.pod_timings)
        return self._known[index]


def _timing(template: PodTemplate, parameters: Parameters, pod_timings: Sequence[PodTiming]) -> Timing:
    """What the first matching PodTiming says, and the kubelet's own durations where it is silent."""
    given = next(
        (t for t in pod_timings if t.selects(template.namespace, template.labels, template.annotations)), PodTiming()
    )

    def probes(name: str) -> tuple[Probe, ...]:
        return tuple(probe for c in template.containers if (probe := getattr(c, name)) is not None)

    run_s = parameters.run_s if given.run_s is None else given.run_s
    return Timing(
        start_s=parameters.start_s if given.start_s is None else given.start_s,
        ready_s=parameters.ready_s if given.ready_s is None else given.ready_s,
        unprobed_ready_s=given.unprobed_ready_s,
        never_restarts=template.restart_policy == "Never",
        run_s=math.inf if template.restart_policy == "Always" else run_s,
        stop_s=parameters.stop_s if given.stop_s is None else given.stop_s,
        pre_stop_s=max((container.pre_stop_s for container in template.containers), default=0.0),
        minimum_grace_s=parameters.minimum_grace_s,
        startup=probes("startup_probe"),
        readiness=probes("readiness_probe"),
        liveness=probes("liveness_probe"),
    )
