"""The states in which room is asked for: now, at peak, and after the loss of nodes."""

import heapq
import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from gxsim.controllers.admission import Admission, Refused
from gxsim.controllers.deployment import resolve
from gxsim.observe.headroom import lose
from gxsim.scheduler import DEFAULT_PROFILE, Profile, place
from gxsim.state import CPU, MEMORY, NO_OWNER, PODS, ClusterState

SITUATIONS = ("now", "peak", "n-1", "n-2")
MOST_LOSSES, LEAST_LOSSES = 64, 16  # of the many ways to lose nodes, those looked at when there are more
POD_COPIES = 1_500_000  # pods copied for them all: each loss is tried out on a state of its own


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """One state to ask; ``lost`` are the nodes missing in it, ``pending`` the pods that already find no place."""

    name: str
    state: ClusterState
    lost: tuple[int, ...] = ()
    pending: int = 0


def situations(state: ClusterState, profile: Profile = DEFAULT_PROFILE) -> Iterator[Situation]:
    """All states to ask, one after the other: ``now``, ``peak``, and one for each loss in ``n-1`` and ``n-2``."""
    yield Situation(name="now", state=state)
    top, refused = peak(state, profile)
    yield Situation(name="peak", state=top, pending=refused)
    for size in (1, 2):
        most = min(MOST_LOSSES, max(LEAST_LOSSES, POD_COPIES // max(1, len(state.pod_names))))
        for nodes in losses(state, size, most):
            loss = lose(state, nodes, profile)
            yield Situation(name=f"n-{size}", state=loss.state, lost=nodes, pending=len(loss.pending))


def peak(state: ClusterState, profile: Profile = DEFAULT_PROFILE) -> tuple[ClusterState, int]:
    """*state* with every Deployment rolling at once and every Job running, and how many of these pods find no place.

    A rolling Deployment has ``maxSurge`` pods more; what a quota refuses finds no place either.
    """
    top = state.copy()
    admission = Admission(top)
    rows, refused = [], 0
    for owner, count in _more_pods(top):
        held = top.owners[owner]
        for number in range(count):
            name = f"{held.name}-surge-{number}"
            try:
                rows.append(admission.create_pod(top, name, held.template, now=0.0, owner=owner))
            except Refused:
                refused += 1
    decisions = place(top, rows, profile=profile)
    return top, refused + sum(not decision.scheduled for decision in decisions)


def _more_pods(state: ClusterState) -> list[tuple[int, int]]:
    """Owners with the number of pods each has on top at its peak."""
    more = []
    for owner, held in enumerate(state.owners):
        workload = held.workload
        if held.deleted:
            continue
        if held.kind in ("Job", "CronJob"):
            more.append((owner, workload.parallelism))
        elif held.kind == "ReplicaSet" and held.parent != NO_OWNER and workload.update_strategy == "RollingUpdate":
            more.append((owner, resolve(workload.max_surge, held.replicas, math.ceil)))
    return more


def losses(state: ClusterState, size: int, most: int = MOST_LOSSES) -> list[tuple[int, ...]]:
    """Sets of *size* nodes to lose: all of them, or where there are too many the *most* that cost most.

    What a loss costs is the largest share of the cluster's cpu, memory or pods that the nodes offer and hold.
    """
    nodes = np.flatnonzero(state.node_exists).tolist()
    if len(nodes) <= size:
        return []
    if math.comb(len(nodes), size) <= most:
        return list(combinations(nodes, size))
    cost = _cost(state)
    dearest = heapq.nlargest(size + most, nodes, key=lambda node: cost[node])
    return heapq.nlargest(most, combinations(dearest, size), key=lambda lost: sum(cost[node] for node in lost))


def _cost(state: ClusterState) -> NDArray[np.float64]:
    """(nodes,) what the loss of each node takes away and has to be placed elsewhere, as a share of the cluster."""
    offered = state.allocatable[:, [CPU, MEMORY, PODS]].astype(float)
    total = np.maximum(offered[state.node_exists].sum(axis=0), 1.0)
    return ((offered + state.requested[:, [CPU, MEMORY, PODS]]) / total).max(axis=1)
