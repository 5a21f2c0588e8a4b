"""Callers that balance as an nginx upstream does: what the event loop of ``kernels.dispatch`` needs of a run."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray

from gxsim.kernels.dispatch import HANGING, REFUSED, SILENT, Call, Dispatch, Rules
from gxsim.kernels.keyed import uniform
from gxsim.kernels.upstream import Balancer
from gxsim.traffic import endpoints as found
from gxsim.traffic.batches import Batch
from gxsim.traffic.routes import Stop

CODES = {found.REFUSED: -REFUSED, found.SILENT: -SILENT, found.HANGING: -HANGING}
DRAWS_PER_TRY = 64
Peers = tuple[Sequence[Hashable], Sequence[int], Sequence[int]]


def dispatch_of(stop: Stop) -> Dispatch:
    """The event loop of a stop before its first request."""
    station, upstream = stop.station, stop.station.upstream
    assert upstream is not None
    rules = Rules(
        next_on=upstream.next_upstream,
        tries=upstream.tries,
        try_for_s=upstream.try_for_s,
        read_timeout_s=upstream.read_timeout_s,
    )
    new = partial(Balancer, upstream.policy, upstream.max_fails, upstream.fail_timeout_s)
    return Dispatch(servers=station.servers, places=station.places or 0, rules=rules, new_balancer=new)


@dataclass(slots=True)
class Found:
    """What callers find at a stop, over delays ``node_s`` (nodes, nodes); *salt* is that of their random choices."""

    stop: Stop
    node_s: NDArray
    node_names: Sequence[str]
    salt: int
    known: dict[int, Peers] = field(default_factory=dict)  # by epoch

    def peers(self, at_s: float) -> Peers:
        """Pods believed in at that time, the weights of their nodes, and what is behind each."""
        epoch = int(np.searchsorted(self.stop.endpoints.times_s, at_s, side="right")) - 1
        if epoch not in self.known:
            self.known[epoch] = self._peers(epoch)
        return self.known[epoch]

    def _peers(self, epoch: int) -> Peers:
        endpoints, upstream = self.stop.endpoints, self.stop.station.upstream
        assert upstream is not None
        owners = endpoints.owner[epoch, : endpoints.count[epoch]].tolist()
        homes = endpoints.home[epoch, owners].tolist()
        weights = [upstream.weights.get(self.node_names[home], 1) for home in homes]
        return owners, weights, [CODES.get(code, code) for code in endpoints.target[epoch, : len(owners)].tolist()]

    def delay_s(self, caller: int, lane: int) -> float:
        """One way."""
        return float(self.node_s[caller, self.stop.endpoints.lanes.node[lane]])

    def end_s(self, lane: int) -> float:
        """When a lane dies."""
        return float(self.stop.endpoints.lanes.end_s[lane])

    def draw(self, ident: int, attempt: int) -> Callable[[int], float]:
        """Uniform numbers of one choice."""
        return lambda number: uniform(self.salt, ident, DRAWS_PER_TRY * attempt + number)


def calls_of(batch: Batch, services: NDArray, client: NDArray, timeout_s: float) -> list[Call]:
    """The requests of *batch*, at their callers, whose nodes stand for lanes; each client has a /24 of its own."""
    octets = zip((client >> 16 & 255).tolist(), (client >> 8 & 255).tolist(), (client & 255).tolist(), strict=True)
    columns = zip(
        batch.ident.tolist(), batch.lane.tolist(), batch.at_s.tolist(), services.tolist(), octets, strict=True
    )
    return [Call(who, node, at_s, needs, timeout_s, address) for who, node, at_s, needs, address in columns]
