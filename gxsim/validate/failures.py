"""Failure timelines recorded from a real control plane: one check per milestone of a node or a pod."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from gxsim.validate.failures_actions import actions, unknown_actions
from gxsim.validate.failures_cluster import Recording
from gxsim.validate.failures_matching import Comparison, compare, pairs
from gxsim.validate.failures_milestones import (
    Milestones,
    recorded_nodes,
    recorded_pods,
    simulated_nodes,
    simulated_pods,
)
from gxsim.validate.failures_replay import Chance, Replayed, Stage
from gxsim.validate.record import Check, Family

Object = dict[str, Any]

TAINTED = "taintAdded unreachable:NoExecute"
PASSES = ("Ready=Unknown", "taintRemoved unreachable:NoExecute")  # what only a pass of the node monitor does


def recognises(document: Any) -> bool:
    return isinstance(document, dict) and {"effectiveDefaults", "initialState", "summary", "events"} <= document.keys()


def replay(document: Object) -> list[Check]:
    """Run the recorded cluster under the recorded actions, and compare what happened."""
    recording = Recording(document)
    compared = [("action", what, False, "gxsim does not know this action") for what in unknown_actions(recording)]
    return [
        Check(name=f"{recording.letter}/{recording.name}: {name} {what}", agreed=good, detail=detail)
        for name, what, good, detail in (*compared, *fitted(recording))
    ]


def fitted(recording: Recording) -> list[Comparison]:
    """The comparison under the chances that agree best; phases are fitted one after another."""
    chance = base_chance(recording)
    best = list(_compared(recording, chance))
    for tries in alternatives(recording):
        fixed = chance
        for values in tries:
            other = replace(fixed, **values)
            compared = list(_compared(recording, other))
            if _disagreements(compared) < _disagreements(best):
                best, chance = compared, other
    return best


def base_chance(recording: Recording) -> Chance:
    """What a recording shows of chance: when kubelets compared, which nodes were tainted, and in which order."""
    nodes, pods = recorded_nodes(recording.document), recording.document["summary"]["pods"]
    status_s, reconcile_s = _kubelet_phases(nodes, pods)
    return Chance(status_s=status_s, reconcile_s=reconcile_s, raced=_raced(nodes), node_order=_node_order(nodes))


def alternatives(recording: Recording) -> list[list[dict[str, Any]]]:
    """Phases to try, one list after another: those at which periodic loops were seen to act, else the whole period."""
    nodes, pods = recorded_nodes(recording.document), recording.document["summary"]["pods"]
    monitor_s, gc_s = recording.control_plane.node_monitor_period_s, recording.control_plane.pod_gc_period_s
    seen = [time_s for found in nodes.values() for what in PASSES for time_s in found.get(what, ())]
    swept = [pod["gone_ms"] / 1000 for pod in pods if pod.get("phaseAtEnd") == "Failed"]
    stopped = {words.get("component") for _, _, words in actions(recording)}
    passes = [{"monitor_s": phase_s} for phase_s in _phases_of(seen, (0.02, 0.25), monitor_s)]
    if "api" in stopped and seen:  # passes that hung began at a time nobody saw, and watches came back at another
        phases_s, jitters = np.arange(0.0, monitor_s, 0.5), np.arange(0.1, 1.0, 0.1)
        passes = [{"monitor_s": float(p), "watch_jitter": float(j)} for p in phases_s for j in jitters]
    collections = [{"pod_gc_s": phase_s} for phase_s in _phases_of(swept, (0.05,), gc_s)]
    tries: list[list[dict[str, Any]]] = [passes, collections]
    if stopped & {"kcm", "api", "etcd"} and seen:  # the first pass of restarted controllers is a phase like any other
        tries.append([{"component_start_s": float(start_s)} for start_s in np.arange(0.1, monitor_s, 0.5)])
    return tries


def _phases_of(seen: list[float], delays_s: tuple[float, ...], period_s: float) -> list[float]:
    """Where a loop may stand whose effects were seen: a little before each of them."""
    return list(dict.fromkeys(round((time_s - delay_s) % period_s, 2) for delay_s in delays_s for time_s in seen))


def _kubelet_phases(
    nodes: Mapping[str, Milestones], pods: Iterable[Object]
) -> tuple[dict[str, float], dict[str, float]]:
    """When each node's kubelet compared its node and its pods with the API's: the last time it put something right."""
    status_s = {node: found["Ready=True"][-1] for node, found in nodes.items() if "Ready=True" in found}
    ready = {pod["node"]: pod["ready_ms"][-1] / 1000 for pod in pods if pod.get("initial") and pod.get("ready_ms")}
    return status_s, ready


def _raced(nodes: Mapping[str, Milestones]) -> frozenset[str]:
    """Nodes that kept a NoExecute taint though all nodes were lost; a legal race only where all were."""
    if not all("Ready=Unknown" in found for found in nodes.values()) or len(nodes) < 2:
        return frozenset()
    return frozenset(node for node, found in nodes.items() if TAINTED in found)


def _node_order(nodes: Mapping[str, Milestones]) -> tuple[str, ...]:
    """Nodes in the order in which they were tainted: that of the pass that noticed them together."""
    tainted = {node: found[TAINTED][0] for node, found in nodes.items() if found.get(TAINTED)}
    return tuple(sorted(tainted, key=lambda node: tainted[node]))


def _compared(recording: Recording, chance: Chance) -> Iterator[Comparison]:
    replayed = Stage(recording, chance).run()
    yield from _nodes(recording, replayed)
    for recorded, found in pairs(recorded_pods(recording.document), simulated_pods(replayed)):
        run = recorded or found
        assert run is not None
        ours = found.milestones if found else {}
        yield from compare(run.name, recorded.milestones if recorded else {}, ours, recording.horizon_s)


def _nodes(recording: Recording, replayed: Replayed) -> Iterator[Comparison]:
    recorded, found = recorded_nodes(recording.document), simulated_nodes(replayed)
    for node in sorted({*recorded, *found}):
        yield from compare(node, recorded.get(node, {}), found.get(node, {}), recording.horizon_s)


def _disagreements(compared: list[Comparison]) -> int:
    return sum(not good for _, _, good, _ in compared)


FAMILY = Family(name="failures", bound=0.95, recognises=recognises, replay=replay)
