"""The cluster of a case when the clock starts; without the clock, so that planning need not load it."""

import numpy as np

from gxsim.controllers.disruption import live_budgets
from gxsim.engine.start import start
from gxsim.load.scenario import Case
from gxsim.model.placement import Placement
from gxsim.rng import Streams
from gxsim.scheduler import Framework
from gxsim.state import ClusterState


def tie_breaker(case: Case, streams: Streams, name: str) -> np.random.Generator | None:
    """The stream that breaks the scheduler's ties, or None where the scenario wants them broken by node name."""
    return streams.take(name) if case.scenario.ties == "random" else None


def started(
    case: Case, placement: Placement | None, ties: np.random.Generator | None = None
) -> tuple[ClusterState, Framework]:
    """The cluster of *case* when the clock starts, and the scheduler that goes on with it.

    Pods lie where *placement* says, and where the scheduler puts them if it is silent; *ties* breaks its ties as the
    real one does, None by node name.
    """
    state = ClusterState(case.cluster)
    framework = Framework(state, case.profile, rng=ties, budgets=lambda: live_budgets(state))
    start(state, framework, placement)
    return state, framework
