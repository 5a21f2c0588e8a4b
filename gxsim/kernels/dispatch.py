"""Requests that choose a pod by what pods are doing, and try another when one fails: an event loop.

The choice depends on every request before it, so this cannot be an array function: about ten microseconds a request.
Callers on several nodes each have their own balancer; pods are first-come first-served stations that all of them share.
"""

import heapq
import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from gxsim.kernels.queueing import IDLE, insert
from gxsim.kernels.upstream import ERROR, HTTP_503, TIMEOUT, Balancer

SERVED, REFUSED, SILENT, NOBODY, FULL, LOST, TIMED_OUT, HANGING = range(8)
KINDS = {REFUSED: ERROR, SILENT: TIMEOUT, FULL: HTTP_503, LOST: ERROR, TIMED_OUT: TIMEOUT, HANGING: TIMEOUT}
COUNTED = (ERROR, TIMEOUT)  # always failures of the peer; others only where they lead to the next one


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """When another pod is tried: *next_on* of ``NEXT``, *tries* pods at most (0: all), before *try_for_s* (0: ever)."""

    next_on: tuple[str, ...] = (ERROR, TIMEOUT)
    tries: int = 0
    try_for_s: float = 0.0
    read_timeout_s: float = math.inf


class Call(NamedTuple):
    """A request at its caller: who it is, what it needs, and how long its caller waits for a dead node."""

    ident: int
    caller: int
    at_s: float
    service_s: float
    connect_timeout_s: float = math.inf
    address: tuple[int, ...] = ()


class Visit(NamedTuple):
    """A request in a pod, of which every arrival is one; *outcome* SERVED goes on, others are only work done."""

    ident: int
    lane: int
    at_s: float
    start_s: float
    left_s: float
    outcome: int


class Failure(NamedTuple):
    """A request that no pod has served, when its caller knows, and why."""

    ident: int
    at_s: float
    cause: int


class World(Protocol):
    """What there is to find: peers a caller believes in with their weights, what is behind each, and how far it is."""

    def peers(self, at_s: float) -> tuple[Sequence[Hashable], Sequence[int], Sequence[int]]:
        """Names, weights, and what is behind each: a lane, or minus ``REFUSED``, ``SILENT`` or ``HANGING``."""

    def delay_s(self, caller: int, lane: int) -> float:
        """One way."""

    def end_s(self, lane: int) -> float:
        """When a lane dies with all that is in it."""

    def draw(self, ident: int, attempt: int) -> Callable[[int], float]:
        """Uniform numbers of one choice."""


@dataclass(slots=True)
class _Open:
    """A request that has been dispatched: the pods it tried, and the attempt that counts."""

    call: Call
    tried: list[Hashable] = field(default_factory=list)
    sent_s: float = 0.0
    cause: int = NOBODY
    visit: Visit | None = None


@dataclass(slots=True)
class Dispatch:
    """Callers, their balancers and the pods they share, at one moment; ``advance`` moves on.

    ``places`` is how many a pod holds (0: any number). Events of the same instant run in the order they were made.
    """

    servers: int
    places: int
    rules: Rules
    new_balancer: Callable[[], Balancer]
    balancers: dict[int, Balancer] = field(default_factory=dict)
    free: dict[int, list[float]] = field(default_factory=dict)  # by lane, sorted
    inside: dict[int, list[float]] = field(default_factory=dict)  # by lane: departures of those inside, sorted
    open: dict[int, _Open] = field(default_factory=dict)
    events: list[tuple[float, int, str, int, int, Hashable]] = field(default_factory=list)
    made: int = 0

    def advance(self, world: World, calls: Sequence[Call], until_s: float) -> tuple[list[Visit], list[Failure]]:
        """What has happened before *until_s*; *calls* are all that come to their caller before it, in any order."""
        visits: list[Visit] = []
        failures: list[Failure] = []
        for call in sorted(calls, key=lambda call: (call.at_s, call.ident)):
            self.open[call.ident] = _Open(call)
            self._later(call.at_s, "dispatch", call.ident)
        while self.events and self.events[0][0] < until_s:
            now_s, _, kind, ident, lane, peer = heapq.heappop(self.events)
            if kind == "dispatch":
                self._dispatch(world, now_s, ident, failures)
            elif kind == "arrive":
                self._arrive(world, now_s, ident, lane, peer, visits)
            elif kind == "served":
                self._served(world, now_s, ident, lane, peer, visits)
            elif kind == "free":
                self.balancers[lane].done(peer, now_s, failed=False)
            else:
                self._failed(now_s, ident, int(kind), peer, failures)
        return visits, failures

    def _later(self, at_s: float, kind: str, ident: int, lane: int = 0, peer: Hashable = None) -> None:
        self.made += 1
        heapq.heappush(self.events, (at_s, self.made, kind, ident, lane, peer))

    def _dispatch(self, world: World, now_s: float, ident: int, failures: list[Failure]) -> None:
        one = self.open[ident]
        caller = one.call.caller
        if caller not in self.balancers:
            self.balancers[caller] = self.new_balancer()
        names, weights, behind = world.peers(now_s)
        balancer = self.balancers[caller]
        if balancer.known is not names:
            balancer.meet(names, weights)
        draw = world.draw(ident, len(one.tried))
        peer = balancer.choose(now_s, one.tried, draw=draw, address=one.call.address)
        if peer is None:
            failures.append(Failure(ident, now_s, one.cause))
            del self.open[ident]
            return
        one.tried.append(peer)
        one.sent_s = now_s
        lane = behind[balancer.place[peer]]
        if lane == -REFUSED:
            self._later(now_s, str(REFUSED), ident, 0, peer)
        elif lane == -SILENT:
            self._later(now_s + one.call.connect_timeout_s, str(SILENT), ident, 0, peer)
        elif lane == -HANGING:
            self._later(now_s + self.rules.read_timeout_s, str(HANGING), ident, 0, peer)
        else:
            self._later(now_s + world.delay_s(caller, lane), "arrive", ident, lane, peer)

    def _arrive(self, world: World, now_s: float, ident: int, lane: int, peer: Hashable, visits: list[Visit]) -> None:
        one = self.open[ident]
        back_s, dies_s = world.delay_s(one.call.caller, lane), world.end_s(lane)
        inside = self.inside.setdefault(lane, [])
        while inside and inside[0] <= now_s:
            inside.pop(0)
        if self.places and len(inside) >= self.places:
            visits.append(Visit(ident, lane, now_s, now_s, now_s, FULL))
            self._later(now_s + back_s, str(FULL), ident, lane, peer)
            return
        free = self.free.setdefault(lane, [IDLE] * self.servers)
        start_s = max(now_s, free.pop(0))
        left_s = start_s + one.call.service_s
        insert(free, left_s)
        insert(inside, left_s)
        gives_up_s = one.sent_s + self.rules.read_timeout_s
        if left_s + back_s > gives_up_s and min(left_s, dies_s) + back_s > gives_up_s:
            visits.append(_cut(ident, lane, now_s, start_s, left_s, dies_s, TIMED_OUT))
            self._later(max(gives_up_s, now_s), str(TIMED_OUT), ident, lane, peer)
        elif left_s > dies_s:
            visits.append(_cut(ident, lane, now_s, start_s, left_s, dies_s, LOST))
            self._later(max(now_s, dies_s) + back_s, str(LOST), ident, lane, peer)
        else:
            one.visit = Visit(ident, lane, now_s, start_s, left_s, SERVED)
            self._later(left_s, "served", ident, lane, peer)

    def _served(self, world: World, now_s: float, ident: int, lane: int, peer: Hashable, visits: list[Visit]) -> None:
        one = self.open.pop(ident)
        assert one.visit is not None
        visits.append(one.visit)
        caller = one.call.caller
        self._later(now_s + world.delay_s(caller, lane), "free", ident, caller, peer)

    def _failed(self, now_s: float, ident: int, cause: int, peer: Hashable, failures: list[Failure]) -> None:
        one, rules = self.open[ident], self.rules
        one.cause = cause
        leads_on = KINDS[cause] in rules.next_on
        counts = leads_on or KINDS[cause] in COUNTED
        self.balancers[one.call.caller].done(peer, now_s, failed=counts)
        spent = rules.tries and len(one.tried) >= rules.tries
        late = rules.try_for_s and now_s - one.call.at_s >= rules.try_for_s
        if leads_on and not spent and not late:
            self._later(now_s, "dispatch", ident)
            return
        failures.append(Failure(ident, now_s, cause))
        del self.open[ident]


def _cut(ident: int, lane: int, at_s: float, start_s: float, left_s: float, dies_s: float, outcome: int) -> Visit:
    """A visit that nobody waits for to the end; what it does ends with the pod at the latest."""
    left_s = max(at_s, min(left_s, dies_s))
    return Visit(ident, lane, at_s, min(start_s, left_s), left_s, outcome)
