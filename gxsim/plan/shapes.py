"""Which further node would make room: one like those there are, or the smallest that does."""

import math
from dataclasses import replace

import numpy as np

from gxsim.controllers.admission import Admission, Refused
from gxsim.controllers.daemon_set import NodeTemplates, daemon_tolerations, wants
from gxsim.model.node import Node
from gxsim.observe.table import Table
from gxsim.plan.countings import REQUESTS, Recount, emptied, populate
from gxsim.plan.increments import Increment
from gxsim.plan.room import Room, room
from gxsim.scheduler import DEFAULT_PROFILE, Profile, place
from gxsim.state import CPU, MEMORY, PODS, STORAGE, ClusterState

HOSTNAME = "kubernetes.io/hostname"
MOST_SHAPES = 3
COLUMNS = ("like", "cpu_milli", "memory_bytes", "disk_bytes", "pods", "more")


def shape_table(
    state: ClusterState, increment: Increment, now: Room, *, profile: Profile = DEFAULT_PROFILE, quotas: bool = True
) -> Table:
    """One row per node to add: the smallest that lets one more copy in, and one like each of the commonest shapes.

    ``more`` copies fit with it than now, its DaemonSet pods deducted; 0 where no node of this shape helps.
    """
    candidates = [*_least(state, increment), *_existing(state)]
    rows = []
    for like, node in candidates:
        larger = with_node(state, node, profile=profile)
        fits = room(larger, increment, REQUESTS, profile=profile, quotas=quotas).fits
        amounts = larger.allocatable[-1]
        rows.append((like, *(int(amounts[r]) for r in (CPU, MEMORY, STORAGE, PODS)), fits - now.fits))
    about = (
        "Copies that fit more with one further node, by its shape; the first row is the smallest that one copy needs"
    )
    return Table.of("shapes", about, COLUMNS, rows)


def with_node(state: ClusterState, node: Node, *, profile: Profile = DEFAULT_PROFILE) -> ClusterState:
    """*state* with one node more, on which DaemonSets have their pods; nothing else moves."""
    larger = emptied(state, replace(state.cluster, nodes=(*state.nodes, node)))
    populate(larger, state, lambda template, workload: template)
    new, daemons, rows = len(state.nodes), NodeTemplates(), []
    for owner, held in enumerate(larger.owners):
        if held.kind == "DaemonSet" and wants(larger, owner, new, daemon_tolerations(held.template))[0]:
            rows.append(
                larger.create(f"{held.name}-{node.name}", daemons.of(larger, owner, new), owner=owner, ordinal=new)
            )
    place(larger, rows, profile=profile)
    return larger


def _existing(state: ClusterState) -> list[tuple[str, Node]]:
    """A twin of one node of each of the commonest shapes: its labels but the host name, no taints of its trouble."""
    shapes: dict[tuple, list[int]] = {}
    for node in np.flatnonzero(state.node_exists).tolist():
        labels = {k: v for k, v in state.nodes[node].labels.items() if k != HOSTNAME}
        key = (tuple(state.allocatable[node]), tuple(sorted(labels.items())), state.nodes[node].taints)
        shapes.setdefault(key, []).append(node)
    commonest = sorted(shapes.values(), key=lambda nodes: (-len(nodes), nodes[0]))[:MOST_SHAPES]
    return [(state.nodes[nodes[0]].name, _twin(state.nodes[nodes[0]])) for nodes in commonest]


def _twin(node: Node) -> Node:
    name = f"{node.name}-twin"
    return replace(node, name=name, labels={**node.labels, HOSTNAME: name}, unschedulable=False, ready=True)


def _least(state: ClusterState, increment: Increment) -> list[tuple[str, Node]]:
    """The smallest node without labels or taints that takes one copy and the DaemonSet pods of any such node."""
    bare = with_node(state, _node({"cpu": 2**40, "memory": 2**60, "ephemeral-storage": 2**60, "pods": 2**30}))
    daemons = bare.requested[-1].copy()
    trial = bare.copy()
    try:
        pods = increment.create(trial, Admission(trial), 1, Recount(REQUESTS))
    except Refused:
        return []
    total = daemons + trial.template_requests[trial.pod_template[pods]].sum(axis=0)
    extended = {name: int(total[r]) for r, name in enumerate(trial.resources) if r > PODS and total[r]}
    amounts = {
        "cpu": 100 * math.ceil(total[CPU] / 100),
        "memory": 2**26 * math.ceil(total[MEMORY] / 2**26),
        "ephemeral-storage": int(total[STORAGE]),
        "pods": int(total[PODS]),
    }
    return [("the smallest for one more", _node(amounts | extended))]


def _node(amounts: dict[str, int]) -> Node:
    name = "further-node"
    return Node(name=name, labels={HOSTNAME: name}, allocatable=amounts, capacity=amounts)
