"""What becomes of pods: deaths of their own, withdrawn endpoints, deletions, and those made in their place."""

from collections import Counter
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from gxsim.observe.happenings import Happening
from gxsim.observe.incident_scene import CONTROL_PLANE, GAP_S, SEEN_S, TRUTH, Entry, Scene, gathered, span
from gxsim.state import PENDING, kind_of
from gxsim.units import counted, human_duration, listed

# Event of a deletion: how it is said. A deletion without one is its controller's.
DELETIONS = {
    "TaintManagerEviction": "{who} {be} evicted: the toleration of the taint has run out",
    "EvictionByEvictionAPI": "{who} {be} evicted by the drain",
    "Preempted": "{who} {be} deleted to make room for pods of higher priority",
    "DeletionByPodGC": "{who} {be} deleted by the pod garbage collector",
    "": "{who} {be} deleted by {its} controller{s}",
}
KILLS = frozenset({"pod-kill"})  # deeds that are deletions themselves


def moves(scene: Scene) -> Iterator[Entry]:
    """Entries for every burst of equal things that happen to pods, apart from what a struck node takes with it."""
    yield from _plain(scene, "dead", _own_deaths(scene), TRUTH, "{who} stop{v} answering")
    yield from _plain(scene, "unready", _own_unready(scene), CONTROL_PLANE, "{who} count{v} as not Ready")
    yield from _plain(scene, "revived", scene.happened["revived"], TRUTH, "{who} answer{v} again, unnoticed")
    yield from _plain(scene, "restarted", scene.happened["restarted"], CONTROL_PLANE, "the containers of {who} restart")
    yield from _withdrawn(scene)
    yield from _deleted(scene)
    yield from _created(scene)
    yield from _ready(scene)


def _plain(scene: Scene, event: str, happened: Happening, what: str, text: str) -> Iterator[Entry]:
    for burst in gathered(happened):
        verb = "s" if len(np.unique(burst.pods)) == 1 else ""
        yield _entry(scene, burst, what, event, text.format(who=scene.whom(burst.pods), v=verb))


def _entry(scene: Scene, burst: Happening, what: str, event: str, sentence: str, detail: str = "") -> Entry:
    first_s, last_s = span(burst)
    objects, services = scene.objects(burst, detail), scene.services_of(burst.pods)
    whom = scene.whom(burst.pods)
    return Entry(first_s, what, event, whom, sentence, last_s, len(burst), objects, services)


def _own_deaths(scene: Scene) -> Happening:
    """Deaths at moments when no fault struck: those are told with the fault."""
    dead = scene.happened["dead"]
    struck = [strike.time_s for strike in scene.timeline.strikes if strike.begins]
    return dead[~np.isin(dead.times_s, struck)]


def _own_unready(scene: Scene) -> Happening:
    """Pods that lose Ready for themselves, not with their node."""
    unready, turns = scene.happened["unready"], scene.timeline.changes("node_ready")
    with_node = np.zeros(len(unready), bool)
    for time_s, node in zip(turns.times_s[turns.times_s > 0], turns.rows[turns.times_s > 0], strict=True):
        first, past = np.searchsorted(unready.times_s, [time_s, time_s + GAP_S])
        with_node[first:past] |= unready.nodes[first:past] == node
    return unready[~with_node]


def _withdrawn(scene: Scene) -> Iterator[Entry]:
    for burst in gathered(scene.happened["withdrawn"]):
        services = scene.services_of(burst.pods)
        one = len(np.unique(burst.pods)) == 1
        dead_s = burst.times_s - burst.since_s
        ends = ", though it still answers" if one else ", though they still answer"
        if np.isfinite(dead_s).any():
            longest_s = float(np.nanmax(dead_s))
            ends = f", dead for {human_duration(longest_s)} by then" if longest_s > SEEN_S else " at once"
        count = counted(len(burst), "endpoint")
        sentence = f"{count} of {scene.behind(services)} {'is' if len(burst) == 1 else 'are'} withdrawn{ends}"
        yield _entry(scene, burst, CONTROL_PLANE, "withdrawn", sentence)


def _deleted(scene: Scene) -> Iterator[Entry]:
    """Deletions by what asked for them."""
    said = {(event.time_s, event.name): event.reason for event in scene.timeline.events if event.reason in DELETIONS}
    kills = {strike.time_s for strike in scene.timeline.strikes if strike.action in KILLS}
    deleted = scene.happened["deleted"]
    reasons = list(DELETIONS)
    codes = np.array(
        [
            -1 if time_s in kills else reasons.index(said.get((time_s, scene.state.pod_key(pod)), ""))
            for time_s, pod in zip(deleted.times_s.tolist(), deleted.pods.tolist(), strict=True)
        ],
        np.int64,
    )
    told = codes >= 0
    for burst in gathered(deleted[told], codes[told]):
        reason = said.get((float(burst.times_s[0]), scene.state.pod_key(int(burst.pods[0]))), "")
        many = len(burst) > 1
        words = {"be": "are" if many else "is", "its": "their" if many else "its", "s": "s" if many else ""}
        sentence = DELETIONS[reason].format(who=scene.whom(burst.pods), **words) + _unconfirmed(scene, burst)
        yield _entry(scene, burst, CONTROL_PLANE, "deleted", sentence)


def _unconfirmed(scene: Scene, burst: Happening) -> str:
    """Pods of StatefulSets whose kubelet cannot confirm their end, so that nobody takes their place."""
    away = scene.timeline.at("node_down", float(burst.times_s[-1])) > 0
    kinds = [kind_of(scene.state, int(pod)) for pod in burst.pods[(burst.nodes != PENDING) & away[burst.nodes]]]
    held = kinds.count("StatefulSet")
    if held == 1:
        return "; 1 of a StatefulSet waits for its node to confirm that"
    return f"; {held} of StatefulSets wait for their node to confirm that" if held else ""


def _created(scene: Scene) -> Iterator[Entry]:
    """Pods made, with where they were bound at once; and pods bound later."""
    bound, at_once = scene.happened["bound"], np.zeros(len(scene.happened["bound"]), bool)
    for burst in gathered(scene.happened["created"]):
        first_s, last_s = span(burst)
        soon = (bound.times_s >= first_s) & (bound.times_s < last_s + GAP_S) & np.isin(bound.pods, burst.pods)
        at_once |= soon
        left = len(burst) - int(soon.sum())
        places = f": {_places(scene, bound.nodes[soon])}" if soon.any() else ""
        waits = f"{',' if places else ':'} {'none' if left == len(burst) else left} bound nowhere yet" if left else ""
        waits = waits.replace("none bound nowhere", "bound nowhere")
        sentence = f"{scene.whom(burst.pods)} {'are' if len(burst) > 1 else 'is'} created{places}{waits}"
        yield _entry(scene, burst, CONTROL_PLANE, "created", sentence)
    for burst in gathered(bound[~at_once]):
        sentence = f"{scene.whom(burst.pods)} {'are' if len(burst) > 1 else 'is'} bound: {_places(scene, burst.nodes)}"
        yield _entry(scene, burst, CONTROL_PLANE, "bound", sentence)


def _places(scene: Scene, nodes: NDArray) -> str:
    """``6 on srv1 and 4 on srv2``; ``on srv1`` for a single pod."""
    counts = Counter(int(node) for node in nodes if node != PENDING)
    if counts.total() == 1:
        return f"on {scene.node_name(next(iter(counts)))}"
    return listed([f"{count} on {scene.node_name(node)}" for node, count in counts.most_common()])


def _ready(scene: Scene) -> Iterator[Entry]:
    """Pods that are Ready, those made since apart from those that come back."""
    ready = scene.happened["ready"]
    new = scene.state.pod_created_s[ready.pods] > 0
    for burst in gathered(ready, new):
        again = "" if scene.state.pod_created_s[burst.pods[0]] > 0 else " again"
        sentence = f"{scene.whom(burst.pods)} {'are' if len(burst) > 1 else 'is'} Ready{again}"
        yield _entry(scene, burst, CONTROL_PLANE, "ready", sentence)
