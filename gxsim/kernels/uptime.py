"""Servers that are away now and then: work counted in the time they are there."""

import numpy as np
from numpy.typing import NDArray

Windows = NDArray  # (windows, 2) from and to of each stretch of up time, sorted and apart; the last may end at inf

ALWAYS = np.array([[-np.inf, np.inf]])


def worked(times_s: NDArray, windows: Windows) -> NDArray:
    """Up time until each of *times_s*, counted from the first window's start."""
    if _always(windows):
        return times_s
    starts, ends = windows[:, 0], windows[:, 1]
    before = np.concatenate([[0.0], np.cumsum(ends - starts)])[:-1]
    window = np.maximum(np.searchsorted(starts, times_s, side="right") - 1, 0)
    return before[window] + np.clip(times_s, starts[window], ends[window]) - starts[window]


def clock(worked_s: NDArray, windows: Windows) -> NDArray:
    """The latest time at which so much up time has passed; inf when it never has."""
    if _always(windows):
        return worked_s
    starts, ends = windows[:, 0], windows[:, 1]
    before = np.concatenate([[0.0], np.cumsum(ends - starts)])
    window = np.clip(np.searchsorted(before[:-1], worked_s, side="right") - 1, 0, len(starts) - 1)
    return np.where(worked_s > before[-1], np.inf, starts[window] + worked_s - before[window])


def fifo(arrival_s: NDArray, service_s: NDArray | float, *, servers: int = 1, free_s: NDArray | None = None) -> NDArray:
    """Departures of a first-come-first-served station; *free_s* (servers,) is updated in place to when each is free.

    Arrivals are sorted. Servers take turns: with one server, or one service time for all, that is exact.
    """
    free_s = np.full(servers, -np.inf) if free_s is None else free_s
    departure_s = np.empty(len(arrival_s))
    for server in range(servers):
        mine = slice(server, None, servers)
        arrivals = arrival_s[mine]
        if len(arrivals) == 0:
            continue
        service = np.broadcast_to(service_s, arrival_s.shape)[mine]
        busy = np.cumsum(service)
        ready = np.maximum(arrivals, free_s[server]) if np.isfinite(free_s[server]) else arrivals
        departure_s[mine] = np.maximum.accumulate(ready - busy + service) + busy
        free_s[server] = departure_s[mine][-1]
    turn = len(arrival_s) % servers  # the next arrival meets the server whose turn it is
    free_s[:] = np.roll(free_s, -turn)
    return departure_s


def _always(windows: Windows) -> bool:
    return len(windows) == 1 and windows[0, 0] == -np.inf and windows[0, 1] == np.inf
