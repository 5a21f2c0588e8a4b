"""Who gets how much of a processor that many want: Linux's completely fair scheduler between groups."""

import numpy as np
from numpy.typing import NDArray


def fair_shares(capacity: float, demands: NDArray, weights: NDArray) -> NDArray:
    """(groups,) what each gets of *capacity*: in proportion to its weight, and never more than it demands.

    What one does not want is shared among the others by their weights (weighted max-min fairness). Weights are above 0.
    """
    if demands.sum() <= capacity:
        return demands.astype(float)
    order = np.argsort(demands / weights, kind="stable")
    wanted, weight = demands[order].astype(float), weights[order].astype(float)
    satisfied = np.concatenate([[0.0], np.cumsum(wanted)[:-1]])  # by those that want least for their weight
    remaining = np.cumsum(weight[::-1])[::-1]
    level = (capacity - satisfied) / remaining  # per weight, if those before are satisfied
    first = int(np.argmax(wanted / weight >= level))  # of those who want more than their share
    return np.minimum(demands, level[first] * weights)


def beside_threads(capacity: float, demand: float, threads: float, stress: float, stressing: float) -> float:
    """What is left of a group's *capacity* for *threads* that want *demand*, when *stressing* others want *stress*.

    Threads of one group weigh the same.
    """
    if stress == 0:
        return min(capacity, demand)
    shares = fair_shares(capacity, np.array([demand, stress]), np.array([threads, stressing]))
    return float(shares[0])
