"""What the consensus groups of a case can survive, and how fast they are, before anything goes wrong."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from gxsim.consensus.members import Members, members
from gxsim.errors import ScenarioError
from gxsim.load.scenario import Case
from gxsim.model.model import Network
from gxsim.observe.quorum_answers import (
    MODELLED,
    failover_table,
    group_table,
    latency_table,
    round_trip_table,
    subset_table,
)
from gxsim.observe.table import Table
from gxsim.rng import Streams
from gxsim.state import ClusterState
from gxsim.study.start import started, tie_breaker
from gxsim.timeline import Timeline
from gxsim.traffic.delays import node_delays

ROUND_TRIPS_S = {"1ms": 0.001, "5ms": 0.005}
TRIALS = 20_000  # the 99 % quantile from 200 of them


def quorum_tables(case: Case, seed: int | None = None) -> list[Table]:
    """All answers about the consensus groups of *case* when its clock starts; ScenarioError where it has none."""
    streams = Streams(case.scenario.seed if seed is None else seed)
    state, _ = started(case, case.placement, tie_breaker(case, streams, "scheduler/ties"))
    timeline = Timeline([node.name for node in state.nodes])
    timeline.record(0.0, state)
    timeline.close(0.0, state)
    found = [members(state, timeline, group) for group in case.model.consensus_groups]
    groups = [one for one in found if one.names]
    if not groups:
        raise ScenarioError(
            "model.consensusGroups", "none matches a pod or node of this cluster; name one with its labels"
        )
    failovers = failover_table(groups, node_delays(case.model.network, state.nodes), streams, trials=TRIALS)
    return [*answers(case, state, groups, streams), failovers]


def answers(case: Case, state: ClusterState, groups: Sequence[Members], streams: Streams) -> list[Table]:
    """What does not depend on what goes wrong: tables about *groups* as they are placed when the clock starts."""
    delays_s = node_delays(case.model.network, state.nodes)
    return [
        group_table(groups, delays_s, streams),
        subset_table(groups, [node.name for node in state.nodes]),
        latency_table(groups, delays_s),
        round_trip_table(groups, _networks(case.model.network, state, delays_s), streams),
    ]


def _networks(network: Network | None, state: ClusterState, delays_s: NDArray) -> dict[str, NDArray]:
    """(nodes, nodes) delays of the model, of a few milliseconds, and of the other figure that the model has."""
    same_s = network.same_node_delay_s if network else 0.0
    networks = {MODELLED: delays_s}
    for name, trip_s in ROUND_TRIPS_S.items():
        networks[name] = np.where(np.eye(len(delays_s), dtype=bool), same_s, trip_s / 2)
    if network and network.links:
        other = {"links": "distance", "distance": "links"}[network.delays]
        networks[f"by {other}"] = node_delays(replace(network, delays=other), state.nodes)
    return networks
