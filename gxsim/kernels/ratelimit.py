"""The rate limit of nginx (limit_req): a leaky bucket per key, in whole milliseconds and thousandths of a request."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CLOCK_JUMP_MS = -60_000  # a clock that goes back further than this counts as one millisecond
NO_ENTRY = -1  # ``excess`` of a key that the zone does not know
FEW = 16  # stretches in hand below which a plain loop is faster than rows


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimit:
    """``rate_milli`` in thousandths of a request per second; of the ``burst`` requests those above ``delay`` wait.

    nginx's ``nodelay`` is ``delay = burst``; without either word ``delay`` is 0.
    """

    rate_milli: int
    burst: int = 0
    delay: int = 0


@dataclass(frozen=True, slots=True)
class Zone:
    """What the limit knows of each key, both (keys,): its excess, and when that was stored."""

    excess: NDArray
    last_ms: NDArray

    @classmethod
    def empty(cls, keys: int) -> "Zone":
        return cls(np.full(keys, NO_ENTRY, np.int64), np.zeros(keys, np.int64))


@dataclass(frozen=True, slots=True)
class Limited:
    """(requests,) whether each passes, its excess in thousandths of a request, and how long it is held back."""

    accepted: NDArray
    excess: NDArray
    delay_ms: NDArray


def limit_requests(limit: RateLimit, clock_ms: NDArray, keys: NDArray, zone: Zone) -> Limited:
    """What nginx does with requests, in the order in which it takes them; brings *zone* up to date in place.

    A refused request changes nothing. A pause long enough to empty any bucket makes what follows independent of what
    went before, so that such stretches run side by side.
    """
    order = _by_key(keys, len(zone.excess))
    key, now = keys[order].astype(np.int64), clock_ms[order].astype(np.int64)
    opens, begins = _stretches(limit, key, now)
    first = np.flatnonzero(begins)
    lengths = np.diff(np.append(first, len(key)))
    known = opens[first] & (zone.excess[key[first]] != NO_ENTRY)
    excess = np.where(known, zone.excess[key[first]], NO_ENTRY)
    last = np.where(known, zone.last_ms[key[first]], now[first])
    found, accepted = _run(limit, now, first, lengths, excess, last)
    ends = np.append(opens[first][1:], True) if len(first) else np.empty(0, bool)
    zone.excess[key[first[ends]]], zone.last_ms[key[first[ends]]] = excess[ends], last[ends]
    told = Limited(*(np.empty(len(key), kind) for kind in (bool, np.int64, np.int64)))
    told.accepted[order], told.excess[order] = accepted, found
    held = np.maximum(told.excess - limit.delay * 1000, 0) * 1000 // limit.rate_milli
    told.delay_ms[:] = np.where(told.accepted, held, 0)
    return told


def _by_key(keys: NDArray, count: int) -> NDArray:
    """A stable order by key; the position rides in the low bits of what is sorted, six times faster than argsort."""
    bits = len(keys).bit_length()
    if count.bit_length() + bits > 62:
        return np.argsort(keys, kind="stable")
    packed = np.sort((keys.astype(np.int64) << bits) | np.arange(len(keys)))
    return packed & ((1 << bits) - 1)


def _stretches(limit: RateLimit, key: NDArray, now: NDArray) -> tuple[NDArray, NDArray]:
    """True where a key's requests begin, and where a stretch does."""
    opens = np.ones(len(key), bool)
    opens[1:] = key[1:] != key[:-1]
    begins = opens.copy()
    if len(key):
        span = int(now.max() - now.min()) + 1
        latest = np.maximum.accumulate(now - now.min() + key * span) - key * span + now.min()  # per key
        drained_ms = -(-(limit.burst + 1) * 1_000_000 // limit.rate_milli)
        begins[1:] |= now[1:] - latest[:-1] >= drained_ms
    return opens, begins


def _run(
    limit: RateLimit, now: NDArray, first: NDArray, lengths: NDArray, excess: NDArray, last: NDArray
) -> tuple[NDArray, NDArray]:
    """Excess and acceptance of every request; *excess* and *last* (stretches,) go from the state before to after."""
    found, accepted = np.zeros(len(now), np.int64), np.ones(len(now), bool)
    longest_first = np.argsort(-lengths, kind="stable")
    rank = np.sort(lengths)
    for step in range(int(rank[-1]) if len(rank) else 0):
        count = len(rank) - int(np.searchsorted(rank, step, side="right"))
        if count < FEW:
            for stretch in longest_first[:count].tolist():
                rest = range(int(first[stretch]) + step, int(first[stretch] + lengths[stretch]))
                _plain(limit, now, rest, stretch, excess, last, found, accepted)
            break
        mine = longest_first[:count]
        at = first[mine] + step
        passed = now[at] - last[mine]
        passed = np.where(passed < CLOCK_JUMP_MS, 1, np.maximum(passed, 0))
        new = np.maximum(excess[mine] - limit.rate_milli * passed // 1000 + 1000, 0)
        new[excess[mine] == NO_ENTRY] = 0
        passes = new <= limit.burst * 1000
        found[at], accepted[at] = new, passes
        excess[mine] = np.where(passes, new, excess[mine])
        last[mine] = np.where(passes & (passed > 0), now[at], last[mine])
    return found, accepted


def _plain(
    limit: RateLimit,
    now: NDArray,
    rest: range,
    stretch: int,
    excess: NDArray,
    last: NDArray,
    found: NDArray,
    accepted: NDArray,
) -> None:
    """The rest of one stretch, request by request."""
    stored, stored_ms = int(excess[stretch]), int(last[stretch])
    for at, time_ms in zip(rest, now[rest.start : rest.stop].tolist(), strict=True):
        passed = time_ms - stored_ms
        passed = 1 if passed < CLOCK_JUMP_MS else max(passed, 0)
        new = 0 if stored == NO_ENTRY else max(stored - limit.rate_milli * passed // 1000 + 1000, 0)
        found[at], accepted[at] = new, new <= limit.burst * 1000
        if accepted[at]:
            stored, stored_ms = new, time_ms if passed else stored_ms
    excess[stretch], last[stretch] = stored, stored_ms
