"""First-come first-served stations whose capacity changes, which pause and crash, with a stated meaning for the work.

At a change the customers in service are those that began and have not left (``start <= time < departure``); those who
wait keep their order. *work* says what becomes of the first:

``finished``   they are served to the end, even when servers are taken away
``resumed``    they stop, and go on with what was left, before anyone else
``restarted``  they stop, and begin again with their whole service time, before anyone else
``lost``       they leave unserved, and so do those who wait, unless the queue is *kept*
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from gxsim.kernels.queueing import after, fifo, idle_servers

FINISHED, RESUMED, RESTARTED, LOST = "finished", "resumed", "restarted", "lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class Disruption:
    """At *time_s* the station has *servers* from then on; nobody begins before *until_s* (None: at once)."""

    time_s: float
    servers: int
    until_s: float | None = None
    work: str = FINISHED
    keeps_queue: bool = True


@dataclass(frozen=True, slots=True)
class Visits:
    """(customers,) when each began for the last and for the first time, and when it left; NaN where it never did."""

    starts: NDArray
    departures: NDArray
    begun: NDArray


CUSTOMER = np.dtype([("ident", np.int64), ("lost", bool), *((name, float) for name in (
    "arrival", "service", "left", "start", "begun", "departure"
))])  # fmt: skip


def customers(idents: NDArray, arrivals: NDArray, services: NDArray) -> NDArray:
    """(customers,) records of CUSTOMER, none of whom has begun; ``left`` is the service still to be had."""
    found = np.zeros(len(idents), CUSTOMER)
    found["ident"], found["arrival"], found["service"], found["left"] = idents, arrivals, services, services
    for name in ("start", "begun", "departure"):
        found[name] = np.nan
    return found


@dataclass(slots=True)
class Disrupted:
    """A station at one moment: *changes* still to come, in order of time; ``advance`` moves on, cut wherever it may be.

    ``waiting`` and ``serving`` are records of CUSTOMER, the first in the order of their turn.
    """

    free: NDArray
    changes: list[Disruption]
    waiting: NDArray = field(default_factory=lambda: np.zeros(0, CUSTOMER))
    serving: NDArray = field(default_factory=lambda: np.zeros(0, CUSTOMER))

    def advance(self, arriving: NDArray, until_s: float = np.inf) -> NDArray:
        """Who leaves before *until_s*, with the time in ``departure``; *arriving* come before it, in order, too."""
        gone = []
        while self.changes and self.changes[0].time_s < until_s:
            change = self.changes.pop(0)
            upto = int(np.searchsorted(arriving["arrival"], change.time_s, side="left"))
            self._serve(arriving[:upto], change.time_s, side="right")
            arriving = arriving[upto:]
            left = self.serving["departure"] <= change.time_s
            gone.append(self.serving[left])
            self.serving = self.serving[~left]
            gone.append(self._change(change))
        self._serve(arriving, until_s, side="left")
        left = self.serving["departure"] < until_s
        gone.append(self.serving[left])
        self.serving = self.serving[~left]
        return np.concatenate(gone)

    def _serve(self, arriving: NDArray, end_s: float, *, side: Literal["left", "right"]) -> None:
        """Begin whom there is time for up to *end_s*; the others wait."""
        queue = np.concatenate([self.waiting, arriving])
        begun = 0
        if len(self.free):
            starts, _ = fifo(queue["arrival"], queue["left"], self.free)
            begun = int(np.searchsorted(starts, end_s, side=side))  # starts never go back
        mine = queue[:begun]
        if begun:
            mine["start"] = starts[:begun]
            mine["begun"] = np.fmin(mine["begun"], starts[:begun])
            mine["departure"] = starts[:begun] + mine["left"]
            self.free = after(self.free, mine["departure"])
        self.waiting, self.serving = queue[begun:], np.concatenate([self.serving, mine])

    def _change(self, change: Disruption) -> NDArray:
        """Make the change; who is lost by it."""
        until_s = change.time_s if change.until_s is None else change.until_s
        if change.work == FINISHED:
            self.free = np.maximum(_resized(self.free, change.servers, until_s), until_s)
            return self.serving[:0]
        stopped, self.serving = self.serving, self.serving[:0]
        self.free = np.full(change.servers, until_s)
        if change.work == LOST:
            return self._lose(stopped, change)
        if change.work == RESUMED:
            stopped["left"] = stopped["departure"] - change.time_s
        stopped["departure"] = np.nan
        first = np.lexsort((stopped["ident"], stopped["arrival"]))
        self.waiting = np.concatenate([stopped[first], self.waiting])
        return self.serving[:0]

    def _lose(self, stopped: NDArray, change: Disruption) -> NDArray:
        lost = stopped if change.keeps_queue else np.concatenate([stopped, self.waiting])
        if not change.keeps_queue:
            self.waiting = self.waiting[:0]
        lost["lost"], lost["departure"] = True, change.time_s
        return lost


def fifo_disrupted(
    arrivals: NDArray, services: NDArray, servers: int, disruptions: Sequence[Disruption] = ()
) -> Visits:
    """What becomes of every customer of a station of *servers* that meets *disruptions*, in order of time."""
    station = Disrupted(idle_servers(servers), list(disruptions))
    left = station.advance(customers(np.arange(len(arrivals)), arrivals, services))
    visits = Visits(*(np.full(len(arrivals), np.nan) for _ in range(3)))
    served = left[~left["lost"]]
    for column, name in ((visits.starts, "start"), (visits.departures, "departure"), (visits.begun, "begun")):
        column[served["ident"]] = served[name]
    return visits


def _resized(free: NDArray, servers: int, now: float) -> NDArray:
    """More servers are free at once; fewer are those who get free last: idle ones go first, then the next to finish."""
    if servers >= len(free):
        return np.sort(np.concatenate([free, np.full(servers - len(free), now)]))
    return free[len(free) - servers :]
