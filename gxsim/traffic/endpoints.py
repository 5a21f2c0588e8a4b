"""Who answers behind a step, over time: endpoints as the control plane believes them, pods as they truly are.

A lane is one life of a pod (or of an edge's host): from when it begins to answer until it stops. What is in it when it
ends is lost with it, and the next life begins empty.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gxsim.kernels.intervals import runs
from gxsim.model.cluster import Service
from gxsim.model.users import Edge
from gxsim.state import ENDPOINT_READY, ENDPOINT_SERVING, ClusterState
from gxsim.state.degradation import OUTSIDE
from gxsim.timeline import Timeline

# Instead of a lane: the pod is gone from a node that lives; packets go nowhere; there is no endpoint; the pod hangs.
REFUSED, SILENT, NOBODY, HANGING = -1, -2, -3, -4


@dataclass(frozen=True, slots=True, kw_only=True)
class Lanes:
    """(lanes,) each life: on which node, of which pod (or node), from when to when (``inf`` where it outlives the run).

    ``names`` are those of the pods or nodes; ``pod`` is the row of the pod, ``OUTSIDE`` for a node's own process.
    """

    node: NDArray
    pod: NDArray
    owner: NDArray
    begin_s: NDArray
    end_s: NDArray
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoints:
    """What a caller finds behind a step from each of ``times_s`` on.

    ``count`` (epochs,) endpoints are believed; ``target`` (epochs, most + 1) is the lane each leads to, or ``REFUSED``,
    ``SILENT`` or ``HANGING``; ``NOBODY`` in the columns after them. ``owner`` (epochs, most) are the pods in the same
    columns, and ``home`` (epochs, owners) the node of each pod.
    """

    lanes: Lanes
    times_s: NDArray
    count: NDArray
    target: NDArray
    owner: NDArray
    home: NDArray


def service_endpoints(state: ClusterState, timeline: Timeline, service: Service) -> Endpoints:
    """The endpoints of a Service: those believed ready; where there are none, those that still serve while they end.

    kube-proxy falls back to the latter (ProxyTerminatingEndpoints).
    """
    pods = np.flatnonzero(selected(state, service))
    epochs = _epochs(timeline, pods)
    shape = (len(epochs), len(pods))
    believed, serving, node = np.empty(shape, np.int64), np.empty(shape, bool), np.empty(shape, np.int64)
    hanging, down = np.empty(shape, bool), np.empty((len(epochs), len(timeline.node_names)), bool)
    for epoch, time_s in enumerate(epochs.tolist()):
        believed[epoch] = timeline.at("pod_endpoint", time_s)[pods]
        serving[epoch] = timeline.at("pod_serving", time_s)[pods].astype(bool)
        node[epoch] = timeline.at("pod_node", time_s)[pods]
        hanging[epoch] = timeline.at("pod_running", time_s)[pods] & (timeline.at("pod_stalled", time_s)[pods] > 0)
        down[epoch] = timeline.at("node_down", time_s) > 0
    listed = believed == ENDPOINT_READY
    listed |= (believed == ENDPOINT_SERVING) & ~listed.any(axis=1, keepdims=True)
    names = tuple(timeline.pod_names[pod] for pod in pods)
    silent = np.take_along_axis(down, node.clip(min=0), axis=1) | _severed(timeline, epochs, pods)
    gone = np.select([silent, hanging], [SILENT, HANGING], REFUSED)
    return _endpoints(epochs, listed, serving, node, pods, gone, names)


def _severed(timeline: Timeline, epochs: NDArray, pods: NDArray) -> NDArray[np.bool_]:
    """(epochs, pods) True where nobody reaches a pod, whether it runs or not."""
    severed = np.zeros((len(epochs), len(pods)), bool)
    for one in timeline.degradations:
        if one.severs and one.far is None:
            severed |= one.lasts(epochs)[:, None] & np.isin(pods, one.near.pods)
    return severed


def selected(state: ClusterState, service: Service) -> NDArray[np.bool_]:
    """(pods,) True for pods that the Service's selector matches."""
    if service.selector is None:
        return np.zeros(len(state.pod_names), bool)
    matches = [t.namespace == service.namespace and service.selector.matches(t.labels) for t in state.templates]
    return np.array(matches, bool)[state.pod_template]


def edge_endpoints(state: ClusterState, timeline: Timeline, edge: Edge) -> Endpoints:
    """The hosts of an edge; a caller means one of them, so ``target`` has a column for each, in the edge's order."""
    nodes = np.array([state.node_index[name] for name in edge.nodes])
    epochs = _epochs(timeline, nodes[:0])
    up = np.array([timeline.at("node_down", time_s)[nodes] == 0 for time_s in epochs.tolist()])
    everywhere = np.broadcast_to(nodes, up.shape)
    in_no_pod = np.full(len(nodes), OUTSIDE)
    return _endpoints(epochs, np.ones_like(up), up, everywhere, in_no_pod, np.full(up.shape, SILENT), edge.nodes)


def _epochs(timeline: Timeline, pods: NDArray) -> NDArray:
    """Times from 0 on at which something changed about *pods*, or about the life of a node."""
    times = [np.zeros(1), timeline.changes("node_down").times_s]
    for quantity in ("pod_endpoint", "pod_serving", "pod_node", "pod_running", "pod_stalled"):
        changes = timeline.changes(quantity)
        times.append(changes.times_s[np.isin(changes.rows, pods)])
    return np.unique(np.concatenate(times))


def _endpoints(
    epochs: NDArray,
    listed: NDArray,
    serving: NDArray,
    node: NDArray,
    pods: NDArray,
    gone: NDArray,
    names: tuple[str, ...],
) -> Endpoints:
    """Endpoints from what holds in each epoch; *pods* are (owners,), other arrays but the first (epochs, owners)."""
    ends = np.append(epochs[1:], np.inf)
    lane = gone.copy()
    lives: list[tuple[int, int, float, float]] = []
    for owner in range(serving.shape[1]):
        for first, past in zip(*runs(serving[:, owner]), strict=True):
            lane[first:past, owner] = len(lives)
            lives.append((int(node[first, owner]), owner, float(epochs[first]), float(ends[past - 1])))
    lanes = Lanes(
        node=np.array([life[0] for life in lives], np.int64),
        pod=pods[np.array([life[1] for life in lives], np.int64)],
        owner=np.array([life[1] for life in lives], np.int64),
        begin_s=np.array([life[2] for life in lives], float),
        end_s=np.array([life[3] for life in lives], float),
        names=names,
    )
    count = listed.sum(axis=1)
    front = np.argsort(~listed, axis=1, kind="stable")  # listed ones first, in their order
    target = np.full((len(epochs), listed.shape[1] + 1), NOBODY)
    target[:, :-1] = np.where(
        np.take_along_axis(listed, front, axis=1), np.take_along_axis(lane, front, axis=1), NOBODY
    )
    return Endpoints(lanes=lanes, times_s=epochs, count=count, target=target, owner=front, home=node)
