"""Kubelets whose disk runs full: image garbage collection, DiskPressure, and evictions one by one.

The rules are those of ``kernels.pressure``. Evicting a pod frees what it wrote outside volumes; the data of its claims
stays where it is, so on a disk that is full of local-path volumes evictions go on until nobody is left.
"""

import math

import numpy as np
from numpy.typing import NDArray

from gxsim.controllers.disks import Disks
from gxsim.controllers.informer import TOLERANCE_S, Informer, tick_s
from gxsim.controllers.lease import Leases
from gxsim.controllers.node_pressure import DISK_PRESSURE, NodePressure
from gxsim.kernels.pressure import collected_bytes, eviction_order, starved, threshold
from gxsim.model.control_plane import Kubelet as Parameters
from gxsim.state import PHASE_FAILED, PHASE_RUNNING, ClusterState, Event


class DiskPressure:
    """The eviction managers of all kubelets; *leases* says which of them live and reach the API server."""

    def __init__(
        self,
        disks: Disks,
        parameters: Parameters,
        *,
        leases: Leases,
        informer: Informer,
        status_s: NDArray[np.float64],
        eviction_s: NDArray[np.float64],
        image_gc_s: NDArray[np.float64],
    ):
        """The last three are (nodes,): times of a status comparison, of a look, and of an image collection."""
        self.disks, self.parameters, self.leases, self.informer = disks, parameters, leases, informer
        self.pressure = NodePressure(DISK_PRESSURE, parameters, status_s)
        self.eviction_s, self.image_gc_s = eviction_s, image_gc_s
        disk = np.where(np.isfinite(disks.disk_bytes), disks.disk_bytes, 0.0)
        share = max(parameters.nodefs_available, parameters.imagefs_available)  # of one disk the stricter one counts
        self._least, self._reclaim = threshold(share, disk), threshold(parameters.minimum_reclaim, disk)
        self._collected_below = (1 - parameters.image_gc_high) * disk
        self._next_s, self._next_gc_s = np.full((2, len(disk)), -math.inf)  # before which no kubelet looks again

    # ---- what it does -------------------------------------------------------------------------------------------

    def reconcile(self, state: ClusterState, now: float) -> bool:
        self.informer.follow(state)
        self.disks.follow(state, now)
        changed = self._collect_images(state, now)
        changed |= self.pressure.refuse(state, now, lambda template: True)  # DaemonSets' pods tolerate the taint
        for node in np.flatnonzero(self._looks_s(now) <= now + TOLERANCE_S).tolist():
            changed |= self._look(state, node, now)
        return self.pressure.tell(state, now, self.leases.online) or changed

    def due(self, state: ClusterState, now: float) -> float:
        looks_s = float(np.min(self._looks_s(now), initial=math.inf))
        images_s = float(np.min(self._collects_s(now), initial=math.inf))
        return min(looks_s, images_s, self.pressure.due_s(self.leases.online))

    # ---- when it looks ------------------------------------------------------------------------------------------

    def _looks_s(self, now: float) -> NDArray[np.float64]:
        """(nodes,) the next look that finds something: soon while there is pressure, else once it begins."""
        falls_s = self.disks.falls_to_s(self._least - 1.0, now)  # it is met below the threshold
        busy = self.pressure.starved | self.pressure.says
        begins_s = np.where(self._short_of_inodes(), now, falls_s)
        first_s = tick_s(self.eviction_s, self.parameters.eviction_period_s, begins_s)
        looks_s = np.where(busy, self._next_s, np.maximum(first_s, self._next_s))
        return np.where(self.leases.online, looks_s, math.inf)

    def _collects_s(self, now: float) -> NDArray[np.float64]:
        """(nodes,) the next image collection that finds too much used and images that nothing uses."""
        falls_s = self.disks.falls_to_s(self._collected_below, now)
        collects_s = np.maximum(tick_s(self.image_gc_s, self.parameters.image_gc_period_s, falls_s), self._next_gc_s)
        return np.where(self.leases.online & (self.disks.unused_image_bytes >= 1.0), collects_s, math.inf)

    def _short_of_inodes(self) -> NDArray[np.bool_]:
        return 1.0 - self.disks.inodes_used < self.parameters.inodes_free

    # ---- what follows -------------------------------------------------------------------------------------------

    def _look(self, state: ClusterState, node: int, now: float) -> bool:
        """Compare with the thresholds; a shortage takes unused images first, then one pod."""
        found = self._is_short(node, now)
        self.pressure.see(node, starved=found, now=now)
        self._next_s[node] = now + self.parameters.eviction_period_s
        if found and self.disks.unused_image_bytes[node] >= 1.0:
            self._remove_images(state, node, float(self.disks.unused_image_bytes[node]), now)
            found = self._is_short(node, now)
        return found and self._evict(state, node, now)

    def _is_short(self, node: int, now: float) -> bool:
        available = self.disks.available_bytes(now)[node]
        met = starved(available, self._least[node], self._reclaim[node], self.pressure.starved[node])
        return bool(met | self._short_of_inodes()[node])

    def _collect_images(self, state: ClusterState, now: float) -> bool:
        """The image garbage collector's own look, which removes no more than is needed."""
        parameters, changed = self.parameters, False
        for node in np.flatnonzero(self._collects_s(now) <= now + TOLERANCE_S).tolist():
            disk = self.disks.disk_bytes[node]
            amount = collected_bytes(
                disk - self.disks.available_bytes(now)[node],
                disk,
                self.disks.unused_image_bytes[node],
                high_share=parameters.image_gc_high,
                low_share=parameters.image_gc_low,
            )
            self._next_gc_s[node] = now + parameters.image_gc_period_s
            if amount > 0:
                self._remove_images(state, node, float(amount), now)
                changed = True
        return changed

    def _remove_images(self, state: ClusterState, node: int, amount_bytes: float, now: float) -> None:
        self.disks.collect_images(node, amount_bytes, now)
        message = f"removed {amount_bytes / 1e9:.1f} GB of images that no container uses"
        state.emit(Event(now, "Node", state.nodes[node].name, "ImageGarbageCollected", message))

    def _evict(self, state: ClusterState, node: int, now: float) -> bool:
        """Put out the first pod in order; the next look comes as soon as it is gone."""
        pods = [pod for pod in self.informer.pods_on(node) if state.pod_phase[pod] <= PHASE_RUNNING]
        pods = [pod for pod in pods if not state.pod_terminating[pod] and pod not in self.pressure.arrived]
        templates = [state.templates[state.pod_template[pod]] for pod in pods]
        written = np.array([self.disks.written_bytes(pod, now) for pod in pods])
        requested = np.array([template.requests.get("ephemeral-storage", 0) for template in templates], float)
        order = eviction_order(written, requested, np.array([template.priority for template in templates]))
        if len(order) == 0:
            return False
        first = pods[int(order[0])]
        message = "The node was low on resource: ephemeral-storage."
        state.emit(Event(now, "Pod", state.pod_key(first), "Evicted", message))
        state.finish(first, PHASE_FAILED)
        self.disks.follow(state, now)
        self._next_s[node] = now + self.parameters.eviction_cleanup_s
        return True
