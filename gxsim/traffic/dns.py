"""Which node a client's name resolves to: answers that follow failures, and caches that follow the answers."""

import numpy as np
from numpy.typing import NDArray

from gxsim.kernels.intervals import at
from gxsim.timeline import Timeline
from gxsim.traffic.routes import Plan


def answers(plan: Plan, timeline: Timeline, population: int) -> tuple[NDArray, NDArray]:
    """(changes,) times and nodes of what the name servers answer this population.

    While its own node is down somebody changes the answer, ``change_s`` later, to the nearest edge that is up, and back
    the same way; where nobody does, it never changes. A population has one answer (geo policy).
    """
    own = int(plan.entry[population])
    dns = plan.model.dns
    if dns is None or dns.change_s is None:
        return np.array([-np.inf]), np.array([own])
    edges = {name for edge in plan.model.edges for name in edge.nodes}
    hosts = np.array([i for i, name in enumerate(timeline.node_names) if name in edges or i == own])
    nearest_first = hosts[np.argsort(plan.user_s[population, hosts], kind="stable")]
    times_s, nodes = [-np.inf], [own]
    for time_s in timeline.changes("node_down").times_s:
        down = timeline.at("node_down", time_s) > 0
        up = nearest_first[~down[nearest_first]]
        times_s.append(time_s + dns.change_s)
        nodes.append(own if not down[own] or len(up) == 0 else int(up[0]))
    return np.array(times_s), np.array(nodes)


def resolved(change_s: NDArray, nodes: NDArray, times_s: NDArray, phases: NDArray, ttl_s: float) -> NDArray:
    """(requests,) the node each request goes to.

    A cache asks again when its answer is *ttl_s* old; ``phases`` (requests,) in 0..1 say when in that period it does.
    """
    if len(nodes) == 1:
        return np.full(len(times_s), nodes[0])
    asked_s = times_s if ttl_s == 0 else (np.floor(times_s / ttl_s - phases) + phases) * ttl_s
    return at(change_s, nodes, asked_s, blank=nodes[0]).astype(np.int64)
