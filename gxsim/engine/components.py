"""The processes of a control plane: which of them live, and what a restart makes them forget."""

import math
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from gxsim.controllers.admission import Admission
from gxsim.controllers.applications import Applications
from gxsim.controllers.attach_detach import AttachDetach, Attachments
from gxsim.controllers.cron_job import CronJob
from gxsim.controllers.daemon_set import DaemonSet
from gxsim.controllers.deployment import Deployment
from gxsim.controllers.disks import Contents
from gxsim.controllers.disruption import Budgets
from gxsim.controllers.durations import Timings
from gxsim.controllers.endpoint_slice import EndpointSlice
from gxsim.controllers.eviction import Eviction
from gxsim.controllers.informer import TOLERANCE_S, Informer
from gxsim.controllers.job import Batch, Job
from gxsim.controllers.kubelet import Kubelet
from gxsim.controllers.lease import Leases
from gxsim.controllers.memory_pressure import MemoryPressure
from gxsim.controllers.node_lifecycle import NodeLifecycle
from gxsim.controllers.node_memory import NodeMemory
from gxsim.controllers.pod_gc import PodGC
from gxsim.controllers.replica_set import ReplicaSet
from gxsim.controllers.stateful_set import StatefulSet
from gxsim.controllers.taint_eviction import TaintEviction
from gxsim.controllers.volume_binder import VolumeBinder
from gxsim.engine.heartbeats import Heartbeats
from gxsim.engine.node_storage import NodeStorage
from gxsim.engine.outage import leads_s, reconnected_s, through_s
from gxsim.engine.partition import Cut, sides
from gxsim.engine.phases import Phases, or_zeros
from gxsim.errors import InvariantError
from gxsim.model.control_plane import ControlPlane, PodTiming
from gxsim.model.control_plane import Kubelet as KubeletParameters
from gxsim.scheduler.queue import Framework, Scheduler
from gxsim.state import ClusterState

APISERVER, CONTROLLERS, SCHEDULER, ETCD = "kube-apiserver", "kube-controller-manager", "kube-scheduler", "etcd"
NOWHERE = -1  # the leader, if it is on none of the nodes
DISK = "ephemeral-storage"
REGISTRY = "registry"  # where images are pulled from
COMPONENTS = (APISERVER, CONTROLLERS, SCHEDULER, ETCD, REGISTRY)


class Controller(Protocol):
    """Two functions without a clock."""

    def reconcile(self, state: ClusterState, now: float) -> bool: ...

    def due(self, state: ClusterState, now: float) -> float: ...


class Components:
    """What runs of the control plane. Nothing acts unless the API server lives and etcd has a majority."""

    def __init__(
        self,
        state: ClusterState,
        framework: Framework,
        control_plane: ControlPlane,
        kubelet: KubeletParameters,
        pod_timings: Sequence[PodTiming],
        *,
        leases: Leases,
        phases: Phases,
        etcd_members: Sequence[str],
        rng: np.random.Generator,
        memory: NodeMemory,
        contents: Contents | None = None,
        began_unix_s: float = 0.0,
    ):
        """*contents* of the disks; None: nothing is known of them, and they matter once a fault fills one."""
        self.state, self.framework, self.control_plane, self.phases = state, framework, control_plane, phases
        self.leases, self.informer, self.attachments = leases, Informer(), Attachments()
        self.admission = Admission(state, sync_phase_s=phases.quota_s, sync_period_s=control_plane.quota_sync_s)
        self.etcd = [state.node_index[name] for name in etcd_members]
        self.heartbeats = Heartbeats(state, leases, self.etcd, rng)
        self.raised: dict[str, float] = {}  # levels of loads and links that faults set
        self.down = dict.fromkeys(COMPONENTS, 0)  # open faults of each
        self.cuts: list[Cut] = []  # open partitions
        self.cut_off = self.parted = frozenset[int]()  # nodes on the side without the control plane, now and ever
        self.leader = state.node_index.get(control_plane.leader, NOWHERE)  # node whose controllers lead
        self.has_leader = True  # whether a side has the majority of etcd's members
        timings = Timings(kubelet, pod_timings)
        self.applications = Applications(timings)
        self.kubelets = self._kubelets(kubelet, timings)
        self.storage = NodeStorage(
            state,
            control_plane,
            kubelet,
            contents,
            leases=leases,
            informer=self.informer,
            phases=phases,
            servers=self.etcd,
        )
        self.memory = memory
        self.memory_pressure = self._memory_pressure(kubelet)
        self.watches_memory = kubelet.memory_available_bytes > 0
        self.batch, self.budgets = Batch(began_unix_s), Budgets()
        self.evictions = Eviction(control_plane, self.informer, self.budgets)
        self.processes: dict[str, list[Controller]] = {}
        self.starts_s: dict[str, float] = {}  # of processes that are to start
        self.lost_s = 0.0  # when the API was last lost
        self.lost_watches, self.api_up = False, True
        for name in (CONTROLLERS, SCHEDULER):
            self._start(name, 0.0, restarted=False)

    def _kubelets(self, kubelet: KubeletParameters, timings: Timings) -> Kubelet:
        phases = self.phases
        return Kubelet(
            kubelet,
            timings,
            leases=self.leases,
            informer=self.informer,
            attachments=self.attachments,
            status_s=phases.status_s,
            reconcile_s=phases.reconcile_s,
            relist_s=or_zeros(phases.relist_s, self.state),
            probe_share=phases.probe_share or (lambda pod: 0.0),
        )

    def _memory_pressure(self, kubelet: KubeletParameters) -> MemoryPressure:
        return MemoryPressure(
            self.memory,
            kubelet,
            leases=self.leases,
            informer=self.informer,
            status_s=self.phases.status_s,
            eviction_s=or_zeros(self.phases.eviction_s, self.state),
        )

    # ---- what lives ---------------------------------------------------------------------------------------------

    def live(self, now: float) -> list[Controller]:
        """Those that act now, kubelets first; of processes without watches only what has a clock of its own.

        Without an API server kubelets keep the containers they know of running.
        """
        storage = self.storage
        physics: list[Controller] = [self.applications, self.memory]
        physics += [storage.no_space] if storage.watched else []
        if not self.api_up:
            return [self.kubelets, *physics]
        controllers, scheduler = self.processes.get(CONTROLLERS, []), self.processes.get(SCHEDULER, [])
        if self.leases.is_blind(now):
            controllers, scheduler = [c for c in controllers if isinstance(c, NodeLifecycle)], []
        pressures: list[Controller] = [self.memory_pressure] if self.watches_memory else []
        pressures += [storage.disk_pressure] if storage.watched else []
        return [self.kubelets, *physics, *pressures, self.evictions, *controllers, *scheduler]

    def fail(self, name: str, now: float) -> None:
        """One more fault stops *name*; controllers and scheduler forget what they had in memory."""
        self.down[name] += 1
        self._end(name)
        self.starts_s.pop(name, None)
        if name == REGISTRY:
            self.kubelets.images.registry_back_s = math.inf

    def repair(self, name: str, now: float) -> None:
        """One fault of *name* is over; a process that no fault stops any more starts."""
        if self.down[name] < 1:
            raise InvariantError(f"{name} is repaired but was not down")
        self.down[name] -= 1
        if self.down[name] == 0 and name in (CONTROLLERS, SCHEDULER):
            self.starts_s[name] = now + self._start_delay_s()
        elif self.down[name] == 0 and name == REGISTRY:
            self.kubelets.images.registry_back_s = now
        elif self.down[name] == 0 and name == APISERVER:
            self.starts_s[name] = now + self.control_plane.apiserver_start_s
            self.leases.starting_s = now

    def _start_delay_s(self) -> float:
        given = self.phases.component_start_s
        return self.control_plane.component_start_s if given is None else given

    def cut(self, cut: Cut) -> None:
        """Tear the network between two sides."""
        self.cuts.append(cut)

    def heal(self, cut: Cut) -> None:
        """End one partition between two sides."""
        self.cuts.remove(cut)

    def members_up(self) -> int:
        """Number of etcd members that run and reach one another; cut-off nodes do not count."""
        return sum(self._serves(node) for node in self.etcd)

    def _serves(self, node: int) -> bool:
        """Whether the server on *node* runs."""
        return bool(self.state.node_down[node] == 0 and node not in self.storage.exited)

    def levels(self, now: float) -> dict[str, float]:
        """Whether the control plane works, and its parts, as levels of the Timeline.

        ``cut_off/<node>`` is 1 while a partition keeps the node from the control plane.
        """
        return {
            **self.raised,
            **self.storage.levels(now),
            **{f"cut_off/{self.state.nodes[node].name}": float(node in self.cut_off) for node in sorted(self.parted)},
            "control_plane": float(self.api_up and len(self.processes) == 2),
            "apiserver_up": float(self.api_up),
            "etcd_members_up": float(self.members_up()),
            "etcd_quorum": float(self._quorum()),
        }

    # ---- how that changes ---------------------------------------------------------------------------------------

    def follow(self, now: float) -> None:
        """Take note of the network's, the API server's and etcd's state; start processes that are due."""
        self._part()
        self.heartbeats.follow(now)
        self.storage.follow(now)
        if self.starts_s.get(APISERVER, math.inf) <= now + TOLERANCE_S:
            del self.starts_s[APISERVER]
        serves = self.down[APISERVER] == 0 and APISERVER not in self.starts_s
        up = serves and self._quorum()
        if self.api_up and not up:
            self.lost_s = now
        if not serves and not self.lost_watches:
            self.lost_watches = True
            self.leases.lose_watches(now)
        if up and not self.api_up:
            self._api_returns(now)
        self.api_up = up
        self.leases.follow(now, self.state.node_heartbeats, api_up=up)
        self._move_leader(now)
        for name, start_s in list(self.starts_s.items()):
            if self.api_up and start_s <= now + TOLERANCE_S:
                del self.starts_s[name]
                self._start(name, now, restarted=True)

    def _move_leader(self, now: float) -> None:
        """Controllers that are lost with their server lead again on another one, once their lease has run out."""
        if self.leader == NOWHERE or self._serves(self.leader):
            return
        servers = [node for node in self.etcd if self._serves(node)]
        if not servers:
            return  # nobody can take over
        self.leader = servers[0]
        for name in (CONTROLLERS, SCHEDULER):
            if self._end(name):
                self.starts_s[name] = leads_s(self.control_plane, now) + self._start_delay_s()

    def due(self, now: float) -> float:
        """When a process starts, watches are open again, or a node's heartbeats fail or get through."""
        server_s = self.storage.due_s()
        server_s = min(server_s, self.heartbeats.due_s)
        if APISERVER in self.starts_s:
            return min(server_s, self.starts_s[APISERVER])
        if not self.api_up:
            return server_s
        sees_s = self.leases.blind_until_s if self.leases.is_blind(now) else math.inf
        return min([server_s, sees_s, *self.starts_s.values()])

    def _quorum(self) -> bool:
        if self.down[ETCD] or not self.has_leader:
            return False
        return not self.etcd or self.members_up() > len(self.etcd) // 2

    def _part(self) -> None:
        """Cut off the nodes on the losing side of the open partitions, and let others back."""
        if not self.cuts and not self.cut_off:
            return
        cut_off = np.isin(np.arange(len(self.state.nodes)), sorted(self.cut_off))
        wanted, self.has_leader = sides(self.cuts, self.etcd, self.state.node_down - cut_off == 0)
        for node in sorted(wanted - self.cut_off):
            self.state.fail(node)
        for node in sorted(self.cut_off - wanted):
            self.state.repair(node)
        self.cut_off, self.parted = wanted, self.parted | wanted

    def _api_returns(self, now: float) -> None:
        """Survivors open their watches again; with leader election, who could not renew for too long has exited."""
        parameters = self.control_plane
        if self.lost_watches:
            self.leases.regain_watches(reconnected_s(parameters, self.lost_s, now, self.phases.watch_jitter))
        if parameters.leader_election and now - self.lost_s > parameters.renew_deadline_s:
            got_s = now if self.lost_watches else through_s(parameters, self.lost_s, now)
            for name in (CONTROLLERS, SCHEDULER):
                if self.down[name] == 0:
                    self._end(name)
                    first_s = leads_s(parameters, got_s) + self._start_delay_s()
                    self.starts_s[name] = max(first_s, self.starts_s.get(name, now))
        self.lost_watches = False

    def _end(self, name: str) -> bool:
        """Whether there was a process that ended; without controllers the budgets' statuses grow old."""
        if name == CONTROLLERS:
            self.budgets.stop(self.state)
        return self.processes.pop(name, None) is not None

    def _start(self, name: str, now: float, *, restarted: bool) -> None:
        if name == CONTROLLERS:
            self.leases.regain_watches(now)
            self.budgets.start()
        self.processes[name] = (
            self._controllers(now, restarted=restarted) if name == CONTROLLERS else [self._scheduler()]
        )

    def _scheduler(self) -> Controller:
        return Scheduler(self.state, self.framework, self.control_plane, first_flush_s=self.phases.flush_s)

    def _controllers(self, now: float, *, restarted: bool) -> list[Controller]:
        """A new kube-controller-manager; loops of a restarted one begin with its start."""
        state, parameters, informer = self.state, self.control_plane, self.informer
        monitor_s, pod_gc_s = (now, now) if restarted else (self.phases.monitor_s, self.phases.pod_gc_s)
        return [
            NodeLifecycle(
                state,
                parameters,
                leases=self.leases,
                informer=informer,
                now=now,
                first_pass_s=monitor_s,
                restarted=restarted,
                raced=self.phases.raced,
                order=self.phases.node_order,
            ),
            TaintEviction(state, informer),
            PodGC(state, parameters, informer=informer, now=now, first_pass_s=pod_gc_s),
            Deployment(parameters, informer=informer),
            ReplicaSet(parameters, informer=informer, admission=self.admission, victim_order=self.phases.victim_order),
            StatefulSet(parameters, informer=informer, admission=self.admission),
            DaemonSet(parameters, informer=informer, admission=self.admission),
            Job(parameters, informer=informer, admission=self.admission, batch=self.batch),
            CronJob(parameters, batch=self.batch),
            VolumeBinder(parameters, self.leases),
            AttachDetach(parameters, self.attachments),
            EndpointSlice(),
        ]
