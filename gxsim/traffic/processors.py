"""The processor a computing pod has: its limit, and what its node has left for it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gxsim.kernels.shares import beside_threads, fair_shares
from gxsim.model.model import Model, Station
from gxsim.state import CPU, ClusterState
from gxsim.state.degradation import CPU_STRESS, change_times
from gxsim.state.usage import host_usage, pod_usage
from gxsim.timeline import Timeline
from gxsim.traffic.endpoints import Lanes

Cores = list[tuple[float, float]]  # times in order, and the cores from then on; the first holds from the beginning
LEAST_WEIGHT = 2.0  # of a pod without a request: 2 of 1024 CPU shares, as millicores
HOST_WEIGHT = 1000.0  # of everything outside pods: system.slice's default of 1024 CPU shares


@dataclass(frozen=True, slots=True, kw_only=True)
class Contenders:
    """Millicores: what each pod uses, may use at most (inf), and weighs, (pods,); what hosts use and have, (nodes,)."""

    used: NDArray
    limit: NDArray
    weight: NDArray
    host: NDArray
    capacity: NDArray


def lane_cores(
    model: Model, state: ClusterState, timeline: Timeline, station: Station, lanes: Lanes
) -> tuple[Cores, ...]:
    """(lanes,) the cores that the visits of each share, over time.

    A pod that computes takes what it can get: up to its limit, and its fair share, by requests, of a node whose other
    pods and host use what the model says. A stress in a pod competes inside it, by threads; one of a node is a process
    of the host.
    """
    contenders = _contenders(model, state)
    stressed_s = change_times([d for d in timeline.degradations if d.action == CPU_STRESS])
    moved_s = timeline.times_s(("pod_running", "pod_node"))
    found = []
    for node, pod, begin_s, end_s in zip(lanes.node, lanes.pod, lanes.begin_s, lanes.end_s, strict=True):
        times_s = np.unique(np.concatenate([[begin_s], stressed_s, moved_s]))
        times_s = times_s[(times_s >= begin_s) & (times_s < end_s)]
        cores = [_cores(contenders, timeline, station, int(node), int(pod), float(time_s)) for time_s in times_s]
        kept = np.flatnonzero(np.diff(cores, prepend=np.nan) != 0)
        found.append([(float(times_s[i]), cores[i]) for i in kept])
    return tuple(found)


def _contenders(model: Model, state: ClusterState) -> Contenders:
    limits = np.array([float(t.limits.get("cpu", 0) or np.inf) for t in state.templates])
    sizes = [float(node.capacity.get("cpu", node.allocatable.get("cpu", 0)) or np.inf) for node in state.nodes]
    requests = state.template_requests[:, CPU].clip(min=LEAST_WEIGHT)
    return Contenders(
        used=np.minimum(pod_usage(state, model.usage)[:, 0], limits[state.pod_template]),
        limit=limits[state.pod_template],
        weight=requests[state.pod_template],
        host=host_usage(state, model)[:, 0],
        capacity=np.array(sizes),
    )


def _cores(contenders: Contenders, timeline: Timeline, station: Station, node: int, pod: int, time_s: float) -> float:
    """What *pod* has on *node* at *time_s*."""
    on = timeline.at("pod_running", time_s) & (timeline.at("pod_node", time_s) == node)
    on[pod] = False
    used, host = contenders.used.astype(float), float(contenders.host[node])
    stress = threads = 0.0
    for one in timeline.degradations:
        if one.action != CPU_STRESS or not one.lasts(np.array(time_s)):
            continue
        hit = list(one.near.pods)
        used[hit] = np.minimum(used[hit] + 1000 * one.amount, contenders.limit[hit])
        host += 1000 * one.amount * (node in one.near.nodes)
        if pod in hit:
            stress, threads = stress + 1000 * one.amount, threads + one.spread
    ceiling = float(min(contenders.limit[pod], contenders.capacity[node]))
    if ceiling == np.inf:  # neither is known: each visit has a core
        ceiling = 1000.0 * station.servers
    demands = np.array([ceiling, host, *used[on]])
    weights = np.array([contenders.weight[pod], HOST_WEIGHT, *contenders.weight[on]])
    share = float(fair_shares(float(contenders.capacity[node]), demands, weights)[0])
    return beside_threads(share, ceiling, station.servers, stress, threads) / 1000
