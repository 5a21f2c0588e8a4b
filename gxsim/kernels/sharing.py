"""Processor sharing: all customers of a station are served at once, each at an equal share of its servers."""

import numpy as np
from numpy.typing import NDArray

from gxsim.kernels.queueing import insert


def processor_sharing(arrivals: NDArray, services: NDArray, servers: int = 1) -> NDArray:
    """(customers,) departures; each customer is served at rate ``min(1, servers / present)``.

    An event loop in virtual time, the service a customer present since 0 would have had: customers leave in the order
    of the virtual time at which they have had theirs. About 1 us per customer and a little more per customer present.
    """
    departures = np.empty(len(arrivals))
    ends: list[tuple[float, int]] = []  # virtual ends of those present, and who they are
    now = virtual = 0.0
    order = list(zip(arrivals.tolist(), services.tolist(), strict=True))
    following = 0
    while following < len(order) or ends:
        rate = min(1.0, servers / len(ends)) if ends else 1.0
        leaves = now + (ends[0][0] - virtual) / rate if ends else np.inf
        if following < len(order) and order[following][0] < leaves:
            arrival, service = order[following]
            virtual += (arrival - now) * rate
            now = arrival
            insert(ends, (virtual + service, following))
            following += 1
        else:
            virtual, customer = ends.pop(0)
            now = departures[customer] = leaves
    return departures
