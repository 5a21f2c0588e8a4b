"""Network volumes: attached to one node at a time, and slow to leave a node that does not answer (attachdetach)."""

import math
from collections.abc import Sequence

from gxsim.controllers.informer import TOLERANCE_S, Log
from gxsim.controllers.pod_gc import is_out_of_service
from gxsim.model.cluster import Volume
from gxsim.model.control_plane import ControlPlane
from gxsim.model.pod import PodTemplate
from gxsim.state import PENDING, PHASE_RUNNING, READY, ClusterState, Event

ATTACHED = (  # provisioners whose volumes are attached to a node before a pod can mount them
    "cinder.csi.openstack.org",
    "disk.csi.azure.com",
    "driver.longhorn.io",
    "ebs.csi.aws.com",
    "pd.csi.storage.gke.io",
    "rbd.csi.ceph.com",
)


class Attachments:
    """The VolumeAttachment objects: where each volume is attached, and since when."""

    def __init__(self) -> None:
        self.node_of: dict[str, int] = {}
        self.since_s: dict[str, float] = {}
        self.revision = 0
        self._attachable: dict[str, bool] = {}

    def put(self, volume: str, node: int, since_s: float) -> None:
        self.node_of[volume], self.since_s[volume] = node, since_s
        self.revision += 1

    def remove(self, volume: str) -> None:
        del self.node_of[volume], self.since_s[volume]
        self.revision += 1

    def volumes_of(self, state: ClusterState, template: PodTemplate) -> list[str]:
        """Names of the bound volumes of *template* that have to be attached."""
        claims = (state.storage.claims.get(f"{template.namespace}/{name}") for name in template.claims)
        return [c.volume for c in claims if c is not None and c.bound and self._is_attachable(state, c.volume)]

    def mountable_s(self, state: ClusterState, template: PodTemplate, node: int) -> float:
        """Since when all volumes of *template* are attached to *node*; inf while one is not."""
        volumes = self.volumes_of(state, template) if template.claims else ()
        here = (self.since_s[v] if self.node_of.get(v, PENDING) == node else math.inf for v in volumes)
        return max(here, default=-math.inf)

    def _is_attachable(self, state: ClusterState, name: str) -> bool:
        if name not in self._attachable:
            volume = state.storage.volumes.get(name)
            self._attachable[name] = volume is not None and _provisioner(state, volume).endswith(ATTACHED)
        return self._attachable[name]


class AttachDetach:
    """Attaches what pods on a node need; detaches what none needs any more, by force only after a time-out."""

    def __init__(self, control_plane: ControlPlane, attachments: Attachments):
        self.control_plane, self.attachments = control_plane, attachments
        self._pods = Log()
        self._wants: dict[int, tuple[int, Sequence[str]]] = {}  # pod: its node and volumes
        self._unwanted_s: dict[str, float] = {}  # attached volume: since when no pod on its node needs it
        self._under_way: dict[str, tuple[float, int]] = {}  # volume: when it is attached there (PENDING: detached)

    def reconcile(self, state: ClusterState, now: float) -> bool:
        for pod in self._pods.news(state.touched):
            self._see(state, pod, now)
        if not self._wants and not self.attachments.node_of:
            return False
        changed = self._finish(now)
        self._detach(state, now)
        self._attach(state, now)
        return changed

    def due(self, state: ClusterState, now: float) -> float:
        finished_s = min((time_s for time_s, _ in self._under_way.values()), default=math.inf)
        forced = [since_s for volume, since_s in self._unwanted_s.items() if volume not in self._under_way]
        timeout_s = min(forced, default=math.inf) + self.control_plane.detach_timeout_s
        return min(finished_s, timeout_s if timeout_s > now + TOLERANCE_S else math.inf)

    def _see(self, state: ClusterState, pod: int, now: float) -> None:
        template, node = state.templates[state.pod_template[pod]], int(state.pod_node[pod])
        self._wants.pop(pod, None)
        if not template.claims or node == PENDING or not state.pod_exists[pod] or state.pod_phase[pod] > PHASE_RUNNING:
            return
        volumes = self.attachments.volumes_of(state, template)
        if not volumes:
            return
        self._wants[pod] = (node, volumes)
        for volume in volumes:
            if state.pod_running[pod] and volume not in self.attachments.node_of:
                self.attachments.put(volume, node, -math.inf)  # it runs, so it was attached before the start
            elif self.attachments.node_of.get(volume, node) != node:
                message = f'Multi-Attach error for volume "{volume}" Volume is already exclusively attached to one node'
                state.emit(Event(now, "Pod", state.pod_key(pod), "FailedAttachVolume", message))

    def _finish(self, now: float) -> bool:
        over = [volume for volume, (time_s, _) in self._under_way.items() if time_s <= now + TOLERANCE_S]
        for volume in over:
            _, node = self._under_way.pop(volume)
            if node == PENDING:
                self.attachments.remove(volume)
            else:
                self.attachments.put(volume, node, now)
        return bool(over)

    def _detach(self, state: ClusterState, now: float) -> None:
        needed = {(node, volume) for node, volumes in self._wants.values() for volume in volumes}
        for volume, node in self.attachments.node_of.items():
            if (node, volume) in needed:
                self._unwanted_s.pop(volume, None)
            elif volume not in self._under_way:
                since_s = self._unwanted_s.setdefault(volume, now)
                if self._may_detach(state, node, since_s, now):
                    del self._unwanted_s[volume]
                    self._under_way[volume] = (now + self.control_plane.detach_s, PENDING)

    def _may_detach(self, state: ClusterState, node: int, since_s: float, now: float) -> bool:
        """A node that answers says when it has unmounted; of another one the volume is taken by force."""
        if state.node_ready[node] == READY or is_out_of_service(state, node):
            return True
        return now >= since_s + self.control_plane.detach_timeout_s - TOLERANCE_S

    def _attach(self, state: ClusterState, now: float) -> None:
        for pod, (node, volumes) in self._wants.items():
            for volume in volumes:
                if volume not in self.attachments.node_of and volume not in self._under_way:
                    self._under_way[volume] = (now + self.control_plane.attach_s, node)
                    message = f'AttachVolume.Attach succeeded for volume "{volume}"'
                    state.emit(Event(now, "Pod", state.pod_key(pod), "SuccessfulAttachVolume", message))


def _provisioner(state: ClusterState, volume: Volume) -> str:
    classes = (c.provisioner for c in state.cluster.storage_classes if c.name == volume.storage_class)
    return volume.csi_driver or next(classes, "")
