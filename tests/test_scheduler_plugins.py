"""Does each plugin answer as the obvious loop over pods and nodes does?"""

from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gxsim.kernels import fit
from gxsim.model.pod import PodTemplate
from gxsim.scheduler import Explanation, Framework, Profile
from gxsim.state import ClusterState
from tests.reference import scheduler_plugins as slow
from tests.worlds import template, world

FEW = settings(max_examples=100, deadline=None)
SEEDS = st.integers(0, 2**32 - 1)
ONE = fit.Weights(np.ones(1), 1.0)
VOLUME_FILTERS = ("VolumeRestrictions", "NodeVolumeLimits", "VolumeBinding", "VolumeZone")


def explain(here: slow.World, incoming: PodTemplate, profile: Profile) -> Explanation:
    state = ClusterState(here.cluster)
    framework = Framework(state, profile)
    for number, placed in enumerate(here.pods):
        pod = state.create(f"placed-{number}", placed.template)
        state.bind(pod, placed.node)
        if placed.terminating:
            state.terminate(pod, 0.0)
    return framework.explain(state.create("incoming", incoming))


def compare_filter(name: str, here: slow.World, pod: PodTemplate) -> None:
    found = explain(here, pod, Profile(filters=(name,)))
    assert found.diagnosis.pod is None
    for node in range(len(here.nodes)):
        refusal = found.diagnosis.refusal(node)
        answer = None if refusal is None else (refusal.code, tuple(sorted(refusal.reasons)))
        assert answer == slow.FILTERS[name](here, pod, node)
        assert bool(found.feasible[node]) == (refusal is None)


@pytest.mark.parametrize("name", [name for name in slow.FILTERS if name not in VOLUME_FILTERS])
def test_a_filter_refuses_what_its_twin_refuses(name: str) -> None:
    @FEW
    @given(SEEDS)
    def check(seed: int) -> None:
        random = Random(seed)
        compare_filter(name, world(random), template(random))

    check()


@pytest.mark.parametrize("name", VOLUME_FILTERS)
def test_a_volume_filter_refuses_what_its_twin_refuses(name: str) -> None:
    @FEW
    @given(SEEDS)
    def check(seed: int) -> None:
        random = Random(seed)
        compare_filter(name, world(random, volumes=True), template(random, volumes=True))

    check()


@pytest.mark.parametrize("name", slow.SCORES)
def test_a_score_is_that_of_its_twin(name: str) -> None:
    @FEW
    @given(SEEDS)
    def check(seed: int) -> None:
        random = Random(seed)
        here, pod = world(random), template(random)
        profile = Profile(filters=("NodeUnschedulable", "NodeAffinity"), scores={name: 2})
        found = explain(here, pod, profile)
        feasible = np.flatnonzero(found.feasible).tolist()
        if not feasible:
            return
        wanted = slow.SCORES[name](here, pod, feasible)
        if wanted is None:
            assert name not in found.scores
        else:
            assert {n: int(found.scores[name][n]) for n in feasible} == {n: 2 * wanted[n] for n in feasible}

    check()


@FEW
@given(SEEDS)
def test_the_first_refusal_is_that_of_the_first_twin_that_refuses(seed: int) -> None:
    random = Random(seed)
    here, pod = world(random), template(random)
    found = explain(here, pod, Profile())
    for node in range(len(here.nodes)):
        refusal = found.diagnosis.refusal(node)
        answers = ((n, f(here, pod, node)) for n, f in slow.FILTERS.items() if n not in VOLUME_FILTERS)
        first = next(((name, answer) for name, answer in answers if answer is not None), None)
        assert (None if refusal is None else refusal.plugin) == (None if first is None else first[0])


SHAPES = st.lists(st.tuples(st.integers(0, 100), st.integers(0, 10)), min_size=1, max_size=4, unique_by=lambda p: p[0])


@given(st.integers(0, 2**45), st.integers(1, 2**45), SHAPES.map(sorted))
def test_requested_to_capacity_ratio_is_the_broken_line(requested: int, capacity: int, shape: list) -> None:
    score = fit.requested_to_capacity_ratio(np.array([[requested]]), np.array([[float(capacity)]]), ONE, shape)
    assert int(score[0]) == slow.ratio_score(requested, capacity, shape)


@given(st.integers(0, 2**45), st.integers(1, 2**45))
def test_allocation_scores_are_exact_integer_divisions(requested: int, capacity: int) -> None:
    arguments = np.array([[requested]]), np.array([[float(capacity)]]), ONE
    assert int(fit.least_allocated(*arguments)[0]) == max(capacity - requested, 0) * 100 // capacity
    assert int(fit.most_allocated(*arguments)[0]) == min(requested, capacity) * 100 // capacity
