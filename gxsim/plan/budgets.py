"""What would let a disruption budget release a pod that it holds."""

from collections.abc import Sequence
from typing import NamedTuple

from gxsim.controllers.admission import Admission, Refused
from gxsim.controllers.disruption import budget_status, covering
from gxsim.scheduler import Framework, Profile
from gxsim.state import NO_OWNER, ClusterState, root_of


class Remedy(NamedTuple):
    """What to do about a budget; where it is to scale a workload, that (namespace/kind/name) and its replicas."""

    text: str
    workload: str = ""
    replicas: int = 0


def budget_remedy(state: ClusterState, pod: int, leaving: Sequence[int], profile: Profile) -> Remedy:
    """How to get *pod* evicted while *leaving* nodes take no pods: one replica more if that helps, else the budget."""
    budgets = covering(state, pod)
    if len(budgets) != 1:
        return Remedy("leave one budget of those that cover it")
    edit, owner = f"edit budget {budgets[0].name}", root_of(state, pod)
    if owner == NO_OWNER:
        return Remedy(f"{edit} for the time of the drain: there is no controller to scale")
    problem = _problem(state, pod, owner, leaving, profile)
    if problem:
        return Remedy(f"{edit}{problem}")
    held = state.owners[owner]
    wanted = held.replicas + 1
    scale = f"kubectl scale --namespace {held.namespace} {held.kind.lower()}/{held.name} --replicas={wanted}"
    return Remedy(f"{scale}, and back after the drain", f"{held.namespace}/{held.kind}/{held.name}", wanted)


def _problem(state: ClusterState, pod: int, owner: int, leaving: Sequence[int], profile: Profile) -> str:
    """Why a further replica is not possible, or would not help; empty where it does."""
    trial, template = state.copy(), state.templates[state.pod_template[pod]]
    trial.scale(owner, state.owners[owner].replicas + 1)
    for node in leaving:
        trial.cordon(node)
    try:
        new = Admission(trial).create_pod(trial, "one-more", template, now=0.0, owner=int(state.pod_owner[pod]))
    except Refused:
        return " for the time of the drain: a quota lets in no further replica"
    decision = Framework(trial, profile).decide(new)
    if not decision.scheduled:
        return " for the time of the drain: there is no room for a further replica"
    trial.bind(new, decision.node)
    trial.start(new, 0.0)
    trial.mark_pod_ready(new, 0.0)
    allowed = budget_status(trial, covering(state, pod)[0]).disruptions_allowed
    return "" if allowed else ": it lets nobody go, however many replicas there are"
