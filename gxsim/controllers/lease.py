"""Node leases: when each kubelet last renewed its own, and which renewals the control plane has seen.

Renewals nobody misses are arithmetic.
"""

import math

import numpy as np
from numpy.typing import NDArray

from gxsim.controllers.informer import TOLERANCE_S


class Leases:
    """Last renewal of each node's Lease. ``online`` is where a kubelet lives and reaches a working API server.

    A controller that outlives its API server is ``blind`` until its watches are connected again: it goes by the
    renewals it saw before.
    """

    def __init__(self, phases_s: NDArray[np.float64], period_s: float):
        self.period_s = period_s
        self.phases_s = phases_s.copy()  # (nodes,) a time at which the node renewed, or will
        self.alive = self.online = np.ones(len(phases_s), bool)
        self.since_s = np.full(len(phases_s), -np.inf)  # (nodes,) when the kubelet last went away or came back
        self.seen_s: NDArray[np.float64] | None = None  # (nodes,) what a blind controller goes by
        self.blind_until_s = -math.inf
        self.starting_s = math.inf  # since when an API server takes connections without answering

    def follow(self, now: float, alive: NDArray[np.bool_], *, api_up: bool) -> None:
        """Take note of kubelets that can no longer renew, or can again (they renew at once)."""
        self.since_s[alive != self.alive] = now
        self.alive = alive.copy()
        online = alive & api_up
        lost, back = self.online & ~online, online & ~self.online
        self.phases_s[lost] = self._floor(now)[lost]
        self.phases_s[back] = now
        self.online = online

    def lose_watches(self, now: float) -> None:
        """The API server is gone: what was seen until now is all that is known."""
        self.seen_s, self.blind_until_s = self.renewed_s(now), math.inf

    def regain_watches(self, time_s: float) -> None:
        """Watches are connected again at *time_s*."""
        self.blind_until_s = time_s

    def is_blind(self, now: float) -> bool:
        """Whether the controllers see nothing new."""
        return now < self.blind_until_s - TOLERANCE_S

    def silent(self, now: float) -> NDArray[np.bool_]:
        """(nodes,) True where the controllers see no renewals."""
        return np.ones(len(self.online), bool) if self.is_blind(now) else ~self.online

    def renewed_s(self, now: float) -> NDArray[np.float64]:
        """(nodes,) the last renewal of each Lease, as far as the controllers have seen."""
        if self.seen_s is not None and self.is_blind(now):
            return self.seen_s
        return np.where(self.online, self._floor(now), self.phases_s)

    def _floor(self, now: float) -> NDArray[np.float64]:
        return self.phases_s + self.period_s * np.floor((now + TOLERANCE_S - self.phases_s) / self.period_s)
