"""Headroom with one node less: do the pods of each node fit on the others, by the scheduler's own rules?"""

import numpy as np

from gxsim.observe.nodes import capacity, volume_nodes
from gxsim.observe.table import Table
from gxsim.scheduler import Framework
from gxsim.state import CPU, MEMORY, NO_OWNER, PENDING, ClusterState

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


def node_loss_headroom(state: ClusterState) -> Table:
    """One row per node: what the scheduler does with its pods when that node is gone.

    DaemonSet pods, bare pods and pods on volumes that only this node reaches stay with it. The others are placed one
    after the other on what is left; shares are the largest request over allocatable on any remaining node.
    """
    rows = [_without(state, node) for node in range(len(state.nodes)) if state.node_exists[node]]
    about = "What the scheduler does with the pods of each node when that node alone is lost"
    return Table.of("headroom", about, COLUMNS, rows)


def _without(state: ClusterState, node: int) -> tuple:
    trial = state.copy()
    here = np.flatnonzero(trial.pod_active & (trial.pod_node == node))
    movable = [int(pod) for pod in here if _may_move(trial, int(pod))]
    trial.cordon(node)
    framework = Framework(trial)
    placed, refusal = 0, ""
    for pod in movable:
        trial.delete(pod)
    for pod in movable:
        row = trial.create(trial.pod_names[pod], trial.templates[trial.pod_template[pod]])
        decision = framework.decide(row)
        if decision.node == PENDING:
            refusal = refusal or f"{trial.pod_key(row)}: {decision.message()}"
        else:
            framework.bind(row, decision.node)
            placed += 1
    others = np.arange(len(trial.nodes)) != node
    share = 100.0 * trial.requested[others][:, [CPU, MEMORY]] / np.maximum(capacity(trial)[others, :2], 1)
    largest = share.max(axis=0) if others.any() else np.zeros(2)
    return (
        trial.nodes[node].name,
        len(here),
        len(here) - len(movable),
        len(movable),
        placed,
        len(movable) - placed,
        float(largest[0]),
        float(largest[1]),
        refusal,
    )


def _may_move(state: ClusterState, pod: int) -> bool:
    owner = int(state.pod_owner[pod])
    if owner == NO_OWNER or state.owners[owner].workload.kind == "DaemonSet":
        return False
    template = state.templates[state.pod_template[pod]]
    for name in template.claims:
        claim = state.claims.get(f"{template.namespace}/{name}")
        if claim and claim.volume in state.volumes and len(volume_nodes(state, claim.volume)) == 1:
            return False
    return True
