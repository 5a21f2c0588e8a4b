"""The states in which room is asked for: now, at peak, and after the loss of nodes."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from gxsim.controllers.admission import Admission, Refused
from gxsim.controllers.deployment import resolve
from gxsim.observe.headroom import MOST_LOSSES, lose, losses
from gxsim.scheduler import DEFAULT_PROFILE, Profile, place
from gxsim.state import NO_OWNER, ClusterState

LEAST_LOSSES = 16  # looked at in the largest clusters
POD_COPIES = 800_000  # pods copied for them all: each loss is tried out on a state of its own


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
