"""Nodes over time: what is requested, limited and really used, against what there is."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gxsim.model.model import Model
from gxsim.observe.table import Table
from gxsim.state import CPU, MEMORY, PENDING, PHASE_RUNNING, STORAGE, ClusterState
from gxsim.state.usage import host_usage, pod_usage
from gxsim.timeline import Timeline

KINDS_OF_LOAD = ("requests", "limits", "usage")


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeLoad:
    """Sums over the pods of each node at some moments; each array is (moments, nodes, 3): cpu, memory, volumes.

    ``usage`` counts pods that truly run, and what the host itself uses while its node is up; requests and limits count
    pods that are bound, as the scheduler does.
    Volumes count the sizes of claims bound to volumes of the node, in every kind of load.
    """

    times_s: NDArray
    loads: Mapping[str, NDArray]
    pods: NDArray  # (moments, nodes) pods bound


def node_load(state: ClusterState, timeline: Timeline, model: Model, times_s: NDArray) -> NodeLoad:
    """The load of every node at each of *times_s*."""
    limits = np.array([[t.limits.get("cpu", 0), t.limits.get("memory", 0)] for t in state.templates], np.int64)
    limits = limits.reshape(-1, 2)[state.pod_template]
    requests = state.template_requests[state.pod_template][:, [CPU, MEMORY]]
    usage = pod_usage(state, model.usage)
    host, volumes = host_usage(state, model), _volume_bytes(state)
    shape = (len(times_s), len(state.nodes), 3)
    loads = {kind: np.zeros(shape, np.int64) for kind in KINDS_OF_LOAD}
    pods = np.zeros(shape[:2], np.int64)
    for moment, time_s in enumerate(times_s):
        node = timeline.at("pod_node", time_s)
        exists = timeline.at("pod_exists", time_s).astype(bool)
        bound = exists & (node != PENDING) & (timeline.at("pod_phase", time_s) <= PHASE_RUNNING)
        serving = timeline.at("pod_serving", time_s).astype(bool)
        np.add.at(loads["requests"][moment, :, :2], node[bound], requests[bound])
        np.add.at(loads["limits"][moment, :, :2], node[bound], limits[bound])
        np.add.at(loads["usage"][moment, :, :2], node[bound & serving], usage[bound & serving])
        loads["usage"][moment, :, :2] += host * (timeline.at("node_down", time_s) == 0)[:, None]
        np.add.at(pods[moment], node[bound], 1)
        for kind in KINDS_OF_LOAD:
            loads[kind][moment, :, 2] = volumes
    return NodeLoad(times_s=np.asarray(times_s, float), loads=loads, pods=pods)


def _volume_bytes(state: ClusterState) -> NDArray:
    """(nodes,) sizes of the volumes that only this node can reach, as they lie at the end of the run."""
    total = np.zeros(len(state.nodes), np.int64)
    for volume in state.storage.volumes.values():
        nodes = volume_nodes(state, volume.name)
        if len(nodes) == 1:
            total[nodes[0]] += volume.size_bytes
    return total


def volume_nodes(state: ClusterState, name: str) -> list[int]:
    """Positions of the nodes that can reach a volume; every node for one without node affinity."""
    affinity = state.storage.volumes[name].node_affinity
    return [i for i, n in enumerate(state.nodes) if affinity is None or affinity.matches(n.name, n.labels)]


def capacity(state: ClusterState) -> NDArray:
    """(nodes, 3) allocatable cpu, memory and disk."""
    return state.allocatable[:, [CPU, MEMORY, STORAGE]]


def node_table(state: ClusterState, load: NodeLoad, moments: tuple[str, ...]) -> Table:
    """One row per node and moment: amounts, and shares of what the node can give."""
    offered = capacity(state)
    names = ["node", "moment", "time_s", "pods"]
    for kind in KINDS_OF_LOAD:
        names += [f"{kind}_cpu_milli", f"{kind}_memory_bytes"]
    names += ["volumes_bytes", "allocatable_cpu_milli", "allocatable_memory_bytes", "allocatable_disk_bytes"]
    rows = []
    for node, noun in enumerate(state.nodes):
        for moment, label in enumerate(moments):
            row = [noun.name, label, float(load.times_s[moment]), int(load.pods[moment, node])]
            for kind in KINDS_OF_LOAD:
                row += [int(x) for x in load.loads[kind][moment, node, :2]]
            row += [int(load.loads["requests"][moment, node, 2]), *(int(x) for x in offered[node])]
            rows.append(row)
    about = "Load of each node at some moments of the run, against what it can give"
    return Table.of("nodes", about, names, rows)


def documented_table(state: ClusterState, load: NodeLoad, model: Model) -> Table:
    """One row per node whose load the model documents: that figure, and what its pods add up to at the first moment."""
    offered = capacity(state)
    rows = []
    for entry in model.node_usage:
        node = state.node_index.get(entry.node)
        if node is None:
            continue
        cpu, memory = (int(amount) for amount in load.loads["usage"][0, node, :2])
        requests = [int(amount) for amount in load.loads["requests"][0, node, :2]]
        rows.append(
            (
                entry.node,
                entry.cpu_milli,
                cpu,
                requests[0],
                int(offered[node, 0]),
                entry.memory_bytes,
                memory,
                requests[1],
                int(offered[node, 1]),
                entry.source,
            )
        )
    names = (
        "node",
        "documented_cpu_milli",
        "modelled_cpu_milli",
        "requests_cpu_milli",
        "allocatable_cpu_milli",
        "documented_memory_bytes",
        "modelled_memory_bytes",
        "requests_memory_bytes",
        "allocatable_memory_bytes",
        "source",
    )
    about = "The documented load of each node beside what the model's usage and the requests of its pods add up to"
    return Table.of("documented_load", about, names, rows)
