"""Outbox polls, block cutting and stations against the loops anybody would write."""

import heapq

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gxsim.kernels.batching import Cutter, Cutting, cut_blocks, polled
from gxsim.kernels.mvcc import unconflicted
from gxsim.kernels.uptime import ALWAYS, both, clock, either, in_turn, windows_of, within, worked


def cut_by_events(arrivals: list[float], sizes: list[int], rules: Cutting, until: float) -> list[tuple[float, int]]:
    """Fabric's loop, message by message: (cut at, transactions) of each block. chain.go and blockcutter.go."""
    blocks: list[tuple[float, int]] = []
    pending, pending_bytes, timer, free, commits = 0, 0, np.inf, -np.inf, []
    committed = -np.inf

    def propose(now: float, count: int, size: int) -> None:
        nonlocal free, committed
        written = max(now, free) + rules.write_s + rules.write_s_per_byte * size
        free, committed = written, max(rules.committed_s(written), committed)
        heapq.heappush(commits, committed)
        blocks.append((now, count))

    i, now = 0, 0.0
    while True:
        while commits and commits[0] <= now:
            heapq.heappop(commits)
        blocked = len(commits) >= rules.max_inflight_blocks
        arrival = arrivals[i] if i < len(arrivals) else np.inf
        following = max(arrival, now) if not blocked else np.inf
        event = min(following, timer, commits[0] if blocked else np.inf)
        if event > until or event == np.inf:
            return blocks
        now = event
        if timer <= event and timer < following:
            propose(now, pending, pending_bytes)
            pending, pending_bytes, timer = 0, 0, np.inf
        elif following == event:
            size = sizes[i]
            i += 1
            if size > rules.preferred_max_bytes:
                if pending:
                    propose(now, pending, pending_bytes)
                propose(now, 1, size)
                pending, pending_bytes, timer = 0, 0, np.inf
                continue
            if pending and pending_bytes + size > rules.preferred_max_bytes:
                propose(now, pending, pending_bytes)
                pending, pending_bytes = 0, 0
            pending, pending_bytes = pending + 1, pending_bytes + size
            timer = min(timer, now + rules.batch_timeout_s)
            if pending >= rules.max_message_count:
                propose(now, pending, pending_bytes)
                pending, pending_bytes, timer = 0, 0, np.inf


GAPS = st.lists(st.integers(1, 3000), min_size=1, max_size=60)
RULES = st.builds(
    Cutting,
    batch_timeout_s=st.sampled_from([0.3, 1.0037]),
    max_message_count=st.integers(1, 12),
    preferred_max_bytes=st.integers(20, 60),
    max_inflight_blocks=st.just(1000),
)


@settings(max_examples=300, deadline=None)
@given(GAPS, RULES, st.data())
def test_blocks_are_cut_as_fabric_cuts_them(gaps: list[int], rules: Cutting, data: st.DataObject) -> None:
    """By count, by size, by the timer of the first message, and alone when too large."""
    arrivals = np.cumsum(gaps) / 1000 + 1e-5
    sizes = np.array(data.draw(st.lists(st.integers(1, 70), min_size=len(gaps), max_size=len(gaps))))
    until = float(arrivals[-1]) + 2.0
    blocks, _ = cut_blocks(arrivals, sizes, rules, until)
    expected = cut_by_events(arrivals.tolist(), sizes.tolist(), rules, until)
    found = list(zip(blocks.cut_s.tolist(), (blocks.end - blocks.first).tolist(), strict=True))
    assert [count for _, count in found] == [count for _, count in expected]
    np.testing.assert_allclose([t for t, _ in found], [t for t, _ in expected])


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(1, 60), min_size=1, max_size=60), st.integers(1, 4), st.integers(1, 3))
def test_the_leader_takes_nothing_while_too_many_blocks_are_in_flight(
    gaps: list[int], count: int, inflight: int
) -> None:
    arrivals = np.cumsum(gaps) / 1000 + 1e-5
    rules = Cutting(
        batch_timeout_s=0.5,
        max_message_count=count,
        preferred_max_bytes=10**9,
        max_inflight_blocks=inflight,
        write_s=0.0203,
        commit_s=(0.0501,),
    )
    blocks, _ = cut_blocks(arrivals, np.ones(len(arrivals)), rules, 100.0)
    expected = cut_by_events(arrivals.tolist(), [1] * len(arrivals), rules, 100.0)
    np.testing.assert_allclose(blocks.cut_s, [t for t, _ in expected])
    assert (blocks.end - blocks.first).tolist() == [n for _, n in expected]


@settings(max_examples=100, deadline=None)
@given(GAPS, RULES, st.lists(st.floats(0, 1), min_size=1, max_size=4))
def test_cutting_in_several_spans_changes_nothing(gaps: list[int], rules: Cutting, shares: list[float]) -> None:
    arrivals = np.cumsum(gaps) / 1000 + 1e-5
    sizes = np.full(len(arrivals), 7)
    until = float(arrivals[-1]) + 2.0
    whole, _ = cut_blocks(arrivals, sizes, rules, until)
    times, cutter, start = [], Cutter(), 0
    for end_s in [*sorted(share * until for share in shares), until]:
        known = int(np.searchsorted(arrivals, end_s, side="right"))
        blocks, cutter = cut_blocks(arrivals[start:known], sizes[start:known], rules, end_s, cutter)
        start += int(blocks.end[-1]) if len(blocks.end) else 0
        times += blocks.cut_s.tolist()
    np.testing.assert_allclose(times, whole.cut_s)


@given(st.lists(st.floats(0, 20), max_size=60), st.lists(st.integers(0, 5), min_size=30, max_size=30))
def test_a_poll_takes_the_oldest_rows_there_are(created: list[float], room: list[int]) -> None:
    created_s, polls_s = np.sort(created), np.arange(1, 31) * 0.7
    expected, waiting = [], created_s.tolist()
    for poll_s, batch in zip(polls_s, room, strict=True):
        there = [t for t in waiting if t <= poll_s][:batch]
        waiting = waiting[len(there) :]
        expected += [poll_s] * len(there)
    np.testing.assert_array_equal(polled(created_s, polls_s, np.array(room)), expected)


@pytest.mark.parametrize("servers", [1, 3])
def test_a_station_serves_in_order(servers: int) -> None:
    rng = np.random.default_rng(1)
    arrivals = np.cumsum(rng.exponential(0.1, 2000))
    free, expected = [0.0] * servers, []
    for arrival in arrivals:
        start = max(arrival, heapq.heappop(free))
        heapq.heappush(free, start + 0.25)
        expected.append(start + 0.25)
    np.testing.assert_allclose(in_turn(arrivals, 0.25, servers=servers), expected)
    state = np.full(servers, -np.inf)
    parts = [in_turn(part, 0.25, servers=servers, free_s=state) for part in np.split(arrivals, [1, 700, 1001])]
    np.testing.assert_allclose(np.concatenate(parts), expected)


WINDOWS = np.array([[-np.inf, 2.0], [5.0, 6.0], [9.0, np.inf]])


def test_work_goes_on_where_it_was_interrupted() -> None:
    """Two units begun at 1 s: one is done by 2 s, when the server goes; the other from 5 to 6 s."""
    begun = worked(np.array([1.0]), WINDOWS)
    np.testing.assert_allclose(clock(begun + 1.5, WINDOWS), [5.5])
    np.testing.assert_allclose(
        clock(worked(np.array([0.5, 3.0, 5.5, 7.0, 10.0]), WINDOWS), WINDOWS), [0.5, 5.0, 5.5, 9.0, 10.0]
    )


def test_a_server_that_never_returns_finishes_nothing_more() -> None:
    windows = np.array([[-np.inf, 2.0]])
    assert clock(worked(np.array([1.5]), windows) + 1.0, windows) == np.inf
    assert clock(worked(np.array([1.0]), np.empty((0, 2))), np.empty((0, 2))) == np.inf


@given(st.lists(st.tuples(st.floats(0, 10), st.floats(0.1, 3)), max_size=5), st.lists(st.floats(0, 15), min_size=1))
def test_windows_combine_as_conditions_do(spans: list[tuple[float, float]], times: list[float]) -> None:
    edges = np.unique(np.concatenate([[0.0], *([a, a + b] for a, b in spans)]))
    level = np.array([sum(a <= t < a + b for a, b in spans) for t in edges])
    one, other = windows_of(edges, level > 0), windows_of(edges, level > 1)
    at = np.array(times)
    np.testing.assert_array_equal(within(at, both(one, WINDOWS)), within(at, one) & within(at, WINDOWS))
    np.testing.assert_array_equal(within(at, either([one, other])), within(at, one) | within(at, other))
    np.testing.assert_array_equal(within(at, both(one, ALWAYS)), within(at, one))


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=40),
    st.integers(0, 40),
)
def test_a_transaction_is_void_if_its_key_was_written_since_it_was_endorsed(
    rows: list[tuple[int, int, int]], cut: int
) -> None:
    key, gap, age = (np.array(column) for column in zip(*rows, strict=True))
    committed = np.cumsum(gap).astype(float) + 10
    endorsed = committed - age - 0.5
    last, expected = {0: 0.0, 1: 0.0, 2: 0.0}, []
    for k, read, commit in zip(key.tolist(), endorsed, committed, strict=True):
        expected.append(last[k] <= read)
        if expected[-1]:
            last[k] = commit
    written = np.zeros(3)
    parts = [
        unconflicted(key[rows], endorsed[rows], committed[rows], written) for rows in (slice(0, cut), slice(cut, None))
    ]
    assert np.concatenate(parts).tolist() == expected
    assert written.tolist() == [last[0], last[1], last[2]]
