"""First-come first-served stations, exactly: every start is what an event loop computes from the same draws.

Absolute times throughout, so that ``start = max(arrival, earliest free server)`` and ``departure = start + service``
are the very additions an event loop makes. The state of a station is the sorted times at which its servers get free
(Kiefer and Wolfowitz 1955); idle servers have times in the past, ``-inf`` for one that never served.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

IDLE = -np.inf
SEGMENTS = 8  # parts of a chunk after which a repeated pass looks whether it has coupled with the pass before
MOST_PASSES = 24  # near saturation the queue never forgets: then the plain loop is faster
FEWEST_LANES, SHORTEST = 16, 64  # below that a numpy call costs more than it does


def idle_servers(servers: int) -> NDArray[np.float64]:
    """(servers,) the state of a station that has never served."""
    return np.full(servers, IDLE)


def lindley_rows(gaps: NDArray, services: NDArray, wait: NDArray) -> NDArray:
    """(steps, lanes) waits of single-server queues, one per lane (Lindley 1952).

    ``gaps`` are the times between an arrival and the one before, ``wait`` (lanes,) is the wait plus service that the
    last customer of each lane had, and becomes that of the new last one. Relative times: float32 is safe here.
    """
    waits = np.empty_like(gaps)
    for step in range(len(gaps)):
        row = waits[step]
        np.subtract(wait, gaps[step], out=row)
        np.maximum(row, 0.0, out=row)
        np.add(row, services[step], out=wait)
    return waits


def fifo_rows(arrivals: NDArray, services: NDArray, free: NDArray, out: NDArray | None = None) -> NDArray:
    """(steps, lanes) starts of stations with as many servers as *free* has rows, one station per lane.

    ``free`` (servers, lanes) is sorted downwards (first row earliest) and is brought up to date in place. A customer
    with arrival ``-inf`` and service 0 changes nothing: padding.
    """
    starts = np.empty_like(arrivals) if out is None else out
    departure = np.empty(arrivals.shape[1])
    for step in range(len(arrivals)):
        start = starts[step]
        np.maximum(arrivals[step], free[0], out=start)
        np.add(start, services[step], out=departure)
        _replace_earliest(free, departure)
    return starts


def bounded_rows(arrivals: NDArray, services: NDArray, last: NDArray, servers: int) -> tuple[NDArray, NDArray]:
    """Starts and departures (steps, lanes) where a station holds at most ``len(last)`` customers; NaN for the refused.

    ``last`` (places, lanes) are the latest departures of each lane, sorted downwards, brought up to date in place. A
    station is full while all of them are still to come; of those the last ``servers`` are the servers' free times.
    """
    starts, departures = np.empty_like(arrivals), np.empty_like(arrivals)
    next_free = last[len(last) - servers]
    for step in range(len(arrivals)):
        admitted = last[0] <= arrivals[step]
        start = np.where(admitted, np.maximum(arrivals[step], next_free), np.nan)
        departure = start + services[step]
        starts[step], departures[step] = start, departure
        _replace_earliest(last, np.where(admitted, departure, last[0]))  # the refused put back what was there
    return starts, departures


def _replace_earliest(free: NDArray, departure: NDArray) -> None:
    """Take out the first row of *free* and insert *departure* by compare-exchange; *departure* is used up."""
    for server in range(len(free) - 1):
        np.minimum(free[server + 1], departure, out=free[server])
        np.maximum(free[server + 1], departure, out=departure)
    free[-1] = departure


def fifo(arrivals: NDArray, services: NDArray, free: NDArray) -> tuple[NDArray, NDArray]:
    """(customers,) starts of one station in order of arrival, and its state afterwards; *free* (servers,) before.

    Three ways to the same bits: nobody waits (a sort tells), chunks side by side that hand their state on until nothing
    changes (time-parallel simulation), or the plain loop.
    """
    if len(arrivals) == 0:
        return np.empty(0), free
    departures = arrivals + services
    if _nobody_waits(arrivals, departures, free):
        return arrivals.copy(), after(free, departures)
    starts = _time_parallel(arrivals, services, free)
    if starts is None:
        starts = _loop(arrivals, services, free)
    return starts, after(free, starts + services)


def after(free: NDArray, departures: NDArray) -> NDArray:
    """The state after these *departures*: servers are taken earliest first, so the latest times remain."""
    servers = len(free)
    pool = np.concatenate([free, departures])
    if len(pool) > 2 * servers:
        pool = np.partition(pool, len(pool) - servers)[len(pool) - servers :]
    return np.sort(pool)[len(pool) - servers :]


def fifo_any_order(arrivals: NDArray, services: NDArray, free: NDArray) -> tuple[NDArray, NDArray]:
    """Like ``fifo`` for customers listed in any order; ordering them is spared where nobody waits."""
    departures = arrivals + services
    if (departures > arrivals).all():
        ends = np.sort(np.concatenate([free, departures]))
        if (ends[: len(arrivals)] <= np.sort(arrivals)).all():
            return arrivals, ends[len(arrivals) :]
    order = np.argsort(arrivals, kind="stable")
    starts = np.empty(len(arrivals))
    starts[order], free = fifo(arrivals[order], services[order], free)
    return starts, free


def bounded_any_order(
    arrivals: NDArray, services: NDArray, last: NDArray, servers: int
) -> tuple[NDArray, NDArray, NDArray]:
    """Starts and departures of customers in any order at a station with as many places as *last* has entries.

    NaN for those refused because all places were taken. ``last`` are its latest departures, and is returned as they are
    afterwards. The plain loop runs only where somebody is refused.
    """
    starts, _ = fifo_any_order(arrivals, services, last[len(last) - servers :])
    departures = starts + services
    if (departures > arrivals).all():
        ends = np.sort(np.concatenate([last, departures]))
        if (ends[: len(arrivals)] <= np.sort(arrivals)).all():  # a place was free at every arrival
            return starts, departures, ends[len(arrivals) :]
    order = np.argsort(arrivals, kind="stable")
    times = last.tolist()
    starts, departures = np.full(len(arrivals), np.nan), np.full(len(arrivals), np.nan)
    for customer in order.tolist():
        arrival = arrivals[customer]
        if times[0] <= arrival:
            starts[customer] = start = max(arrival, times[-servers])
            departures[customer] = departure = start + services[customer]
            times.pop(0)
            insert(times, departure)
    return starts, departures, np.array(times)


def fifo_lanes(arrivals: NDArray, services: NDArray, lane: NDArray, free: list[NDArray]) -> NDArray:
    """(customers,) starts where each customer, in any order, goes to the station *lane*.

    ``free[lane]`` is brought up to date.
    """
    present = np.flatnonzero(np.bincount(lane, minlength=len(free)))
    if len(present) == 1:
        starts, free[present[0]] = fifo_any_order(arrivals, services, free[present[0]])
        return starts
    starts = np.empty(len(arrivals))
    for number in present.tolist():
        mine = np.flatnonzero(lane == number)
        starts[mine], free[number] = fifo_any_order(arrivals[mine], services[mine], free[number])
    return starts


def _nobody_waits(arrivals: NDArray, departures: NDArray, free: NDArray) -> bool:
    """Whether a server is free at every arrival.

    While nobody has waited, customer n finds one free exactly if n + 1 of the initial and the departure times lie at or
    before its arrival. A service too short to move the clock would count its own departure, so there the answer is no.
    """
    if not (departures > arrivals).all():
        return False
    count, servers = len(arrivals), len(free)
    reach = 4 * servers  # most stations that queue at all do so soon
    first = np.sort(np.concatenate([free, departures[:reach]]))[: min(count, reach)]
    if (first > arrivals[: len(first)]).any():
        return False
    ends = np.sort(np.concatenate([free, departures]))
    return not (ends[:count] > arrivals).any()


def _time_parallel(arrivals: NDArray, services: NDArray, free: NDArray) -> NDArray | None:
    """Starts, or None where the chunks are too few or do not settle within ``MOST_PASSES``."""
    count, servers = len(arrivals), len(free)
    steps = max(SHORTEST, 4 * servers, round(np.sqrt(count / 8)))
    lanes = -(-count // steps)
    if lanes < FEWEST_LANES:
        return None
    steps = -(-steps // SEGMENTS) * SEGMENTS
    lanes = -(-count // steps)
    columns = [np.full(lanes * steps, IDLE), np.zeros(lanes * steps)]
    for padded, values in zip(columns, (arrivals, services), strict=True):
        padded[:count] = values
    rows = [np.ascontiguousarray(padded.reshape(lanes, steps).T) for padded in columns]
    starts = _settle(rows[0], rows[1], free)
    return None if starts is None else np.ascontiguousarray(starts.T).reshape(-1)[:count]


def _settle(arrivals: NDArray, services: NDArray, free: NDArray) -> NDArray | None:
    """Starts (steps, chunks): all chunks from idle, then those whose true state at the start makes a difference."""
    lanes, servers = arrivals.shape[1], len(free)
    begin = np.full((servers, lanes), IDLE)
    begin[:, 0] = free
    starts = np.empty_like(arrivals)
    states = np.empty((SEGMENTS, servers, lanes))  # after each segment, as the last pass left it
    redo = np.arange(lanes)
    for number in range(MOST_PASSES):
        _pass(arrivals, services, begin[:, redo], starts, states, redo, repeated=number > 0)
        true_begin = np.concatenate([free[:, None], states[-1][:, :-1]], axis=1)
        redo = np.flatnonzero((true_begin != begin).any(axis=0))
        if len(redo) == 0:
            return starts
        begin = true_begin
    return None


def _pass(
    arrivals: NDArray,
    services: NDArray,
    state: NDArray,
    starts: NDArray,
    states: NDArray,
    lanes: NDArray,
    *,
    repeated: bool,
) -> None:
    """Run the chunks *lanes* from *state* (servers, lanes); a repeated chunk stops where it meets its last run."""
    size = len(arrivals) // SEGMENTS
    whole = len(lanes) == arrivals.shape[1]
    state = np.ascontiguousarray(state)
    for segment in range(SEGMENTS):
        part = slice(segment * size, (segment + 1) * size)
        if whole:
            starts[part] = fifo_rows(arrivals[part], services[part], state)
        else:
            starts[part, lanes] = fifo_rows(arrivals[part][:, lanes], services[part][:, lanes], state)
        if repeated:
            apart = (states[segment][:, lanes] != state).any(axis=0)
            states[segment][:, lanes] = state
            lanes, state = lanes[apart], np.ascontiguousarray(state[:, apart])
            whole = False
            if len(lanes) == 0:
                return
        else:
            states[segment] = state


def _loop(arrivals: NDArray, services: NDArray, free: NDArray) -> NDArray:
    """The plain loop over customers, with a sorted list of free times."""
    times = free.tolist()
    starts = np.empty(len(arrivals))
    for number, (arrival, service) in enumerate(zip(arrivals.tolist(), services.tolist(), strict=True)):
        earliest = times.pop(0)
        start = arrival if arrival > earliest else earliest
        starts[number] = start
        insert(times, start + service)
    return starts


def insert(times: list[Any], value: Any) -> None:
    """Put *value* into sorted *times*, after its equals."""
    if not times or times[-1] <= value:
        times.append(value)
        return
    low, high = 0, len(times) - 1
    while low < high:
        middle = (low + high) // 2
        if times[middle] <= value:
            low = middle + 1
        else:
            high = middle
    times.insert(low, value)
