"""Stations in a row under Poisson arrivals, many independent lanes side by side: for curves and for judging theory.

Nothing is stored per customer: a row of lanes is one customer of each, and lanes are what statistics are made of.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from gxsim.kernels.queueing import IDLE, fifo_rows

ROWS = 8


def single_server_tandem(
    rng: np.random.Generator, arrival_rate: NDArray | float, service_times_s: NDArray, *, lanes: int, steps: int
) -> NDArray:
    """(lanes,) mean sojourn in seconds over all hops, one exponential server each; the first quarter is left out.

    ``arrival_rate`` is one for all or (lanes,). Each hop is Lindley's recursion in relative times, and the gaps between
    its departures are the gaps of the next one's arrivals, so that one row passes all hops before the next row begins.
    """
    hops = len(service_times_s)
    sojourn = np.zeros((hops, lanes))  # of the customer before
    total, new = np.zeros(lanes), np.empty(lanes)
    gaps, services = np.empty((ROWS, lanes)), np.empty((ROWS, hops, lanes))
    warm_up = steps // 4
    for step in range(steps):
        row = step % ROWS
        if row == 0:
            rng.standard_exponential(out=gaps)
            rng.standard_exponential(out=services)
            gaps /= arrival_rate
        gap = gaps[row]
        for hop in range(hops):
            service, before = services[row, hop], sojourn[hop]
            if service_times_s[hop] != 1.0:
                service *= service_times_s[hop]
            np.subtract(before, gap, out=new)
            np.maximum(new, 0.0, out=new)
            new += service
            if hop + 1 < hops:
                gap += new
                gap -= before
            before[:] = new
            if step >= warm_up:
                total += new
    return total / (steps - warm_up)


def multi_server_tandem(
    rng: np.random.Generator, arrival_rate: float, servers: int, hops: int, *, lanes: int, steps: int, blocks: int
) -> Iterator[NDArray]:
    """Per block, (lanes, steps) time from the first arrival to the last departure of each customer, as they leave.

    Every hop has *servers* exponential servers of mean 1. Customers overtake each other, so each is followed by sorting
    the departures of a hop with the times of birth beside them. The array is used again for the next block.
    """
    times, services, starts = (np.empty((steps, lanes)) for _ in range(3))
    leaving, born, sorted_born = (np.empty((lanes, steps)) for _ in range(3))
    offsets = np.arange(lanes)[:, None] * steps
    free = np.empty((servers, lanes))
    for _ in range(blocks):
        rng.standard_exponential(out=times)
        times /= arrival_rate
        for step in range(1, steps):  # np.cumsum along the first axis takes twenty times as long
            times[step] += times[step - 1]
        born[:] = times.T
        for _ in range(hops):
            rng.standard_exponential(out=services)
            free.fill(IDLE)
            fifo_rows(times, services, free, out=starts)
            starts += services
            leaving[:] = starts.T
            order = np.argsort(leaving, axis=1)
            order += offsets
            np.take(born, order, out=sorted_born, mode="clip")
            born, sorted_born = sorted_born, born
            np.take(leaving, order, out=sorted_born, mode="clip")
            times[:] = sorted_born.T
        yield np.subtract(sorted_born, born, out=sorted_born)
