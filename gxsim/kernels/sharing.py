"""Processor sharing: all customers of a station are served at once, each at an equal share of its servers."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gxsim.kernels.queueing import insert


@dataclass(slots=True)
class Sharing:
    """A station at one moment: each customer present is served at rate ``min(1, servers / present)``.

    ``servers`` need not be whole: CPU limits are not. They change as ``changes`` say, which are times in order and the
    servers from then on; those that have come true are taken from the list. ``virtual_s`` is the service that a
    customer present since 0 would have had; customers leave in the order of the virtual time at which they have had
    theirs. Both clocks move at arrivals, departures and changes only, so that cutting a run changes no bit of it.
    ``noted_s`` is the work done up to each of ``marks``, times in order that are taken from the list likewise.
    """

    servers: float
    changes: list[tuple[float, float]] = field(default_factory=list)
    now_s: float = 0.0
    virtual_s: float = 0.0
    ends: list[tuple[float, int]] = field(default_factory=list)  # virtual ends of those present, and who they are
    marks: list[float] = field(default_factory=list)
    done_s: float = 0.0
    noted_s: list[float] = field(default_factory=list)

    def advance(
        self, arrivals: NDArray, services: NDArray, tickets: NDArray, until_s: float = np.inf
    ) -> tuple[NDArray, NDArray]:
        """Tickets and departures of all who leave before *until_s*; *arrivals* are in order and before it, too.

        An event loop: about a microsecond per customer, and a little more per customer present.
        """
        left: list[tuple[int, float]] = []
        for arrival, service, ticket in zip(arrivals.tolist(), services.tolist(), tickets.tolist(), strict=True):
            left += self._leaving(arrival)
            self._move(arrival)
            insert(self.ends, (self.virtual_s + service, ticket))
        left += self._leaving(until_s)
        return np.array([who for who, _ in left], np.int64), np.array([when for _, when in left], float)

    def _leaving(self, before_s: float) -> list[tuple[int, float]]:
        left: list[tuple[int, float]] = []
        while self.changes and self.changes[0][0] < before_s:
            changes_s, servers = self.changes.pop(0)
            left += self._steadily(changes_s)
            self._move(changes_s)
            self.servers = servers
        return left + self._steadily(before_s)

    def _steadily(self, before_s: float) -> list[tuple[int, float]]:
        """Those who leave before *before_s*, until when the servers stay the same."""
        left = []
        while self.ends:
            leaves_s = self.now_s + (self.ends[0][0] - self.virtual_s) / self._rate()
            if leaves_s >= before_s:
                break
            self._work(leaves_s)
            self.virtual_s, who = self.ends.pop(0)
            self.now_s = leaves_s
            left.append((who, leaves_s))
        return left

    def _work(self, to_s: float) -> None:
        """Count what is done from now on until *to_s*, while nobody comes or goes."""
        busy = min(float(len(self.ends)), self.servers)
        while self.marks and self.marks[0] <= to_s:
            self.noted_s.append(self.done_s + (self.marks.pop(0) - self.now_s) * busy)
        self.done_s += (to_s - self.now_s) * busy

    def _move(self, to_s: float) -> None:
        self._work(to_s)
        self.virtual_s += (to_s - self.now_s) * self._rate()
        self.now_s = to_s

    def _rate(self) -> float:
        return min(1.0, self.servers / len(self.ends)) if self.ends else 1.0


def processor_sharing(arrivals: NDArray, services: NDArray, servers: float = 1) -> NDArray:
    """(customers,) departures from a station that begins empty."""
    tickets, left = Sharing(servers).advance(arrivals, services, np.arange(len(arrivals)))
    departures = np.empty(len(arrivals))
    departures[tickets] = left
    return departures
