"""The clock: it sleeps until something is due, lets live controllers act, checks and records."""

import math
from collections.abc import Callable, Generator, Sequence
from typing import Any

import numpy as np
import simpy

from gxsim.controllers.disks import Contents
from gxsim.controllers.lease import Leases
from gxsim.controllers.node_memory import NodeMemory
from gxsim.engine.components import Components
from gxsim.engine.fault_kinds import kind_of
from gxsim.engine.faults import injections
from gxsim.engine.phases import Phases, draw_phases
from gxsim.errors import InvariantError
from gxsim.model.cluster import Workload
from gxsim.model.control_plane import ControlPlane, Kubelet, PodTiming
from gxsim.model.fault import Fault
from gxsim.model.model import HostUsage, Usage
from gxsim.model.node import Taint
from gxsim.rng import Streams
from gxsim.scheduler.queue import Framework
from gxsim.state import ClusterState, Owner
from gxsim.timeline import Timeline

MOST_ROUNDS = 10_000  # of controllers within one settle, and of settles at one instant


class Simulation:
    """One run of *state* under *faults*.

    Give *phases* to fix what chance decides otherwise, *contents* for what lies on the disks and grows there, *usage*
    and *host_usage* for the memory in use; a pod without an entry uses what it requests. It begins *began_unix_s*
    after 1970.
    """

    def __init__(
        self,
        state: ClusterState,
        *,
        framework: Framework,
        streams: Streams,
        control_plane: ControlPlane | None = None,
        kubelet: Kubelet | None = None,
        pod_timings: Sequence[PodTiming] = (),
        faults: Sequence[Fault] = (),
        etcd_members: Sequence[str] = (),
        usage: Sequence[Usage] = (),
        host_usage: Sequence[HostUsage] = (),
        phases: Phases | None = None,
        contents: Contents | None = None,
        began_unix_s: float = 0.0,
        check: bool = True,
    ):
        self.state, self.streams, self.check = state, streams, check
        self.control_plane, self.kubelet = control_plane or ControlPlane(), kubelet or Kubelet()
        phases = phases or draw_phases(streams, len(state.nodes), self.control_plane, self.kubelet)
        self.env = simpy.Environment()
        self.timeline = Timeline([node.name for node in state.nodes])
        self.leases = Leases(phases.leases_s, self.kubelet.lease_renew_s)
        self.components = Components(
            state,
            framework,
            self.control_plane,
            self.kubelet,
            pod_timings,
            leases=self.leases,
            phases=phases,
            etcd_members=etcd_members,
            rng=streams.take("kubelet/heartbeats"),
            memory=NodeMemory(state, usage, host_usage),
            contents=contents,
            began_unix_s=began_unix_s,
        )
        self.injections = injections(state, faults)
        self._wake = self.env.event()
        self._taints: dict[tuple[int, Taint], float] = {}
        self._node_revision = -1

    # ---- what an operator or a test does ------------------------------------------------------------------------

    def at(self, time_s: float, act: Callable[["Simulation"], None]) -> None:
        """Do *act* once, at *time_s*."""
        self.env.process(self._once(time_s, act))

    def begin(self, fault: Fault, target: int) -> None:
        """Let *fault* begin at one row, whenever its own times say."""
        kind = kind_of(fault, "fault")
        for group in kind.groups([target]):
            kind.begin(self, fault, group)

    def end(self, fault: Fault, target: int) -> None:
        """Let *fault* end at one row."""
        kind = kind_of(fault, "fault")
        if kind.end is not None:
            for group in kind.groups([target]):
                kind.end(self, fault, group)

    def create(self, workload: Workload) -> int:
        """Create a workload; its controller makes the pods."""
        owner = Owner(
            kind=workload.kind,
            namespace=workload.namespace,
            name=workload.name,
            workload=workload,
            template=workload.template,
            replicas=workload.replicas,
            created_s=float(self.env.now),
        )
        return self.state.own(owner)

    def _once(self, time_s: float, act: Callable[["Simulation"], None]) -> Generator[Any, Any, None]:
        """Wait until *time_s* and do *act* (process)."""
        yield self.env.timeout(time_s - self.env.now)
        act(self)
        self.settle()

    # ---- the clock ----------------------------------------------------------------------------------------------

    def run(self, until_s: float, progress: Callable[[float], None] | None = None) -> Timeline:
        """Run from 0 to *until_s*; *progress* is told the time now and then."""
        self.settle()
        self.env.process(self._heart())
        for injection in self.injections:
            for process in injection.processes(self):
                self.env.process(process)
        if progress:
            self.env.process(self._report(until_s, progress))
        self.env.run(until=until_s)
        self.timeline.close(until_s, self.state)
        return self.timeline

    def settle(self) -> None:
        """Let every live controller act until nothing changes, check, record, and look anew at what is due."""
        now = float(self.env.now)
        self.components.follow(now)
        for _ in range(MOST_ROUNDS):
            changes = [controller.reconcile(self.state, now) for controller in self.components.live(now)]
            if not any(changes):
                break
        else:
            raise InvariantError(f"the controllers do not come to rest at {now} s")
        if self.check:
            self.state.check()
        self.timeline.record(now, self.state)
        for name, value in {**self.components.levels(now), **self._taint_levels()}.items():
            self.timeline.level(name, now, value)
        if not self._wake.triggered:
            self._wake.succeed()

    def _taint_levels(self) -> dict[str, float]:
        """``taint/<node>/<key>:<effect>``, 1 while the node carries it, as far as taints changed."""
        if self.state.node_revision == self._node_revision:
            return {}
        self._node_revision = self.state.node_revision
        held = {(node, taint) for node, taints in enumerate(self.state.taints) for taint in taints}
        self._taints = {key: float(key in held) for key in sorted({*self._taints, *held})}
        names = [node.name for node in self.state.nodes]
        return {f"taint/{names[node]}/{taint.key}:{taint.effect}": on for (node, taint), on in self._taints.items()}

    def _heart(self) -> Generator[Any, Any, None]:
        """Sleep until a controller has something to do (process)."""
        instant, rounds = -1.0, 0
        while True:
            now = float(self.env.now)
            due_s = min((c.due(self.state, now) for c in self.components.live(now)), default=math.inf)
            due_s = min(due_s, self.components.due(now))
            self._wake = self.env.event()
            if math.isinf(due_s):
                yield self._wake
                continue
            beat = self.env.timeout(max(0.0, due_s - now))
            yield beat | self._wake
            if not beat.processed:
                continue
            rounds = rounds + 1 if self.env.now == instant else 0
            instant = float(self.env.now)
            if rounds > MOST_ROUNDS:
                raise InvariantError(f"a controller is due at {instant} s again and again")
            self.settle()

    def _report(self, until_s: float, progress: Callable[[float], None]) -> Generator[Any, Any, None]:
        """Tell *progress* the time a hundred times (process)."""
        for time_s in np.linspace(0.0, until_s, 101)[1:-1]:
            yield self.env.timeout(time_s - self.env.now)
            progress(float(time_s))
