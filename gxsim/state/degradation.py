"""What faults take from links, disks, processors and clocks without stopping anything, and from whom."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gxsim.errors import InvariantError

PARTITION, DELAY, LOSS, BANDWIDTH = "partition", "delay", "loss", "bandwidth"
DISK_SLOW, CPU_STRESS, CLOCK_SKEW = "disk-slow", "cpu-stress", "clock-skew"
LINK_ACTIONS = (PARTITION, DELAY, LOSS, BANDWIDTH)
OUTSIDE = -1  # node of users and of whatever else is not in the cluster; pod of a process that is in none


@dataclass(frozen=True, slots=True, kw_only=True)
class Ends:
    """Rows of nodes and of pods; a node stands for itself and for every pod that runs on it."""

    nodes: tuple[int, ...] = ()
    pods: tuple[int, ...] = ()

    def has(self, node: NDArray, pod: NDArray) -> NDArray[np.bool_]:
        """Where the process in *pod* (``OUTSIDE``: in none) on *node* is one of these; arrays of one shape."""
        return np.isin(node, self.nodes) | np.isin(pod, self.pods)


@dataclass(frozen=True, slots=True, kw_only=True)
class Degradation:
    """One fault from ``begin_s`` to ``end_s`` at ``near``, or on the links between ``near`` and ``far``.

    ``far`` None: everything that is not near, users included. ``direction``: packets from near to far (``to``), the
    other ones (``from``), or ``both``. ``amount`` is in the unit of its action: seconds for delay (one way),
    disk-slow (per write) and clock-skew (ahead), a share of packets for loss, bytes per second for bandwidth, busy
    cores for cpu-stress; 0 for partition. ``spread`` is the jitter of a delay in seconds, or the number of threads of
    a stress.
    """

    fault: str
    action: str
    amount: float
    spread: float = 0.0
    near: Ends
    far: Ends | None = None
    direction: str = "both"
    begin_s: float
    end_s: float = np.inf

    @property
    def severs(self) -> bool:
        """Whether nothing passes while it lasts."""
        return self.action == PARTITION or (self.action == LOSS and self.amount >= 1)

    def lasts(self, at_s: NDArray) -> NDArray[np.bool_]:
        """Where it is open; its begin is part of it, its end is not."""
        return (self.begin_s <= at_s) & (at_s < self.end_s)

    def meets(self, node: NDArray, pod: NDArray, to_node: NDArray, to_pod: NDArray) -> NDArray[np.bool_]:
        """Where packets from (*node*, *pod*) to (*to_node*, *to_pod*) are among those it acts on; shapes broadcast.

        What stays within a node passes no network, unless the fault is in a pod's own network namespace.
        """
        out, back = (self._leads(*ends) for ends in ((node, pod, to_node, to_pod), (to_node, to_pod, node, pod)))
        met = {"to": out, "from": back, "both": out | back}[self.direction]
        in_pods = self.near.pods or (self.far is not None and self.far.pods)
        return met if in_pods else met & (node != to_node)

    def _leads(self, node: NDArray, pod: NDArray, to_node: NDArray, to_pod: NDArray) -> NDArray[np.bool_]:
        beyond = ~self.near.has(to_node, to_pod) if self.far is None else self.far.has(to_node, to_pod)
        return self.near.has(node, pod) & beyond


class Degradations:
    """All of a run, open and over. Faults of one target overlap freely and end by themselves.

    ``silent`` is (nodes,) True where heartbeats do not get through for now; ``revision`` counts begins and ends.
    """

    def __init__(self, nodes: int) -> None:
        self.open: list[Degradation] = []
        self.over: list[Degradation] = []
        self.silent = np.zeros(nodes, bool)
        self.revision = 0

    def begin(self, degradation: Degradation) -> None:
        self.open.append(degradation)
        self.revision += 1

    def hush(self, node: int) -> None:
        """The heartbeats of *node* do not get through from now on."""
        self.silent[node] = True

    def hear(self, node: int) -> None:
        """The heartbeats of *node* get through again."""
        self.silent[node] = False

    def end(self, fault: str, near: Ends, now: float) -> Degradation:
        """The oldest open degradation of *fault* at *near* is over; returns it."""
        found = next((one for one in self.open if (one.fault, one.near) == (fault, near)), None)
        if found is None:
            raise InvariantError(f"{fault} ends where it had not begun")
        self.open.remove(found)
        self.over.append(replace(found, end_s=now))
        self.revision += 1
        return self.over[-1]

    @property
    def severed(self) -> list[int]:
        """Rows of the pods that nobody reaches: cut off from everything else, not from something in particular."""
        return sorted({pod for one in self.open if one.severs and one.far is None for pod in one.near.pods})

    @property
    def all(self) -> tuple[Degradation, ...]:
        """Those that are over and those that are not, by their begin."""
        return tuple(sorted((*self.over, *self.open), key=lambda one: one.begin_s))

    def copy(self) -> "Degradations":
        twin = Degradations(len(self.silent))
        twin.open, twin.over = self.open.copy(), self.over.copy()
        twin.silent, twin.revision = self.silent.copy(), self.revision
        return twin


def change_times(degradations: Iterable[Degradation]) -> NDArray[np.float64]:
    """Every distinct time at which one of *degradations* begins or ends, in order."""
    edges = [edge for one in degradations for edge in (one.begin_s, one.end_s) if np.isfinite(edge)]
    return np.unique(np.array(edges, float))
