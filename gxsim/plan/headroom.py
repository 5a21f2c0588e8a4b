"""How many more fit: of a pod, a workload or a tenant; now, at peak, and with one or two nodes less."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from gxsim.errors import ScenarioError
from gxsim.load.fields import unknown_name
from gxsim.model.model import Model
from gxsim.observe.table import Table
from gxsim.plan.countings import REQUESTS, Counting, countings, free
from gxsim.plan.increments import Increment
from gxsim.plan.place import place
from gxsim.plan.room import MOST, Room, admitted, is_plain, room, rules_of
from gxsim.plan.shapes import shape_table
from gxsim.plan.situations import Situation, situations
from gxsim.plan.wanted import wanted
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

    room: Room = field(
        default_factory=lambda: Room(fits=-1, by_node=np.zeros(0, np.int64), codes=np.zeros(0, np.int64))
    )
    lost: tuple[int, ...] = ()
    pending: int = 0
    asked: int = 0
    most: int = 0

    def take(self, situation: Situation, answer: Room) -> None:
        self.asked += 1
        self.pending = max(self.pending, situation.pending)
        self.most = max(self.most, answer.fits)
        if self.room.fits < 0 or answer.fits < self.room.fits:
            self.room, self.lost = answer, situation.lost


def headroom(
    paths: Sequence[str | Path] | str | Path,
    *,
    podspec: str | Path | None = None,
    workload: str = "",
    mix: Sequence[str | Path] = (),
    by: str = "",
    max_limit: int = 1000,
    ignore_quota: bool = False,
    node_shapes: Sequence[str] = (),
    scheduler: str | Path | None = None,
    variables: Mapping[str, str] | None = None,
) -> Headroom:
    """How many more fit into the cluster at *paths*: manifests, or one scenario, which starts as it says.

    One of *podspec* (a manifest), *workload* (``[namespace/][kind/]name``) and *mix* (manifests of a tenant) says what;
    without, it is a pod of the median size. *by* is a node label to tell domains apart by; *scheduler* and *variables*
    are as for ``place``. Raises ScenarioError.
    """
    files = [paths] if isinstance(paths, str | Path) else paths
    placed = place(files, node_shapes, scheduler=scheduler, variables=variables)
    quotas = not ignore_quota
    increment = wanted(placed.state, podspec=podspec, workload=workload, mix=mix, quotas=quotas)
    profile = placed.framework.profile
    return headroom_of(
        placed.state, increment, placed.case.model, label=by, profile=profile, most=max_limit, quotas=quotas
    )


def headroom_of(
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
    single = increment.single if increment.single is not None and is_plain(increment.single, profile) else None
    rules = rules_of(state, single, profile) if single is not None else None
    for situation in situations(state, profile):
        if single is not None and rules is not None and not rules.fixed:
            rules = rules_of(situation.state, single, profile)
        for counting in found:
            answer = room(
                situation.state,
                increment,
                counting,
                profile=profile,
                most=most,
                lost=situation.lost,
                quotas=quotas,
                rules=rules,
            )
            worst.setdefault((counting.name, situation.name), _Worst()).take(situation, answer)
        # the same after a loss: what is made anew takes the quota of what is gone
        let_in = admitted(situation.state, increment, most=most) if quotas and not situation.lost else None
        if let_in is not None:
            worst.setdefault(("quota", situation.name), _Worst()).take(situation, let_in)
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
        lost = "any" if one.asked > 1 and one.room.fits == one.most else _names(state, one.lost)
        told = (one.room.fits, one.room.limited, lost, one.pending, one.room.binds)
        rows.append((counting, situation, *told, one.asked, ways.get(situation, 1)))
    about = (
        "Copies that fit by what pods count for and in each situation, or that quotas let in; the worst loss, what "
        "then binds first, and pods that found no place even before; how many losses were looked at, of how many"
    )
    return Table.of("headroom", about, COLUMNS, rows)


def _names(state: ClusterState, nodes: tuple[int, ...]) -> str:
    return ", ".join(state.nodes[node].name for node in nodes)


def _node_table(state: ClusterState, found: Sequence[Counting], now: Room) -> Table:
    """What is left on each node by every counting, in base units."""
    left = {counting.name: free(state, counting) for counting in found}
    rows = []
    for node in np.flatnonzero(state.node_exists).tolist():
        row: list = [state.nodes[node].name]
        for name in ("requests", "limits", "usage"):
            row += [int(left[name][node, CPU]), int(left[name][node, MEMORY])]
        disk, pods = int(left["volumes"][node, STORAGE]), int(left["requests"][node, PODS])
        rows.append([*row, disk, pods, int(now.by_node[node]), "; ".join(now.against(node))])
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
