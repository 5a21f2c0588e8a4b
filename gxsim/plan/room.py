"""How often an increment fits into one state of a cluster, and what stops the next one."""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from gxsim.controllers.admission import Admission, Refused
from gxsim.model.pod import PodTemplate
from gxsim.plan.countings import Counting, Recount, free
from gxsim.plan.increments import Increment
from gxsim.scheduler import DEFAULT_PROFILE, Decision, Framework, Profile
from gxsim.scheduler.plugins.priority_sort import sorted_queue
from gxsim.state import ClusterState

RESOURCES_FIT = "NodeResourcesFit"
MOST = 10_000
PLAIN_VOLUMES = frozenset({"emptyDir", "configMap", "secret", "downwardAPI", "projected", "hostPath"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """``fits`` whole copies; ``by_node`` (nodes,) pods that went to each node.

    ``refusals`` are the reasons of each node against the next copy, ``quota`` is the refusal where admission stopped
    it. ``limited`` says that only the bound on the search did.
    """

    fits: int
    by_node: NDArray[np.int64]
    refusals: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    quota: str = ""
    limited: bool = False

    @property
    def binds(self) -> str:
        """What binds first, in the scheduler's words with the number of nodes, most nodes first."""
        if self.quota or self.limited:
            return self.quota or "the limit of the search"
        reasons = Counter(reason for refused in self.refusals.values() for reason in refused)
        ordered = sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
        return ", ".join(f"{count} {reason}" for reason, count in ordered)


def room(
    state: ClusterState,
    increment: Increment,
    counting: Counting,
    *,
    profile: Profile = DEFAULT_PROFILE,
    most: int = MOST,
    lost: Collection[int] = (),
    quotas: bool = True,
) -> Room:
    """How often *increment* fits into *state*, which stays as it is; at most *most* times unless it is one plain pod.

    Plain pods, whose copies do not see each other, are counted node by node; others are placed one after the other.
    Reasons against *lost* nodes are not told. Quotas hold in a real counting only, and not without *quotas*.
    """
    if increment.single is not None and is_plain(increment.single, profile):
        return _counted(state, increment.single, increment.name, counting, profile, lost, quotas=quotas)
    return _placed(state, increment, counting, replace(profile, preemption=False), most, lost, quotas=quotas)


def is_plain(template: PodTemplate, profile: Profile = DEFAULT_PROFILE) -> bool:
    """Whether nothing but resources keeps copies of *template* apart: then the order they come in changes nothing."""
    spreads = (*template.topology_spread_constraints, *profile.default_spread)
    return not (
        template.host_ports
        or template.claims
        or any(PLAIN_VOLUMES.isdisjoint(volume) for volume in template.volumes)
        or template.scheduling_gates
        or template.pod_affinity.required
        or template.pod_anti_affinity.required
        or any(constraint.when_unsatisfiable == "DoNotSchedule" for constraint in spreads)
    )


# ---- plain pods, node by node ---------------------------------------------------------------------------------------


def _counted(
    state: ClusterState,
    template: PodTemplate,
    name: str,
    counting: Counting,
    profile: Profile,
    lost: Collection[int],
    *,
    quotas: bool,
) -> Room:
    trial = state.copy()
    rules = replace(profile, filters=tuple(f for f in profile.filters if f != RESOURCES_FIT), preemption=False)
    pod = trial.create(name, template)
    answer = Framework(trial, rules).explain(pod)
    amounts = dict(counting.amounts(trial, template, name))
    wanted = trial.vector(amounts)
    wanted[trial.resource_index["pods"]] = 1
    asked = np.flatnonzero(wanted > 0)
    times = np.maximum(free(state, counting)[:, asked] // wanted[asked], 0)
    unknown = [r for r, amount in amounts.items() if amount and r not in trial.resource_index]
    by_node = np.where(answer.feasible & (not unknown), times.min(axis=1), 0)
    refusals = {}
    for node in (n for n in np.flatnonzero(state.node_exists).tolist() if n not in lost):
        refusal = answer.diagnosis.refusal(node)
        short = [trial.resources[r] for k, r in enumerate(asked) if times[node, k] == by_node[node]]
        refusals[node] = refusal.reasons if refusal is not None else tuple(_lack(r) for r in (*unknown, *short))
    found = Room(fits=int(by_node.sum()), by_node=by_node, refusals=refusals)
    return _within_quota(state, template, found) if counting.real and quotas else found


def _lack(resource: str) -> str:
    return "Too many pods" if resource == "pods" else f"Insufficient {resource}"


def _within_quota(state: ClusterState, template: PodTemplate, found: Room) -> Room:
    """*found*, cut to what the quotas of the pod's namespace still let in."""
    admission = Admission(state)
    if not admission.quotas.get(template.namespace):
        return found
    trial = state.copy()
    for number in range(found.fits):
        try:
            admission.create_pod(trial, f"copy-{number}", template, now=0.0)
        except Refused as refusal:
            cut = np.minimum(found.by_node, np.maximum(number - np.cumsum(found.by_node) + found.by_node, 0))
            return replace(found, fits=number, by_node=cut, quota=_quota(refusal))
    return found


def _quota(refusal: Refused) -> str:
    """The refusal without the name of the pod, which stands for any copy."""
    return str(refusal).partition(" is forbidden: ")[2] or str(refusal)


# ---- everything else, one after the other ---------------------------------------------------------------------------


def _placed(
    state: ClusterState,
    increment: Increment,
    counting: Counting,
    profile: Profile,
    most: int,
    lost: Collection[int],
    *,
    quotas: bool,
) -> Room:
    recount = Recount(counting)
    trial = recount.state(state)
    framework, admission = Framework(trial, profile), Admission(trial)
    if not (quotas and counting.real):
        admission.quotas.clear()  # quotas count requests and limits as they are written
    by_node = np.zeros(len(trial.nodes), np.int64)
    for number in range(1, most + 1):
        try:
            rows = increment.create(trial, admission, number, recount)
        except Refused as refusal:
            return Room(fits=number - 1, by_node=by_node, quota=_quota(refusal))
        landed = []
        for pod in sorted_queue(trial, rows):
            decision = framework.decide(pod)
            if not decision.scheduled:
                return Room(fits=number - 1, by_node=by_node, refusals=_refusals(decision, lost))
            framework.bind(pod, decision.node)
            landed.append(decision.node)
        np.add.at(by_node, landed, 1)
    return Room(fits=most, by_node=by_node, limited=True)


def _refusals(decision: Decision, lost: Collection[int]) -> Mapping[int, tuple[str, ...]]:
    diagnosis = decision.diagnosis
    if diagnosis is None:
        return {}
    found = {node: diagnosis.refusal(node) for node in np.flatnonzero(diagnosis.codes >= 0).tolist()}
    return {node: refusal.reasons for node, refusal in found.items() if refusal is not None and node not in lost}
