"""First-come first-served stations whose capacity changes, which pause and crash, with a stated meaning for the work.

At a change the customers in service are those that began and have not left (``start <= time < departure``); those who
wait keep their order. *work* says what becomes of the first:

``finished``   they are served to the end, even when servers are taken away
``resumed``    they stop, and go on with what was left, before anyone else
``restarted``  they stop, and begin again with their whole service time, before anyone else
``lost``       they leave unserved, and so do those who wait, unless the queue is *kept*
"""

from collections.abc import Sequence
from dataclasses import dataclass

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


def fifo_disrupted(
    arrivals: NDArray, services: NDArray, servers: int, disruptions: Sequence[Disruption] = ()
) -> Visits:
    """What becomes of every customer of a station of *servers* that meets *disruptions*, in order of time."""
    visits = Visits(*(np.full(len(arrivals), np.nan) for _ in range(3)))
    left = np.array(services, float)  # service still to be had
    free = idle_servers(servers)
    queue = np.empty(0, np.int64)
    served = np.empty(0, np.int64)  # in service when the epoch begins
    done = 0
    for change in disruptions:
        upto = int(np.searchsorted(arrivals, change.time_s, side="left"))
        queue = np.concatenate([queue, np.arange(done, upto)])
        done = upto
        free, begun, queue = _epoch(visits, arrivals, left, free, queue, change.time_s)
        served = np.concatenate([served, begun])
        served = served[visits.departures[served] > change.time_s]
        free, queue, served = _change(visits, left, free, queue, served, change)
    queue = np.concatenate([queue, np.arange(done, len(arrivals))])
    _epoch(visits, arrivals, left, free, queue, np.inf)
    return visits


def _epoch(
    visits: Visits, arrivals: NDArray, left: NDArray, free: NDArray, queue: NDArray, end_s: float
) -> tuple[NDArray, NDArray, NDArray]:
    """Serve *queue* up to *end_s*: the state then, who has begun, and who still waits."""
    if len(free) == 0:
        return free, queue[:0], queue
    starts, _ = fifo(arrivals[queue], left[queue], free)
    begun = int(np.searchsorted(starts, end_s, side="right"))  # starts never go back
    mine = queue[:begun]
    visits.starts[mine] = starts[:begun]
    visits.begun[mine] = np.fmin(visits.begun[mine], starts[:begun])
    visits.departures[mine] = starts[:begun] + left[mine]
    return after(free, visits.departures[mine]), mine, queue[begun:]


def _change(
    visits: Visits, left: NDArray, free: NDArray, queue: NDArray, served: NDArray, change: Disruption
) -> tuple[NDArray, NDArray, NDArray]:
    """State, queue and customers in service after *change*."""
    until_s = change.time_s if change.until_s is None else change.until_s
    if change.work == FINISHED:
        return np.maximum(_resized(free, change.servers, until_s), until_s), queue, served
    if change.work == RESUMED:
        left[served] = visits.departures[served] - change.time_s
    stopped = np.sort(served) if change.work in (RESUMED, RESTARTED) else served[:0]
    gone = served if change.work == LOST else served[:0]
    visits.departures[served] = np.nan
    visits.starts[gone] = np.nan
    kept = queue if change.work != LOST or change.keeps_queue else queue[:0]
    return np.full(change.servers, until_s), np.concatenate([stopped, kept]), served[:0]


def _resized(free: NDArray, servers: int, now: float) -> NDArray:
    """More servers are free at once; fewer are those who get free last: idle ones go first, then the next to finish."""
    if servers >= len(free):
        return np.sort(np.concatenate([free, np.full(servers - len(free), now)]))
    return free[len(free) - servers :]
