"""How far the parties of a channel are from each other over a run, by the nodes they are on and the faults of links."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gxsim.consensus.history import LeaderHistory
from gxsim.kernels.intervals import at
from gxsim.kernels.uptime import Windows, windows_of
from gxsim.model.ledger import Ledger
from gxsim.state import ClusterState
from gxsim.state.degradation import OUTSIDE, change_times
from gxsim.state.links import links_at
from gxsim.timeline import Timeline
from gxsim.traffic.ledger import Leg

ORDERERS, LEADER, SUBMITTER, PROJECTOR = "orderers", "leader", "submitter", "projector"  # beside names of Services


@dataclass(frozen=True, slots=True, kw_only=True)
class Distances:
    """Legs by name, and when a message gets through on each; what is not there is outside the cluster, and near."""

    legs: Mapping[str, Leg]
    open: Mapping[str, Windows]


def distances(
    ledger: Ledger,
    history: LeaderHistory,
    pods: Mapping[str, NDArray],  # masks (pods,) of the submitter, the projector and each peer
    state: ClusterState,
    timeline: Timeline,
    delays_s: NDArray,  # (nodes, nodes), one way
) -> Distances:
    """The mean one-way delays between parties of a channel that are there, whenever one moves or a link changes."""
    ways = {f"endorse/{org}": (SUBMITTER, *peers) for org, peers in ledger.endorsers.items()}
    ways |= {"submit": (SUBMITTER, ORDERERS), "forward": (ORDERERS, LEADER), "event": (ledger.event_peer, PROJECTOR)}
    ways |= {f"deliver/{peer}": (ORDERERS, peer) for peer in ledger.peers}
    placed, serving = timeline.changes("pod_node"), timeline.changes("pod_serving")
    moved = [c.times_s[np.any([mask[c.rows] for mask in pods.values()], axis=0)] for c in (placed, serving) if pods]
    times_s = np.unique(np.concatenate([[0.0], history.times_s, change_times(timeline.degradations), *moved]))
    found = np.full((len(ways), len(times_s)), np.inf)
    last: dict[str, tuple[NDArray, NDArray]] = {}
    for number, time_s in enumerate(times_s.tolist()):
        node, up = timeline.at("pod_node", time_s), timeline.at("pod_serving", time_s) > 0
        here = {party: np.flatnonzero(mask & up & (node >= 0)) for party, mask in pods.items()}
        now = {party: (node[rows], rows) for party, rows in here.items() if len(rows)} | _orderers(history, time_s)
        last |= now
        for way, (one, *others) in enumerate(ways.values()):
            ends = [last[party] for party in others if party in last]
            if one in last and ends:
                far = tuple(np.concatenate(columns) for columns in zip(*ends, strict=True))
                found[way, number] = _between(last[one], far, time_s, timeline, delays_s)
            elif one not in pods or not any(party in pods for party in others):
                found[way, number] = 0.0
    return Distances(
        legs={name: (times_s, np.where(np.isfinite(row), row, 0.0)) for name, row in zip(ways, found, strict=True)},
        open={name: windows_of(times_s, np.isfinite(row)) for name, row in zip(ways, found, strict=True)},
    )


def _orderers(history: LeaderHistory, time_s: float) -> dict[str, tuple[NDArray, NDArray]]:
    """Nodes of the orderers that are up, and of the one that leads."""
    members = history.members
    change = max(int(np.searchsorted(members.times_s, time_s, side="right")) - 1, 0)
    up = members.up[change] & (members.node[change] >= 0)
    nodes = members.node[change][up]
    found = {ORDERERS: (nodes, np.full(len(nodes), OUTSIDE))} if len(nodes) else {}
    leader = int(at(history.times_s, history.leader, time_s, blank=-1))
    if leader >= 0 and members.node[change][leader] >= 0:
        found[LEADER] = (members.node[change][[leader]], np.array([OUTSIDE]))
    return found


def _between(
    one: tuple[NDArray, ...], other: tuple[NDArray, ...], time_s: float, timeline: Timeline, delays_s: NDArray
) -> float:
    """Mean one-way delay over all pairs between which messages pass both ways; inf without any."""
    node, pod = (np.concatenate(columns) for columns in zip(one, other, strict=True))
    links = links_at(timeline.degradations, time_s, node, pod)
    there, back = slice(0, len(one[0])), slice(len(one[0]), None)
    passes = links.passes[there, back] & links.passes[back, there].T
    delay_s = delays_s[np.ix_(one[0], other[0])] + links.delay_s[there, back]
    return float(delay_s[passes].mean()) if passes.any() else np.inf


def strays(history: LeaderHistory, submitter: NDArray, timeline: Timeline) -> Leg:
    """(changes,) times, and which share of submissions meets a leader without a majority.

    That is one which was cut off and has not noticed: it acknowledges what it will never order. Each *submitter* (mask
    of pods) asks any orderer within its reach, and what follows such a leader hands its submissions to it.
    A submitter outside the cluster reaches every orderer that is up.
    """
    times_s = np.unique(np.concatenate([[0.0], history.times_s, change_times(timeline.degradations)]))
    if not any(one.severs for one in timeline.degradations):
        return times_s[:1], np.zeros(1)
    return times_s, np.array([_stray(history, submitter, timeline, time_s) for time_s in times_s.tolist()])


def _stray(history: LeaderHistory, submitter: NDArray, timeline: Timeline, time_s: float) -> float:
    members = history.members
    change = max(int(np.searchsorted(members.times_s, time_s, side="right")) - 1, 0)
    up = np.flatnonzero(members.running[change] & (members.node[change] >= 0))
    last = max(int(np.searchsorted(history.times_s, time_s, side="right")) - 1, 0)
    leader = int(history.rival[last]) if history.rival[last] >= 0 else int(history.leader[last])
    if leader not in up or (history.rival[last] < 0 and history.writable[last]):
        return 0.0
    running = timeline.at("pod_running", time_s) > 0
    node = timeline.at("pod_node", time_s)
    clients = np.flatnonzero(submitter & running & (node >= 0))
    ends = np.concatenate([members.node[change][up], node[clients]])
    pods = np.concatenate([members.pod[change][up], clients])
    passes = links_at(timeline.degradations, time_s, ends, pods).passes
    both = passes & passes.T
    follow = both[: len(up), int(np.flatnonzero(up == leader)[0])]
    if 2 * int(follow.sum()) > len(members.names):  # nobody is cut off: its first commit is still under way
        return 0.0
    reach = both[len(up) :, : len(up)] if submitter.any() else np.ones((1, len(up)), bool)
    asked = reach.sum(axis=1)
    shares = (reach & follow).sum(axis=1)[asked > 0] / asked[asked > 0]
    return float(shares.mean()) if len(shares) else 0.0
