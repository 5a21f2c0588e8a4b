"""One recorded run, run again: the same cluster, the same actions, and what chance decided as it was recorded."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gxsim.engine.phases import Phases
from gxsim.engine.simulation import Simulation
from gxsim.engine.start import start
from gxsim.model.fault import Fault
from gxsim.rng import Streams
from gxsim.scheduler import Decision, Framework
from gxsim.state import PENDING, ClusterState, owner_name
from gxsim.timeline import Timeline
from gxsim.validate.failures_actions import Act, Words, actions, pod_timings
from gxsim.validate.failures_cluster import Recording, workload_name

Object = dict[str, Any]

START_S = 10.0  # the recording's zero on the simulation's clock: some actions come before it


@dataclass(frozen=True, slots=True, kw_only=True)
class Chance:
    """What a recording cannot know of a run: phases of periodic loops, in the recording's time, and a race."""

    monitor_s: float = 0.0  # of the node monitor's passes
    pod_gc_s: float = 0.0
    component_start_s: float | None = None  # from the start of controllers to their first pass
    watch_jitter: float = 0.5
    status_s: Mapping[str, float] = field(default_factory=dict)  # of each kubelet's node status
    reconcile_s: Mapping[str, float] = field(default_factory=dict)  # of each kubelet's pod statuses
    raced: frozenset[str] = frozenset()  # nodes tainted while a pass cancelled all taints
    node_order: tuple[str, ...] = ()  # in which a pass looked at nodes


@dataclass(slots=True, kw_only=True)
class Replayed:
    """A run that is over."""

    state: ClusterState
    timeline: Timeline
    rows: dict[str, int]  # recorded pods of the start by name


class Stage:
    """A simulation under a recording's actions, and the rows that stand for recorded pods."""

    def __init__(self, recording: Recording, chance: Chance):
        self.recording = recording
        state = ClusterState(recording.cluster())
        framework = AsRecorded(state, recording)
        start(state, framework, recording.placement())
        self.rows = _initial_rows(state, recording)
        self.silent: dict[str, Fault] = {}
        framework.begin(self.rows)
        self.sim = Simulation(
            state,
            framework=framework,
            streams=Streams(0),
            control_plane=recording.control_plane,
            kubelet=recording.kubelet,
            pod_timings=pod_timings(recording),
            phases=_phases(state, recording, chance, framework.victim_order),
        )

    def run(self) -> Replayed:
        """Everything that was done, done again at its time."""
        for time_s, act, words in actions(self.recording):
            self.sim.at(START_S + time_s, self._deed(act, words))
        timeline = self.sim.run(START_S + self.recording.horizon_s)
        return Replayed(state=self.sim.state, timeline=timeline, rows=self.rows)

    def _deed(self, act: Act, words: Words) -> Any:
        return lambda sim: act(self, words)

    @property
    def now(self) -> float:
        return float(self.sim.env.now)

    @property
    def recorded_s(self) -> float:
        """Now in the recording's time."""
        return self.now - START_S

    def node(self, name: str) -> int:
        return self.sim.state.node_index[name]

    def owner(self, kind: str, name: str) -> int:
        owners = self.sim.state.owners
        return next(i for i, held in enumerate(owners) if (held.kind, held.name) == (kind, name))

    def pod(self, name: str) -> int:
        """The row that stands for the recorded pod *name* now: of its workload, on its node, of about its age."""
        state = self.sim.state
        if name in self.rows and state.pod_exists[self.rows[name]]:
            return self.rows[name]
        summary = self.recording.document["summary"]["pods"]
        recorded = next(p for p in summary if p["name"] == name)
        workload, created_s = workload_name(recorded["owner"]) or name, START_S + recorded.get("created_ms", 0.0) / 1000
        there = np.flatnonzero(state.pod_exists & ~state.pod_terminating).tolist()
        rows = [p for p in there if owner_name(state, p) == workload]
        node = state.node_index.get(recorded.get("node") or "", PENDING)
        return min(rows, key=lambda p: (bool(state.pod_node[p] != node), abs(state.pod_created_s[p] - created_s)))


class AsRecorded(Framework):
    """The scheduler, which among equally good nodes takes the one that was recorded for a pod of the workload."""

    def __init__(self, state: ClusterState, recording: Recording):
        super().__init__(state)
        self._wanted: dict[str, list[Object]] = defaultdict(list)  # recorded pods without a row yet, by workload
        self._recorded: dict[int, Object] = {}  # row: the recorded pod it stands for
        self._summary = recording.document["summary"]["pods"]
        self._started = False

    def begin(self, rows: Mapping[str, int]) -> None:
        """From now on nodes are chosen as recorded; *rows* are those of the start."""
        self._started = True
        for pod in self._summary:
            if pod.get("initial"):
                self._recorded[rows[pod["name"]]] = pod
            elif pod.get("node"):
                self._wanted[workload_name(pod["owner"]) or pod["name"]].append(pod)

    def victim_order(self, pod: int) -> float:
        """When the recorded pod was deleted: of equal victims that one goes first."""
        return float(self._recorded.get(pod, {}).get("deletionTimestamp_ms", np.inf))

    def decide(self, pod: int) -> Decision:
        decision = super().decide(pod)
        if not self._started or decision.node == PENDING:
            return decision
        best = {self.state.nodes[node].name: node for node in self.explain(pod).best}
        wanted = self._wanted[owner_name(self.state, pod)]
        found = next((recorded for recorded in wanted if recorded["node"] in best), None)
        if found is not None:
            wanted.remove(found)
            self._recorded[pod] = found
            decision.node = best[found["node"]]
        return decision


def _initial_rows(state: ClusterState, recording: Recording) -> dict[str, int]:
    """The row of every pod of the start by its recorded name."""
    left: dict[tuple[str, str], list[int]] = defaultdict(list)
    for pod in range(len(state.pod_names)):
        node = state.nodes[state.pod_node[pod]].name if state.pod_node[pod] != PENDING else ""
        left[owner_name(state, pod), node].append(pod)
    rows: dict[str, int] = {}
    for kind in ("StatefulSet", "ReplicaSet", "DaemonSet", ""):
        for workload, pods in recording.initial(kind).items():
            rows |= {pod["name"]: left[workload, pod["node"]].pop(0) for pod in pods}
    return rows


def _phases(state: ClusterState, recording: Recording, chance: Chance, victim_order: Callable[[int], float]) -> Phases:
    control_plane, names = recording.control_plane, [node.name for node in state.nodes]
    return Phases(
        monitor_s=(START_S + chance.monitor_s) % control_plane.node_monitor_period_s,
        pod_gc_s=(START_S + chance.pod_gc_s) % control_plane.pod_gc_period_s,
        flush_s=0.0,
        quota_s=0.0,
        leases_s=np.array([START_S + recording.renewed_s(node.name) for node in state.nodes]),
        status_s=np.array([START_S + chance.status_s.get(name, recording.compared_s(name)) for name in names]),
        reconcile_s=np.array([START_S + chance.reconcile_s.get(name, np.nan) for name in names]),
        watch_jitter=chance.watch_jitter,
        component_start_s=chance.component_start_s,
        raced=chance.raced,
        node_order=chance.node_order,
        victim_order=victim_order,
    )
