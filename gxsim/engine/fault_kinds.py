"""Every kind of fault by Chaos Mesh's kind and action, and the names that other tools give them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gxsim.engine import acts, filling, stress
from gxsim.engine import degrade as degradations
from gxsim.engine.degrade import degrade, recover
from gxsim.engine.stress import relieve_memory, stress_memory
from gxsim.engine.targets import nearest
from gxsim.errors import ScenarioError
from gxsim.model.fault import Fault

if TYPE_CHECKING:
    from gxsim.engine.simulation import Simulation

Act = Callable[["Simulation", Fault, Any], None]
WORKFLOW = "Workflow"
STEPS = ("serial", "parallel", "suspend")  # its actions


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultKind:
    """``begin`` and ``end`` act on one row of *what*, or *together* on all of them; None ends nothing.

    *asks*: the API server has to answer.
    """

    what: str  # nodes, pods, either (as the selector says), components, owners, or nothing
    begin: Act
    end: Act | None = None
    asks: bool = False
    together: bool = False

    def groups(self, rows: Sequence[int]) -> list[Any]:
        """What the acts are called with, one after the other."""
        if self.together:
            return [tuple(rows)] if rows else []
        return list(rows)


_DEGRADES = FaultKind(what="either", begin=degrade, end=recover, together=True)

FAULTS: dict[tuple[str, str], FaultKind] = {
    ("NodeChaos", "node-stop"): FaultKind(what="nodes", begin=acts.stop_node, end=acts.return_node),
    ("NodeChaos", "node-crash"): FaultKind(what="nodes", begin=acts.stop_node, end=acts.return_node),
    ("NodeChaos", "node-reboot"): FaultKind(what="nodes", begin=acts.stop_node, end=acts.return_node),
    ("NodeChaos", "node-terminate"): FaultKind(what="nodes", begin=acts.lose_node),
    ("NodeChaos", "kubelet-stop"): FaultKind(what="nodes", begin=acts.stop_kubelet, end=acts.start_kubelet),
    ("NodeChaos", "node-cordon"): FaultKind(what="nodes", begin=acts.cordon, end=acts.uncordon, asks=True),
    ("NodeChaos", "node-drain"): FaultKind(what="nodes", begin=acts.drain, end=acts.end_drain, asks=True),
    ("NodeChaos", "node-taint"): FaultKind(what="nodes", begin=acts.put_taint, end=acts.remove_taint, asks=True),
    ("NodeChaos", "node-delete"): FaultKind(what="nodes", begin=acts.delete_node, end=acts.register_node, asks=True),
    ("ZoneChaos", "zone-outage"): FaultKind(what="nodes", begin=acts.stop_node, end=acts.return_node),
    ("NetworkChaos", "partition"): _DEGRADES,
    ("NetworkChaos", "delay"): _DEGRADES,
    ("NetworkChaos", "loss"): _DEGRADES,
    ("NetworkChaos", "bandwidth"): _DEGRADES,
    ("IOChaos", "disk-fill"): FaultKind(what="nodes", begin=acts.fill_disk, end=acts.empty_disk),
    ("IOChaos", "disk-slow"): _DEGRADES,
    ("StressChaos", "cpu-stress"): _DEGRADES,
    ("StressChaos", "memory-stress"): FaultKind(what="either", begin=stress_memory, end=relieve_memory),
    ("TimeChaos", "clock-skew"): FaultKind(what="nodes", begin=degrade, end=recover, together=True),
    ("PodChaos", "pod-kill"): FaultKind(what="pods", begin=acts.kill_pod, asks=True),
    ("PodChaos", "pod-failure"): FaultKind(what="pods", begin=acts.stall_pod, end=acts.unstall_pod),
    ("PodChaos", "pod-unresponsive"): FaultKind(what="pods", begin=acts.stall_pod, end=acts.unstall_pod),
    ("PodChaos", "container-kill"): FaultKind(what="pods", begin=acts.crash_pod),
    ("PodChaos", "pod-disk-fill"): FaultKind(what="pods", begin=acts.fill_by_pod, end=acts.empty_by_pod),
    ("PodChaos", "crash-loop"): FaultKind(what="pods", begin=acts.loop_pod, end=acts.unloop_pod),
    ("ComponentChaos", "component-stop"): FaultKind(
        what="components", begin=acts.stop_component, end=acts.start_component
    ),
    ("ComponentChaos", "quorum-loss"): FaultKind(
        what="components", begin=acts.stop_component, end=acts.start_component
    ),
    # etcd's NOSPACE alarm: its database is over its quota and refuses every write, as without a majority
    ("ComponentChaos", "etcd-nospace"): FaultKind(
        what="components", begin=acts.stop_component, end=acts.start_component
    ),
    ("Operation", "scale"): FaultKind(what="owners", begin=acts.scale_workload, asks=True),
    ("Operation", "rollout-restart"): FaultKind(what="owners", begin=acts.restart_rollout, asks=True),
    ("Operation", "rollout-undo"): FaultKind(what="owners", begin=acts.undo_rollout, asks=True),
    ("Operation", "quota"): FaultKind(what="nothing", begin=acts.set_quota, asks=True),
}

PARAMETERS: dict[str, tuple[str, ...]] = {  # by action; others have none, and those of a quota are its bounds
    **degradations.PARAMETERS,
    "disk-fill": filling.PARAMETERS,
    "pod-disk-fill": filling.OF_PODS,
    "memory-stress": tuple(stress.READERS),
    "node-taint": ("key", "value", "effect"),
    "pod-kill": ("gracePeriodSeconds",),
    "crash-loop": ("afterSeconds",),
    "component-stop": ("component",),
    "scale": ("replicas",),
    "quota": ("name", "namespace"),
}

ALIASES = {  # names of krkn and Litmus
    "node_stop_scenario": "node-stop",
    "node_stop_start_scenario": "node-stop",
    "node_reboot_scenario": "node-reboot",
    "node_crash_scenario": "node-crash",
    "node_termination_scenario": "node-terminate",
    "stop_kubelet_scenario": "kubelet-stop",
    "stop_start_kubelet_scenario": "kubelet-stop",
    "restart_kubelet_scenario": "kubelet-stop",
    "kubelet-service-kill": "kubelet-stop",
    "node-poweroff": "node-stop",
    "node-restart": "node-reboot",
    "zone_outage": "zone-outage",
    "region-outage": "zone-outage",
    "pod-delete": "pod-kill",
    "cordon": "node-cordon",
    "drain": "node-drain",
    "taint": "node-taint",
    "unresponsive": "pod-unresponsive",
    "pod-network-partition": "partition",
    "pod-network-latency": "delay",
    "pod-network-loss": "loss",
    "pod-network-rate-limit": "bandwidth",
    "pod-cpu-hog": "cpu-stress",
    "node-cpu-hog": "cpu-stress",
    "pod-memory-hog": "memory-stress",
    "node-memory-hog": "memory-stress",
    "node-io-stress": "disk-slow",
    "latency": "disk-slow",
    "time_skew": "clock-skew",
    "rolling-update": "rollout-restart",
    "undo": "rollout-undo",
}


def kind_of(fault: Fault, path: str) -> FaultKind:
    """The table's entry for *fault*; raises ScenarioError for an unknown kind or action."""
    action = action_of(fault)
    kinds = sorted({WORKFLOW, *(kind for kind, _ in FAULTS)})
    if fault.kind not in kinds:
        raise ScenarioError(f"{path}.kind", f"unknown kind {fault.kind!r}; {nearest(fault.kind, kinds)}")
    if (fault.kind, action) not in FAULTS:
        own = [a for k, a in FAULTS if k == fault.kind] or list(STEPS)
        hint = nearest(fault.action, own)
        if "did you mean" not in hint:  # a name of another tool may be nearer
            hint = nearest(fault.action, [*own, *(a for a, to in ALIASES.items() if (fault.kind, to) in FAULTS)])
        raise ScenarioError(f"{path}.action", f"unknown action {fault.action!r}; {hint}")
    return FAULTS[fault.kind, action]


def action_of(fault: Fault) -> str:
    """The action's name here, whatever tool it was named after."""
    return ALIASES.get(fault.action, fault.action)
