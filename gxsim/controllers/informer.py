"""What controllers know of the objects, caught up from the state's logs: indices, and keys that want a sync."""

import heapq
import math
from collections import defaultdict
from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from gxsim.model.control_plane import ControlPlane
from gxsim.state import NO_OWNER, PENDING, ClusterState

TOLERANCE_S = 1e-6  # what rounding on a clock of floats may lose


def tick_s(phase_s: NDArray | float, period_s: float, now: NDArray | float) -> NDArray[np.float64]:
    """The first of the times *phase_s* + n × *period_s* at or after *now*; inf where that is."""
    return phase_s + np.ceil((np.asarray(now, float) - TOLERANCE_S - phase_s) / period_s) * period_s


class Log:
    """The new entries of one of the state's logs since the last look."""

    def __init__(self) -> None:
        self.seen = 0

    def news(self, entries: list[int]) -> list[int]:
        """Entries not seen before, each once, in order."""
        if self.seen == len(entries):
            return []
        fresh = list(dict.fromkeys(entries[self.seen :]))
        self.seen = len(entries)
        return fresh


class Informer:
    """Rows of the pods that exist, by owner and by node, in order of their arrival."""

    def __init__(self) -> None:
        self.of_owner: dict[int, dict[int, None]] = defaultdict(dict)
        self.on_node: dict[int, dict[int, None]] = defaultdict(dict)
        self._pods = Log()

    def follow(self, state: ClusterState) -> None:
        """Catch up with *state*."""
        for pod in self._pods.news(state.touched):
            owner, node = int(state.pod_owner[pod]), int(state.pod_node[pod])
            if not state.pod_exists[pod]:
                self.of_owner[owner].pop(pod, None)
                self.on_node[node].pop(pod, None)
                continue
            self.of_owner[owner][pod] = None
            if node != PENDING:
                self.on_node[node][pod] = None

    def pods_of(self, owner: int) -> list[int]:
        return list(self.of_owner[owner])

    def pods_on(self, node: int) -> list[int]:
        return list(self.on_node[node])


class WorkQueue:
    """Owners of one kind to sync: those that changed, whose pods changed, or whose pause is over."""

    def __init__(self, kind: str, control_plane: ControlPlane):
        self.kind = kind
        self.control_plane = control_plane
        self._pods, self._owners = Log(), Log()
        self._failures: dict[int, int] = {}
        self._later: list[tuple[float, int]] = []
        self._retry_s: dict[int, float] = {}  # owner: when its pause after a failure ends

    def work(self, state: ClusterState, now: float, sync: Callable[[ClusterState, int, float], bool]) -> bool:
        """Let *sync* put every owner right that wants it now; whether it changed anything."""
        return sum(sync(state, owner, now) for owner in self.take(state, now)) > 0

    def take(self, state: ClusterState, now: float) -> list[int]:
        """Owners to sync now, in the order of their rows."""
        keys: set[int] = set()
        for owner in self._owners.news(state.revised):
            self._climb(state, owner, keys)
        for owner in dict.fromkeys(int(state.pod_owner[pod]) for pod in self._pods.news(state.touched)):
            self._climb(state, owner, keys)
        while self._later and self._later[0][0] <= now + TOLERANCE_S:
            owner = heapq.heappop(self._later)[1]
            keys.add(owner)
            if self._retry_s.get(owner, math.inf) <= now + TOLERANCE_S:
                del self._retry_s[owner]
        return sorted(keys)

    def _climb(self, state: ClusterState, owner: int, keys: set[int]) -> None:
        """Add *owner* or the one of its parents that has the queue's kind."""
        while owner != NO_OWNER:
            if state.owners[owner].kind == self.kind:
                keys.add(owner)
            owner = state.owners[owner].parent

    def add(self, owners: Iterable[int], time_s: float) -> None:
        """Sync *owners* again at *time_s*."""
        for owner in owners:
            if (time_s, owner) not in self._later:
                heapq.heappush(self._later, (time_s, owner))

    def retry(self, owner: int, now: float) -> None:
        """Sync again after the pause of a failed sync, which doubles each time; a pause under way is not prolonged."""
        failures = self._failures.get(owner, 0)
        self._failures[owner] = failures + 1
        pause_s = min(self.control_plane.requeue_cap_s, self.control_plane.requeue_base_s * 2.0 ** min(failures, 60))
        if now + pause_s < self._retry_s.get(owner, math.inf):
            self._retry_s[owner] = now + pause_s
            self.add([owner], now + pause_s)

    def forget(self, owner: int) -> None:
        """A sync succeeded: the next failure starts with the first pause again."""
        self._failures.pop(owner, None)

    @property
    def due_s(self) -> float:
        """When the next pause ends."""
        return self._later[0][0] if self._later else math.inf
