"""Renewals of leases over links that lose packets or hold them back: which nodes fall silent for long, and when.

A renewal is given up after as long as renewals are apart, and tried again at once; so one in each period fails with the
chance that an exchange fails. Only silences that a grace period could notice are told to the state.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gxsim.controllers.lease import Leases
from gxsim.kernels.retransmission import exchange_failure
from gxsim.state import ClusterState
from gxsim.state.degradation import DELAY, LOSS, OUTSIDE
from gxsim.state.links import links_at

SHORT = 3  # failures in a row that leave the last renewal less than five periods old
RARE = 1e-4  # with a smaller chance the next silence is a hundred thousand years away


class Heartbeats:
    """When each node on a bad link falls silent or is heard again."""

    def __init__(self, state: ClusterState, leases: Leases, servers: Sequence[int], rng: np.random.Generator):
        self._state, self._leases, self._rng = state, leases, rng
        self._servers = sorted(servers) or [OUTSIDE]
        self._chance = np.zeros(len(state.nodes))  # (nodes,) that a renewal fails
        self._turn_s = np.full(len(state.nodes), np.inf)  # (nodes,) when it falls silent, or is heard again
        self._revision = 0
        self.due_s = math.inf  # the first of these

    def follow(self, now: float) -> None:
        """Take note of links that have changed, and of nodes whose turn it is."""
        if self._state.degradations.revision != self._revision:
            self._revision = self._state.degradations.revision
            self._look(now)
        if self.due_s <= now:
            for node in np.flatnonzero(self._turn_s <= now).tolist():
                self._turn(node, now)
            self.due_s = float(self._turn_s.min())

    def _look(self, now: float) -> None:
        """Begin anew where renewals fail more often, or less often, than before."""
        chance = self._chances(now)
        for node in np.flatnonzero(chance != self._chance).tolist():
            self._chance[node] = chance[node]
            self._state.degradations.hear(node)
            self._turn_s[node] = self._falls_silent_s(node, now)
        self.due_s = float(self._turn_s.min(initial=math.inf))

    def _turn(self, node: int, now: float) -> None:
        degradations = self._state.degradations
        if degradations.silent[node]:
            degradations.hear(node)
            self._turn_s[node] = self._falls_silent_s(node, now)
        else:
            degradations.hush(node)
            self._turn_s[node] = now + self._leases.period_s * (1 + self._failures(self._chance[node]))

    def _chances(self, now: float) -> NDArray[np.float64]:
        """(nodes,) chance that a renewal fails, on the best link to an API server; a server has one of its own."""
        chance = np.zeros(len(self._state.nodes))
        if not any(one.action in (DELAY, LOSS) for one in self._state.degradations.open):
            return chance
        ends = np.array([*range(len(chance)), *self._servers])
        links = links_at(self._state.degradations.open, now, ends, np.full(len(ends), OUTSIDE))
        for node in set(range(len(chance))) - set(self._servers):
            to = range(len(chance), len(ends))
            chance[node] = min(self._failing(links.loss, links.delay_s, node, server) for server in to)
        return chance

    def _failing(self, loss: NDArray, delay_s: NDArray, node: int, server: int) -> float:
        there, back = float(loss[node, server]), float(loss[server, node])
        round_trip_s = float(delay_s[node, server] + delay_s[server, node])
        if there == back == round_trip_s == 0:
            return 0.0
        return exchange_failure(there, back, round_trip_s, self._leases.period_s)

    def _falls_silent_s(self, node: int, now: float) -> float:
        """The renewal after which the next silence begins that is long enough: several failures in a row."""
        chance = float(self._chance[node])
        if chance < RARE:
            return math.inf
        last_s = float(self._leases.renewed_s(now)[node])
        return max(now, last_s + self._leases.period_s * renewals_before_silence(chance, self._rng))

    def _failures(self, chance: float) -> float:
        """Length of a silence in periods, given that it is long enough."""
        return math.inf if chance >= 1 else SHORT + float(self._rng.geometric(1 - chance))


def renewals_before_silence(chance: float, rng: np.random.Generator) -> int:
    """Renewals, good or failed, before the first ``SHORT + 1`` failures in a row; each fails with *chance*.

    Runs of failures are geometric, and so is the number of short ones before the first that is long.
    """
    if chance >= 1:
        return 0
    short_runs = int(rng.geometric(chance**SHORT)) - 1
    good = int(rng.negative_binomial(short_runs + 1, chance)) + short_runs  # each short run ends in a good one
    weights = chance ** np.arange(SHORT)
    failed = rng.multinomial(short_runs, weights / weights.sum()) @ np.arange(1, SHORT + 1)
    return good + int(failed)
