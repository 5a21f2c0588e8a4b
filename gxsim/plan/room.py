"""How often an increment fits into one state of a cluster, and what stops the next one."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gxsim.controllers.admission import Admission, Refused
from gxsim.model.pod import PodTemplate
from gxsim.plan.countings import REQUESTS, Counting, Recount, free
from gxsim.plan.increments import Increment
from gxsim.scheduler import DEFAULT_PROFILE, Decision, Framework, Profile
from gxsim.scheduler.plugins.priority_sort import sorted_queue
from gxsim.state import PODS, ClusterState

RESOURCES_FIT = "NodeResourcesFit"
MOST = 10_000
PLAIN_VOLUMES = frozenset({"emptyDir", "configMap", "secret", "downwardAPI", "projected", "hostPath"})
Reasons = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """``fits`` whole copies; ``by_node`` (nodes,) pods that went to each node.

    ``codes`` (nodes,) point into ``reasons``, those of each node against the next copy; −1 where there is nothing to
    tell. ``quota`` is the refusal where admission stopped it. ``limited`` says that only the bound on the search did.
    """

    fits: int
    by_node: NDArray[np.int64]
    codes: NDArray[np.int64]
    reasons: tuple[Reasons, ...] = ()
    quota: str = ""
    limited: bool = False

    def against(self, node: int) -> Reasons:
        """Why *node* does not take the next copy; empty where it was not asked."""
        return self.reasons[self.codes[node]] if self.codes[node] >= 0 else ()

    @property
    def binds(self) -> str:
        """What binds first, in the scheduler's words with the number of nodes, most nodes first."""
        if self.quota or self.limited:
            return self.quota or "the limit of the search"
        told: Counter[str] = Counter()
        for code, count in enumerate(np.bincount(self.codes[self.codes >= 0], minlength=len(self.reasons)).tolist()):
            told.update(dict.fromkeys(self.reasons[code], count))
        ordered = sorted(told.items(), key=lambda item: (-item[1], item[0]))
        return ", ".join(f"{count} {reason}" for reason, count in ordered if count)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Where a plain pod may go, were it for its rules alone: ``codes`` (nodes,) is −1 there, else of ``reasons``.

    ``fixed`` rules depend on nothing but the nodes: they hold in every state of the same cluster.
    """

    codes: NDArray[np.int64]
    reasons: tuple[Reasons, ...]
    fixed: bool


def room(
    state: ClusterState,
    increment: Increment,
    counting: Counting,
    *,
    profile: Profile = DEFAULT_PROFILE,
    most: int = MOST,
    lost: Collection[int] = (),
    quotas: bool = True,
    rules: Rules | None = None,
) -> Room:
    """How often *increment* fits into *state*, which stays as it is; at most *most* times unless it is one plain pod.

    Plain pods, whose copies do not see each other, are counted node by node; others are placed one after the other.
    Nothing goes to *lost* nodes. Quotas hold in a real counting only, and not without *quotas*. *rules* are those of a
    plain pod where they are known.
    """
    single = increment.single
    if single is None or not is_plain(single, profile):
        return _placed(state, increment, counting, replace(profile, preemption=False), most, lost, quotas=quotas)
    found = _counted(state, single, increment.name, counting, rules or rules_of(state, single, profile), lost)
    return _within_quota(state, single, found) if counting.real and quotas else found


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


def rules_of(state: ClusterState, template: PodTemplate, profile: Profile = DEFAULT_PROFILE) -> Rules:
    """What the scheduler says to a plain pod of each node, resources left aside."""
    trial = state.copy()
    filters = tuple(name for name in profile.filters if name != RESOURCES_FIT)
    pod = trial.create("one-more", template)
    diagnosis = Framework(trial, replace(profile, filters=filters, preemption=False)).explain(pod).diagnosis
    if diagnosis.pod is not None:
        return Rules(codes=np.zeros(len(state.nodes), np.int64), reasons=(diagnosis.pod.reasons,), fixed=False)
    return Rules(
        codes=np.where(diagnosis.codes > 0, diagnosis.codes - 1, -1),
        reasons=tuple(refusal.reasons for refusal in diagnosis.refusals),
        fixed=not any(other.pod_anti_affinity.required for other in state.templates),
    )


def _counted(
    state: ClusterState,
    template: PodTemplate,
    name: str,
    counting: Counting,
    rules: Rules,
    lost: Collection[int],
) -> Room:
    amounts = counting.amounts(state, template, f"{template.namespace}/{name}")
    wanted = state.vector(amounts)
    wanted[PODS] = 1
    asked = np.flatnonzero(wanted > 0)
    times = np.maximum(free(state, counting)[:, asked] // wanted[asked], 0)
    there = state.node_exists.copy()
    there[list(lost)] = False
    unknown = [name for name, amount in amounts.items() if amount and name not in state.resource_index]
    fewest = times.min(axis=1) if not unknown else np.zeros(len(there), np.int64)
    by_node = np.where(there & (rules.codes < 0), fewest, 0)
    short = (times == fewest[:, None]).astype(np.int64) @ (1 << np.arange(len(asked)))
    patterns, codes = np.unique(short, return_inverse=True)
    lacks = tuple(
        tuple(_lack(r) for r in (*unknown, *(state.resources[r] for k, r in enumerate(asked) if pattern >> k & 1)))
        for pattern in patterns.tolist()
    )
    return Room(
        fits=int(by_node.sum()),
        by_node=by_node,
        codes=np.where(there, np.where(rules.codes >= 0, rules.codes, codes + len(rules.reasons)), -1),
        reasons=(*rules.reasons, *lacks),
    )


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
            cut = np.clip(number - np.cumsum(found.by_node) + found.by_node, 0, found.by_node)
            return replace(found, fits=number, by_node=cut, quota=_quota(refusal))
    return found


def admitted(state: ClusterState, increment: Increment, *, most: int = MOST) -> Room | None:
    """How many copies quotas let in, whether or not there is a node for them; None where no quota sees them."""
    trial = state.copy()
    admission, recount = Admission(trial), Recount(REQUESTS)
    nowhere = np.zeros(len(state.nodes), np.int64)
    for number in range(1, most + 1):
        try:
            rows = increment.create(trial, admission, number, recount)
        except Refused as refusal:
            return Room(fits=number - 1, by_node=nowhere, codes=nowhere - 1, quota=_quota(refusal))
        spaces = {trial.templates[index].namespace for index in trial.pod_template[rows]}
        if not any(admission.quotas.get(space) for space in spaces):
            return None
    return Room(fits=most, by_node=nowhere, codes=nowhere - 1, limited=True)


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
    by_node, nothing = np.zeros(len(trial.nodes), np.int64), np.full(len(trial.nodes), -1)
    for number in range(1, most + 1):
        try:
            rows = increment.create(trial, admission, number, recount)
        except Refused as refusal:
            return Room(fits=number - 1, by_node=by_node, codes=nothing, quota=_quota(refusal))
        landed = []
        for pod in sorted_queue(trial, rows):
            decision = framework.decide(pod)
            if not decision.scheduled or decision.node in lost:  # what tolerates everything goes to a dead node, too
                reasons, codes = _against(decision, nothing, lost)
                return Room(fits=number - 1, by_node=by_node, codes=codes, reasons=reasons)
            framework.bind(pod, decision.node)
            landed.append(decision.node)
        np.add.at(by_node, landed, 1)
    return Room(fits=most, by_node=by_node, codes=nothing, limited=True)


def _against(
    decision: Decision, nothing: NDArray[np.int64], lost: Collection[int]
) -> tuple[tuple[Reasons, ...], NDArray[np.int64]]:
    """The reasons against the pod, and (nodes,) which of them each node has; −1 for *lost* ones."""
    diagnosis, codes = decision.diagnosis, nothing.copy()
    if diagnosis is None:
        return (), codes
    numbers: dict[Reasons, int] = {}
    for node in np.flatnonzero(diagnosis.codes >= 0).tolist():
        refusal = diagnosis.refusal(node)
        if refusal is not None and node not in lost:
            codes[node] = numbers.setdefault(refusal.reasons, len(numbers))
    return tuple(numbers), codes
