"""How many more fit: of a pod, a workload or a tenant; now, at peak, and with one or two nodes less."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from gxsim.errors import ScenarioError
from gxsim.load.fields import unknown_name
from gxsim.model.model import Model
from gxsim.observe.table import Table
from gxsim.plan.countings import REQUESTS, Counting, countings, free
from gxsim.plan.increments import Increment
from gxsim.plan.room import MOST, Room, room
from gxsim.plan.shapes import shape_table
from gxsim.plan.situations import Situation, situations
from gxsim.scheduler import DEFAULT_PROFILE, Profile
from gxsim.state import CPU, MEMORY, PODS, STORAGE, ClusterState

COLUMNS = ("counting", "situation", "fits", "limited", "worst_loss", "pending", "binds", "losses_asked", "losses")
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


@dataclass(slots=True)
class _Worst:
    """The worst answer by one counting in one kind of situation, and most pods pending in any such situation."""

    room: Room = field(default_factory=lambda: Room(fits=-1, by_node=np.zeros(0, np.int64)))
    lost: tuple[int, ...] = ()
    pending: int = 0
    asked: int = 0

    def take(self, situation: Situation, answer: Room) -> None:
        self.asked += 1
        self.pending = max(self.pending, situation.pending)
        if self.room.fits < 0 or answer.fits < self.room.fits:
            self.room, self.lost = answer, situation.lost


def headroom(
    state: ClusterState,
    increment: Increment,
    model: Model | None = None,
    *,
    label: str = "",
    profile: Profile = DEFAULT_PROFILE,
    most: int = MOST,
    quotas: bool = True,
) -> Headroom:
    """Ask for *increment* in every situation and by every counting; *most* bounds the search for what is not plain.

    Without *quotas* admission lets everything in. Raises ScenarioError for a *label* no node has.
    """
    found = countings(model or Model())
    worst: dict[tuple[str, str], _Worst] = {}
    for situation in situations(state, profile):
        for counting in found:
            lost = situation.lost
            answer = room(
                situation.state, increment, counting, profile=profile, most=most, lost=lost, quotas=quotas
            )
            worst.setdefault((counting.name, situation.name), _Worst()).take(situation, answer)
    now = worst[REQUESTS.name, "now"].room
    return Headroom(
        name=increment.name,
        fits=_fits_table(state, worst),
        nodes=_node_table(state, found, now),
        domains=_domain_table(state, now, label),
        shapes=shape_table(state, increment, now, profile=profile, quotas=quotas),
    )


def _fits_table(state: ClusterState, worst: Mapping[tuple[str, str], _Worst]) -> Table:
    nodes = int(np.count_nonzero(state.node_exists))
    ways = {"n-1": nodes, "n-2": math.comb(nodes, 2)}
    rows = []
    for (counting, situation), one in worst.items():
        lost = ", ".join(state.nodes[node].name for node in one.lost)
        told = (one.room.fits, one.room.limited, lost, one.pending, one.room.binds)
        rows.append((counting, situation, *told, one.asked, ways.get(situation, 1)))
    about = (
        "Copies that fit by what pods count for and in each situation, with the worst loss, what then binds first, and "
        "pods that found no place even before; how many losses were looked at, of how many"
    )
    return Table.of("headroom", about, COLUMNS, rows)


def _node_table(state: ClusterState, found: Sequence[Counting], now: Room) -> Table:
    """What is left on each node by every counting, in base units."""
    left = {counting.name: free(state, counting) for counting in found}
    rows = []
    for node in np.flatnonzero(state.node_exists).tolist():
        row: list = [state.nodes[node].name]
        for name in ("requests", "limits", "usage"):
            row += [int(left[name][node, CPU]), int(left[name][node, MEMORY])]
        disk, pods = int(left["volumes"][node, STORAGE]), int(left["requests"][node, PODS])
        rows.append([*row, disk, pods, int(now.by_node[node]), "; ".join(now.refusals.get(node, ()))])
    amounts = [f"{name}_{what}" for name in ("requests", "limits", "usage") for what in ("cpu_milli", "memory_bytes")]
    about = (
        "What each node has left, less than nothing where it has promised more than it has; the pods it takes of the "
        "copies that fit now, and why it does not take the next"
    )
    return Table.of("nodes", about, ("node", *amounts, "disk_bytes", "pods", "takes", "binds"), rows)


def _domain_table(state: ClusterState, now: Room, label: str) -> Table:
    """Where the copies that fit now go, and what is left there before, by the values of a node label."""
    label = label or next((key for key in DOMAIN_LABELS if any(key in node.labels for node in state.nodes)), "")
    if label and not any(label in node.labels for node in state.nodes):
        known = sorted({key for node in state.nodes for key in node.labels})
        raise ScenarioError(f"--by {label}", f"no node has this label; {unknown_name(label, known)}")
    left = state.allocatable - state.requested
    rows = []
    for value in sorted({node.labels[label] for node in state.nodes if label in node.labels}):
        inside = np.array([node.labels.get(label) == value for node in state.nodes], bool) & state.node_exists
        free_there = left[inside].sum(axis=0)
        pods = int(now.by_node[inside].sum())
        rows.append((label, value, int(inside.sum()), pods, int(free_there[CPU]), int(free_there[MEMORY])))
    about = "Pods of the copies that fit now, and what is left without them, by a label of the nodes"
    columns = ("label", "value", "nodes", "pods", "requests_cpu_milli", "requests_memory_bytes")
    return Table.of("domains", about, columns, rows)
