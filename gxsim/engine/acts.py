"""What each kind of fault does to one target when it begins and when it ends."""

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from gxsim.controllers.deletion import delete_pod
from gxsim.controllers.names import HASH_LABEL, template_hash
from gxsim.controllers.node_lifecycle import NO_EXECUTE
from gxsim.engine.components import COMPONENTS
from gxsim.engine.filling import filling_of
from gxsim.model.fault import Fault
from gxsim.model.node import Taint
from gxsim.state import PENDING, Event

if TYPE_CHECKING:
    from gxsim.engine.simulation import Simulation

# ---- nodes ----------------------------------------------------------------------------------------------------------


def stop_node(sim: "Simulation", fault: Fault, node: int) -> None:
    """The host is gone: its containers are dead, and nobody has noticed."""
    state = sim.state
    state.fail(node)
    for pod in np.flatnonzero(state.pod_running & (state.pod_node == node)):
        state.crash(int(pod))


def return_node(sim: "Simulation", fault: Fault, node: int) -> None:
    sim.state.repair(node)


def lose_node(sim: "Simulation", fault: Fault, node: int) -> None:
    """The host is gone for good and its disks with it: the volumes on it are lost."""
    stop_node(sim, fault, node)
    state, name, labels = sim.state, sim.state.nodes[node].name, sim.state.nodes[node].labels
    for volume in state.storage.volumes.values():
        if volume.node_affinity is not None and volume.node_affinity.matches(name, labels):
            message = f"volume of claim {volume.claim} was on {name}"
            state.emit(Event(float(sim.env.now), "PersistentVolume", volume.name, "DiskLost", message))


def stop_kubelet(sim: "Simulation", fault: Fault, node: int) -> None:
    sim.state.stop_kubelet(node)


def start_kubelet(sim: "Simulation", fault: Fault, node: int) -> None:
    sim.state.start_kubelet(node)


def cordon(sim: "Simulation", fault: Fault, node: int) -> None:
    sim.state.cordon(node)


def uncordon(sim: "Simulation", fault: Fault, node: int) -> None:
    sim.state.uncordon(node)


def drain(sim: "Simulation", fault: Fault, node: int) -> None:
    """kubectl drain: cordon, then evict every pod that is not a DaemonSet's."""
    sim.state.cordon(node)
    sim.components.evictions.drain(sim.state, node, float(sim.env.now))


def end_drain(sim: "Simulation", fault: Fault, node: int) -> None:
    sim.components.evictions.stop_drain(node)
    sim.state.uncordon(node)


def put_taint(sim: "Simulation", fault: Fault, node: int) -> None:
    sim.state.taint(node, _taint_of(fault))


def remove_taint(sim: "Simulation", fault: Fault, node: int) -> None:
    taint = _taint_of(fault)
    sim.state.untaint(node, taint.key, taint.effect)


def _taint_of(fault: Fault) -> Taint:
    given = {name: str(value) for name, value in fault.parameters.items()}
    return Taint(given.get("key", "gxsim/fault"), given.get("value", ""), given.get("effect", NO_EXECUTE))


def delete_node(sim: "Simulation", fault: Fault, node: int) -> None:
    sim.state.remove_node(node)


def register_node(sim: "Simulation", fault: Fault, node: int) -> None:
    sim.state.restore_node(node)


# ---- pods -----------------------------------------------------------------------------------------------------------


def kill_pod(sim: "Simulation", fault: Fault, pod: int) -> None:
    grace_s = float(fault.parameters["gracePeriodSeconds"]) if "gracePeriodSeconds" in fault.parameters else None
    delete_pod(sim.state, pod, float(sim.env.now), grace_s)


def crash_pod(sim: "Simulation", fault: Fault, pod: int) -> None:
    if sim.state.pod_running[pod]:
        sim.state.crash(pod)


def stall_pod(sim: "Simulation", fault: Fault, pod: int) -> None:
    sim.state.stall(pod)


def unstall_pod(sim: "Simulation", fault: Fault, pod: int) -> None:
    sim.state.unstall(pod)


# ---- components and operations --------------------------------------------------------------------------------------


def stop_component(sim: "Simulation", fault: Fault, component: int) -> None:
    sim.components.fail(COMPONENTS[component], float(sim.env.now))


def start_component(sim: "Simulation", fault: Fault, component: int) -> None:
    sim.components.repair(COMPONENTS[component], float(sim.env.now))


def scale_workload(sim: "Simulation", fault: Fault, owner: int) -> None:
    sim.state.scale(owner, int(fault.parameters["replicas"]))


def restart_rollout(sim: "Simulation", fault: Fault, owner: int) -> None:
    """kubectl rollout restart: the same template with another annotation, so with another hash."""
    template = sim.state.owners[owner].template
    stamp = {"kubectl.kubernetes.io/restartedAt": f"{float(sim.env.now):g}"}
    sim.state.roll(owner, replace(template, annotations={**template.annotations, **stamp}))


def undo_rollout(sim: "Simulation", fault: Fault, owner: int) -> None:
    """kubectl rollout undo: back to the template of the newest ReplicaSet that is not the current one."""
    state, hashed = sim.state, template_hash(sim.state.owners[owner].template)
    sets = [held for held in state.owners if held.parent == owner and not held.deleted]
    old = [held for held in sets if template_hash(held.template) != hashed]
    if old:
        held = max(old, key=lambda held: held.revision)
        labels = {name: value for name, value in held.template.labels.items() if name != HASH_LABEL}
        state.roll(owner, replace(held.template, labels=labels))


def set_quota(sim: "Simulation", fault: Fault, _: int) -> None:
    """Write the bounds of a ResourceQuota; every parameter but its name and namespace is one."""
    given = dict(fault.parameters)
    namespace, name = str(given.pop("namespace", "default")), str(given.pop("name"))
    sim.components.admission.set_quota(namespace, name, given)


# ---- disks ----------------------------------------------------------------------------------------------------------


def fill_disk(sim: "Simulation", fault: Fault, node: int) -> None:
    """Something outside pods begins to write; from now on the kubelets watch their disks."""
    storage, filling, now = sim.components.storage, filling_of(fault), float(sim.env.now)
    storage.watch(now)
    storage.disks.take_inodes(node, filling.inodes_share)
    amount = filling.amount_bytes(float(storage.disks.disk_bytes[node]), storage.disks.used_bytes(node, now))
    storage.disks.fill(fault.name, node, amount, now, filling.rate_bytes)


def fill_by_pod(sim: "Simulation", fault: Fault, pod: int) -> None:
    """A pod begins to write to its containers' layers, its logs or its emptyDirs."""
    state, storage, filling, now = sim.state, sim.components.storage, filling_of(fault), float(sim.env.now)
    storage.watch(now)
    node = int(state.pod_node[pod])
    if node != PENDING:
        amount = filling.amount_bytes(float(storage.disks.disk_bytes[node]), storage.disks.used_bytes(node, now))
        storage.disks.fill(fault.name, node, amount, now, filling.rate_bytes, pod=pod)


def empty_by_pod(sim: "Simulation", fault: Fault, pod: int) -> None:
    """The pod removes what it wrote, unless that went with it."""
    node, now = int(sim.state.pod_node[pod]), float(sim.env.now)
    sim.components.storage.disks.empty(fault.name, node, now, pod=pod)


def empty_disk(sim: "Simulation", fault: Fault, node: int) -> None:
    """Somebody removes what the fault has written."""
    sim.components.storage.disks.take_inodes(node, -filling_of(fault).inodes_share)
    sim.components.storage.disks.empty(fault.name, node, float(sim.env.now))


# ---- pods that cannot stay up ---------------------------------------------------------------------------------------


def loop_pod(sim: "Simulation", fault: Fault, pod: int) -> None:
    """The containers end *after* so many seconds, each time they start."""
    sim.components.kubelets.crash_after_s[pod] = float(fault.parameters.get("afterSeconds", 1.0))
    crash_pod(sim, fault, pod)


def unloop_pod(sim: "Simulation", fault: Fault, pod: int) -> None:
    sim.components.kubelets.crash_after_s.pop(pod, None)
