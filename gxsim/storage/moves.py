"""What it costs to give a volume more room where it cannot be expanded: a copy to a new one while its pod is away."""

from dataclasses import dataclass

import numpy as np

from gxsim.model.control_plane import PodTiming
from gxsim.model.model import Model
from gxsim.state import ClusterState

COPY_RATE_BYTES = (100e6, 500e6)  # per second, from one place of an SSD to another or over a 1-10 Gbit/s network


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """The pod stops, *level_bytes* are copied in *copy_s* (shortest, longest), and it starts: *restart_s* for both."""

    claim: str
    level_bytes: float
    copy_s: tuple[float, float]
    restart_s: float

    @property
    def away_s(self) -> tuple[float, float]:
        """How long the pod is away, at least and at most."""
        return self.copy_s[0] + self.restart_s, self.copy_s[1] + self.restart_s


def move(claim: str, level_bytes: float, restart_s: float) -> Move:
    """A move of one volume that holds so much."""
    slow, fast = COPY_RATE_BYTES
    return Move(
        claim=claim, level_bytes=level_bytes, copy_s=(level_bytes / fast, level_bytes / slow), restart_s=restart_s
    )


def restarts_s(state: ClusterState, model: Model) -> dict[str, float]:
    """From the deletion of a claim's pod until a new one answers, by claim; without the copy in between."""
    found = {}
    for pod in np.flatnonzero(state.pod_exists).tolist():
        template = state.templates[state.pod_template[pod]]
        chosen = (t for t in model.pod_timings if t.selects(template.namespace, template.labels, template.annotations))
        given, kubelet = next(chosen, PodTiming()), model.kubelet
        stop_s = kubelet.stop_s if given.stop_s is None else given.stop_s
        start_s = kubelet.start_s if given.start_s is None else given.start_s
        ready_s = kubelet.ready_s if given.ready_s is None else given.ready_s
        for name in template.claims:
            found[f"{template.namespace}/{name}"] = stop_s + start_s + ready_s
    return found
