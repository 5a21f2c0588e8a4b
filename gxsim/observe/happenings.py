"""What happens to pods, read from their columns: deaths, withdrawn endpoints, deletions, bindings and so on."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gxsim.kernels.intervals import combine
from gxsim.state import ENDPOINT_READY, PENDING, PHASE_RUNNING
from gxsim.timeline import BLANKS, Timeline

QUANTITIES = (
    "pod_exists",
    "pod_node",
    "pod_phase",
    "pod_ready",
    "pod_serving",
    "pod_terminating",
    "pod_restarts",
    "pod_endpoint",
)


@dataclass(frozen=True, slots=True)
class Happening:
    """The same thing at several pods; arrays are (times,), sorted by time.

    ``since_s`` is when each pod died, NaN while it answers.
    """

    times_s: NDArray
    pods: NDArray
    nodes: NDArray
    since_s: NDArray

    def __getitem__(self, chosen: slice | NDArray) -> "Happening":
        return Happening(self.times_s[chosen], self.pods[chosen], self.nodes[chosen], self.since_s[chosen])

    def __len__(self) -> int:
        return len(self.times_s)


def happenings(timeline: Timeline) -> dict[str, Happening]:
    """Everything that happened to pods after the start, by what it was; what is a deletion's doing is the deletion."""
    found = [timeline.changes(quantity) for quantity in QUANTITIES]
    blanks: list[float] = [BLANKS.get(quantity, 0) for quantity in QUANTITIES]
    times, rows, now = combine([(c.times_s, c.rows, c.values) for c in found], blanks)
    first = np.ones(len(rows), bool)
    first[1:] = rows[1:] != rows[:-1]
    before = np.where(first[:, None], blanks, np.roll(now, 1, axis=0)) if len(rows) else now
    exists, node, phase, ready, serving, ending, restarts, endpoint = (now[:, i] for i in range(len(QUANTITIES)))
    was = dict(zip(QUANTITIES, before.T, strict=True))
    lives = (exists > 0) & (ending == 0) & (phase <= PHASE_RUNNING)
    dies = lives & (was["pod_serving"] > 0) & (serving == 0)
    masks = {
        "dead": dies,
        "revived": lives & (was["pod_serving"] == 0) & (serving > 0) & (ready > 0) & (was["pod_ready"] > 0),
        "unready": lives & (was["pod_ready"] > 0) & (ready == 0),
        "withdrawn": lives & (was["pod_endpoint"] == ENDPOINT_READY) & (endpoint != ENDPOINT_READY),
        "restarted": lives & (restarts > was["pod_restarts"]),
        "deleted": (ending > 0) & (was["pod_terminating"] == 0),
        "created": (exists > 0) & (was["pod_exists"] == 0),
        "bound": (node != PENDING) & (was["pod_node"] == PENDING),
        "ready": lives & (ready > 0) & (was["pod_ready"] == 0),
    }
    died_s = np.where(serving > 0, np.nan, _latest(times, first, dies))
    return {what: _of(mask & (times > 0.0), times, rows, node.astype(np.int64), died_s) for what, mask in masks.items()}


def _latest(times: NDArray, first: NDArray[np.bool_], marked: NDArray[np.bool_]) -> NDArray:
    """(points,) the time of the latest marked point of the same row; NaN before any."""
    if not len(times):
        return times
    index = np.arange(len(times))
    start = np.maximum.accumulate(np.where(first, index, 0))
    latest = np.maximum.accumulate(np.where(marked, index, -1))
    return np.where(latest >= start, times[latest], np.nan)


def _of(mask: NDArray[np.bool_], times: NDArray, rows: NDArray, nodes: NDArray, died_s: NDArray) -> Happening:
    order = np.argsort(times[mask], kind="stable")
    return Happening(times[mask][order], rows[mask][order], nodes[mask][order], died_s[mask][order])
