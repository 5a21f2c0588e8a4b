"""Node leases: when each kubelet last renewed its own. Renewals nobody misses are arithmetic."""

import numpy as np
from numpy.typing import NDArray

from gxsim.controllers.informer import TOLERANCE_S


class Leases:
    """Last renewal of each node's Lease. ``online`` is where a kubelet lives and reaches a working API server."""

    def __init__(self, phases_s: NDArray[np.float64], period_s: float):
        self.period_s = period_s
        self.phases_s = phases_s.copy()  # (nodes,) a time at which the node renewed, or will
        self.online = np.ones(len(phases_s), bool)
        self.since_s = np.full(len(phases_s), -np.inf)  # (nodes,) when ``online`` last changed

    def follow(self, now: float, online: NDArray[np.bool_]) -> None:
        """Take note of kubelets that can no longer renew, or can again (they renew at once)."""
        changed = online != self.online
        if not changed.any():
            return
        lost, back = changed & ~online, changed & online
        self.phases_s[lost] = self._floor(now)[lost]
        self.phases_s[back] = now
        self.since_s[changed] = now
        self.online = online.copy()

    def renewed_s(self, now: float) -> NDArray[np.float64]:
        """(nodes,) the last renewal of each Lease."""
        return np.where(self.online, self._floor(now), self.phases_s)

    def _floor(self, now: float) -> NDArray[np.float64]:
        return self.phases_s + self.period_s * np.floor((now + TOLERANCE_S - self.phases_s) / self.period_s)
