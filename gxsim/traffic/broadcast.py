"""What clients of the orderers see: when a transaction that they send is taken by a leader."""

import numpy as np
from numpy.typing import NDArray

from gxsim.kernels.uptime import within
from gxsim.model.ledger import LedgerPatience
from gxsim.traffic.reigns import Reigns

TAKEN, FORWARDED, REFUSED = range(3)  # by a leader; to a lost one, for as long as nobody notices; for want of one


def answers(sent_s: NDArray, reigns: Reigns) -> NDArray:
    """(transactions,) TAKEN, FORWARDED or REFUSED, by when each is sent."""
    return np.where(reigns.reached(sent_s), TAKEN, np.where(within(sent_s, reigns.orphaned), FORWARDED, REFUSED))


def taken_s(sent_s: NDArray, reigns: Reigns, patience: LedgerPatience) -> NDArray:
    """(transactions,) when a leader takes what is sent on a stream of its own; inf when there is none any more.

    A follower that still believes in a lost leader forwards to it and answers after its time-out; one that knows better
    refuses at once, and the client tries again until somebody leads.
    """
    answer = answers(sent_s, reigns)
    if (answer == TAKEN).all():
        return sent_s
    following = reigns.following(sent_s)
    again_s = sent_s + np.where(answer == FORWARDED, patience.forward_timeout_s, 0.0)
    with np.errstate(invalid="ignore"):
        tries = np.maximum(np.ceil((following - again_s) / patience.retry_s), 0)
        later_s = np.where(np.isfinite(following), again_s + tries * patience.retry_s, np.inf)
    return np.where(answer == TAKEN, sent_s, later_s)


class PersistentStreams:
    """Streams that are kept open, served one message at a time: one that is held up holds up all that come after it.

    ``held_s`` (streams,) is until when each waits for the answer to a message that was forwarded to a lost leader.
    """

    def __init__(self, streams: int, reigns: Reigns, patience: LedgerPatience):
        self.reigns, self.patience = reigns, patience
        self.held_s = np.full(streams, -np.inf)
        self.sent = 0  # messages so far; streams take turns

    def taken_s(self, sent_s: NDArray) -> NDArray:
        """(transactions,) when a leader takes what is sent, in order, on streams that take turns."""
        stream = (self.sent + np.arange(len(sent_s))) % len(self.held_s)
        self.sent += len(sent_s)
        waiting_s = np.maximum(sent_s, self.held_s[stream])
        for orphaned in self.reigns.orphaned:
            if len(sent_s) and sent_s[0] < orphaned[1] and waiting_s.max() >= orphaned[0]:
                for one in range(len(self.held_s)):
                    mine = np.flatnonzero(stream == one)
                    waiting_s[mine] = self._held(one, waiting_s[mine], orphaned)
        return taken_s(waiting_s, self.reigns, self.patience)

    def _held(self, stream: int, waiting_s: NDArray, orphaned: NDArray) -> NDArray:
        """When each message of *stream* is sent, or sent again: one that is forwarded in vain holds up all after it."""
        first = int(np.searchsorted(waiting_s, orphaned[0]))
        while first < len(waiting_s) and waiting_s[first] < orphaned[1]:
            self.held_s[stream] = waiting_s[first] + self.patience.forward_timeout_s
            waiting_s[first:] = np.maximum(waiting_s[first:], self.held_s[stream])
        return waiting_s
