"""How an nginx ``upstream`` chooses a peer and leaves failing ones alone, as its source does (version 1.22).

Smooth weighted round robin (``ngx_http_upstream_round_robin.c``), least connections, a hash of the client's address,
and a random one, or the better of two, by weight. Times are cut to whole seconds, as nginx's own clock is there.
"""

from bisect import bisect_right
from collections.abc import Callable, Collection, Hashable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

ROUND_ROBIN, LEAST_CONN, IP_HASH, RANDOM, RANDOM_TWO = "roundRobin", "leastConn", "ipHash", "random", "randomTwo"
POLICIES = (ROUND_ROBIN, LEAST_CONN, IP_HASH, RANDOM, RANDOM_TWO)
ERROR, TIMEOUT, HTTP_503 = "error", "timeout", "http503"
NEXT = (ERROR, TIMEOUT, HTTP_503)
MOST_DRAWS = 20  # after so many the hash and the random choice fall back to round robin
HASH_START, HASH_FACTOR, HASH_MODULUS = 89, 113, 6271


@dataclass(slots=True)
class Peer:
    """One server of an upstream and what a worker knows of it."""

    weight: int = 1
    effective: int = field(init=False)
    current: int = 0
    connections: int = 0
    fails: int = 0
    failed_s: int = 0
    checked_s: int = 0

    def __post_init__(self) -> None:
        self.effective = self.weight


@dataclass(slots=True)
class Balancer:
    """One nginx worker (or all that share a ``zone``) over *peers*, which may come and go by name."""

    policy: str = ROUND_ROBIN
    max_fails: int = 1
    fail_timeout_s: float = 10
    peers: dict[Hashable, Peer] = field(default_factory=dict)
    names: list[Hashable] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)  # sums of weights up to each
    known: Sequence[Hashable] = ()  # as they were met last
    place: dict[Hashable, int] = field(default_factory=dict)

    def meet(self, names: Sequence[Hashable], weights: Sequence[int]) -> None:
        """These are the peers from now on; who stays is known as before."""
        self.peers = {name: self.peers.get(name) or Peer(weight) for name, weight in zip(names, weights, strict=True)}
        self.known, self.place = names, {name: place for place, name in enumerate(names)}
        self.names, self.ends = list(self.peers), list(accumulate(peer.weight for peer in self.peers.values()))

    def choose(
        self, now_s: float, tried: Collection[Hashable], *, draw: Callable[[int], float], address: tuple[int, ...] = ()
    ) -> Hashable | None:
        """The peer of a request that has *tried* some; None where all have failed or rest.

        ``draw(n)`` is the n-th uniform number of this choice, *address* the first three bytes of the client's.
        """
        now, name = int(now_s), None

        def is_free(one: Hashable) -> bool:
            return one not in tried and not self._rests(self.peers[one], now)

        if len(self.peers) > 1:
            if self.policy == IP_HASH:
                name = self._hashed(is_free, address)
            elif self.policy in (RANDOM, RANDOM_TWO):
                name = self._drawn(is_free, draw)
        if name is None:
            usable = {one: peer for one, peer in self.peers.items() if is_free(one)}
            if not usable:
                return None
            name = _least(usable) if self.policy == LEAST_CONN else _smooth(usable)
        chosen = self.peers[name]
        if now - chosen.checked_s > self.fail_timeout_s:
            chosen.checked_s = now
        chosen.connections += 1
        return name

    def done(self, name: Hashable, now_s: float, *, failed: bool) -> None:
        """A connection to a peer has ended."""
        peer = self.peers.get(name)
        if peer is None:
            return
        peer.connections -= 1
        if failed:
            peer.fails += 1
            peer.failed_s = peer.checked_s = int(now_s)
            if self.max_fails:
                peer.effective = max(0, peer.effective - peer.weight // self.max_fails)
        elif peer.failed_s < peer.checked_s:
            peer.fails = 0

    def tries(self, now_s: float, failing: Collection[Hashable] = ()) -> list[Hashable]:
        """The peers that a request tries in turn by round robin; the last one answers unless it is *failing*, too."""
        tried: list[Hashable] = []
        while (name := self.choose(now_s, tried, draw=_nothing_drawn)) is not None:
            tried.append(name)
            self.done(name, now_s, failed=name in failing)
            if name not in failing:
                break
        return tried

    def _rests(self, peer: Peer, now: int) -> bool:
        return 0 < self.max_fails <= peer.fails and now - peer.checked_s <= self.fail_timeout_s

    def _hashed(self, is_free: Callable[[Hashable], bool], address: tuple[int, ...]) -> Hashable | None:
        hashed = HASH_START
        for _ in range(MOST_DRAWS):
            for byte in address:
                hashed = (hashed * HASH_FACTOR + byte) % HASH_MODULUS
            name = self.names[bisect_right(self.ends, hashed % self.ends[-1])]
            if is_free(name):
                return name
        return None

    def _drawn(self, is_free: Callable[[Hashable], bool], draw: Callable[[int], float]) -> Hashable | None:
        first = None
        for number in range(MOST_DRAWS):
            name = self.names[bisect_right(self.ends, int(draw(number) * self.ends[-1]))]
            if name == first or not is_free(name):
                continue
            if self.policy == RANDOM:
                return name
            if first is not None:
                one, other = self.peers[first], self.peers[name]
                return first if other.connections * one.weight > one.connections * other.weight else name
            first = name
        return None


def _nothing_drawn(number: int) -> float:
    """Round robin leaves nothing to chance."""
    return 0.0


def _smooth(usable: dict[Hashable, Peer]) -> Hashable:
    """Smooth weighted round robin; a peer that failed gains weight again with each choice."""
    total, best = 0, None
    for name, peer in usable.items():
        peer.current += peer.effective
        total += peer.effective
        if peer.effective < peer.weight:
            peer.effective += 1
        if best is None or peer.current > usable[best].current:
            best = name
    usable[best].current -= total
    return best


def _least(usable: dict[Hashable, Peer]) -> Hashable:
    """Fewest connections for its weight; among equals by turns."""
    least = min(peer.connections / peer.weight for peer in usable.values())
    return _smooth({name: peer for name, peer in usable.items() if peer.connections / peer.weight == least})
