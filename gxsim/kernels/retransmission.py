"""What a lost packet costs a TCP connection that has nothing else to send: time-outs that double."""

import numpy as np
from numpy.typing import NDArray

MIN_RTO_S = 0.2  # Linux TCP_RTO_MIN, on top of the round trip
MAX_RTO_S = 120.0  # TCP_RTO_MAX
SYN_RTO_S = 1.0  # RFC 6298, before anything is measured
TRIES = 16  # the packet and net.ipv4.tcp_retries2 = 15 more


def retransmission_s(lost: NDArray, rto_s: NDArray | float) -> NDArray:
    """Time until a packet leaves for the last time after *lost* losses in a row; inf when the connection gives up.

    The time-out doubles from *rto_s* up to ``MAX_RTO_S``: k losses cost rto (2^k - 1) until then.
    """
    rto_s = np.minimum(rto_s, MAX_RTO_S)
    doublings = np.floor(np.log2(MAX_RTO_S / rto_s)) + 1  # time-outs below the cap
    below = np.minimum(lost, doublings)
    waits_s = rto_s * (np.exp2(below) - 1) + MAX_RTO_S * (lost - below)
    return np.where(lost < TRIES, waits_s, np.inf)


def mean_retransmission_s(loss: NDArray, rto_s: NDArray) -> NDArray:
    """Mean of ``retransmission_s`` over packets that arrive at last, each try being lost with *loss*.

    Without the cap this is rto p / (1 - 2 p) for p < 1/2. Losing everything is inf.
    """
    tries = np.arange(TRIES).reshape(-1, *(1,) * np.ndim(loss))
    with np.errstate(invalid="ignore", divide="ignore"):
        chance = loss**tries * (1 - loss) / (1 - loss**TRIES)
        mean_s = (chance * retransmission_s(tries, rto_s)).sum(axis=0)
    return np.where(loss < 1, mean_s, np.inf)


def exchange_failure(there: float, back: float, round_trip_s: float, timeout_s: float) -> float:
    """Chance that a request and its answer, each one packet, take longer than *timeout_s* on a connection that stands.

    *there* and *back* are the shares of packets lost on each way.
    """
    lost = np.arange(TRIES)
    waits_s = retransmission_s(lost, MIN_RTO_S + round_trip_s)
    chances = [loss**lost * (1 - loss) for loss in (there, back)]
    in_time = round_trip_s + waits_s[:, None] + waits_s <= timeout_s
    return float(1 - (np.outer(*chances) * in_time).sum())
