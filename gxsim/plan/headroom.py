"""How many more fit: of a pod, a workload or a tenant; now, at peak, and with one or two nodes less."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gxsim.errors import ScenarioError
from gxsim.load.fields import unknown_name
from gxsim.model.model import Model
from gxsim.observe.table import Table
from gxsim.plan.countings import REQUESTS, Counting, countings, free
from gxsim.plan.increments import Increment
from gxsim.plan.room import MOST, Room, room
from gxsim.plan.shapes import shape_table
from gxsim.plan.situations import SITUATIONS, Situation, losses, situations
from gxsim.scheduler import DEFAULT_PROFILE, Profile
from gxsim.state import CPU, MEMORY, PODS, STORAGE, ClusterState

COLUMNS = ("counting", "situation", "fits", "limited", "lost", "pending_before", "binds", "nodes", "asked", "of")
DOMAIN_LABELS = ("topology.kubernetes.io/zone", "topology.kubernetes.io/region")


@dataclass(frozen=True, slots=True, kw_only=True)
class Headroom:
    """``fits``: copies by counting and situation, the worst loss of each; ``nodes``: what is left on each node.

    ``domains`` (label given or found) and ``shapes`` say where they go, and which nodes would make room.
    """

    name: str
    fits: Table
    nodes: Table
    domains: Table
    shapes: Table


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """The worst answer of one counting in one kind of situation, and out of how many."""

    situation: Situation
    room: Room
    asked: int


def headroom(
    state: ClusterState,
    increment: Increment,
    model: Model | None = None,
    *,
    label: str = "",
    profile: Profile = DEFAULT_PROFILE,
    most: int = MOST,
) -> Headroom:
    """Ask for *increment* in every situation and by every counting; *most* bounds the search for what is not plain.

    Raises ScenarioError for a *label* no node has.
    """
    found = countings(model or Model())
    worst: dict[tuple[str, str], _Asked] = {}
    first: Room | None = None
    for situation in situations(state, profile):
        for counting in found:
            answer = room(situation.state, increment, counting, profile=profile, most=most)
            first = first or answer
            key = (counting.name, situation.name)
            before = worst.get(key)
            asked = before.asked + 1 if before else 1
            if before is None or answer.fits < before.room.fits:
                worst[key] = _Asked(situation=situation, room=answer, asked=asked)
            else:
                worst[key] = _Asked(situation=before.situation, room=before.room, asked=asked)
    now = worst[REQUESTS.name, "now"].room
    return Headroom(
        name=increment.name,
        fits=_fits_table(state, found, worst),
        nodes=_node_table(state, found, now),
        domains=_domain_table(state, increment, now, label),
        shapes=shape_table(state, increment, now, profile=profile),
    )
