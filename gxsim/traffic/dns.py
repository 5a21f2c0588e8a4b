"""Which node a client's name resolves to: answers that follow failures, and caches that follow the answers."""

import math

import numpy as np
from numpy.typing import NDArray

from gxsim.kernels.intervals import at
from gxsim.model.users import Dns
from gxsim.timeline import Timeline
from gxsim.traffic.routes import Plan


def answers(plan: Plan, timeline: Timeline, population: int) -> tuple[NDArray, NDArray]:
    """(changes,) times and nodes of what the name servers answer this population.

    While its own node is down the answer becomes the nearest edge that is up, and goes back the same way; where nobody
    looks, it never changes. A population has one answer (geo policy).
    """
    own = int(plan.entry[population])
    dns = plan.model.dns
    if dns is None or not changes(dns):
        return np.array([-np.inf]), np.array([own])
    edges = {name for edge in plan.model.edges for name in edge.nodes}
    hosts = np.array([i for i, name in enumerate(timeline.node_names) if name in edges or i == own])
    nearest_first = hosts[np.argsort(plan.user_s[population, hosts], kind="stable")]
    times_s, nodes = [-np.inf], [own]
    for time_s in timeline.changes("node_down").times_s:
        down = timeline.at("node_down", time_s) > 0
        up = nearest_first[~down[nearest_first]]
        times_s.append(changed_s(dns, time_s))
        nodes.append(own if not down[own] or len(up) == 0 else int(up[0]))
    return np.array(times_s), np.array(nodes)


def changes(dns: Dns) -> bool:
    """Whether anybody changes the answer when a node fails."""
    return dns.change_s is not None or dns.check_interval_s is not None or dns.operator_s > 0


def changed_s(dns: Dns, failed_s: float) -> float:
    """When name servers give another answer because something failed, or came back, at *failed_s*.

    Detected by checks, decided by a person, published: what there is of the three.
    """
    if dns.change_s is not None:
        return failed_s + dns.change_s
    noticed_s = failed_s
    if dns.check_interval_s is not None:
        noticed_s = (math.ceil(failed_s / dns.check_interval_s) + dns.failures - 1) * dns.check_interval_s
    return noticed_s + dns.operator_s + dns.publish_s


def resolved(change_s: NDArray, nodes: NDArray, times_s: NDArray, phases: NDArray, ttl_s: NDArray) -> NDArray:
    """(requests,) the node each request goes to.

    A cache asks again when its answer is ``ttl_s`` (requests,) old; ``phases`` in 0..1 say when in that period it does.
    """
    period_s = np.where(ttl_s > 0, ttl_s, 1.0)
    asked_s = np.where(ttl_s > 0, (np.floor(times_s / period_s - phases) + phases) * period_s, times_s)
    return at(change_s, nodes, asked_s, blank=nodes[0]).astype(np.int64)
