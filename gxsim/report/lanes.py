"""Pods over time for pictures: counted per node, and one by one where they were lost."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gxsim.kernels.intervals import at, combine, count, steps
from gxsim.observe.table import Table
from gxsim.state import PENDING, PHASE_RUNNING, ClusterState
from gxsim.timeline import BLANKS, Timeline

ANSWERING, ARRIVED, STARTING, DEAD, DOWN, WAITING = range(6)
QUANTITIES = ("pod_exists", "pod_node", "pod_phase", "pod_ready", "pod_serving")


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """One node's pods; ``counts`` is (changes, 6), a column per condition, each row holding from its time on.

    Conditions: *answering* since the start, *arrived* (answering, created later), *starting* (not Ready yet), *dead*
    while still believed Ready, *down* and known to be, *waiting* (Pending, bound nowhere).
    """

    name: str
    times_s: NDArray
    counts: NDArray


def lanes(state: ClusterState, timeline: Timeline, most: int) -> list[Lane]:
    """Lanes of the nodes where most changes, at most *most*, in the order of the input; Pending pods come last."""
    changes = [timeline.changes(quantity) for quantity in QUANTITIES]
    times, rows, values = combine(
        [(c.times_s, c.rows, c.values) for c in changes], [BLANKS.get(q, 0) for q in QUANTITIES]
    )
    node = values[:, 1].astype(np.int64)
    condition = _conditions(state, rows, values)
    chosen = _busiest(node, times, len(state.nodes), most)
    names = {PENDING: "Pending", **{i: state.nodes[i].name for i in chosen}}
    found = []
    for index in (*chosen, PENDING):
        here = (node == index) & (condition >= 0)
        if here.any():
            found.append(_lane(names[index], times, rows, np.where(here, condition, -1)))
    return found


def _conditions(state: ClusterState, rows: NDArray, values: NDArray) -> NDArray[np.int64]:
    """(points,) the condition of the pod from that point on; -1 where there is none."""
    exists, ready, serving = values[:, 0] > 0, values[:, 3] > 0, values[:, 4] > 0
    bound = values[:, 1] != PENDING
    served = np.maximum.accumulate(np.where(serving, rows, -1)) == rows if len(rows) else serving  # rows are sorted
    conditions = [
        ~exists | (values[:, 2] > PHASE_RUNNING),
        ~bound,
        ready & serving & (state.pod_created_s[rows] > 0),
        ready & serving,
        ready,
        ~serving & served,
    ]
    return np.select(conditions, [-1, WAITING, ARRIVED, ANSWERING, DEAD, DOWN], STARTING)


def _busiest(node: NDArray, times: NDArray, nodes: int, most: int) -> list[int]:
    """Nodes with most points after the start, in the order of the input; without any, the first ones."""
    points = np.bincount(node[(node >= 0) & (times > 0)], minlength=nodes)
    return sorted(np.argsort(-points, kind="stable")[:most].tolist())


def _lane(name: str, times: NDArray, rows: NDArray, condition: NDArray) -> Lane:
    levels = [count(*_stepped(times, rows, condition == kind)) for kind in range(6)]
    grid = np.unique(np.concatenate([[0.0], *(moments for moments, _ in levels)]))
    return Lane(
        name=name, times_s=grid, counts=np.column_stack([at(*level, grid) for level in levels]).astype(np.int64)
    )


def _stepped(times: NDArray, rows: NDArray, holds: NDArray) -> tuple[NDArray, NDArray]:
    moments, _, step = steps(times, rows, holds)
    order = np.argsort(moments, kind="stable")
    return moments[order], step[order]


@dataclass(frozen=True, slots=True)
class Place:
    """A pod and those that followed it, with each loss of any of them (rows of the table ``pods``)."""

    name: str
    moved: bool
    fates: tuple[Mapping[str, Any], ...]


def places(fates: Table) -> list[Place]:
    """The places of lost pods in the order of their first loss."""
    chains: list[list[Mapping[str, Any]]] = []
    chain_of: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for fate in fates.rows():
        chain = chain_of.pop((fate["workload"], fate["pod"]), None)
        if chain is None:
            chains.append(chain := [])
        chain.append(fate)
        if fate["successor"]:
            chain_of[fate["workload"], fate["successor"]] = chain
    return [_place(chain) for chain in chains]


def _place(chain: list[Mapping[str, Any]]) -> Place:
    nodes = [chain[0]["node"]]
    for fate in chain:
        if fate["successor_node"] not in ("", nodes[-1]):
            nodes.append(fate["successor_node"])
    first = chain[0]
    interchangeable = first["kind"] not in ("StatefulSet", "Pod")
    name = first["workload"].rpartition("/")[2] if interchangeable else first["pod"]
    return Place(f"{name}: {' → '.join(nodes)}", len(nodes) > 1, tuple(chain))
