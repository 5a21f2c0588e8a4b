"""Servers that are away now and then: work counted in the time they are there."""

import numpy as np
from numpy.typing import NDArray

Windows = NDArray  # (windows, 2) from and to of each stretch of up time, sorted and apart; no rows: never

ALWAYS = np.array([[-np.inf, np.inf]])


def windows_of(times_s: NDArray, up: NDArray) -> Windows:
    """The windows of a condition that holds, or does not, from each of *times_s* on; the first holds before it too."""
    edges = np.diff(np.concatenate([[0], up.astype(np.int8), [0]]))
    starts, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    from_s, to_s = np.append(-np.inf, times_s[1:]), np.append(times_s, np.inf)
    return np.column_stack([from_s[starts], to_s[ends]])


def both(one: Windows, other: Windows) -> Windows:
    """When both are up."""
    return _combined([one, other], 2)


def either(several: list[Windows]) -> Windows:
    """When at least one is up."""
    return _combined(several, 1)


def _combined(several: list[Windows], least: int) -> Windows:
    """When at least *least* of them are up."""
    edges = np.concatenate([*several, np.empty((0, 2))])
    times_s = np.unique(np.concatenate([[-np.inf], edges.ravel()]))
    level = np.searchsorted(np.sort(edges[:, 0]), times_s, side="right")
    level = level - np.searchsorted(np.sort(edges[:, 1]), times_s, side="right")
    return windows_of(times_s, level >= least)


def worked(times_s: NDArray, windows: Windows) -> NDArray:
    """Up time from 0 until each of *times_s*."""
    if _always(windows) or len(windows) == 0:
        return times_s
    starts, ends = windows[:, 0].clip(min=0.0), windows[:, 1]
    before = np.concatenate([[0.0], np.cumsum(ends - starts)])[:-1]
    window = np.maximum(np.searchsorted(starts, times_s, side="right") - 1, 0)
    return before[window] + np.clip(times_s, starts[window], ends[window]) - starts[window]


def clock(worked_s: NDArray, windows: Windows) -> NDArray:
    """The latest time at which so much up time has passed; inf when it never has."""
    if _always(windows):
        return worked_s
    if len(windows) == 0:
        return np.full(worked_s.shape, np.inf)
    starts, ends = windows[:, 0].clip(min=0.0), windows[:, 1]
    before = np.concatenate([[0.0], np.cumsum(ends - starts)])
    window = np.clip(np.searchsorted(before[:-1], worked_s, side="right") - 1, 0, len(starts) - 1)
    return np.where(worked_s > before[-1], np.inf, starts[window] + worked_s - before[window])


def in_turn(
    arrival_s: NDArray, service_s: NDArray | float, *, servers: int = 1, free_s: NDArray | None = None
) -> NDArray:
    """Departures of a station whose servers take turns; *free_s* (servers,) is updated in place to when each is free.

    Arrivals are sorted. First come first served exactly, with one server or one service time for all; then every server
    is a queue of its own, which one pass over the array solves however overloaded it is (``queueing.fifo`` cannot).
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


def next_up(times_s: NDArray, windows: Windows) -> NDArray:
    """The first moment at or after each time that lies in a window; inf when none follows."""
    window = np.searchsorted(windows[:, 1], times_s, side="right")
    return np.maximum(times_s, np.append(windows[:, 0], np.inf)[window])


def within(times_s: NDArray, windows: Windows) -> NDArray:
    """Whether each time lies in a window."""
    window = np.searchsorted(windows[:, 0], times_s, side="right") - 1
    return (window >= 0) & (times_s < np.append(windows[:, 1], -np.inf)[window])


def _always(windows: Windows) -> bool:
    return len(windows) == 1 and windows[0, 0] == -np.inf and windows[0, 1] == np.inf
