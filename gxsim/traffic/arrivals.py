"""Requests as users send them: when, from which address, and to which node; some end at the edge's rate limit."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gxsim.kernels.intervals import at
from gxsim.kernels.keyed import salt_of, uniforms
from gxsim.kernels.ratelimit import RateLimit, Zone, limit_requests
from gxsim.model.users import Edge, Population
from gxsim.rng import Streams
from gxsim.timeline import Timeline
from gxsim.traffic.dns import answers, resolved
from gxsim.traffic.routes import Plan

DAY_S = 86400.0
BLOCK = 16_384  # requests that are drawn together, about: whatever the pieces of time, a block is the same
ATTEMPT_BITS = 4  # of an ident: how often its user has tried before


@dataclass(frozen=True, slots=True)
class Sent:
    """(requests,) when each was sent, in order, and who it is for ever: the ident all its chances depend on."""

    times_s: NDArray
    ident: NDArray


class Source:
    """The users of one population: a Poisson stream whose rate follows the profile, or the times of a trace.

    The addresses of clients have skewed rates. What has been drawn stays until ``forget``, so that a piece of time can
    be asked for again.
    """

    def __init__(self, plan: Plan, timeline: Timeline, population: int, clock_s: float, streams: Streams):
        self.noun: Population = plan.model.populations[population]
        self.number, self.populations = population, len(plan.model.populations)
        self.answers = answers(plan, timeline, population)
        self.clock_s = clock_s
        name = f"traffic/users/{self.noun.name}"
        self.rng = streams.take(name)
        self.salt = salt_of(streams.take(f"{name}/clients"))
        caches = streams.take(f"{name}/caches")
        self.phases = caches.random(self.noun.clients)
        dns = plan.model.dns
        self.ttl_s = np.full(self.noun.clients, dns.ttl_s if dns else 0.0)
        if dns is not None and dns.overstaying:
            self.ttl_s[caches.random(self.noun.clients) < dns.overstaying] = max(dns.ttl_s, dns.overstay_s)
        weights = np.arange(1, self.noun.clients + 1) ** -self.noun.skew
        self.shares = np.cumsum(weights / weights.sum())
        self.zones: dict[str, Zone] = {}
        self.drawn = Sent(np.empty(0), np.empty(0, np.int64))
        self.count = 0  # requests drawn so far
        self.edges = _changes(self.noun)
        self.block = 0

    def send(self, until_s: float) -> Sent:
        """What is sent before *until_s* and has not been forgotten."""
        if self.noun.trace is not None and not self.noun.trace.rates:
            if self.block == 0:
                self._keep(_recorded(self.noun))
                self.block = 1
        else:
            while self._block_s(self.block) < until_s:
                self._keep(self._draw(self._block_s(self.block), self._block_s(self.block + 1)))
                self.block += 1
        upto = int(np.searchsorted(self.drawn.times_s, until_s))
        return Sent(self.drawn.times_s[:upto], self.drawn.ident[:upto])

    def forget(self, until_s: float) -> None:
        """What is sent before *until_s* will not be asked for again."""
        upto = int(np.searchsorted(self.drawn.times_s, until_s))
        self.drawn = Sent(self.drawn.times_s[upto:], self.drawn.ident[upto:])

    def client(self, ident: NDArray) -> NDArray:
        """(requests,) the address each comes from, whatever the attempt."""
        drawn = uniforms(self.salt, (ident >> ATTEMPT_BITS) << ATTEMPT_BITS)
        if self.noun.skew == 0:
            return (drawn * self.noun.clients).astype(np.int64)
        return np.searchsorted(self.shares, drawn, side="right").clip(max=self.noun.clients - 1)

    def node(self, times_s: NDArray, client: NDArray) -> NDArray:
        """(requests,) where the name leads each client at that time."""
        if len(self.answers[0]) == 1:
            return np.full(len(times_s), self.answers[1][0])
        return resolved(*self.answers, times_s, self.phases[client], self.ttl_s[client])

    def limited(self, edge: Edge, client: NDArray, node: NDArray, reached_s: NDArray) -> tuple[NDArray, NDArray]:
        """(requests,) whether the edge's rate limit lets each pass, and how long it holds it back, in seconds.

        Every host of the edge keeps its own zone. Requests of one client to one host must come in order of time.
        """
        if edge.rate_limit is None:
            return np.ones(len(reached_s), bool), np.zeros(len(reached_s))
        if edge.name not in self.zones:
            self.zones[edge.name] = Zone.empty((int(max(self.answers[1])) + 1) * self.noun.clients)
        limit = RateLimit(rate_milli=max(1, round(1000 * edge.rate_limit)), burst=edge.burst, delay=edge.delay)
        keys = node * self.noun.clients + client
        told = limit_requests(limit, (reached_s * 1000).astype(np.int64), keys, self.zones[edge.name])
        return told.accepted, told.delay_ms / 1000

    def _block_s(self, block: int) -> float:
        return block * BLOCK / max(self.noun.rate, 1.0)

    def _keep(self, times_s: NDArray) -> None:
        number = (np.arange(len(times_s)) + self.count) * self.populations + self.number
        self.count += len(times_s)
        drawn = Sent(times_s, number << ATTEMPT_BITS)
        self.drawn = Sent(*(np.concatenate(pair) for pair in zip(_columns(self.drawn), _columns(drawn), strict=True)))

    def _draw(self, begin_s: float, end_s: float) -> NDArray:
        """Times in one block, thinned where the rate is under the block's peak."""
        inside = self.edges[(self.edges > begin_s) & (self.edges < end_s)]
        midnights = _midnights(self.noun, self.clock_s, begin_s, end_s)
        peak = float(self._rate(np.concatenate([[begin_s], inside, midnights])).max())
        count = int(self.rng.poisson(peak * (end_s - begin_s)))
        times_s = np.sort(self.rng.random(count)) * (end_s - begin_s) + begin_s
        if len(self.edges) or self.noun.profile:
            times_s = times_s[self.rng.random(count) * peak < self._rate(times_s)]
        return times_s

    def _rate(self, times_s: NDArray) -> NDArray:
        return rates(self.noun, times_s, self.clock_s)


def rates(population: Population, times_s: NDArray, clock_s: float) -> NDArray:
    """(times,) requests per second at each time of the run, which begins *clock_s* after midnight."""
    trace = population.trace
    if trace is not None:
        when = (np.array(trace.times_s) - trace.begin_s) / trace.speed
        return at(when, np.array(trace.rates) * trace.speed, times_s, blank=0.0)
    found = population.rate * factors(population, times_s + clock_s)
    for burst in population.bursts:
        inside = (times_s >= burst.at_s) & (times_s < burst.at_s + burst.duration_s)
        found = np.where(inside, found * burst.factor, found)
    return found


def factors(population: Population, clock_s: NDArray) -> NDArray:
    """(times,) the factor of the rate at each time since midnight; before the day's first change yesterday's last."""
    if not population.profile:
        return np.ones(len(clock_s))
    changes = sorted(population.profile, key=lambda change: change.at_s)
    when, values = (np.array([getattr(change, name) for change in changes]) for name in ("at_s", "factor"))
    return at(when, values, clock_s % DAY_S, blank=values[-1])


def _changes(population: Population) -> NDArray:
    """Times of the run at which the rate changes, those of the day's profile left out."""
    if population.trace is not None:
        return (np.array(population.trace.times_s) - population.trace.begin_s) / population.trace.speed
    return np.array([end for burst in population.bursts for end in (burst.at_s, burst.at_s + burst.duration_s)])


def _midnights(population: Population, clock_s: float, begin_s: float, end_s: float) -> NDArray:
    """Times in [*begin_s*, *end_s*) at which the profile of the day changes."""
    first, last = int((begin_s + clock_s) // DAY_S), int((end_s + clock_s) // DAY_S)
    times_s = [change.at_s + day * DAY_S - clock_s for day in range(first, last + 1) for change in population.profile]
    return np.array([time_s for time_s in times_s if begin_s <= time_s < end_s])


def _recorded(population: Population) -> NDArray:
    assert population.trace is not None
    times_s = (np.sort(np.array(population.trace.times_s)) - population.trace.begin_s) / population.trace.speed
    return times_s[times_s >= 0]


def _columns(sent: Sent) -> tuple[NDArray, NDArray]:
    return sent.times_s, sent.ident
