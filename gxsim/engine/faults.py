"""Faults on the clock: one process serves every kind, and workflows string them together."""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import simpy

from gxsim.engine.components import COMPONENTS, DISK, ETCD
from gxsim.engine.degrade import check_parameters
from gxsim.engine.fault_kinds import PARAMETERS, STEPS, WORKFLOW, FaultKind, action_of, kind_of
from gxsim.engine.filling import ACTIONS as FILLS
from gxsim.engine.filling import check_filling
from gxsim.engine.occurrences import check_times, occurrences
from gxsim.engine.stress import check_stress
from gxsim.engine.targets import check_selector, chosen, nearest, nodes_of, pods_of, selects_pods
from gxsim.errors import ScenarioError
from gxsim.model.fault import Fault
from gxsim.state import NO_OWNER, ClusterState
from gxsim.timeline import Strike

if TYPE_CHECKING:
    from gxsim.engine.simulation import Simulation

ASK_AGAIN_S = 5.0  # pause of an operator, or of a chaos tool, whose request failed
Process = Generator[Any, Any, None]


@dataclass(slots=True)
class Injection:
    """A fault with a name of its own, resolved against the table; a workflow has steps in place of a kind."""

    fault: Fault
    kind: FaultKind | None = None
    rows: list[int] = field(default_factory=list)  # fixed targets; pods are chosen when the fault begins
    steps: list["Injection"] = field(default_factory=list)
    meant: list[bool] = field(default_factory=list)  # by template: whether its pods are selected

    def processes(self, sim: "Simulation") -> list[Process]:
        """One process; with random times one per fixed target, since each target fails by itself."""
        if self.fault.mtbf_s is None or self.kind is None or self.kind.what == "pods" or self.fault.mode != "all":
            return [inject(sim, self, self.fault.name)]
        single = [replace(self, rows=[row]) for row in self.rows]
        return [inject(sim, one, f"{self.fault.name}/{one.rows[0]}") for one in single]

    def targets(self, state: ClusterState, rng: np.random.Generator) -> list[int]:
        pods = self.kind is not None and self.kind.what == "pods"
        rows = pods_of(state, self.fault.selector, self.meant) if pods else self.rows
        return chosen(rows, self.fault, rng)


def inject(sim: "Simulation", injection: Injection, name: str) -> Process:
    """Begin and end one fault, again and again (process)."""
    rng = sim.streams.take(f"faults/{name}")
    for gap_s, duration_s in occurrences(injection.fault, rng):
        yield sim.env.timeout(gap_s)
        yield from strike(sim, injection, duration_s, rng)
        if duration_s is None and injection.kind is not None and injection.kind.end is not None:
            return  # it lasts for ever


def strike(sim: "Simulation", injection: Injection, duration_s: float | None, rng: np.random.Generator) -> Process:
    """Begin one fault now and end it after *duration_s* (process)."""
    fault, kind = injection.fault, injection.kind
    if kind is None:
        yield from follow_steps(sim, injection, duration_s, rng)
        return
    yield from answered(sim, kind)
    targets = injection.targets(sim.state, rng)
    for target in kind.groups(targets):
        kind.begin(sim, fault, target)
    _tell(sim, injection, targets, begins=True)
    sim.settle()
    if kind.end is None or duration_s is None:
        return
    yield sim.env.timeout(duration_s)
    yield from answered(sim, kind)
    for target in kind.groups(targets):
        kind.end(sim, fault, target)
    _tell(sim, injection, targets, begins=False)
    sim.settle()


def _tell(sim: "Simulation", injection: Injection, targets: Sequence[int], *, begins: bool) -> None:
    """Let the Timeline know whom a fault struck."""
    state, kind = sim.state, injection.kind
    names: dict[str, Callable[[int], str]] = {
        "nodes": lambda row: state.nodes[row].name,
        "pods": state.pod_key,
        "owners": lambda row: f"{state.owners[row].namespace}/{state.owners[row].name}",
        "components": COMPONENTS.__getitem__,
    }
    name = names.get(kind.what if kind else "")
    struck = tuple(name(target) for target in targets) if name else ()
    sim.timeline.strike(Strike(float(sim.env.now), injection.fault.name, injection.fault.action, struck, begins))


def follow_steps(sim: "Simulation", workflow: Injection, duration_s: float | None, rng: np.random.Generator) -> Process:
    """Take the steps of a workflow one after another, or all at once (process)."""
    if workflow.fault.action == "suspend":
        yield sim.env.timeout(duration_s or 0.0)
    elif workflow.fault.action == "serial":
        for step in workflow.steps:
            yield from take_step(sim, step, rng)
    else:
        yield simpy.AllOf(sim.env, [sim.env.process(take_step(sim, step, rng)) for step in workflow.steps])


def take_step(sim: "Simulation", step: Injection, rng: np.random.Generator) -> Process:
    """One step of a workflow: its ``at`` counts from its turn (process)."""
    yield sim.env.timeout(step.fault.at_s)
    yield from strike(sim, step, step.fault.duration_s, rng)


def answered(sim: "Simulation", kind: FaultKind) -> Process:
    """Ask again and again while there is no API server, if the fault needs one (process)."""
    while kind.asks and not sim.components.api_up:
        yield sim.env.timeout(ASK_AGAIN_S)


# ---- from a scenario ------------------------------------------------------------------------------------------------


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
        result.append(_injection(state, replace(fault, name=name), path))
    return result


def _injection(state: ClusterState, fault: Fault, path: str) -> Injection:
    check_times(fault, path)
    if fault.kind == WORKFLOW and fault.action in STEPS:
        if fault.action != "suspend" and not fault.steps:
            raise ScenarioError(f"{path}.steps", f"is missing: what a {fault.action} {WORKFLOW} does")
        return Injection(fault, steps=[_step(state, fault, i, path) for i in range(len(fault.steps))])
    kind = kind_of(fault, path)
    if fault.steps:
        raise ScenarioError(f"{path}.steps", f"only a {WORKFLOW} has steps")
    check_selector(state, fault.selector, f"{path}.selector")
    if fault.target is not None:
        check_selector(state, fault.target, f"{path}.target")
    _check_mode(fault, path)
    fault = replace(fault, action=action_of(fault))
    if kind.what == "either":
        kind = replace(kind, what="pods" if selects_pods(fault.selector) else "nodes")
    check_parameters(fault, path)
    _check_known(fault, path)
    _check_link(fault, path)
    _check_quota(fault, path)
    if fault.action in FILLS:
        check_filling(fault, path)
    if fault.action == "memory-stress":
        check_stress(fault, path)
    rows = _rows(state, fault, kind, path)
    _check_disks(state, fault, rows, path)
    return Injection(fault, kind, rows)


def _step(state: ClusterState, workflow: Fault, i: int, path: str) -> Injection:
    """A step happens once; what follows it in a series waits for its end."""
    step, here = workflow.steps[i], f"{path}.steps[{i}]"
    for name in ("mtbf_s", "schedule_s", "trace", "trace_file"):
        if getattr(step, name):
            raise ScenarioError(
                f"{here}.{name.removesuffix('_s')}", "a step happens once; write it as a fault of its own"
            )
    return _injection(state, replace(step, name=step.name or f"{workflow.name}/{i}"), here)


def _check_quota(fault: Fault, path: str) -> None:
    if fault.action == "quota" and not fault.parameters.get("name"):
        raise ScenarioError(f"{path}.parameters.name", "is missing: the ResourceQuota to write")


def _check_disks(state: ClusterState, fault: Fault, rows: Sequence[int], path: str) -> None:
    if fault.action not in FILLS:
        return
    for node in (
        state.nodes if fault.action == "pod-disk-fill" else [state.nodes[row] for row in rows]
    ):  # pods come anywhere
        if DISK not in node.capacity and DISK not in node.allocatable:
            raise ScenarioError(f"{path}.selector", f"node {node.name} does not say how much {DISK} it has")


def _check_known(fault: Fault, path: str) -> None:
    """Refuse a parameter that nobody would read; the checks of single actions say more."""
    known = PARAMETERS.get(fault.action, ())
    for name in fault.parameters if fault.action not in ("quota", "memory-stress", *FILLS) else ():
        if name not in known:
            what = nearest(name, known) if known else "it takes no parameters"
            raise ScenarioError(f"{path}.parameters.{name}", f"{fault.action} has none; {what}")


def _check_link(fault: Fault, path: str) -> None:
    for name, given in (("direction", fault.direction != "both"), ("target", fault.target is not None)):
        if given and fault.kind != "NetworkChaos":
            raise ScenarioError(f"{path}.{name}", f"only NetworkChaos has a {name}, {fault.kind} has none")


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
        case "nothing":
            return [0]
        case "components":
            of_etcd = fault.action in ("quorum-loss", "etcd-nospace")
            name = ETCD if of_etcd else str(fault.parameters.get("component", ""))
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
