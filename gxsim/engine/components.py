"""The processes of a control plane: which of them live, and what a restart makes them forget."""

import math
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from gxsim.controllers.admission import Admission
from gxsim.controllers.daemon_set import DaemonSet
from gxsim.controllers.deployment import Deployment
from gxsim.controllers.disruption import Disruption
from gxsim.controllers.endpoint_slice import EndpointSlice
from gxsim.controllers.informer import TOLERANCE_S, Informer
from gxsim.controllers.kubelet import Kubelet
from gxsim.controllers.lease import Leases
from gxsim.controllers.node_lifecycle import NodeLifecycle
from gxsim.controllers.pod_gc import PodGC
from gxsim.controllers.replica_set import ReplicaSet
from gxsim.controllers.stateful_set import StatefulSet
from gxsim.controllers.taint_eviction import TaintEviction
from gxsim.controllers.volume_binder import VolumeBinder
from gxsim.engine.phases import Phases
from gxsim.errors import InvariantError
from gxsim.model.control_plane import ControlPlane, PodTiming
from gxsim.model.control_plane import Kubelet as KubeletParameters
from gxsim.scheduler.queue import Framework, Scheduler
from gxsim.state import ClusterState

APISERVER, CONTROLLERS, SCHEDULER, ETCD = "kube-apiserver", "kube-controller-manager", "kube-scheduler", "etcd"
COMPONENTS = (APISERVER, CONTROLLERS, SCHEDULER, ETCD)


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
    ):
        self.state, self.framework, self.control_plane, self.phases = state, framework, control_plane, phases
        self.leases, self.informer = leases, Informer()
        self.admission = Admission(state, sync_phase_s=phases.quota_s, sync_period_s=control_plane.quota_sync_s)
        self.etcd = [state.node_index[name] for name in etcd_members]
        self.down = dict.fromkeys(COMPONENTS, 0)  # open faults of each
        self.kubelets = Kubelet(state, kubelet, pod_timings, leases=leases, informer=self.informer)
        self.disruption = Disruption(control_plane, self.informer)
        self.processes: dict[str, list[Controller]] = {}
        self.starts_s: dict[str, float] = {}  # of processes that are to start
        self.api_since_s = 0.0
        self.api_up = True
        for name in (CONTROLLERS, SCHEDULER):
            self._start(name, 0.0, restarted=False)

    # ---- what lives ---------------------------------------------------------------------------------------------

    def live(self) -> list[Controller]:
        """Those that act now, kubelets first."""
        if not self.api_up:
            return []
        controllers, scheduler = self.processes.get(CONTROLLERS, ()), self.processes.get(SCHEDULER, ())
        return [self.kubelets, self.disruption, *controllers, *scheduler]

    def fail(self, name: str, now: float) -> None:
        """One more fault stops *name*; controllers and scheduler forget what they had in memory."""
        self.down[name] += 1
        self.processes.pop(name, None)
        self.starts_s.pop(name, None)

    def repair(self, name: str, now: float) -> None:
        """One fault of *name* is over."""
        if self.down[name] < 1:
            raise InvariantError(f"{name} is repaired but was not down")
        self.down[name] -= 1
        if name in (CONTROLLERS, SCHEDULER) and self.down[name] == 0:
            self.starts_s[name] = now

    def members_up(self) -> int:
        """Number of etcd members that run and reach one another; cut-off nodes do not count."""
        return int(np.count_nonzero(self.state.node_down[self.etcd] == 0))

    def levels(self) -> dict[str, float]:
        """Whether the control plane works, and its parts, as levels of the Timeline."""
        return {
            "control_plane": float(self.api_up and len(self.processes) == 2),
            "apiserver_up": float(self.api_up),
            "etcd_members_up": float(self.members_up()),
            "etcd_quorum": float(self._quorum()),
        }

    # ---- how that changes ---------------------------------------------------------------------------------------

    def follow(self, now: float) -> None:
        """Take note of the API server's and etcd's state; start processes that are due."""
        up = self._quorum() and self.down[APISERVER] == 0
        if up != self.api_up:
            self.api_up = up
            if up:
                self._api_returns(now)
            self.api_since_s = now
        self.leases.follow(now, self.state.node_heartbeats & self.api_up)
        for name, start_s in list(self.starts_s.items()):
            if self.api_up and start_s <= now + TOLERANCE_S:
                del self.starts_s[name]
                self._start(name, now, restarted=True)

    def due(self, now: float) -> float:
        """When a process starts."""
        return min(self.starts_s.values(), default=math.inf) if self.api_up else math.inf

    def _quorum(self) -> bool:
        if self.down[ETCD]:
            return False
        return not self.etcd or self.members_up() > len(self.etcd) // 2

    def _api_returns(self, now: float) -> None:
        """With leader election, whoever could not renew for too long has exited and must wait out its old lease."""
        if not self.control_plane.leader_election or now - self.api_since_s <= self.control_plane.renew_deadline_s:
            return
        wait_s = self.control_plane.lease_duration_s + self.control_plane.retry_period_s
        for name in (CONTROLLERS, SCHEDULER):
            if self.down[name] == 0:
                self.processes.pop(name, None)
                self.starts_s[name] = now + wait_s

    def _start(self, name: str, now: float, *, restarted: bool) -> None:
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
            ),
            TaintEviction(state, informer),
            PodGC(state, parameters, informer=informer, now=now, first_pass_s=pod_gc_s),
            Deployment(parameters, informer=informer),
            ReplicaSet(parameters, informer=informer, admission=self.admission),
            StatefulSet(parameters, informer=informer, admission=self.admission),
            DaemonSet(parameters, informer=informer, admission=self.admission),
            VolumeBinder(parameters, self.leases),
            EndpointSlice(),
        ]
