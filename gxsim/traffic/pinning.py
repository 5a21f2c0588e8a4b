"""Connections that stay open: each leads to the pod it was made to, for as long as that lives."""

import numpy as np
from numpy.typing import NDArray

from gxsim.kernels.balancing import chain_pick
from gxsim.traffic.endpoints import NOBODY, Endpoints


def pinned_lanes(endpoints: Endpoints, nodes: int, connections: int, rng: np.random.Generator) -> NDArray:
    """(epochs, nodes, connections) the lane of each connection that callers on a node keep open in each epoch.

    A connection is made anew only when its pod stops: pods that come later get none of the old ones. Where the new pick
    leads nowhere there is no connection (a negative code), and visits pick anew each until the next epoch.
    """
    epochs = len(endpoints.times_s)
    lanes = np.full((epochs, nodes, connections), NOBODY)
    alive_until_s = np.append(endpoints.lanes.end_s, -np.inf)
    held = lanes[0]
    for epoch, time_s in enumerate(endpoints.times_s.tolist()):
        picks = endpoints.target[epoch, chain_pick(rng.random((nodes, connections)), endpoints.count[epoch])]
        lives = (held >= 0) & (alive_until_s[np.where(held >= 0, held, -1)] > time_s)
        held = np.where(lives, held, picks)
        lanes[epoch] = held
    return lanes
