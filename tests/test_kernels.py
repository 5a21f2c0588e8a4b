"""Kernels against obvious loops and closed forms."""

from itertools import combinations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gxsim.kernels.intervals import at, combine, count, durations, runs, steps
from gxsim.kernels.quorum import has_quorum, majority, tolerated_members, tolerated_nodes

CHANGES = st.lists(st.tuples(st.integers(0, 20), st.integers(0, 3), st.integers(0, 1)), max_size=30)


def as_changes(listed: list[tuple[int, int, int]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    ordered = sorted(listed, key=lambda change: change[0])
    return tuple(np.array([c[i] for c in ordered], float if i == 0 else int) for i in range(3))


def value_at(listed: list[tuple[int, int, int]], row: int, time: float) -> int:
    """The obvious way: the last change of the row up to this time."""
    mine = [value for when, which, value in sorted(listed, key=lambda c: c[0]) if which == row and when <= time]
    return mine[-1] if mine else 0


@given(CHANGES, CHANGES)
def test_combining_and_counting_agree_with_the_obvious_loop(one: list, other: list) -> None:
    times, rows, values = combine([as_changes(one), as_changes(other)], [0, 0])
    both = (values[:, 0] > 0) & (values[:, 1] > 0)
    moments, _, step = steps(times, rows, both)
    distinct, level = count(moments, step)
    for time in range(22):
        expected = sum(value_at(one, row, time) and value_at(other, row, time) for row in range(4))
        assert at(distinct, level, float(time)) == expected


def test_durations_end_at_the_horizon() -> None:
    assert durations(np.array([0.0, 10.0, 25.0]), 30.0).tolist() == [10.0, 15.0, 5.0]


def test_runs_are_unbroken_stretches_of_true() -> None:
    first, past = runs(np.array([True, True, False, True]))
    assert (first.tolist(), past.tolist()) == ([0, 3], [2, 4])


@given(st.lists(st.integers(0, 4), min_size=1, max_size=5))
def test_tolerated_nodes_agree_with_trying_every_subset(members_by_node: list[int]) -> None:
    voters = sum(members_by_node)
    if voters == 0:
        return
    nodes = range(len(members_by_node))

    def survives(lost: int) -> bool:
        return all(
            voters - sum(members_by_node[n] for n in gone) >= majority(voters) for gone in combinations(nodes, lost)
        )

    expected = max(lost for lost in range(len(members_by_node) + 1) if all(survives(k) for k in range(lost + 1)))
    assert tolerated_nodes(np.array(members_by_node), voters) == expected


def test_five_voters_survive_two_and_two_by_two_by_one_survives_one_node() -> None:
    assert tolerated_members(np.ones(5, bool)) == 2
    assert tolerated_nodes(np.array([2, 2, 1]), 5) == 1
    assert tolerated_nodes(np.array([2, 0, 0]), 5) == -1
    assert has_quorum(np.array([True, True, True, False, False]))
