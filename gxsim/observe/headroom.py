"""Headroom with nodes less: do the pods of lost nodes fit on the others, by the scheduler's own rules?"""

import heapq
import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from gxsim.model.node import Taint
from gxsim.observe.nodes import capacity, volume_nodes
from gxsim.observe.table import Table
from gxsim.scheduler import DEFAULT_PROFILE, Decision, Framework, Profile
from gxsim.scheduler.plugins.priority_sort import sorted_queue
from gxsim.state import CPU, MEMORY, NO_OWNER, PODS, ClusterState

MOST_LOSSES = 64  # of the many ways to lose nodes, those looked at when there are more
UNREACHABLE = "node.kubernetes.io/unreachable"
COLUMNS = (
    "node_lost",
    "pods",
    "stay_with_node",
    "to_move",
    "placed",
    "pending",
    "largest_cpu_percent",
    "largest_memory_percent",
    "first_refusal",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """A cluster that has lost *nodes*, once the scheduler has placed again what does not stay with them.

    ``here`` and ``staying`` count the pods that lay there and those of them that wait for their node. ``moved`` maps
    each pod that went elsewhere to its new row; ``pending`` are the refusals, victims of preemption among them.
    """

    state: ClusterState
    framework: Framework
    nodes: tuple[int, ...]
    here: int
    staying: int
    moved: tuple[tuple[int, int], ...]
    pending: tuple[Decision, ...]


def lose(state: ClusterState, nodes: Iterable[int], profile: Profile = DEFAULT_PROFILE) -> Loss:
    """What becomes of *state*, which stays as it is, when *nodes* are lost and never come back.

    DaemonSet pods, bare pods and pods on volumes that only these nodes reach stay. The others are made anew and tried
    in queue order; who preempts another pod takes its place, and the victim is tried after it.
    """
    lost = tuple(nodes)
    trial = state.copy()
    here = np.flatnonzero(trial.pod_active & np.isin(trial.pod_node, lost)).tolist()
    leaving = [pod for pod in here if may_move(trial, pod, lost)]
    for node in lost:
        trial.cordon(node)
        for effect in ("NoSchedule", "NoExecute"):
            trial.taint(node, Taint(UNREACHABLE, "", effect))
    renewed = {_renewed(trial, pod): pod for pod in leaving}
    framework = Framework(trial, profile)
    placed, pending = _settle(trial, framework, list(renewed))
    return Loss(
        state=trial,
        framework=framework,
        nodes=lost,
        here=len(here),
        staying=len(here) - len(leaving),
        moved=tuple((renewed[row], row) for row in placed if row in renewed),
        pending=tuple(pending),
    )


def may_move(state: ClusterState, pod: int, lost: Iterable[int]) -> bool:
    """Whether a controller makes *pod* anew elsewhere, and its volumes can be reached without the *lost* nodes."""
    owner = int(state.pod_owner[pod])
    if owner == NO_OWNER or state.owners[owner].workload.kind == "DaemonSet":
        return False
    template = state.templates[state.pod_template[pod]]
    for name in template.claims:
        claim = state.storage.claims.get(f"{template.namespace}/{name}")
        if claim and claim.volume in state.storage.volumes and not set(volume_nodes(state, claim.volume)) - set(lost):
            return False
    return True


def _renewed(state: ClusterState, pod: int) -> int:
    """The row that takes the place of *pod*, which is deleted."""
    state.delete(pod)
    template = state.templates[state.pod_template[pod]]
    owner, ordinal = int(state.pod_owner[pod]), int(state.pod_ordinal[pod])
    return state.create(state.pod_names[pod], template, owner=owner, ordinal=ordinal)


def _settle(state: ClusterState, framework: Framework, waiting: list[int]) -> tuple[list[int], list[Decision]]:
    """Place *waiting* pods; each round of preemption has victims of lower priority only, so that rounds end."""
    placed: list[int] = []
    pending: list[Decision] = []
    while waiting:
        victims: list[int] = []
        for pod in sorted_queue(state, waiting):
            decision = framework.decide(pod)
            nomination = framework.preempt(pod, decision)
            if nomination is not None:
                victims += _evicted(state, nomination.victims)
                placed = [row for row in placed if state.pod_exists[row]]
                decision = framework.decide(pod)
            if decision.scheduled:
                framework.bind(pod, decision.node)
                placed.append(pod)
            else:
                pending.append(decision)
        waiting = victims
    return placed, pending


def _evicted(state: ClusterState, victims: Iterable[int]) -> list[int]:
    """The rows that take the places of *victims*; a bare pod is gone for good."""
    owned = [victim for victim in victims if state.pod_owner[victim] != NO_OWNER]
    for bare in set(victims) - set(owned):
        state.delete(bare)
    return [_renewed(state, victim) for victim in owned]


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


def node_loss_headroom(state: ClusterState) -> Table:
    """One row per node: what the scheduler does with its pods when that node is gone.

    Of very many nodes only those that cost most. Shares are the largest request over allocatable on any remaining node.
    """
    nodes = sorted(losses(state, 1)) or [(node,) for node in range(len(state.nodes)) if state.node_exists[node]]
    rows = [_row(lose(state, lost)) for lost in nodes]
    about = "What the scheduler does with the pods of each node when that node alone is lost"
    return Table.of("headroom", about, COLUMNS, rows)


def _row(loss: Loss) -> tuple:
    state = loss.state
    others = np.ones(len(state.nodes), bool)
    others[list(loss.nodes)] = False
    share = 100.0 * state.requested[others][:, [CPU, MEMORY]] / np.maximum(capacity(state)[others, :2], 1)
    largest = share.max(axis=0) if others.any() else np.zeros(2)
    first = loss.pending[0] if loss.pending else None
    return (
        state.nodes[loss.nodes[0]].name,
        loss.here,
        loss.staying,
        loss.here - loss.staying,
        len(loss.moved),
        len(loss.pending),
        float(largest[0]),
        float(largest[1]),
        f"{state.pod_key(first.pod)}: {first.message()}" if first else "",
    )
