"""Every fault: a table of kinds, and one process that serves them all."""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from gxsim.controllers.deletion import delete_pod
from gxsim.controllers.node_lifecycle import NO_EXECUTE
from gxsim.engine.components import COMPONENTS
from gxsim.engine.occurrences import occurrences
from gxsim.engine.partition import Cut
from gxsim.engine.targets import check_selector, chosen, nearest, nodes_of, pods_of
from gxsim.errors import ScenarioError
from gxsim.model.fault import Fault
from gxsim.model.node import Taint
from gxsim.state import NO_OWNER, ClusterState, Event

if TYPE_CHECKING:
    from gxsim.engine.simulation import Simulation

Act = Callable[["Simulation", Fault, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultKind:
    """``targets`` gives rows of *what*; ``begin`` and ``end`` act on one of them; None ends nothing."""

    what: str  # nodes, pods, components or owners
    begin: Act
    end: Act | None = None


@dataclass(slots=True)
class Injection:
    """A fault with a name of its own, resolved against the table."""

    fault: Fault
    kind: FaultKind
    rows: list[int] = field(default_factory=list)  # fixed targets; pods are chosen when the fault begins

    def processes(self, sim: "Simulation") -> list[Generator[Any, Any, None]]:
        """One process; with random times one per fixed target, since each target fails by itself."""
        if self.fault.mtbf_s is None or self.kind.what == "pods" or self.fault.mode != "all":
            return [inject(sim, self, self.fault.name)]
        single = [replace(self, rows=[row]) for row in self.rows]
        return [inject(sim, one, f"{self.fault.name}/{one.rows[0]}") for one in single]

    def targets(self, state: ClusterState, rng: np.random.Generator) -> list[int]:
        rows = pods_of(state, self.fault.selector) if self.kind.what == "pods" else self.rows
        return chosen(rows, self.fault, rng)


def inject(sim: "Simulation", injection: Injection, name: str) -> Generator[Any, Any, None]:
    """Begin and end one fault, again and again (process)."""
    rng = sim.streams.take(f"faults/{name}")
    fault, kind = injection.fault, injection.kind
    for gap_s, duration_s in occurrences(fault, rng):
        yield sim.env.timeout(gap_s)
        targets = injection.targets(sim.state, rng)
        for target in targets:
            kind.begin(sim, fault, target)
        sim.settle()
        if kind.end is None:
            continue
        if duration_s is None:
            return
        yield sim.env.timeout(duration_s)
        for target in targets:
            kind.end(sim, fault, target)
        sim.settle()


# ---- nodes ----------------------------------------------------------------------------------------------------------


def _stop_node(sim: "Simulation", fault: Fault, node: int) -> None:
    """The host is gone: its containers are dead, and nobody has noticed."""
    state = sim.state
    state.fail(node)
    for pod in np.flatnonzero(state.pod_running & (state.pod_node == node)):
        state.crash(int(pod))


def _return_node(sim: "Simulation", fault: Fault, node: int) -> None:
    sim.state.repair(node)


def _cut_node(sim: "Simulation", fault: Fault, node: int) -> None:
    """Tear the network between a node and the fault's target, or everything that is not selected with it."""
    sim.components.cut(_sides(sim, fault, node))


def _join_node(sim: "Simulation", fault: Fault, node: int) -> None:
    sim.components.heal(_sides(sim, fault, node))


def _sides(sim: "Simulation", fault: Fault, node: int) -> Cut:
    near = set(nodes_of(sim.state, fault.selector)) | {node}
    far = set(range(len(sim.state.nodes))) if fault.target is None else set(nodes_of(sim.state, fault.target))
    return frozenset({node}), frozenset(far - near)


def _lose_node(sim: "Simulation", fault: Fault, node: int) -> None:
    """The host is gone for good and its disks with it: the volumes on it are lost."""
    _stop_node(sim, fault, node)
    state, name, labels = sim.state, sim.state.nodes[node].name, sim.state.nodes[node].labels
    for volume in state.volumes.values():
        if volume.node_affinity is not None and volume.node_affinity.matches(name, labels):
            message = f"volume of claim {volume.claim} was on {name}"
            state.emit(Event(float(sim.env.now), "PersistentVolume", volume.name, "DiskLost", message))


def _stop_kubelet(sim: "Simulation", fault: Fault, node: int) -> None:
    sim.state.stop_kubelet(node)


def _start_kubelet(sim: "Simulation", fault: Fault, node: int) -> None:
    sim.state.start_kubelet(node)


def _cordon(sim: "Simulation", fault: Fault, node: int) -> None:
    sim.state.cordon(node)


def _uncordon(sim: "Simulation", fault: Fault, node: int) -> None:
    sim.state.uncordon(node)


def _drain(sim: "Simulation", fault: Fault, node: int) -> None:
    """kubectl drain: cordon, then evict every pod that is not a DaemonSet's."""
    sim.state.cordon(node)
    sim.components.disruption.drain(sim.state, node, float(sim.env.now))


def _end_drain(sim: "Simulation", fault: Fault, node: int) -> None:
    sim.components.disruption.stop_drain(node)
    sim.state.uncordon(node)


def _taint(sim: "Simulation", fault: Fault, node: int) -> None:
    sim.state.taint(node, _taint_of(fault))


def _untaint(sim: "Simulation", fault: Fault, node: int) -> None:
    taint = _taint_of(fault)
    sim.state.untaint(node, taint.key, taint.effect)


def _taint_of(fault: Fault) -> Taint:
    given = {name: str(value) for name, value in fault.parameters.items()}
    return Taint(given.get("key", "gxsim/fault"), given.get("value", ""), given.get("effect", NO_EXECUTE))


def _delete_node(sim: "Simulation", fault: Fault, node: int) -> None:
    sim.state.remove_node(node)


def _register_node(sim: "Simulation", fault: Fault, node: int) -> None:
    sim.state.restore_node(node)


# ---- pods -----------------------------------------------------------------------------------------------------------


def _kill_pod(sim: "Simulation", fault: Fault, pod: int) -> None:
    grace_s = float(fault.parameters["gracePeriodSeconds"]) if "gracePeriodSeconds" in fault.parameters else None
    delete_pod(sim.state, pod, float(sim.env.now), grace_s)


def _crash_pod(sim: "Simulation", fault: Fault, pod: int) -> None:
    if sim.state.pod_running[pod]:
        sim.state.crash(pod)


def _stall_pod(sim: "Simulation", fault: Fault, pod: int) -> None:
    sim.state.stall(pod)


def _unstall_pod(sim: "Simulation", fault: Fault, pod: int) -> None:
    sim.state.unstall(pod)


# ---- components and operations --------------------------------------------------------------------------------------


def _stop_component(sim: "Simulation", fault: Fault, component: int) -> None:
    sim.components.fail(COMPONENTS[component], float(sim.env.now))


def _start_component(sim: "Simulation", fault: Fault, component: int) -> None:
    sim.components.repair(COMPONENTS[component], float(sim.env.now))


def _scale(sim: "Simulation", fault: Fault, owner: int) -> None:
    sim.state.scale(owner, int(fault.parameters["replicas"]))


def _restart_rollout(sim: "Simulation", fault: Fault, owner: int) -> None:
    """kubectl rollout restart: the same template with another annotation, so with another hash."""
    template = sim.state.owners[owner].template
    stamp = {"kubectl.kubernetes.io/restartedAt": f"{float(sim.env.now):g}"}
    sim.state.roll(owner, replace(template, annotations={**template.annotations, **stamp}))


FAULTS: dict[tuple[str, str], FaultKind] = {
    ("NodeChaos", "node-stop"): FaultKind(what="nodes", begin=_stop_node, end=_return_node),
    ("NodeChaos", "node-crash"): FaultKind(what="nodes", begin=_stop_node, end=_return_node),
    ("NodeChaos", "node-reboot"): FaultKind(what="nodes", begin=_stop_node, end=_return_node),
    ("NodeChaos", "node-terminate"): FaultKind(what="nodes", begin=_lose_node),
    ("NodeChaos", "kubelet-stop"): FaultKind(what="nodes", begin=_stop_kubelet, end=_start_kubelet),
    ("NodeChaos", "node-cordon"): FaultKind(what="nodes", begin=_cordon, end=_uncordon),
    ("NodeChaos", "node-drain"): FaultKind(what="nodes", begin=_drain, end=_end_drain),
    ("NodeChaos", "node-taint"): FaultKind(what="nodes", begin=_taint, end=_untaint),
    ("NodeChaos", "node-delete"): FaultKind(what="nodes", begin=_delete_node, end=_register_node),
    ("ZoneChaos", "zone-outage"): FaultKind(what="nodes", begin=_stop_node, end=_return_node),
    ("NetworkChaos", "partition"): FaultKind(what="nodes", begin=_cut_node, end=_join_node),
    ("PodChaos", "pod-kill"): FaultKind(what="pods", begin=_kill_pod),
    ("PodChaos", "pod-failure"): FaultKind(what="pods", begin=_stall_pod, end=_unstall_pod),
    ("PodChaos", "pod-unresponsive"): FaultKind(what="pods", begin=_stall_pod, end=_unstall_pod),
    ("PodChaos", "container-kill"): FaultKind(what="pods", begin=_crash_pod),
    ("ComponentChaos", "component-stop"): FaultKind(what="components", begin=_stop_component, end=_start_component),
    ("Operation", "scale"): FaultKind(what="owners", begin=_scale),
    ("Operation", "rollout-restart"): FaultKind(what="owners", begin=_restart_rollout),
}

ALIASES = {  # names of krkn and Litmus
    "node_stop_scenario": "node-stop",
    "node_stop_start_scenario": "node-stop",
    "node_reboot_scenario": "node-reboot",
    "node_crash_scenario": "node-crash",
    "node_termination_scenario": "node-terminate",
    "stop_kubelet_scenario": "kubelet-stop",
    "stop_start_kubelet_scenario": "kubelet-stop",
    "node-restart": "node-reboot",
    "zone_outage": "zone-outage",
    "region-outage": "zone-outage",
    "pod-delete": "pod-kill",
    "cordon": "node-cordon",
    "drain": "node-drain",
    "taint": "node-taint",
    "unresponsive": "pod-unresponsive",
    "pod-network-partition": "partition",
}


def injections(state: ClusterState, faults: Sequence[Fault]) -> list[Injection]:
    """The faults of a scenario, checked against the table and the cluster; raises ScenarioError."""
    result = []
    names: dict[str, int] = {}
    for i, fault in enumerate(faults):
        path = f"faults[{i}]"
        name = fault.name or f"{fault.action}-{i}"
        if name in names:
            raise ScenarioError(f"{path}.name", f"{name!r} is the name of faults[{names[name]}] already")
        names[name] = i
        kind = kind_of(fault, path)
        check_selector(state, fault.selector, f"{path}.selector")
        _check_mode(fault, path)
        named = replace(fault, name=name)
        result.append(Injection(named, kind, _rows(state, named, kind, path)))
    return result


def kind_of(fault: Fault, path: str) -> FaultKind:
    """The table's entry for *fault*; raises ScenarioError for an unknown kind or action."""
    action = ALIASES.get(fault.action, fault.action)
    kinds = sorted({kind for kind, _ in FAULTS})
    if fault.kind not in kinds:
        raise ScenarioError(f"{path}.kind", f"unknown kind {fault.kind!r}; {nearest(fault.kind, kinds)}")
    if (fault.kind, action) not in FAULTS:
        actions = [a for k, a in FAULTS if k == fault.kind] + [
            a for a, to in ALIASES.items() if (fault.kind, to) in FAULTS
        ]
        raise ScenarioError(f"{path}.action", f"unknown action {fault.action!r}; {nearest(fault.action, actions)}")
    return FAULTS[fault.kind, action]


def _check_mode(fault: Fault, path: str) -> None:
    if fault.mode not in ("one", "all"):
        try:
            float(fault.value)
        except ValueError:
            raise ScenarioError(f"{path}.value", f"mode {fault.mode} needs a number, got {fault.value!r}") from None


def _rows(state: ClusterState, fault: Fault, kind: FaultKind, path: str) -> list[int]:
    """Targets that are known before the run."""
    match kind.what:
        case "nodes":
            return _node_rows(state, fault, path)
        case "components":
            name = str(fault.parameters.get("component", ""))
            if name not in COMPONENTS:
                raise ScenarioError(f"{path}.parameters.component", f"unknown {name!r}; {nearest(name, COMPONENTS)}")
            return [COMPONENTS.index(name)]
        case "owners":
            return _owner_rows(state, fault, path)
    return []


def _node_rows(state: ClusterState, fault: Fault, path: str) -> list[int]:
    selector = fault.selector
    if not (selector.nodes or selector.node_selectors or selector.field_selectors) and fault.mode == "all":
        raise ScenarioError(f"{path}.selector", "names no node; write nodes or nodeSelectors, or another mode than all")
    rows = nodes_of(state, selector)
    if not rows:
        raise ScenarioError(f"{path}.selector", "selects no node")
    return rows


def _owner_rows(state: ClusterState, fault: Fault, path: str) -> list[int]:
    wanted = set(fault.selector.workloads)
    if not wanted:
        raise ScenarioError(f"{path}.selector.workloads", "is empty; name a workload such as Deployment/web")
    if fault.action == "scale" and not str(fault.parameters.get("replicas", "")).isdigit():
        raise ScenarioError(f"{path}.parameters.replicas", "expected a whole number of replicas")
    return [
        row
        for row, owner in enumerate(state.owners)
        if owner.parent == NO_OWNER
        and {f"{owner.kind}/{owner.name}", f"{owner.namespace}/{owner.kind}/{owner.name}"} & wanted
    ]
