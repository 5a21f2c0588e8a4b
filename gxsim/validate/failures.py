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
    """Run the recorded cluster under the recorded actions, and compare what happened.

    Fitted once per run: the phases of the node monitor and of pod GC, and which of equal nodes was picked.
    """
    recording = Recording(document)
    return _checks(recording, strictly_fitted(recording)[1])


def replay_fitted(document: Object) -> list[Check]:
    """The same with every other phase fitted, too: kubelets, back-off of lost watches, start of controllers."""
    recording = Recording(document)
    return _checks(recording, freely_fitted(recording))


def _checks(recording: Recording, compared: list[Comparison]) -> list[Check]:
    unknown = [("action", what, False, "gxsim does not know this action") for what in unknown_actions(recording)]
    return [
        Check(name=f"{recording.letter}/{recording.name}: {name} {what}", agreed=good, detail=detail)
        for name, what, good, detail in (*unknown, *compared)
    ]


def strictly_fitted(recording: Recording) -> tuple[Chance, list[Comparison]]:
    """The chance that agrees best among what a recording cannot know by the rules of the validation."""
    nodes = recorded_nodes(recording.document)
    base = Chance(raced=_raced(nodes), node_order=_node_order(nodes))
    return _best(recording, base, [_monitor_phases(recording), _collection_phases(recording)])


def freely_fitted(recording: Recording) -> list[Comparison]:
    """The comparison with all phases fitted, one after another; that of the strict fit where nothing is gained."""
    nodes, pods = recorded_nodes(recording.document), recording.document["summary"]["pods"]
    strict, compared = strictly_fitted(recording)
    status_s, reconcile_s = _kubelet_phases(nodes, pods)
    base = replace(strict, status_s=status_s, reconcile_s=reconcile_s)
    free = _best(recording, base, [_watch_phases(recording), _start_phases(recording)])[1]
    return min(compared, free, key=_disagreements)


def _best(recording: Recording, chance: Chance, tries: list[list[dict[str, Any]]]) -> tuple[Chance, list[Comparison]]:
    """The best of *chance* with the values of *tries*, one list after another."""
    best = list(_compared(recording, chance))
    for values in tries:
        fixed = chance
        for changed in values:
            other = replace(fixed, **changed)
            compared = list(_compared(recording, other))
            if _disagreements(compared) < _disagreements(best):
                best, chance = compared, other
    return chance, best


def _monitor_phases(recording: Recording) -> list[dict[str, Any]]:
    """Phases at which the node monitor was seen to act; its whole period where passes hung at times nobody saw."""
    seen = _seen_passes(recording)
    period_s = recording.control_plane.node_monitor_period_s
    if seen and "api" in _stopped(recording):
        return [{"monitor_s": float(phase_s)} for phase_s in np.arange(0.0, period_s, 0.25)]
    return [{"monitor_s": phase_s} for phase_s in _phases_of(seen, (0.02, 0.25), period_s)]


def _collection_phases(recording: Recording) -> list[dict[str, Any]]:
    """Phases at which pod GC was seen to act."""
    swept = [
        pod["gone_ms"] / 1000 for pod in recording.document["summary"]["pods"] if pod.get("phaseAtEnd") == "Failed"
    ]
    return [{"pod_gc_s": phase_s} for phase_s in _phases_of(swept, (0.05,), recording.control_plane.pod_gc_period_s)]


def _watch_phases(recording: Recording) -> list[dict[str, Any]]:
    """Jitters of lost watches, with every phase of the monitor that they may meet."""
    if "api" not in _stopped(recording) or not _seen_passes(recording):
        return []
    phases_s = np.arange(0.0, recording.control_plane.node_monitor_period_s, 0.5)
    return [{"monitor_s": float(p), "watch_jitter": float(j)} for p in phases_s for j in np.arange(0.1, 1.0, 0.1)]


def _start_phases(recording: Recording) -> list[dict[str, Any]]:
    """Times from the start of controllers to their first pass: a phase of theirs like any other."""
    if not _stopped(recording) & {"kcm", "api", "etcd"} or not _seen_passes(recording):
        return []
    starts_s = np.arange(0.1, recording.control_plane.node_monitor_period_s, 0.5)
    return [{"component_start_s": float(start_s)} for start_s in starts_s]


def _seen_passes(recording: Recording) -> list[float]:
    nodes = recorded_nodes(recording.document)
    return [time_s for found in nodes.values() for what in PASSES for time_s in found.get(what, ())]


def _stopped(recording: Recording) -> set[str | None]:
    """Components that were stopped in the run."""
    return {words.get("component") for _, _, words in actions(recording)}


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


FITTED = Family(name="failures, every phase fitted", bound=0.95, recognises=recognises, replay=replay_fitted)
FAMILY = Family(name="failures", bound=0.95, recognises=recognises, replay=replay, beside=FITTED)
