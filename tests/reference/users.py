"""Users who try again, and threads and connections that wait for answers, as one SimPy process each."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import simpy

Draw = Callable[[int], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Two front pods that call one back pod; every chance is a function of the request's ident.

    ``patience_s`` of None waits for ever; ``pool`` of 0 has no connections to wait for; ``places`` bounds the back.
    """

    front_servers: int
    back_servers: int
    holds: bool
    pool: int
    places: int | None
    patience_s: float | None
    attempts: int
    pause_s: Callable[[int], float]
    pod: Callable[[int], int]
    front_s: Draw
    back_s: Draw


def run(world: World, times_s: list[float], idents: list[int]) -> tuple[Counter[str], list[float], int]:
    """What became of requests first sent at *times_s*: counts by outcome, latencies, and attempts in all."""
    env = simpy.Environment()
    front = [simpy.Resource(env, capacity=world.front_servers) for _ in range(2)]
    back = simpy.Resource(env, capacity=world.back_servers)
    pools = [simpy.Resource(env, capacity=world.pool or 10**9) for _ in range(2)]
    outcomes: Counter[str] = Counter()
    latencies: list[float] = []
    sent = 0

    def request(at_s: float, born_s: float, ident: int) -> Iterator[Any]:
        nonlocal sent
        yield env.timeout(at_s - env.now)
        sent += 1
        begin_s = env.now
        given_up = env.event()
        last = ident % 16 == world.attempts
        if world.patience_s is not None and not last:
            env.process(impatient(begin_s, born_s, ident, given_up))
        failed = yield from visit(ident)
        late = world.patience_s is not None and env.now - begin_s > world.patience_s
        if late and not last:
            return  # the user has long sent again
        given_up.succeed()
        if not failed and not late:
            outcomes["answered"] += 1
            latencies.append(env.now - born_s)
        elif last:
            outcomes["too_late" if late else "full"] += 1
        else:
            env.process(request(env.now + world.pause_s(ident), born_s, ident + 1))

    def impatient(begin_s: float, born_s: float, ident: int, answered: simpy.Event) -> Iterator[Any]:
        deadline_s = begin_s + world.patience_s
        yield env.timeout(deadline_s - env.now) | answered
        if not answered.triggered:
            env.process(request(deadline_s + world.pause_s(ident), born_s, ident + 1))

    def visit(ident: int) -> Iterator[Any]:
        """True where the back has no place left."""
        pod = world.pod(ident)
        thread = front[pod].request()
        yield thread
        yield env.timeout(world.front_s(ident))
        if not world.holds:
            front[pod].release(thread)
        connection = pools[pod].request()
        yield connection
        full = world.places is not None and back.count + len(back.queue) >= world.places
        if not full:
            with back.request() as served:
                yield served
                yield env.timeout(world.back_s(ident))
        pools[pod].release(connection)
        if world.holds:
            front[pod].release(thread)
        return full

    for time_s, ident in zip(times_s, idents, strict=True):
        env.process(request(time_s, time_s, ident))
    env.run()
    return outcomes, latencies, sent
