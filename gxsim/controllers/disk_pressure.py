"""Kubelets whose disk runs full: DiskPressure, evictions one by one, and programs that cannot write any more.

The rules are those of ``kernels.pressure``. The taint is put on the node by the look that finds the disk starved; in a
cluster it takes until the next node status, at most ten seconds more.
"""

import math

import numpy as np
from numpy.typing import NDArray

from gxsim.controllers.informer import TOLERANCE_S, Informer
from gxsim.controllers.lease import Leases
from gxsim.kernels.pressure import (
    CRITICAL_PRIORITY,
    K3S,
    Thresholds,
    condition,
    eviction_order,
    least_available,
    starved,
)
from gxsim.model.node import Taint
from gxsim.state import PHASE_FAILED, PHASE_RUNNING, STORAGE, ClusterState, Event

DISK_PRESSURE = Taint("node.kubernetes.io/disk-pressure", "", "NoSchedule")


def disk_bytes(state: ClusterState) -> NDArray[np.int64]:
    """(nodes,) size of the disk that volumes, images and logs share; what is allocatable where no capacity is given."""
    offered = state.allocatable[:, STORAGE].tolist()
    return np.array(
        [node.capacity.get("ephemeral-storage", offered[i]) for i, node in enumerate(state.nodes)], np.int64
    )


class Disks:
    """What is used of every node's disk: an amount, and the rate at which it grows from a moment on."""

    def __init__(self, disk_bytes: NDArray, used_bytes: NDArray):
        """*disk_bytes* and *used_bytes* are (nodes,)."""
        self.disk_bytes = np.asarray(disk_bytes, float)
        self._used_bytes = np.array(used_bytes, float)
        self._since_s = np.zeros(len(self.disk_bytes))
        self.rate_bytes_per_s = np.zeros(len(self.disk_bytes))

    @classmethod
    def of(cls, state: ClusterState) -> "Disks":
        """The disks of a cluster, with nothing on them."""
        sizes = disk_bytes(state)
        return cls(sizes, np.zeros(len(sizes)))

    def available_bytes(self, node: int, now: float) -> float:
        """What is left on *node*; never negative."""
        grown = (now - self._since_s[node]) * self.rate_bytes_per_s[node]
        return max(0.0, float(self.disk_bytes[node] - self._used_bytes[node] - grown))

    def add(self, node: int, amount_bytes: float, now: float) -> None:
        """Write (or, with a negative amount, free) so much at once."""
        used = self.disk_bytes[node] - self.available_bytes(node, now) + amount_bytes
        self._used_bytes[node] = min(max(used, 0.0), self.disk_bytes[node])
        self._since_s[node] = now

    def grow(self, node: int, rate_bytes_per_s: float, now: float) -> None:
        """Let *node* fill faster by so much a second; a negative rate ends what another call began."""
        self.add(node, 0.0, now)
        self.rate_bytes_per_s[node] += rate_bytes_per_s

    def falls_to_s(self, node: int, available_bytes: float, now: float) -> float:
        """When so little is left on *node*: now if it is already, inf if never."""
        over = self.available_bytes(node, now) - available_bytes
        if over <= 0:
            return now
        rate = float(self.rate_bytes_per_s[node])
        return now + over / rate if rate > 0 else math.inf


class DiskPressure:
    """The eviction managers of all kubelets; *leases* says which of them live and reach the API server."""

    def __init__(
        self,
        disks: Disks,
        *,
        leases: Leases,
        informer: Informer,
        written_bytes: float = 0.0,
        limits: Thresholds = K3S,
    ):
        """*written_bytes* is what each container has written outside volumes: what evicting it frees."""
        self.disks, self.leases, self.informer, self.limits = disks, leases, informer, limits
        self.written_bytes = written_bytes
        count = len(disks.disk_bytes)
        self._starved = np.zeros(count, bool)
        self._starved_s = np.full(count, -math.inf)  # when each node was last starved
        self._looked_s = np.full(count, -math.inf)
        self._pause_s = np.full(count, limits.monitoring_s)

    # ---- what it does -------------------------------------------------------------------------------------------

    def reconcile(self, state: ClusterState, now: float) -> bool:
        self.informer.follow(state)
        changed = False
        for node in np.flatnonzero(self.leases.online).tolist():
            if self._due_s(node, now) <= now + TOLERANCE_S:
                changed |= self._look(state, node, now)
        return changed

    def due(self, state: ClusterState, now: float) -> float:
        online = np.flatnonzero(self.leases.online).tolist()
        return min((self._due_s(node, now) for node in online), default=math.inf)

    def _due_s(self, node: int, now: float) -> float:
        """The next look of *node* that finds something: at once while there is pressure, else when it begins."""
        next_s = self._looked_s[node] + self._pause_s[node]
        if self._starved[node] or now - self._starved_s[node] <= self.limits.transition_s:
            return float(next_s)
        threshold, _ = least_available(self.disks.disk_bytes[node], self.limits)
        falls_s = self.disks.falls_to_s(node, float(threshold) - 1.0, now)  # it is met below the threshold
        period_s = self.limits.monitoring_s
        return (
            max(float(next_s), math.ceil(falls_s / period_s - TOLERANCE_S) * period_s)
            if falls_s < math.inf
            else math.inf
        )

    def _look(self, state: ClusterState, node: int, now: float) -> bool:
        available = np.array(self.disks.available_bytes(node, now))
        met = bool(starved(available, self.disks.disk_bytes[node], self._starved[node], self.limits))
        self._starved[node] = met
        self._looked_s[node] = now
        self._pause_s[node] = self.limits.monitoring_s
        if met:
            self._starved_s[node] = now
        pressed = condition(met, float(self._starved_s[node]), now, self.limits)
        changed = self._tell(state, node, now, pressed=pressed)
        if available <= 0:
            changed |= self._cannot_write(state, node, now)
        if pressed:
            changed |= self._refuse(state, node, now)
        if met:
            changed |= self._evict(state, node, now)
        return changed

    # ---- what follows -------------------------------------------------------------------------------------------

    def _tell(self, state: ClusterState, node: int, now: float, *, pressed: bool) -> bool:
        """Set or clear the condition, by the taint that stands for it."""
        held = any(
            (taint.key, taint.effect) == (DISK_PRESSURE.key, DISK_PRESSURE.effect) for taint in state.taints[node]
        )
        if pressed == held:
            return False
        name = state.nodes[node].name
        if pressed:
            state.taint(node, DISK_PRESSURE)
            state.emit(Event(now, "Node", name, "NodeHasDiskPressure", f"{name} status is now: NodeHasDiskPressure"))
        else:
            state.untaint(node, DISK_PRESSURE.key, DISK_PRESSURE.effect)
            state.emit(
                Event(now, "Node", name, "NodeHasNoDiskPressure", f"{name} status is now: NodeHasNoDiskPressure")
            )
        return True

    def _evict(self, state: ClusterState, node: int, now: float) -> bool:
        """Put out the first pod in order; the next look comes as soon as it is gone."""
        pods = [pod for pod in self.informer.pods_on(node) if state.pod_phase[pod] <= PHASE_RUNNING]
        pods = [pod for pod in pods if not state.pod_terminating[pod]]
        if not pods:
            return False
        templates = [state.templates[state.pod_template[pod]] for pod in pods]
        written = np.array([self.written_bytes * len(template.containers) for template in templates])
        requested = np.array([template.requests.get("ephemeral-storage", 0) for template in templates], float)
        order = eviction_order(written, requested, np.array([template.priority for template in templates]))
        if len(order) == 0:
            return False
        first = int(order[0])
        message = "The node was low on resource: ephemeral-storage."
        state.emit(Event(now, "Pod", state.pod_key(pods[first]), "Evicted", message))
        state.finish(pods[first], PHASE_FAILED)
        self.disks.add(node, -float(written[first]), now)
        self._pause_s[node] = self.limits.cleanup_s
        return True

    def _refuse(self, state: ClusterState, node: int, now: float) -> bool:
        """Turn away pods that came since, such as those of DaemonSets, which tolerate the taint."""
        changed = False
        for pod in self.informer.pods_on(node):
            waits = state.pod_phase[pod] < PHASE_RUNNING and not state.pod_running[pod]
            if waits and state.templates[state.pod_template[pod]].priority < CRITICAL_PRIORITY:
                message = "Pod was rejected: The node had condition: [DiskPressure]."
                state.emit(Event(now, "Pod", state.pod_key(pod), "Evicted", message))
                state.finish(pod, PHASE_FAILED)
                changed = True
        return changed

    def _cannot_write(self, state: ClusterState, node: int, now: float) -> bool:
        """Databases, orderers and peers end when a write fails; their kubelet starts them again, in vain."""
        changed = False
        for pod in self.informer.pods_on(node):
            if state.pod_running[pod] and state.templates[state.pod_template[pod]].claims:
                state.emit(Event(now, "Pod", state.pod_key(pod), "NoSpaceLeft", "no space left on device"))
                state.crash(pod)
                changed = True
        return changed
