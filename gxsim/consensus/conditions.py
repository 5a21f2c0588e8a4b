"""What a group of voters meets in a run: who runs, and what links and disks do to their messages and writes."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from gxsim.consensus.members import Members
from gxsim.consensus.profiles import profile_of
from gxsim.state.degradation import DELAY, DISK_SLOW, LOSS, PARTITION, Degradation, change_times
from gxsim.state.links import links_at, write_delays

FELT = (PARTITION, DELAY, LOSS, DISK_SLOW)


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """From ``time_s`` on: ``running`` and ``persist_s`` are (voters,), links (voters, voters) from row to column.

    A message takes ``delays_s`` and up to ``jitter_s`` more where the link ``passes`` messages; ``loss`` is the share
    of packets that are sent again. ``persist_s`` is one synchronous write.
    """

    time_s: float
    running: NDArray
    delays_s: NDArray
    jitter_s: NDArray
    loss: NDArray
    passes: NDArray
    persist_s: NDArray


def conditions(members: Members, delays_s: NDArray, degradations: Sequence[Degradation] = ()) -> list[Conditions]:
    """Everything that changes for the group of *members*, oldest first; *delays_s* is (nodes, nodes), one way.

    A member that never ran counts as on the first node. A narrow bandwidth is not felt by messages as small as these.
    """
    felt = [one for one in degradations if one.action in FELT]
    found: list[Conditions] = []
    for time_s in np.unique(np.concatenate([members.times_s, change_times(felt)])):
        one = _conditions(members, delays_s, felt, float(time_s))
        if not found or not _alike(found[-1], one):
            found.append(one)
    return found


def _conditions(members: Members, delays_s: NDArray, met: Sequence[Degradation], time_s: float) -> Conditions:
    change = int(np.searchsorted(members.times_s, time_s, side="right")) - 1
    node, pod = np.maximum(members.node[change], 0), members.pod[change]
    links = links_at(met, time_s, node, pod)
    least_s = np.maximum(links.delay_s - links.jitter_s, 0.0)
    return Conditions(
        time_s=time_s,
        running=members.running[change],
        delays_s=delays_s[np.ix_(node, node)] + least_s,
        jitter_s=links.delay_s + links.jitter_s - least_s,
        loss=links.loss,
        passes=links.passes,
        persist_s=profile_of(members.group).persist_s + write_delays(met, time_s, node, pod),
    )


def _alike(one: Conditions, other: Conditions) -> bool:
    names = [field.name for field in fields(one) if field.name != "time_s"]
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in names)
