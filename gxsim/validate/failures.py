"""Failure timelines recorded from a real control plane: one check per milestone of a node or a pod."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from gxsim.validate.failures_cluster import Recording
from gxsim.validate.failures_matching import Comparison, compare, pairs
from gxsim.validate.failures_milestones import recorded_nodes, recorded_pods, simulated_nodes, simulated_pods
from gxsim.validate.failures_replay import Chance, Replayed, Stage
from gxsim.validate.record import Check, Family

Object = dict[str, Any]


def recognises(document: Any) -> bool:
    return isinstance(document, dict) and {"effectiveDefaults", "initialState", "summary", "events"} <= document.keys()


def replay(document: Object) -> list[Check]:
    """Run the recorded cluster under the recorded actions, and compare what happened."""
    recording = Recording(document)
    best = max((list(_compared(recording, chance)) for chance in chances(recording)), key=_agreement)
    return [
        Check(name=f"{recording.letter}/{recording.name}: {name} {what}", agreed=good, detail=detail)
        for name, what, good, detail in best
    ]


def chances(recording: Recording) -> list[Chance]:
    """What chance may have decided, read from the times at which periodic loops were seen to act."""
    document = recording.document
    period_s, gc_s = recording.control_plane.node_monitor_period_s, recording.control_plane.pod_gc_period_s
    seen = [
        time_s
        for milestones in recorded_nodes(document).values()
        for what in ("Ready=Unknown", "taintRemoved unreachable:NoExecute")
        for time_s in milestones.get(what, ())
    ]
    order = tuple(
        pod["name"]
        for pod in sorted(document["summary"]["pods"], key=lambda pod: pod.get("deletionTimestamp_ms", 1e9), reverse=True)
        if pod.get("initial")
    )
    monitor = sorted({round((time_s - 0.01) % period_s, 2) for time_s in seen}) or [0.0]
    swept = [p["gone_ms"] / 1000 for p in document["summary"]["pods"] if p.get("phaseAtEnd") == "Failed"]
    collected = sorted({round((time_s - 0.05) % gc_s, 2) for time_s in swept}) or [0.0]
    base = Chance(order=order)
    return [replace(base, monitor_s=m, pod_gc_s=g) for m in monitor for g in collected]


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


def _agreement(compared: list[Comparison]) -> float:
    return sum(good for _, _, good, _ in compared) / max(1, len(compared))


FAMILY = Family(name="failures", bound=0.95, recognises=recognises, replay=replay)
