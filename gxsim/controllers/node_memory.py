"""What fills the memory of every node, and the kernel, which kills when a container or the node has none left.

A pod uses what the model says of its workload, or else what it requests; its containers are counted as one, under the
sum of their limits. The kernel needs neither a kubelet nor an API server.
"""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gxsim.api.requests import qos_class
from gxsim.controllers.informer import TOLERANCE_S, Log
from gxsim.kernels.memory import (
    BEST_EFFORT,
    BURSTABLE,
    GUARANTEED,
    Ramps,
    badness,
    oom_score_adj,
    reaches_s,
    used_bytes,
)
from gxsim.model.model import HostUsage, Usage, host_usage_of, usage_of
from gxsim.model.pod import PodTemplate
from gxsim.state import ClusterState, Event, owner_name

DAY_S = 86_400.0
CLASSES = {"BestEffort": BEST_EFFORT, "Burstable": BURSTABLE, "Guaranteed": GUARANTEED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stress:
    """Memory that a fault takes: *size_bytes* within *over_s* from *begins_s* on; 0 s: all at once."""

    begins_s: float
    size_bytes: float
    over_s: float = 0.0
    oom_score_adj: int = 0  # of the process that takes it, where it is one of the host's

    def ramp(self, from_s: float) -> tuple[float, float, float, float]:
        """A row of Ramps that begins no earlier than *from_s*."""
        begins_s = max(self.begins_s, from_s)
        if self.over_s == 0:
            return begins_s, begins_s, self.size_bytes, 0.0
        return begins_s, begins_s + self.over_s, 0.0, self.size_bytes / self.over_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What the pods of one template and workload use, request and may use."""

    used_bytes: float
    rate_bytes_per_s: float
    requested_bytes: int
    limit_bytes: float  # inf without one
    service: int  # quality of service class


class NodeMemory:
    """The memory of all nodes; ``revised`` lists nodes whose use took another course."""

    def __init__(self, state: ClusterState, usage: Sequence[Usage] = (), host_usage: Sequence[HostUsage] = ()):
        self.usage = tuple(usage)
        amounts = ({**node.allocatable, **node.capacity}.get("memory", 0) for node in state.nodes)
        self.capacity_bytes = np.array([amount or math.inf for amount in amounts], float)  # (nodes,)
        hosts = (host_usage_of(host_usage, node.labels) for node in state.nodes)
        self._still_bytes = np.array([host.memory_bytes if host else 0 for host in hosts], float)  # what does not grow
        self.running: dict[int, dict[int, Share]] = defaultdict(dict)  # by node, its running pods
        self._growing: dict[int, dict[int, Share]] = defaultdict(dict)  # by node, those whose use changes with time
        self._node_of: dict[int, int] = {}  # of running pods
        self._stress: dict[int, dict[str, Stress]] = defaultdict(dict)  # by pod and fault
        self._hogs: dict[int, dict[str, Stress]] = defaultdict(dict)  # by node and fault
        self._shares: dict[tuple[int, int], Share] = {}  # by template and owner
        self._pods = Log()
        self._kills_s = np.full(len(state.nodes), np.inf)  # (nodes,) when the kernel next kills
        self.revised: list[int] = []
        self._nodes = Log()

    # ---- what faults do -----------------------------------------------------------------------------------------

    def stress(self, state: ClusterState, pod: int, fault: str, stress: Stress) -> None:
        """Let *pod* use more, again from each start of its containers."""
        self._stress[pod][fault] = stress
        self._count(state, pod)

    def relieve(self, state: ClusterState, pod: int, fault: str) -> None:
        """End what ``stress`` began."""
        self._stress[pod].pop(fault, None)
        self._count(state, pod)

    def hog(self, node: int, fault: str, stress: Stress) -> None:
        """Let a process of the host take memory of *node*."""
        self._hogs[node][fault] = stress
        self.revised.append(node)

    def release(self, node: int, fault: str) -> None:
        """End the process that ``hog`` began, if the kernel has not."""
        self._hogs[node].pop(fault, None)
        self.revised.append(node)

    # ---- what is used -------------------------------------------------------------------------------------------

    def available_bytes(self, state: ClusterState, node: int, now: float) -> float:
        """The kubelet's memory.available: the node's memory without what is in use; never negative."""
        in_use = self._still_bytes[node] + float(used_bytes(self._ramps(state, node), now).sum())
        return max(0.0, float(self.capacity_bytes[node] - in_use))

    def falls_to_s(self, state: ClusterState, node: int, available_bytes: float, now: float) -> float:
        """When no more than so much is left on *node*: now if that is so already, inf if never."""
        bound = float(self.capacity_bytes[node] - self._still_bytes[node] - available_bytes)
        return reaches_s(self._ramps(state, node), bound, now) if math.isfinite(bound) else math.inf

    def pods_bytes(self, state: ClusterState, node: int, now: float) -> dict[int, float]:
        """What each running pod of *node* uses."""
        return {pod: self._pod_bytes(state, node, pod, now) for pod in self.running[node]}

    def _pod_bytes(self, state: ClusterState, node: int, pod: int, now: float) -> float:
        if pod not in self._growing[node]:
            return self.running[node][pod].used_bytes
        return float(used_bytes(self._pod_ramps(state, pod, self._growing[node][pod]), now).sum())

    def _ramps(self, state: ClusterState, node: int) -> Ramps:
        """What grows on *node*."""
        rows = [row for pod, share in self._growing[node].items() for row in self._pod_rows(state, pod, share)]
        return _ramps(rows + [hog.ramp(0.0) for hog in self._hogs[node].values()])

    def _pod_ramps(self, state: ClusterState, pod: int, share: Share) -> Ramps:
        return _ramps(self._pod_rows(state, pod, share))

    def _pod_rows(self, state: ClusterState, pod: int, share: Share) -> list[tuple[float, float, float, float]]:
        """A pod that ran before the clock began uses at 0 what the model says, and grows from there."""
        started_s = max(0.0, float(state.pod_started_s[pod]))
        grown = (started_s, math.inf, share.used_bytes, share.rate_bytes_per_s)
        return [grown, *(stress.ramp(started_s) for stress in self._stress.get(pod, {}).values())]

    # ---- who runs -----------------------------------------------------------------------------------------------

    def follow(self, state: ClusterState) -> None:
        """Catch up with *state*: which pods run where."""
        for pod in self._pods.news(state.touched):
            if bool(state.pod_running[pod]) != (pod in self._node_of):
                self._count(state, pod)

    def _count(self, state: ClusterState, pod: int) -> None:
        """Take *pod* out of the sums, and in again if it runs."""
        if pod in self._node_of:
            node = self._node_of.pop(pod)
            share = self.running[node].pop(pod)
            if self._growing[node].pop(pod, None) is None:
                self._still_bytes[node] -= share.used_bytes
            self.revised.append(node)
        if state.pod_running[pod]:
            node = self._node_of[pod] = int(state.pod_node[pod])
            share = self.running[node][pod] = self._share(state, pod)
            if share.rate_bytes_per_s or self._stress.get(pod):
                self._growing[node][pod] = share
            else:
                self._still_bytes[node] += share.used_bytes
            self.revised.append(node)

    def _share(self, state: ClusterState, pod: int) -> Share:
        key = int(state.pod_template[pod]), int(state.pod_owner[pod])
        if key not in self._shares:
            template = state.templates[key[0]]
            self._shares[key] = _share(template, usage_of(self.usage, template.namespace, owner_name(state, pod)))
        return self._shares[key]

    # ---- the kernel ---------------------------------------------------------------------------------------------

    def reconcile(self, state: ClusterState, now: float) -> bool:
        """Kill what is over a limit now, and on nodes without memory whoever has the most points."""
        self.follow(state)
        for node in self._nodes.news(self.revised):
            self._kills_s[node] = self._next_s(state, node, now)
        changed = False
        for node in np.flatnonzero(self._kills_s <= now + TOLERANCE_S).tolist():
            changed |= self._kill(state, node, now)
            self._kills_s[node] = self._next_s(state, node, now)
        return changed

    def due(self, state: ClusterState, now: float) -> float:
        return float(self._kills_s.min(initial=math.inf))

    def _next_s(self, state: ClusterState, node: int, now: float) -> float:
        """When the first container passes its limit, or the node its memory."""
        limits = [
            reaches_s(self._pod_ramps(state, pod, share), share.limit_bytes + 1.0, now)
            for pod, share in self._growing[node].items()
            if share.limit_bytes < math.inf
        ]
        nobody = not self.running[node] and not self._hogs[node]
        return min([math.inf if nobody else self.falls_to_s(state, node, -1.0, now), *limits])

    def _kill(self, state: ClusterState, node: int, now: float) -> bool:
        late_s = now + TOLERANCE_S
        over = [
            pod
            for pod, share in self._growing[node].items()
            if reaches_s(self._pod_ramps(state, pod, share), share.limit_bytes + 1.0, now) <= late_s
        ]
        for pod in over:
            self._end(state, pod, now, "Memory cgroup out of memory")
        killed = bool(over)
        while self.falls_to_s(state, node, -1.0, now) <= late_s and self._kill_worst(state, node, now):
            killed = True
        return killed

    def _kill_worst(self, state: ClusterState, node: int, now: float) -> bool:
        """Whether there was anybody to kill."""
        pods, hogs, capacity = list(self.running[node]), self._hogs[node], float(self.capacity_bytes[node])
        shares = [self.running[node][pod] for pod in pods]
        usage = [self._pod_bytes(state, node, pod, now) for pod in pods]
        usage += [float(used_bytes(_ramps([hog.ramp(0.0)]), now).sum()) for hog in hogs.values()]
        adj = oom_score_adj(
            np.array([share.service for share in shares], int),
            np.array([share.requested_bytes for share in shares], np.int64),
            capacity,
        )
        points = badness(np.array(usage), np.array([*adj, *(hog.oom_score_adj for hog in hogs.values())]), capacity)
        points[np.array(usage) <= 0] = -np.inf  # nothing to gain
        if not np.isfinite(points).any():
            return False
        worst, name = int(np.argmax(points)), state.nodes[node].name
        victim = state.pod_key(pods[worst]) if worst < len(pods) else list(hogs)[worst - len(pods)]
        state.emit(Event(now, "Node", name, "SystemOOM", f"System OOM encountered, victim process: {victim}"))
        if worst < len(pods):
            self._end(state, pods[worst], now, "Out of memory: the node has none left")
        else:
            self.release(node, victim)
        return True

    def _end(self, state: ClusterState, pod: int, now: float, message: str) -> None:
        state.emit(Event(now, "Pod", state.pod_key(pod), "OOMKilling", message))
        state.crash(pod)
        self._count(state, pod)


def _ramps(rows: Sequence[tuple[float, float, float, float]]) -> Ramps:
    columns: NDArray[np.float64] = np.array(rows, float).reshape(-1, 4).T
    return Ramps(*columns)


def _share(template: PodTemplate, usage: Usage | None) -> Share:
    """A pod never begins above its limit: what is stated beyond it is not there."""
    requested = int(template.requests.get("memory", 0))
    limits = [container.limits.get("memory", math.inf) for container in template.containers]
    limit = float(sum(limits)) if limits else math.inf
    return Share(
        used_bytes=min(float(requested if usage is None else usage.memory_bytes), limit),
        rate_bytes_per_s=0.0 if usage is None else usage.memory_per_day_bytes / DAY_S,
        requested_bytes=requested,
        limit_bytes=limit,
        service=service_of(template),
    )


def service_of(template: PodTemplate) -> int:
    """The quality of service class of its pods."""
    return CLASSES[qos_class(template.manifest.get("spec", {}))]
