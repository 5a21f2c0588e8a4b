"""Which backend a connection goes to: kube-proxy's random chain, or turns."""

import numpy as np
from numpy.typing import NDArray


def chain_pick(uniforms: NDArray, counts: NDArray | int) -> NDArray:
    """(connections,) position of the endpoint that kube-proxy's iptables chain of ``counts`` rules picks.

    The i-th rule of n matches with probability 1/(n − i) and the last always, so that each endpoint has the same share;
    −1 where there is none: the chain then refuses the connection.
    """
    return np.where(counts > 0, (uniforms * counts).astype(np.int64), -1)


def turn_pick(times_s: NDArray, callers: NDArray, counts: NDArray, turns: NDArray) -> NDArray:
    """(connections,) position of the endpoint where each caller takes turns in order of time, as IPVS does (rr).

    ``counts`` (connections,) endpoints are there at each time; ``turns`` (callers,) is how many connections each caller
    has made, brought up to date in place. −1 where there is no endpoint.
    """
    order = np.lexsort((times_s, callers))
    caller = callers[order]
    first = np.searchsorted(caller, caller)  # of the same caller
    turn = np.empty(len(order), np.int64)
    turn[order] = turns[caller] + np.arange(len(order)) - first
    turns += np.bincount(callers, minlength=len(turns))
    return np.where(counts > 0, turn % np.maximum(counts, 1), -1)
