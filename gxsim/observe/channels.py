"""The channels of a model in one run: when orderers, peers, submitters and projectors of each were there."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from gxsim.consensus.history import LeaderHistory
from gxsim.controllers.writable import writable
from gxsim.errors import ScenarioError
from gxsim.kernels.intervals import combine, count, steps
from gxsim.kernels.uptime import ALWAYS, Windows, both, either, windows_of
from gxsim.load.fields import unknown_name
from gxsim.model.ledger import Ledger
from gxsim.observe.legs import PROJECTOR, SUBMITTER, distances, strays
from gxsim.observe.services import ServiceSeries
from gxsim.state import ClusterState, owner_name
from gxsim.timeline import Timeline
from gxsim.traffic.delivery import Orderer
from gxsim.traffic.endpoints import selected
from gxsim.traffic.ledger import Channel
from gxsim.traffic.reigns import reigns_of

NEVER = np.empty((0, 2))


def channel_of(
    ledger: Ledger,
    history: LeaderHistory,
    state: ClusterState,
    timeline: Timeline,
    services: Sequence[ServiceSeries],
    delays_s: NDArray,  # (nodes, nodes), one way
) -> Channel:
    """A channel of a model in one run.

    Raises ScenarioError for a name that is no Service or workload of the cluster; a name left out stands for something
    outside the cluster, which is always there, as does a Service without a selector.
    """
    up = {f"{one.namespace}/{one.name}": NEVER if one.selector else ALWAYS for one in state.cluster.services}
    for name in (ledger.chaincode, ledger.outbox, *ledger.peers, *ledger.state_databases.values()):
        if name and name not in up:
            problem = f"there is no Service {name!r}; {unknown_name(name, list(up))}"
            raise ScenarioError(f"ledger {ledger.name}", problem)
    up |= {"": ALWAYS} | {one.name: windows_of(one.times_s, one.answering > 0) for one in services}
    pods = {peer: _of_service(peer, state) for peer in ledger.peers}
    pods |= {SUBMITTER: _of_workload(ledger, ledger.submitter, state)}
    pods |= {PROJECTOR: _of_workload(ledger, ledger.projector, state)}
    inside = {party: mask for party, mask in pods.items() if mask.any()}
    found = distances(ledger, history, inside, state, timeline, delays_s)
    return Channel(
        ledger=ledger,
        reigns=reigns_of(history),
        orderers=orderers_of(history, timeline),
        submitter=workload_windows(pods[SUBMITTER], timeline) if ledger.submitter else ALWAYS,
        chaincode=up[ledger.chaincode],
        peers={peer: _peer(peer, ledger, up, state, timeline) for peer in ledger.peers},
        projector=workload_windows(pods[PROJECTOR], timeline) if ledger.projector else ALWAYS,
        legs=found.legs,
        open=found.open,
        stray=strays(history, pods[SUBMITTER], timeline),
    )


def _of_service(name: str, state: ClusterState) -> NDArray:
    """(pods,) True for those that a Service selects."""
    return next(selected(state, one) for one in state.cluster.services if f"{one.namespace}/{one.name}" == name)


def _of_workload(ledger: Ledger, name: str, state: ClusterState) -> NDArray:
    """(pods,) True for those of a workload (namespace/name); none for no name."""
    spaces = [template.namespace for template in state.templates]
    of = [f"{spaces[template]}/{owner_name(state, pod)}" for pod, template in enumerate(state.pod_template)]
    known = sorted({*of, *(f"{owner.namespace}/{owner.name}" for owner in state.owners)})
    if name and name not in known:
        raise ScenarioError(f"ledger {ledger.name}", f"there is no workload {name!r}; {unknown_name(name, known)}")
    return np.array([one == name for one in of], bool)


def _peer(peer: str, ledger: Ledger, up: Mapping[str, Windows], state: ClusterState, timeline: Timeline) -> Windows:
    """When a peer can commit: it answers, so does its state database, and both have room on their disks.

    Fabric's peer panics when its CouchDB fails a commit, and at each start until that answers; that it needs a moment
    to start after its database is back is left out.
    """
    names = [peer, *(ledger.state_databases[one] for one in (peer,) if one in ledger.state_databases)]
    windows = ALWAYS
    for name in names:
        windows = both(windows, both(up[name], _room(_of_service(name, state), timeline)))
    return windows


def _room(pods: NDArray, timeline: Timeline) -> Windows:
    """When a disk of the nodes that a peer's or database's pods have run on takes writes.

    Known images of peers end by themselves then; this holds for any other.
    """
    placed = timeline.changes("pod_node")
    nodes = np.unique(placed.values[pods[placed.rows] & (placed.values >= 0)])
    return either([writable(timeline, timeline.node_names[node]) for node in nodes]) if len(nodes) else ALWAYS


def orderers_of(history: LeaderHistory, timeline: Timeline) -> tuple[Orderer, ...]:
    """When each member of the orderers' group served, and when one vanished with its node."""
    members, down = history.members, timeline.changes("node_down")
    found = []
    for member in range(len(members.names)):
        up = windows_of(members.times_s, members.up[:, member])
        ends = up[np.isfinite(up[:, 1]), 1]
        last = np.searchsorted(members.times_s, ends, side="left") - 1  # the change before each end
        nodes = members.node[last, member]
        gone = (down.values > 0) & (down.rows == nodes[:, None]) & (down.times_s == ends[:, None])  # (ends, changes)
        found.append(Orderer(up=up, vanished_s=ends[gone.any(axis=1)]))
    return tuple(found)


def workload_windows(mine: NDArray, timeline: Timeline) -> Windows:
    """When at least one of some pods, a mask (pods,), answers."""
    serving = timeline.changes("pod_serving")
    picked = mine[serving.rows]
    times_s, rows, values = combine([(serving.times_s[picked], serving.rows[picked], serving.values[picked])], [0])
    grid, level = count(*(steps(times_s, rows, values[:, 0] > 0)[i] for i in (0, 2)))
    return windows_of(grid, level > 0)
