"""Placing many pods, one after the other."""

import gc
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import numpy as np

from gxsim.model.scheduler_profile import DEFAULT_PROFILE, Profile
from gxsim.scheduler.decision import Decision
from gxsim.scheduler.framework import Framework
from gxsim.scheduler.plugins.priority_sort import sorted_queue
from gxsim.state import PENDING, ClusterState


def place(
    state: ClusterState,
    pods: Iterable[int] | None = None,
    *,
    profile: Profile = DEFAULT_PROFILE,
    rng: np.random.Generator | None = None,
) -> list[Decision]:
    """Try each pod once in queue order and bind it where it fits; returns the decisions in that order.

    Without *pods* all that wait are tried. Nobody is preempted: a decision only says where it would help.
    """
    framework = Framework(state, profile, rng)
    if pods is None:
        pods = np.flatnonzero(state.pod_active & (state.pod_node == PENDING)).tolist()
    decisions = []
    with _collector_paused():
        for pod in sorted_queue(state, pods):
            decision = framework.decide(pod)
            if decision.scheduled:
                framework.bind(pod, decision.node)
            decisions.append(decision)
    return decisions


@contextmanager
def _collector_paused() -> Iterator[None]:
    """No cycles are made while placing, and looking for some among all decisions costs a fifth of the time.

    Measured in benchmarks/test_placement.py at 5 000 nodes and 150 000 pods.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
