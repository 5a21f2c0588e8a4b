"""What the state is made of: codes, the declared pod columns, and the small records beside them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gxsim.model.cluster import Workload
from gxsim.model.pod import PodTemplate

PENDING = -1  # pod_node of a pod that is bound nowhere
NO_OWNER = -1

PHASES = ("Pending", "Running", "Succeeded", "Failed")
PHASE_PENDING, PHASE_RUNNING, PHASE_SUCCEEDED, PHASE_FAILED = range(4)

CONDITIONS = ("Unknown", "False", "True")  # of a node's Ready condition
UNKNOWN, NOT_READY, READY = range(3)

CPU, MEMORY, STORAGE, PODS = range(4)  # the first resources; extended ones follow in name order
RESOURCES = ("cpu", "memory", "ephemeral-storage", "pods")

# What the EndpointSlices say of a pod: the pair ready/serving, and whether it is terminating.
ENDPOINTS = ("absent", "notReady", "ready", "notReady terminating", "notReady serving terminating")
NO_ENDPOINT, ENDPOINT_NOT_READY, ENDPOINT_READY, ENDPOINT_TERMINATING, ENDPOINT_SERVING = range(5)

POD_COLUMNS: dict[str, tuple[type, object]] = {
    "pod_template": (np.int32, 0),
    "pod_owner": (np.int32, NO_OWNER),
    "pod_ordinal": (np.int32, -1),
    "pod_node": (np.int32, PENDING),
    "pod_phase": (np.int8, PHASE_PENDING),
    "pod_exists": (np.bool_, False),
    "pod_ready": (np.bool_, False),
    "pod_terminating": (np.bool_, False),
    "pod_running": (np.bool_, False),
    "pod_answering": (np.bool_, False),
    "pod_stalled": (np.int16, 0),
    "pod_restarts": (np.int32, 0),
    "pod_created_s": (np.float64, np.nan),
    "pod_started_s": (np.float64, np.nan),
    "pod_ready_since_s": (np.float64, np.nan),
    "pod_deleted_s": (np.float64, np.nan),
    "pod_grace_s": (np.float64, np.nan),
    "pod_endpoint": (np.int8, NO_ENDPOINT),
}


class PodColumns:
    """What ``POD_COLUMNS`` declares, as attributes (pods,) for whoever reads the code; it holds nothing."""

    pod_template: NDArray[np.int32]
    pod_owner: NDArray[np.int32]
    pod_ordinal: NDArray[np.int32]
    pod_node: NDArray[np.int32]
    pod_phase: NDArray[np.int8]
    pod_exists: NDArray[np.bool_]
    pod_ready: NDArray[np.bool_]
    pod_terminating: NDArray[np.bool_]
    pod_running: NDArray[np.bool_]
    pod_answering: NDArray[np.bool_]
    pod_stalled: NDArray[np.int16]
    pod_restarts: NDArray[np.int32]
    pod_created_s: NDArray[np.float64]
    pod_started_s: NDArray[np.float64]
    pod_ready_since_s: NDArray[np.float64]
    pod_deleted_s: NDArray[np.float64]
    pod_grace_s: NDArray[np.float64]
    pod_endpoint: NDArray[np.int8]


def with_room(columns: Mapping[str, NDArray], rows: int, capacity: int) -> dict[str, NDArray]:
    """Every column with room for *capacity* pods; the first *rows* are those of *columns*."""
    result: dict[str, NDArray] = {name: np.full(capacity, blank, dtype) for name, (dtype, blank) in POD_COLUMNS.items()}
    for name, column in columns.items():
        result[name][:rows] = column[:rows]
    return result


class Binding(NamedTuple):
    """One line of the journal: *pod* was bound to *node* (+1), left it (-1), or began to terminate there (0)."""

    pod: int
    node: int
    sign: int


class Event(NamedTuple):
    """What an operator would see in ``kubectl get events``; *kind* and *name* are the object's.

    One that came again and again is one Event with its *count*, from *time_s* to *last_s* (None: it came once).
    """

    time_s: float
    kind: str
    name: str
    reason: str
    message: str
    count: int = 1  # type: ignore[assignment]  # the API's word; tuple.count is not missed
    last_s: float | None = None

    @property
    def repeats(self) -> bool:
        """Whether it is of a sort that comes with every try."""
        return self.reason in TRIED


def record(events: list[Event], tries: dict[tuple, int], event: Event) -> None:
    """Append *event*, or count it where a failed try said the same before; *tries* holds the rows of those."""
    said = event[1:5]
    if event.repeats and said in tries:
        before = events[tries[said]]
        events[tries[said]] = before._replace(count=before.count + 1, last_s=event.time_s)
        return
    if event.repeats:
        tries[said] = len(events)
    events.append(event)


TRIED = frozenset({"FailedCreate", "FailedScheduling", "EvictionRefused", "FailedAttachVolume", "Unhealthy"})


@dataclass(slots=True, kw_only=True)
class Owner:
    """A live controller object. A Deployment's ReplicaSets are owners of their own whose *parent* is its index."""

    kind: str
    namespace: str
    name: str
    workload: Workload
    template: PodTemplate
    replicas: int
    parent: int = NO_OWNER
    revision: int = 1
    created_s: float = 0.0
    deleted: bool = False
