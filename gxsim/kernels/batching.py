"""Batches: an outbox that is polled, and blocks that an orderer cuts."""

from bisect import bisect_right
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


def polled(created_s: NDArray, polls_s: NDArray, batch: NDArray | int) -> NDArray:
    """When each row is taken by a poll that takes at most *batch* of the oldest; all arrays sorted.

    (rows,) times; rows that no poll takes are left out at the end. *batch* may differ from poll to poll, 0 for one
    that does not take place.
    """
    room = np.cumsum(np.broadcast_to(batch, polls_s.shape))
    arrived = np.searchsorted(created_s, polls_s, side="right")
    spare = np.minimum.accumulate(np.minimum(arrived - room, 0)) if len(polls_s) else room
    taken = room + spare  # by the end of each poll: all that came, or all there was room for since the backlog began
    return np.repeat(polls_s, np.diff(taken, prepend=0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Cutting:
    """The rules of Fabric's block cutter and chain, and what a block costs its leader.

    A block occupies the log for ``write_s`` and ``write_s_per_byte``, and is committed ``commit_s`` later: of the
    entry whose ``commit_from_s`` is the last one before, as members come, go and are delayed.
    """

    batch_timeout_s: float
    max_message_count: int
    preferred_max_bytes: int
    max_inflight_blocks: int = 5
    write_s: float = 0.0
    write_s_per_byte: float = 0.0
    commit_s: tuple[float, ...] = (0.0,)
    commit_from_s: tuple[float, ...] = (-np.inf,)

    def committed_s(self, written_s: float) -> float:
        """When a block that has left the leader at *written_s* is committed."""
        return written_s + self.commit_s[max(bisect_right(self.commit_from_s, written_s) - 1, 0)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocks:
    """(blocks,) messages ``first`` to ``end`` - 1, and when each was cut, had left the leader and was committed."""

    first: NDArray
    end: NDArray
    cut_s: NDArray
    written_s: NDArray
    committed_s: NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Cutter:
    """What a leader remembers between two spans of time."""

    timer_s: float = np.inf  # when the running batch timer expires
    held: bool = False  # whether the next message is pending already
    taking_from_s: float = -np.inf  # no message is taken before
    log_free_s: float = -np.inf
    inflight_s: tuple[float, ...] = ()  # when the latest blocks are committed, oldest first


def cut_blocks(
    arrival_s: NDArray, sizes_bytes: NDArray, rules: Cutting, until_s: float, cutter: Cutter | None = None
) -> tuple[Blocks, Cutter]:
    """Cut messages that arrive in order into blocks, up to *until_s*; what is pending then is in no block.

    The rules of orderer/common/blockcutter and etcdraft/chain.go: the timer starts with the first pending message and
    is not restarted; a message larger than the preferred size travels alone; one that would overflow it cuts what is
    pending and starts the next batch under the old timer; at the most blocks in flight no message is taken.
    """
    memory = cutter or Cutter()
    arrivals, sums = arrival_s.tolist(), np.concatenate([[0], np.cumsum(sizes_bytes)]).tolist()
    timer, held, floor = memory.timer_s, memory.held, memory.taking_from_s
    free, inflight = memory.log_free_s, list(memory.inflight_s)
    rows: list[tuple[int, int, float, float, float]] = []
    first, count = 0, len(arrivals)
    while first < count:
        end, cut, next_timer, next_held = _next_cut(arrivals, sums, first, rules, timer, held, floor)
        if cut > until_s:
            break
        timer, held = next_timer, next_held
        written = max(cut, free) + rules.write_s + rules.write_s_per_byte * (sums[end] - sums[first])
        committed = max(rules.committed_s(written), inflight[-1] if inflight else -np.inf)
        free = written
        inflight.append(committed)
        del inflight[: -rules.max_inflight_blocks]
        if len(inflight) == rules.max_inflight_blocks and inflight[0] > cut:
            floor = max(floor, inflight[0])
        if held:
            arrivals[end] = cut  # taken when it cut the batch before it
        rows.append((first, end, cut, written, committed))
        first = end
    columns = np.array(rows).reshape(-1, 5).T
    blocks = Blocks(
        first=columns[0].astype(np.int64),
        end=columns[1].astype(np.int64),
        cut_s=columns[2],
        written_s=columns[3],
        committed_s=columns[4],
    )
    return blocks, Cutter(timer_s=timer, held=held, taking_from_s=floor, log_free_s=free, inflight_s=tuple(inflight))


def _next_cut(
    arrivals: list[float], sums: list[float], first: int, rules: Cutting, timer: float, held: bool, floor: float
) -> tuple[int, float, float, bool]:
    """End and instant of the block that starts at *first*; the timer and whether a message is pending after it."""
    taken = arrivals[first] if held else max(arrivals[first], floor)
    fits = bisect_right(sums, sums[first] + rules.preferred_max_bytes) - 1  # messages before this one fit
    if fits == first:
        return first + 1, taken, np.inf, False
    timer = min(timer, taken + rules.batch_timeout_s)
    expiry = first + 1 if timer < floor else max(bisect_right(arrivals, timer), first + 1)
    full = first + rules.max_message_count
    if full <= min(fits, expiry):
        return full, max(arrivals[full - 1], floor, taken), np.inf, False
    if fits < expiry:
        oversize = sums[fits + 1] - sums[fits] > rules.preferred_max_bytes
        return fits, max(arrivals[fits], floor, taken), np.inf if oversize else timer, True
    return expiry, timer, np.inf, False
