"""A peer's and a client's way through an outage, message by message: what the array functions must agree with."""

import numpy as np

Window = tuple[float, float]


def holds(windows: list[Window], now: float) -> bool:
    return any(start <= now < end for start, end in windows)


def next_time(windows: list[Window], now: float) -> float:
    """The first moment at or after *now* in a window."""
    return min((max(now, start) for start, end in windows if end > now), default=np.inf)


def persistent(
    sent: list[float], lost: float, noticed: float, back: float, *, timeout: float = 7.0, retry: float = 0.1
) -> list[float]:
    """When messages on one stream are taken: it is served in order, and an unanswered one stops all behind it."""
    taken, free = [], -np.inf
    for one in sent:
        now = tries = max(one, free)
        while lost <= now < back:
            if now < noticed:
                now = tries = free = now + timeout
            else:
                now = tries + retry * np.ceil((back - tries) / retry)
        taken.append(now)
    return taken


def passed_on(received: list[float], windows: list[Window], to: list[Window], delay: float) -> list[float]:
    """When one peer hands each block to another, both being there; inf where it is missed."""
    return [one + delay if holds(windows, one) and holds(to, one + delay) else np.inf for one in received]


def fetched(kept: list[float], source: list[Window], to: list[Window], period: float, until: float) -> list[float]:
    """When a peer that looks on every multiple of *period* gets each block from one other; inf if not by *until*."""
    looks = [k * period for k in range(int(until / period) + 1)]
    together = [look for look in looks if holds(source, look) and holds(to, look)]
    return [next((look for look in together if look >= one), np.inf) for one in kept]
