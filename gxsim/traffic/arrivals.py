"""Requests as users send them: when, from which address, and to which node; some end at the edge's rate limit."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gxsim.kernels.intervals import at
from gxsim.kernels.ratelimit import RateLimit, Zone, limit_requests
from gxsim.model.model import Edge, Population
from gxsim.rng import Streams
from gxsim.timeline import Timeline
from gxsim.traffic.dns import answers, resolved
from gxsim.traffic.routes import Plan

DAY_S = 86400.0


@dataclass(frozen=True, slots=True)
class Sent:
    """(requests,) when each was sent, in order, by which client, and the node it goes to."""

    times_s: NDArray
    client: NDArray
    node: NDArray


class Source:
    """The users of one population: a Poisson stream whose rate follows the profile; the rates of clients are skewed."""

    def __init__(self, plan: Plan, timeline: Timeline, population: int, clock_s: float, streams: Streams):
        self.noun: Population = plan.model.populations[population]
        self.answers = answers(plan, timeline, population)
        self.ttl_s = plan.model.dns.ttl_s if plan.model.dns else 0.0
        self.clock_s = clock_s
        name = f"traffic/users/{self.noun.name}"
        self.rng = streams.take(name)
        self.phases = streams.take(f"{name}/caches").random(self.noun.clients)
        weights = np.arange(1, self.noun.clients + 1) ** -self.noun.skew
        self.shares = np.cumsum(weights / weights.sum())
        self.zones: dict[str, Zone] = {}

    def send(self, begin_s: float, end_s: float) -> Sent:
        """What is sent in [*begin_s*, *end_s*)."""
        peak = max((change.factor for change in self.noun.profile), default=1.0)
        count = int(self.rng.poisson(self.noun.rate * peak * (end_s - begin_s)))
        times_s = np.sort(self.rng.random(count)) * (end_s - begin_s) + begin_s
        if self.noun.profile:
            times_s = times_s[self.rng.random(count) * peak < factors(self.noun, times_s + self.clock_s)]
        uniforms = self.rng.random(len(times_s))
        if self.noun.skew == 0:
            client = (uniforms * self.noun.clients).astype(np.int64)
        else:
            client = np.searchsorted(self.shares, uniforms, side="right").clip(max=self.noun.clients - 1)
        phases = self.phases[client] if len(self.answers[0]) > 1 else self.phases[:0]
        return Sent(times_s, client, resolved(*self.answers, times_s, phases, self.ttl_s))

    def limited(self, edge: Edge, sent: Sent, reached_s: NDArray) -> tuple[NDArray, NDArray]:
        """(requests,) whether the edge's rate limit lets each pass, and how long it holds it back, in seconds.

        Every host of the edge keeps its own zone. Requests of one client to one host must come in order of time.
        """
        if edge.rate_limit is None:
            return np.ones(len(reached_s), bool), np.zeros(len(reached_s))
        if edge.name not in self.zones:
            self.zones[edge.name] = Zone.empty((int(max(self.answers[1])) + 1) * self.noun.clients)
        limit = RateLimit(rate_milli=max(1, round(1000 * edge.rate_limit)), burst=edge.burst, delay=edge.delay)
        keys = sent.node * self.noun.clients + sent.client
        told = limit_requests(limit, (reached_s * 1000).astype(np.int64), keys, self.zones[edge.name])
        return told.accepted, told.delay_ms / 1000


def factors(population: Population, clock_s: NDArray) -> NDArray:
    """(times,) the factor of the rate at each time since midnight; before the day's first change yesterday's last."""
    changes = sorted(population.profile, key=lambda change: change.at_s)
    when, values = (np.array([getattr(change, name) for change in changes]) for name in ("at_s", "factor"))
    return at(when, values, clock_s % DAY_S, blank=values[-1])
