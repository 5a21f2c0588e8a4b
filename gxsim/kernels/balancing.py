"""Which backend a connection or a request goes to: kube-proxy's random chain or turns, and nginx's round robin."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


def chain_pick(uniforms: NDArray, counts: NDArray | int) -> NDArray:
    """(connections,) position of the endpoint that kube-proxy's iptables chain of ``counts`` rules picks.

    The i-th rule of n matches with probability 1/(n − i) and the last always, so that each endpoint has the same share;
    −1 where there is none: the chain then refuses the connection.
    """
    return np.where(counts > 0, (uniforms * counts).astype(np.int64), -1)


def turn_pick(times_s: NDArray, callers: NDArray, counts: NDArray, turns: NDArray) -> NDArray:
    """(connections,) position of the endpoint where each caller takes turns in order of time, as IPVS does (rr).

    ``counts`` (connections,) endpoints are there at each time; ``turns`` (callers,) is how many connections each caller
    has made, brought up to date in place. −1 where there is no endpoint.
    """
    order = np.lexsort((times_s, callers))
    caller = callers[order]
    first = np.searchsorted(caller, caller)  # of the same caller
    turn = np.empty(len(order), np.int64)
    turn[order] = turns[caller] + np.arange(len(order)) - first
    turns += np.bincount(callers, minlength=len(turns))
    return np.where(counts > 0, turn % np.maximum(counts, 1), -1)


@dataclass(slots=True)
class RoundRobin:
    """One nginx worker's smooth round robin over *backends* of equal weight.

    A backend that fails ``max_fails`` times rests for ``fail_timeout_s``, counted in whole seconds, and loses weight by
    each failure, so that it comes back a round later than the others would let it.
    """

    backends: int
    max_fails: int = 1
    fail_timeout_s: int = 10
    current: list[int] = field(init=False)
    weight: list[int] = field(init=False)
    fails: list[int] = field(init=False)
    failed_s: list[int] = field(init=False)
    checked_s: list[int] = field(init=False)

    def __post_init__(self) -> None:
        self.current, self.fails = [0] * self.backends, [0] * self.backends
        self.failed_s, self.checked_s = [0] * self.backends, [0] * self.backends
        self.weight = [1] * self.backends

    def tries(self, now_s: float, failing: frozenset[int] = frozenset()) -> list[int]:
        """The backends that a request tries in turn; the last one answers unless it is *failing*, too."""
        now, tried = int(now_s), list[int]()
        while (backend := self._next(now, tried)) is not None:
            tried.append(backend)
            if backend not in failing:
                if self.failed_s[backend] < self.checked_s[backend]:
                    self.fails[backend] = 0
                break
            self.fails[backend] += 1
            self.failed_s[backend] = self.checked_s[backend] = now
            self.weight[backend] = 0
        return tried

    def _next(self, now: int, tried: list[int]) -> int | None:
        usable = [b for b in range(self.backends) if b not in tried and not self._rests(b, now)]
        if not usable:
            return None
        for backend in usable:
            self.current[backend] += self.weight[backend]
        best = max(usable, key=lambda backend: (self.current[backend], -backend))
        self.current[best] -= sum(self.weight[backend] for backend in usable)
        for backend in usable:
            self.weight[backend] = 1
        if now - self.checked_s[best] > self.fail_timeout_s:
            self.checked_s[best] = now
        return best

    def _rests(self, backend: int, now: int) -> bool:
        return self.fails[backend] >= self.max_fails and now - self.checked_s[backend] <= self.fail_timeout_s
