"""The clock: it sleeps until something is due, lets live controllers act, checks and records."""

import math
from collections.abc import Callable, Generator, Sequence
from typing import Any

import numpy as np
import simpy

from gxsim.controllers.lease import Leases
from gxsim.engine.components import Components
from gxsim.engine.faults import injections
from gxsim.engine.phases import Phases, draw_phases
from gxsim.errors import InvariantError
from gxsim.model.control_plane import ControlPlane, Kubelet, PodTiming
from gxsim.model.fault import Fault
from gxsim.rng import Streams
from gxsim.scheduler.queue import Framework
from gxsim.state import ClusterState
from gxsim.timeline import Timeline

MOST_ROUNDS = 10_000  # of controllers within one settle, and of settles at one instant


class Simulation:
    """One run of *state* under *faults*. Give *phases* to fix what chance decides otherwise."""

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
        phases: Phases | None = None,
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
        )
        self.injections = injections(state, faults)
        self._wake = self.env.event()

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
            changes = [controller.reconcile(self.state, now) for controller in self.components.live()]
            if not any(changes):
                break
        else:
            raise InvariantError(f"the controllers do not come to rest at {now} s")
        if self.check:
            self.state.check()
        self.timeline.record(now, self.state)
        for name, value in self.components.levels().items():
            self.timeline.level(name, now, value)
        if not self._wake.triggered:
            self._wake.succeed()

    def _heart(self) -> Generator[Any, Any, None]:
        """Sleep until a controller has something to do (process)."""
        instant, rounds = -1.0, 0
        while True:
            now = float(self.env.now)
            due_s = min((c.due(self.state, now) for c in self.components.live()), default=math.inf)
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
