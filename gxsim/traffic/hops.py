"""Messages on the network while faults delay them, lose them, slow them down or let none pass."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gxsim.kernels.keyed import exponentials, uniforms
from gxsim.kernels.retransmission import MIN_RTO_S, TRIES, retransmission_s
from gxsim.state.degradation import BANDWIDTH, DELAY, LINK_ACTIONS, LOSS, OUTSIDE, Degradation

Ends = tuple[NDArray, NDArray]  # (messages,) node and pod of whoever sends, or receives


class Hops:
    """The links of a run. Each message is one packet to a fault that loses packets, its bytes to one that limits them.

    A lost packet is sent again after the round trip and 200 ms, then after twice that, and so on; the round trip is
    taken as twice the way there. Messages do not queue for a limited bandwidth.
    """

    def __init__(self, degradations: Sequence[Degradation], salt: int):
        self._links = [one for one in degradations if one.action in LINK_ACTIONS]
        self._salt = salt

    def __bool__(self) -> bool:
        """Whether any fault of the run is at a link."""
        return bool(self._links)

    def arrive(
        self,
        at_s: NDArray,
        base_s: NDArray,
        sender: Ends,
        receiver: Ends,
        size_bytes: NDArray,
        chance: tuple[NDArray, int],
    ) -> NDArray:
        """(messages,) arrival of what leaves at *at_s* over links that take *base_s* when all is well; inf: never.

        *chance* is whose message each is, and which hop of a request.
        """
        ident, hop = chance
        draw = hop * (len(self._links) + 1)
        arrives_s, passes = at_s + base_s, np.ones(len(at_s))
        for number, link in enumerate(self._links, 1):
            met = _met(link, at_s, sender, receiver)
            if len(met) == 0:
                continue
            if link.severs:
                arrives_s[met] = np.inf
            elif link.action == DELAY:
                jitter_s = link.spread * (
                    2 * uniforms(self._salt, ident[met], draw + number) - 1
                )  # uniform, as netem's is by default
                arrives_s[met] += np.maximum(link.amount + jitter_s, 0.0)
            elif link.action == BANDWIDTH:
                arrives_s[met] += size_bytes[met] / link.amount
            elif link.action == LOSS:
                passes[met] *= 1 - link.amount
        lossy = np.flatnonzero(passes < 1)
        if len(lossy):
            fails = np.maximum(1 - passes[lossy], np.finfo(float).tiny)
            lost = np.minimum(exponentials(self._salt, ident[lossy], draw) / -np.log(fails), TRIES).astype(np.int64)
            arrives_s[lossy] += retransmission_s(lost, MIN_RTO_S + 2 * (arrives_s[lossy] - at_s[lossy]))
        return arrives_s

    def severed(self, at_s: NDArray, one: Ends, other: Ends) -> NDArray[np.bool_]:
        """(messages,) True where no connection can stand at *at_s*: one way or the other nothing passes."""
        result = np.zeros(len(at_s), bool)
        for link in self._links:
            if link.severs:
                result[_met(link, at_s, one, other)] = True
                result[_met(link, at_s, other, one)] = True
        return result


def outside(like: NDArray) -> NDArray:
    """(messages,) ends that are in no pod, or on no node."""
    return np.full(len(like), OUTSIDE)


def _met(link: Degradation, at_s: NDArray, sender: Ends, receiver: Ends) -> NDArray[np.intp]:
    """Positions of the messages that *link* acts on."""
    if len(at_s) == 0 or at_s.max() < link.begin_s or at_s.min() >= link.end_s:
        return np.empty(0, np.intp)
    return np.flatnonzero(link.lasts(at_s) & link.meets(*sender, *receiver))
