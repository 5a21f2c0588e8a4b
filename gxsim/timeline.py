"""What a run leaves behind: for each quantity, when it changed and to what."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gxsim.state import ClusterState, Event
from gxsim.state.degradation import Degradation

NODE_QUANTITIES = ("node_exists", "node_ready", "node_down", "node_kubelet_down", "unschedulable")
POD_QUANTITIES = (
    "pod_exists",
    "pod_node",
    "pod_phase",
    "pod_ready",
    "pod_serving",
    "pod_running",
    "pod_stalled",
    "pod_terminating",
    "pod_restarts",
    "pod_endpoint",
)
QUANTITIES = (*NODE_QUANTITIES, *POD_QUANTITIES)
BLANKS = {"pod_node": -1}  # a pod's value before its row exists; 0 or False elsewhere


class Strike(NamedTuple):
    """A fault, or what people do, begins or ends at its *targets* (names; none where it has no target of its own)."""

    time_s: float
    fault: str
    action: str
    targets: tuple[str, ...]
    begins: bool


class Changes:
    """One quantity's change-points: at ``times_s[i]`` entity ``rows[i]`` became ``values[i]``; sorted by time."""

    def __init__(self, times_s: NDArray, rows: NDArray, values: NDArray):
        self.times_s = times_s  # (changes,) float64
        self.rows = rows  # (changes,) int64
        self.values = values  # (changes,)
        self._order = np.argsort(rows, kind="stable")  # by row, then time
        self._sorted = rows[self._order]

    def at(self, time_s: float, count: int, blank: float = 0) -> NDArray:
        """(count,) values that hold at *time_s*, changes at that very time included."""
        values = np.full(count, blank, self.values.dtype)
        until = np.searchsorted(self.times_s, time_s, side="right")
        values[self.rows[:until]] = self.values[:until]  # later changes of a row overwrite earlier ones
        return values

    def of(self, row: int) -> tuple[NDArray, NDArray]:
        """Times and values of one entity's changes."""
        first, past = np.searchsorted(self._sorted, [row, row + 1])
        mine = self._order[first:past]
        return self.times_s[mine], self.values[mine]


class Timeline:
    """Change-points of every quantity of one run, from 0 to ``horizon_s``.

    A quantity is a column of ClusterState (``QUANTITIES``), or a level that ``level`` records under its own name.
    """

    def __init__(self, node_names: Sequence[str]):
        self.node_names = tuple(node_names)
        self.pod_names: tuple[str, ...] = ()
        self.events: tuple[Event, ...] = ()
        self.degradations: tuple[Degradation, ...] = ()  # by their begin, with all that is known of each
        self.strikes: list[Strike] = []
        self.horizon_s = 0.0
        self._log: dict[str, tuple[list[NDArray], list[NDArray], list[NDArray]]] = {q: ([], [], []) for q in QUANTITIES}
        self._last: dict[str, NDArray] = {}
        self._touched = self._published = 0  # how far the state's logs are read
        self._levels: dict[str, tuple[list[float], list[float]]] = {}
        self._changes: dict[str, Changes] = {}

    # ---- written while the clock runs ---------------------------------------------------------------------------

    def record(self, now: float, state: ClusterState) -> bool:
        """Log what differs from the last record; returns whether anything did.

        Only pods that verbs touched since then are looked at, and those of nodes that went away or came back.
        """
        everything = "node_down" not in self._last or not np.array_equal(self._last["node_down"], state.node_down)
        touched, self._touched = state.touched[self._touched :], len(state.touched)
        published, self._published = state.published[self._published :], len(state.published)
        changed = [self._record(now, quantity, getattr(state, quantity), None) for quantity in NODE_QUANTITIES]
        pods = None if everything else np.unique(np.array(touched + published, np.intp))
        if pods is None or len(pods):
            changed += [self._record(now, quantity, getattr(state, quantity), pods) for quantity in POD_QUANTITIES]
        return any(changed)

    def _record(self, now: float, quantity: str, column: NDArray, rows: NDArray[np.intp] | None) -> bool:
        """Log the differences of one column, of *rows* only unless that is None."""
        last = self._last.get(quantity)
        if last is None or len(last) < len(column):
            last = self._last[quantity] = self._extended(quantity, last, column)
        if rows is None:
            rows = np.flatnonzero(column != last[: len(column)])
        else:
            rows = rows[column[rows] != last[rows]]
        if not len(rows):
            return False
        values = column[rows]
        last[rows] = values
        times, indices, logged = self._log[quantity]
        times.append(np.full(len(rows), now))
        indices.append(rows)
        logged.append(values)
        return True

    def level(self, name: str, now: float, value: float) -> None:
        """Record that the level *name* is *value* from *now* on; equal values in a row are kept once."""
        times, values = self._levels.setdefault(name, ([], []))
        if values and values[-1] == value:
            return
        if times and times[-1] == now:
            values[-1] = value
            return
        times.append(now)
        values.append(value)

    def strike(self, strike: Strike) -> None:
        """Record that a fault begins or ends."""
        self.strikes.append(strike)

    def close(self, horizon_s: float, state: ClusterState) -> None:
        """End the record at *horizon_s* and take over names, events and degradations."""
        self.horizon_s = horizon_s
        self.pod_names = tuple(state.pod_names)
        self.events = tuple(state.events)
        self.degradations = state.degradations.all

    # ---- read afterwards ----------------------------------------------------------------------------------------

    def changes(self, quantity: str) -> Changes:
        """All change-points of a column of ClusterState; its values at time 0 are change-points too."""
        if quantity not in self._changes:
            times, rows, values = self._log[quantity]
            dtype = self._last[quantity].dtype if quantity in self._last else np.dtype(float)
            self._changes[quantity] = Changes(
                np.concatenate([*times, np.empty(0)]),
                np.concatenate([*rows, np.empty(0, np.int64)]).astype(np.int64),
                np.concatenate([*values, np.empty(0, dtype)]).astype(dtype),
            )
        return self._changes[quantity]

    def at(self, quantity: str, time_s: float) -> NDArray:
        """(nodes,) or (pods,) values of *quantity* at *time_s*."""
        count = len(self.node_names) if quantity in NODE_QUANTITIES else len(self.pod_names)
        return self.changes(quantity).at(time_s, count, BLANKS.get(quantity, 0))

    def levels(self, name: str) -> tuple[NDArray, NDArray]:
        """(changes,) times and values of a level; empty when it was never recorded."""
        times, values = self._levels.get(name, ([], []))
        return np.array(times), np.array(values)

    @property
    def level_names(self) -> tuple[str, ...]:
        return tuple(self._levels)

    def times_s(self, quantities: Sequence[str] = QUANTITIES) -> NDArray:
        """Every distinct time at which one of *quantities* changed, 0 and the horizon included."""
        logged = [self.changes(q).times_s for q in quantities]
        return np.unique(np.concatenate([*logged, [0.0, self.horizon_s]]))

    def _extended(self, quantity: str, last: NDArray | None, column: NDArray) -> NDArray:
        """The last values with blanks for rows that are new, and room for more."""
        capacity = len(column) if quantity in NODE_QUANTITIES else 2 * len(column)
        grown = np.full(capacity, BLANKS.get(quantity, 0), column.dtype)
        if last is not None:
            grown[: len(last)] = last
        return grown
