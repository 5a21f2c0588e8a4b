"""Links between processes at one moment: what faults add to their delay, lose of their packets, or let not pass."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gxsim.state.degradation import DELAY, DISK_SLOW, LINK_ACTIONS, LOSS, Degradation


@dataclass(frozen=True, slots=True, kw_only=True)
class Links:
    """(ends, ends) from row to column: ``delay_s`` of faults (mean) and ``jitter_s`` (more or less than that, evenly).

    ``loss`` is the share of packets that are lost, ``passes`` False where nothing passes.
    """

    delay_s: NDArray
    jitter_s: NDArray
    loss: NDArray
    passes: NDArray


def links_at(degradations: Sequence[Degradation], time_s: float, node: NDArray, pod: NDArray) -> Links:
    """The links among processes in *pod* on *node*, (ends,) each; ``OUTSIDE`` where there is none.

    Delays of several faults add up; packets have to survive the losses of all.
    """
    ends = (node[:, None], pod[:, None], node[None, :], pod[None, :])
    shape = (len(node), len(node))
    delay_s, jitter_s = np.zeros((2, *shape))
    survive, passes = np.ones(shape), np.ones(shape, bool)
    for one in degradations:
        if one.action not in LINK_ACTIONS or not one.begin_s <= time_s < one.end_s:
            continue
        met = one.meets(*ends) & ~np.eye(len(node), dtype=bool)
        if one.severs:
            passes &= ~met
        elif one.action == DELAY:
            delay_s += one.amount * met
            jitter_s += one.spread * met
        elif one.action == LOSS:
            survive *= 1 - one.amount * met
    return Links(delay_s=delay_s, jitter_s=jitter_s, loss=1 - survive, passes=passes)


def write_delays(degradations: Sequence[Degradation], time_s: float, node: NDArray, pod: NDArray) -> NDArray:
    """(ends,) what slow disks add to each synchronous write of a process in *pod* on *node*."""
    delay_s = np.zeros(len(node))
    for one in degradations:
        if one.action == DISK_SLOW and one.begin_s <= time_s < one.end_s:
            delay_s += one.amount * one.near.has(node, pod)
    return delay_s
