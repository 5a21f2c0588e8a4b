"""The disks of a run: what fills them, which programs and servers that ends, and what the kubelets do about it."""

import math
from collections.abc import Sequence

from gxsim.controllers.disk_pressure import DiskPressure
from gxsim.controllers.disks import Contents, Disks
from gxsim.controllers.informer import TOLERANCE_S, Informer
from gxsim.controllers.lease import Leases
from gxsim.controllers.no_space import NoSpace
from gxsim.engine.phases import Phases, or_zeros
from gxsim.model.control_plane import ControlPlane, Kubelet
from gxsim.state import ClusterState, Event


class NodeStorage:
    """Disks are looked at from the start where *contents* are known, else from the first fault that fills one on."""

    def __init__(
        self,
        state: ClusterState,
        control_plane: ControlPlane,
        kubelet: Kubelet,
        contents: Contents | None,
        *,
        leases: Leases,
        informer: Informer,
        phases: Phases,
        servers: Sequence[int],
    ):
        """*servers* are the rows of the nodes with a member of etcd."""
        self.state, self.control_plane, self.servers = state, control_plane, servers
        self.disks = Disks(contents or Contents.nothing(state))
        self.no_space = NoSpace(self.disks, informer)
        self.disk_pressure = DiskPressure(
            self.disks,
            kubelet,
            leases=leases,
            informer=informer,
            status_s=phases.status_s,
            eviction_s=or_zeros(phases.eviction_s, state),
            image_gc_s=or_zeros(phases.image_gc_s, state),
        )
        self.watched = contents is not None
        self.exited: set[int] = set()  # servers whose process cannot run, because its etcd cannot write

    def watch(self, now: float) -> None:
        """From now on the disks matter."""
        self.watched = True
        self.disks.follow(self.state, now)

    def follow(self, now: float) -> None:
        """End what cannot write any more.

        An etcd member that cannot write exits; systemd starts it again and again, with success once there is room.
        Where the server is one process, its kubelet goes with it; the containers run on.
        """
        if not self.watched:
            return
        self.no_space.reconcile(self.state, now)
        for node in self.servers:
            writable, exited = bool(self.no_space.writable[node]), node in self.exited
            if not writable and not exited:
                self._exit(node, now)
            elif writable and exited and now >= self._restarts_s(node) - TOLERANCE_S:
                self.exited.remove(node)
                if self.control_plane.single_process:
                    self.state.start_kubelet(node)

    def due_s(self) -> float:
        """When the next server that exited runs again; inf while none has room."""
        return min((self._restarts_s(node) for node in self.exited), default=math.inf)

    def levels(self, now: float) -> dict[str, float]:
        """Levels of the Timeline, from the first time on that disks matter.

        ``disk_used/<node>`` is what lies on a disk when that changes its course, ``disk_rate/<node>`` how many bytes a
        second it grows by from then on (``storage.disk_levels`` reads both).
        ``writable/<node>`` is 0 while the node's disk is full, its local volumes included (``controllers.no_space``),
        ``server/<node>`` while its etcd member cannot run because of that; without a record both are 1.
        """
        if not self.watched:
            return {}
        servers = {f"server/{self.state.nodes[node].name}": float(node not in self.exited) for node in self.servers}
        turned = [(node, self.state.nodes[node].name) for node in self.disks.turned(now)]
        used = {f"disk_used/{name}": self.disks.used_bytes(node, now) for node, name in turned}
        rates = {f"disk_rate/{name}": float(self.disks.rate_bytes[node]) for node, name in turned}
        return {**self.no_space.levels(self.state), **servers, **used, **rates}

    def _exit(self, node: int, now: float) -> None:
        self.exited.add(node)
        name = self.state.nodes[node].name
        self.state.emit(Event(now, "Node", name, "ServerExited", "etcd cannot write its log"))
        if self.control_plane.single_process:
            self.state.stop_kubelet(node)

    def _restarts_s(self, node: int) -> float:
        """When the server on *node* runs again; inf while it cannot write."""
        if not self.no_space.writable[node]:
            return math.inf
        return float(self.no_space.since_s[node]) + self.control_plane.supervisor_restart_s
