"""Milestones of a run: what was recorded, and what gxsim's Timeline says, in the same words."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gxsim.state import (
    ENDPOINT_NOT_READY,
    ENDPOINT_READY,
    ENDPOINT_SERVING,
    ENDPOINT_TERMINATING,
    NO_ENDPOINT,
    NO_OWNER,
    PENDING,
    PHASE_RUNNING,
    READY,
    UNKNOWN,
    Event,
    owner_name,
)
from gxsim.validate.failures_cluster import workload_name
from gxsim.validate.failures_replay import START_S, Replayed

Object = dict[str, Any]
Milestones = dict[str, list[float]]  # by name, seconds in the recording's time, in order

SINGLE = {  # fields of a recorded pod that happen once
    "created_ms": "created",
    "bound_ms": "bound",
    "running_ms": "running",
    "disruptionTarget_ms": "disruptionTarget",
    "deletionTimestamp_ms": "deletion",
    "gone_ms": "gone",
}
REPEATED = {"notReady_ms": "notReady", "ready_ms": "ready"}
SHOWN = {
    ENDPOINT_NOT_READY: "notReady",
    ENDPOINT_READY: "ready",
    ENDPOINT_TERMINATING: "notReady terminating",
    ENDPOINT_SERVING: "notReady serving terminating",
    NO_ENDPOINT: "removed",
}
CONDITIONS = {UNKNOWN: "Ready=Unknown", READY: "Ready=True"}
DISRUPTED = ("TaintManagerEviction", "DeletionByPodGC", "EvictionByEvictionAPI", "Preempted", "Evicted")


@dataclass(slots=True)
class PodRun:
    """The milestones of one pod, recorded or simulated."""

    name: str
    group: str  # its workload, or its own name where that is not generated
    node: str
    initial: bool
    milestones: Milestones = field(default_factory=lambda: defaultdict(list))

    @property
    def created_s(self) -> float:
        return -1.0 if self.initial else min(self.milestones["created"], default=-1.0)


# ---- recorded -------------------------------------------------------------------------------------------------------


def recorded_nodes(document: Object) -> dict[str, Milestones]:
    result: dict[str, Milestones] = {}
    for node, entries in document["summary"]["nodes"].items():
        found = result.setdefault(node, defaultdict(list))
        for time_ms, what in entries:
            found[what].append(time_ms / 1000)
    return result


def recorded_pods(document: Object) -> list[PodRun]:
    return [_recorded_pod(pod) for pod in document["summary"]["pods"]]


def _recorded_pod(pod: Object) -> PodRun:
    named = (pod["owner"] or "").startswith("StatefulSet/")
    group = pod["name"] if named else workload_name(pod["owner"]) or pod["name"]
    run = PodRun(pod["name"], group, pod.get("node") or "", bool(pod.get("initial")))
    for key, name in SINGLE.items():
        if key in pod:
            run.milestones[name].append(pod[key] / 1000)
    for key, name in REPEATED.items():
        run.milestones[name] += [time_ms / 1000 for time_ms in pod.get(key, ())]
    for time_ms, what in pod.get("endpoint_ms", ()):
        run.milestones[f"endpoint {what}"].append(time_ms / 1000)
    return run


# ---- simulated ------------------------------------------------------------------------------------------------------


def simulated_nodes(replayed: Replayed) -> dict[str, Milestones]:
    timeline = replayed.timeline
    result: dict[str, Milestones] = {node.name: defaultdict(list) for node in replayed.state.nodes}
    for row, node in enumerate(replayed.state.nodes):
        found = result[node.name]
        for time_s, value in _changes(replayed, "node_ready", row):
            if value in CONDITIONS:
                found[CONDITIONS[int(value)]].append(time_s)
        for time_s, value in _changes(replayed, "unschedulable", row):
            found[f"unschedulable={'true' if value else 'false'}"].append(time_s)
        found["deleted"] = [time_s for time_s, value in _changes(replayed, "node_exists", row) if not value]
    for name in timeline.level_names:
        if name.startswith("taint/"):
            _, node_name, taint = name.split("/", 2)
            times, values = timeline.levels(name)
            short = taint.rpartition("/")[2]
            for time_s, value in zip(times.tolist(), values.tolist(), strict=True):
                if time_s > 0:
                    result[node_name][f"taint{'Added' if value else 'Removed'} {short}"].append(time_s - START_S)
    return result


def simulated_pods(replayed: Replayed) -> list[PodRun]:
    state, recorded = replayed.state, {row: name for name, row in replayed.rows.items()}
    disrupted = _disruptions(replayed.timeline.events)
    runs = []
    for pod in range(len(state.pod_names)):
        node = state.nodes[state.pod_node[pod]].name if state.pod_node[pod] != PENDING else ""
        owner = int(state.pod_owner[pod])
        named = owner != NO_OWNER and state.owners[owner].kind == "StatefulSet"
        group = state.pod_names[pod] if named else owner_name(state, pod)
        run = PodRun(recorded.get(pod, state.pod_names[pod]), group, node, pod in recorded)
        for name, time_s in _pod_milestones(replayed, pod):
            run.milestones[name].append(time_s)
        begun_s = float(state.pod_created_s[pod]) if pod not in recorded else -np.inf
        gone_s = min(run.milestones["gone"], default=np.inf) + START_S
        run.milestones["disruptionTarget"] += [
            time_s - START_S
            for time_s in disrupted.get(state.pod_key(pod), ())
            if time_s > begun_s and time_s <= gone_s
        ][:1]
        runs.append(run)
    return runs


def _pod_milestones(replayed: Replayed, pod: int) -> Iterator[tuple[str, float]]:
    """Name and time of every change of one pod; what the kubelet reports in one status is one change."""
    swept = {time_s for time_s, key, reason in _sweeps(replayed) if key == replayed.state.pod_key(pod)}
    running: set[float] = set()
    for quantity, value_is, name in CHANGES:
        for time_s, value in _changes(replayed, quantity, pod):
            if value_is(value):
                running |= {time_s} if name == "running" else set()
                yield name, time_s
    ready = _changes(replayed, "pod_ready", pod)
    for time_s, value in ready:
        if value or time_s not in swept:
            yield ("ready" if value else "notReady"), time_s
    reported = {time_s for time_s, _ in ready}
    yield from (("notReady", time_s) for time_s in sorted(running - reported))
    before = NO_ENDPOINT
    for time_s, value in _changes(replayed, "pod_endpoint", pod, initial=True):
        if time_s > -START_S:
            added = "added " if before == NO_ENDPOINT and value != NO_ENDPOINT else ""
            yield f"endpoint {added}{SHOWN[int(value)]}", time_s
        before = int(value)


CHANGES: tuple[tuple[str, Any, str], ...] = (
    ("pod_exists", bool, "created"),
    ("pod_exists", lambda value: not value, "gone"),
    ("pod_node", lambda value: value != PENDING, "bound"),
    ("pod_phase", lambda value: value == PHASE_RUNNING, "running"),
    ("pod_terminating", bool, "deletion"),
)


def _sweeps(replayed: Replayed) -> list[tuple[float, str, str]]:
    """Pods whose object pod GC took: nobody said that they were not ready."""
    return [(e.time_s - START_S, e.name, e.reason) for e in replayed.timeline.events if e.reason == "DeletionByPodGC"]


def _disruptions(events: tuple[Event, ...]) -> dict[str, list[float]]:
    """When each pod was marked as the target of a disruption, by its key."""
    found: dict[str, list[float]] = defaultdict(list)
    for event in events:
        if event.reason in DISRUPTED and not event.message.startswith("Cancelling"):
            found[event.name].append(event.time_s)
    return found


def _changes(replayed: Replayed, quantity: str, row: int, *, initial: bool = False) -> list[tuple[float, float]]:
    """Change-points of one row in the recording's time, without what held at the start."""
    times, values = replayed.timeline.changes(quantity).of(row)
    pairs = list(zip((times - START_S).tolist(), values.tolist(), strict=True))
    return pairs if initial else [pair for pair in pairs if pair[0] > -START_S]
