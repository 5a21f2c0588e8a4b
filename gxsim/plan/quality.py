"""How good a placement is: figures that are the same on every machine, and which way each one is better."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gxsim.consensus.members import member_nodes, member_pods, voter_names
from gxsim.kernels.quorum import tolerated_nodes
from gxsim.model.model import ConsensusGroup, Model
from gxsim.model.pod import PodTemplate, TopologySpreadConstraint
from gxsim.observe.headroom import MOST_LOSSES, lose, losses
from gxsim.plan.countings import REQUESTS
from gxsim.plan.increments import OnePod
from gxsim.plan.place import Placed
from gxsim.plan.room import room
from gxsim.plan.wanted import median_pod
from gxsim.scheduler import Profile
from gxsim.state import CPU, MEMORY, NO_OWNER, PENDING, ClusterState, owner_name

HOSTNAME = "kubernetes.io/hostname"
LOWER, HIGHER, NEITHER = "lower", "higher", "neither"

# Which way each figure is better, what it is in words, and its unit.
FIGURES: Mapping[str, tuple[str, str]] = {
    "nodes": (NEITHER, "Nodes"),
    "pods": (NEITHER, "Pods"),
    "pending": (LOWER, "Pods Pending"),
    "refused": (LOWER, "Pods refused by admission"),
    "cpu_percent": (LOWER, "cpu requested, % of all"),
    "memory_percent": (LOWER, "memory requested, % of all"),
    "fullest_percent": (LOWER, "requested on the fullest node, %"),
    "imbalance_percent": (LOWER, "imbalance of nodes, % points"),
    "fragmentation_percent": (LOWER, "free cpu a typical pod cannot use, %"),
    "spread_violations": (LOWER, "spread constraints violated"),
    "replicas_together": (LOWER, "replicas beside one of their own"),
    "guarded": (HIGHER, "pods kept apart by a hard rule"),
    "headroom": (HIGHER, "typical pods that still fit"),
    "headroom_n1": (HIGHER, "typical pods that fit without one node"),
    "pending_n1": (LOWER, "most pods Pending without one node"),
    "pending_n2": (LOWER, "most pods Pending without two nodes"),
    "lost_n1": (LOWER, "single losses that leave pods Pending"),
    "lost_n2": (LOWER, "double losses that leave pods Pending"),
}
# The same for what a simulated hour after each single loss leaves, added up over all of them.
CLOCK_FIGURES: Mapping[str, tuple[str, str]] = {
    "clock_quorum_lost": (LOWER, "single losses that cost a majority"),
    "clock_services_lost": (LOWER, "Services lost for good, over single losses"),
    "clock_pods_short": (LOWER, "pods short after an hour, over single losses"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """``figures`` by the names of FIGURES; ``quorum`` by group: further nodes it may lose, whichever they are."""

    figures: Mapping[str, float]
    quorum: Mapping[str, int]


def quality(placed: Placed, typical: OnePod | None = None, *, most_losses: int = MOST_LOSSES) -> Quality:
    """All figures of *placed*; *typical* is the pod that headroom asks for, else one of the median size.

    With more than *most_losses* ways to lose nodes, those that cost most are looked at.
    """
    state, profile = placed.state, placed.framework.profile
    typical = typical or median_pod(state)
    figures: dict[str, float] = {
        "nodes": int(np.count_nonzero(state.node_exists)),
        "pods": int(np.count_nonzero(state.pod_active)),
        "pending": int(np.count_nonzero(state.pod_active & (state.pod_node == PENDING))),
        "refused": sum(placed.refused().columns["missing"]),
        **_shares(state),
        "fragmentation_percent": fragmentation_percent(state),
        "spread_violations": sum(skew > most for _, skew, most in skews(state)),
        "replicas_together": _together(state),
        "guarded": sum(_is_guarded(state.templates[state.pod_template[p]]) for p in np.flatnonzero(state.pod_active)),
        **_survival(state, typical, profile, most_losses),
    }
    groups = quorum_tolerance(state, placed.case.model)
    return Quality(figures={name: round(figures[name], 6) for name in FIGURES}, quorum=groups)


def quorum_tolerance(state: ClusterState, model: Model) -> Mapping[str, int]:
    """By consensus group: nodes that may be lost, whichever they are; −1 without quorum now."""
    return {
        group.name: tolerance for group in model.consensus_groups if (tolerance := _tolerance(state, group)) is not None
    }


def _tolerance(state: ClusterState, group: ConsensusGroup) -> int | None:
    by_node = np.zeros(len(state.nodes), np.int64)
    if group.namespace:
        members = np.flatnonzero(member_pods(state, group) & state.pod_active)
        lies = state.pod_node[members]
        np.add.at(by_node, lies[lies != PENDING], 1)
        voters = len(voter_names(state, group, members))
    else:
        nodes = [node for node in member_nodes(state, group) if state.node_exists[node]]
        by_node[nodes] = 1
        voters = len(nodes)
    return int(tolerated_nodes(by_node, voters)) if voters else None


def _shares(state: ClusterState) -> dict[str, float]:
    """Requests over what there is, in all and on single nodes; imbalance is the standard deviation over the nodes."""
    there = state.node_exists
    offered = state.allocatable[there][:, [CPU, MEMORY]].astype(float)
    requested = state.requested[there][:, [CPU, MEMORY]]
    total = 100.0 * requested.sum(axis=0) / np.maximum(offered.sum(axis=0), 1.0)
    share = 100.0 * requested / np.maximum(offered, 1.0)
    return {
        "cpu_percent": float(total[0]),
        "memory_percent": float(total[1]),
        "fullest_percent": float(share.max(initial=0.0)),
        "imbalance_percent": float(share.std(axis=0).max()) if len(share) else 0.0,
    }


def fragmentation_percent(state: ClusterState) -> float:
    """Free cpu on nodes where a pod drawn from the cluster's own does not fit, as a share of all free cpu.

    The measure of Weng et al., "Beware of Fragmentation" (USENIX ATC 2023), for cpu and memory.
    """
    pods = np.flatnonzero(state.pod_active)
    wanted, count = np.unique(state.template_requests[state.pod_template[pods]], axis=0, return_counts=True)
    free = (state.allocatable - state.requested)[state.node_exists]
    total = float(np.maximum(free[:, CPU], 0).sum())
    if not len(pods) or total <= 0:
        return 0.0
    stranded = 0.0
    for request, times in zip(wanted, count.tolist(), strict=True):
        fits = ((free >= request) | (request == 0)).all(axis=1)
        stranded += times * float(np.maximum(free[~fits, CPU], 0).sum())
    return 100.0 * stranded / (len(pods) * total)


def skews(state: ClusterState) -> Iterator[tuple[PodTemplate, int, int]]:
    """Each spread constraint of a pod template that has pods: the template, its skew now, and the most allowed."""
    bound = np.flatnonzero(state.pod_active & (state.pod_node != PENDING))
    lies, made_from = state.pod_node[bound], state.pod_template[bound]
    present = np.unique(made_from).tolist()
    seen: set[tuple[str, TopologySpreadConstraint]] = set()
    for template in (state.templates[index] for index in present):
        for constraint in template.topology_spread_constraints:
            key = (template.namespace, constraint)
            if key not in seen and constraint.selector is not None:
                seen.add(key)
                counted = np.zeros(len(state.templates), bool)
                counted[[i for i in present if _selects(constraint, template.namespace, state.templates[i])]] = True
                pods = _by_domain(state, constraint.topology_key, lies[counted[made_from]])
                if len(pods):
                    yield template, int(pods.max() - pods.min()), constraint.max_skew


def _selects(constraint: TopologySpreadConstraint, namespace: str, other: PodTemplate) -> bool:
    return (
        other.namespace == namespace and constraint.selector is not None and constraint.selector.matches(other.labels)
    )


def _by_domain(state: ClusterState, key: str, lies: NDArray[np.int32]) -> NDArray[np.int64]:
    """(domains,) pods on the nodes of each value of a label, from the nodes they lie on."""
    there = [node for node in np.flatnonzero(state.node_exists).tolist() if key in state.nodes[node].labels]
    values, codes = np.unique([state.nodes[node].labels[key] for node in there], return_inverse=True)
    domain = np.full(len(state.nodes), -1)
    domain[there] = codes
    inside = domain[lies]
    return np.bincount(inside[inside >= 0], minlength=len(values))


def _together(state: ClusterState) -> int:
    """Pods that lie on a node where an earlier replica of their workload lies, DaemonSets and bare pods left out."""
    beside: Counter[tuple[str, str, int]] = Counter()
    for pod in np.flatnonzero(state.pod_active & (state.pod_node != PENDING) & (state.pod_owner != NO_OWNER)).tolist():
        if state.owners[state.pod_owner[pod]].kind != "DaemonSet":
            namespace = state.templates[state.pod_template[pod]].namespace
            beside[namespace, owner_name(state, pod), int(state.pod_node[pod])] += 1
    return sum(count - 1 for count in beside.values())


def _is_guarded(template: PodTemplate) -> bool:
    """Whether a hard rule keeps the pod apart from others: required anti-affinity, or a spread that must hold."""
    spreads = template.topology_spread_constraints
    return bool(template.pod_anti_affinity.required) or any(c.when_unsatisfiable == "DoNotSchedule" for c in spreads)


def _survival(state: ClusterState, typical: OnePod, profile: Profile, most: int) -> dict[str, float]:
    figures: dict[str, float] = {"headroom": room(state, typical, REQUESTS, profile=profile).fits}
    for size in (1, 2):
        pending, fits = [0], [int(figures["headroom"])]
        for lost in losses(state, size, most):
            loss = lose(state, lost, profile)
            pending.append(len(loss.pending))
            if size == 1:
                fits.append(room(loss.state, typical, REQUESTS, profile=profile, lost=lost).fits)
        figures[f"pending_n{size}"] = max(pending)
        figures[f"lost_n{size}"] = sum(count > 0 for count in pending)
        if size == 1:
            figures["headroom_n1"] = min(fits)
    return figures
