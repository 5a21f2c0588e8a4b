"""Stations as event loops: what anyone would write in SimPy, fed the same draws as the kernels."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import simpy

from gxsim.kernels.disruption import FINISHED, LOST, RESUMED, Disruption

BREAKDOWN, STOPPED, ORDINARY = -1, 0, 1  # priorities: a breakdown comes first, then those it stopped


def fifo(gaps: np.ndarray, services: np.ndarray, servers: int) -> dict[str, np.ndarray]:
    """Arrivals, starts and departures of a plain ``simpy.Resource``."""
    env = simpy.Environment()
    resource = simpy.Resource(env, capacity=servers)
    told = {name: np.full(len(gaps), np.nan) for name in ("arrivals", "starts", "departures")}

    def customer(number: int) -> Iterator[Any]:
        told["arrivals"][number] = env.now
        with resource.request() as request:
            yield request
            told["starts"][number] = env.now
            yield env.timeout(services[number])
            told["departures"][number] = env.now

    def source() -> Iterator[Any]:
        for number, gap in enumerate(gaps):
            yield env.timeout(gap)
            env.process(customer(number))

    env.process(source())
    env.run()
    return told


def tandem(gaps: np.ndarray, services: np.ndarray, servers: int) -> np.ndarray:
    """Latencies of customers through stations in a row; ``services`` are (hops, customers)."""
    env = simpy.Environment()
    hops = [simpy.Resource(env, capacity=servers) for _ in services]
    latencies = np.empty(len(gaps))

    def customer(number: int) -> Iterator[Any]:
        arrived = env.now
        for hop, resource in enumerate(hops):
            with resource.request() as request:
                yield request
                yield env.timeout(services[hop, number])
        latencies[number] = env.now - arrived

    def source() -> Iterator[Any]:
        for number, gap in enumerate(gaps):
            yield env.timeout(gap)
            env.process(customer(number))

    env.process(source())
    env.run()
    return latencies


def fifo_disrupted(
    gaps: np.ndarray, services: np.ndarray, servers: int, disruptions: Sequence[Disruption]
) -> dict[str, np.ndarray]:
    """The same with servers that are taken away, added, and broken, as machines are in SimPy's machine shop."""
    env = simpy.Environment()
    most = max([servers, *(d.servers for d in disruptions)])
    resource = simpy.PreemptiveResource(env, capacity=most)
    told = {name: np.full(len(gaps), np.nan) for name in ("arrivals", "starts", "departures")}
    work = {"kind": FINISHED}

    def customer(number: int) -> Iterator[Any]:
        told["arrivals"][number] = env.now
        left, priority = services[number], ORDINARY
        while True:
            with resource.request(priority=priority, preempt=False) as request:
                yield request
                told["starts"][number] = env.now
                ends = env.now + left
                try:
                    yield env.timeout(left)
                    told["departures"][number] = env.now
                    return
                except simpy.Interrupt:
                    if work["kind"] == LOST:
                        told["starts"][number] = np.nan
                        return
                    if work["kind"] == RESUMED:
                        left = ends - env.now
                    priority = STOPPED

    def source() -> Iterator[Any]:
        for number, gap in enumerate(gaps):
            yield env.timeout(gap)
            env.process(customer(number))

    def away(preempt: bool) -> Any:
        return resource.request(priority=BREAKDOWN, preempt=preempt)

    def operator() -> Iterator[Any]:
        taken = [away(False) for _ in range(most - servers)]
        yield env.timeout(0)
        for change in disruptions:
            yield env.timeout(change.time_s - env.now)
            work["kind"] = change.work
            if change.work != FINISHED:
                broken = [away(True) for _ in range(most - len(taken))]
                yield env.timeout((change.until_s or change.time_s) - env.now)
                for request in broken:
                    resource.release(request)
            while len(taken) < most - change.servers:
                taken.append(away(False))
            while len(taken) > most - change.servers:
                resource.release(taken.pop())

    env.process(operator())
    env.process(source())
    env.run()
    return told


def bounded(gaps: np.ndarray, services: np.ndarray, servers: int, places: int) -> np.ndarray:
    """Departures of a station that refuses customers when all its places are taken; NaN for the refused."""
    env = simpy.Environment()
    resource = simpy.Resource(env, capacity=servers)
    departures = np.full(len(gaps), np.nan)

    def customer(number: int) -> Iterator[Any]:
        if resource.count + len(resource.queue) >= places:
            return
        with resource.request() as request:
            yield request
            yield env.timeout(services[number])
            departures[number] = env.now

    def source() -> Iterator[Any]:
        for number, gap in enumerate(gaps):
            yield env.timeout(gap)
            env.process(customer(number))

    env.process(source())
    env.run()
    return departures


def processor_sharing(gaps: np.ndarray, services: np.ndarray, servers: float) -> np.ndarray:
    """Departures where everyone present is served at once; whoever comes or leaves makes all others look again."""
    env = simpy.Environment()
    left: dict[int, float] = {}
    departures = np.full(len(gaps), np.nan)
    looked_s = 0.0
    woken: simpy.Process | None = None

    def look() -> None:
        nonlocal looked_s
        rate = min(1.0, servers / len(left)) if left else 0.0
        for number in left:
            left[number] -= (env.now - looked_s) * rate
        looked_s = env.now

    def next_departure() -> Iterator[Any]:
        first = min(left, key=lambda number: left[number])
        try:
            yield env.timeout(max(0.0, left[first]) / min(1.0, servers / len(left)))
        except simpy.Interrupt:
            return
        look()
        del left[first]
        departures[first] = env.now
        wait_again()

    def wait_again() -> None:
        nonlocal woken
        woken = env.process(next_departure()) if left else None

    def source() -> Iterator[Any]:
        for number, gap in enumerate(gaps):
            yield env.timeout(gap)
            look()
            left[number] = services[number]
            if woken is not None:
                woken.interrupt()
            wait_again()

    env.process(source())
    env.run()
    return departures


def limit_requests(
    clock_ms: Sequence[int], keys: Sequence[int], *, rate_milli: int, burst: int, delay: int
) -> list[tuple[bool, int, int]]:
    """nginx's limit_req one request at a time: accepted, excess in 1/1000 request, delay in ms."""
    zone: dict[int, tuple[int, int]] = {}
    told = []
    for now, key in zip(clock_ms, keys, strict=True):
        if key not in zone:
            zone[key] = (0, now)
            told.append((True, 0, 0))
            continue
        stored, last = zone[key]
        passed = now - last
        passed = 1 if passed < -60_000 else max(0, passed)
        excess = max(0, stored - rate_milli * passed // 1000 + 1000)
        if excess > burst * 1000:
            told.append((False, excess, 0))
            continue
        zone[key] = (excess, now if passed else last)
        told.append((True, excess, max(0, excess - delay * 1000) * 1000 // rate_milli))
    return told
