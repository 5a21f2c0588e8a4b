"""Faults and deeds as they truly happen, what they take with them, and that nobody has noticed yet."""

from collections.abc import Iterator

import numpy as np

from gxsim.kernels.intervals import at
from gxsim.observe.happenings import Happening
from gxsim.observe.incident_scene import CONTROL_PLANE, PEOPLE, SEEN_S, TRUTH, Entry, Scene, gathered, span
from gxsim.observe.nodes import volume_nodes
from gxsim.state import ENDPOINT_READY, NO_ENDPOINT, kind_of
from gxsim.state.degradation import BANDWIDTH, CLOCK_SKEW, CPU_STRESS, LOSS, Degradation
from gxsim.timeline import Strike, Timeline
from gxsim.units import counted, human_bytes, human_duration, listed

# action: whose deed it is, what is said when it begins and when it ends ("" where nothing is to be said); {t} are the
# targets, {s} ends a verb and {n} a noun of one or of many, {be} is is or are, {amount} is that of a degradation
DEEDS: dict[str, tuple[str, str, str]] = {
    "node-stop": (TRUTH, "{t} stop{s}", "{t} {be} back"),
    "node-crash": (TRUTH, "{t} {be} down by a crash", "{t} {be} back"),
    "node-reboot": (TRUTH, "{t} reboot{s}", "{t} {be} back"),
    "node-terminate": (TRUTH, "{t} {be} gone for good, disks and all", ""),
    "kubelet-stop": (TRUTH, "the kubelet{n} of {t} stop{s}; containers run on", "the kubelet{n} of {t} run{s} again"),
    "node-cordon": (PEOPLE, "{t} {be} cordoned", "{t} {be} uncordoned"),
    "node-drain": (PEOPLE, "{t} {be} cordoned, the drain begins", "{t} {be} uncordoned"),
    "node-taint": (PEOPLE, "{t} {be} tainted", "{t} {be} rid of the taint"),
    "node-delete": (PEOPLE, "the Node object{n} of {t} {be} deleted", "{t} register{s} again"),
    "zone-outage": (TRUTH, "{t} stop{s} with the zone", "{t} {be} back"),
    "partition": (TRUTH, "{t} {be} cut off", "{t} can be reached again"),
    "delay": (TRUTH, "packets of {t} take {amount} longer", "packets of {t} pass as before"),
    "loss": (TRUTH, "{amount} of the packets of {t} are lost", "packets of {t} pass as before"),
    "bandwidth": (TRUTH, "{t} pass{es} at most {amount} a second", "{t} pass{es} as much as before"),
    "disk-slow": (TRUTH, "each write of {t} takes {amount} longer", "writes of {t} are as fast as before"),
    "cpu-stress": (TRUTH, "{amount} cores of {t} are kept busy", "cores of {t} are free again"),
    "clock-skew": (TRUTH, "the clock{n} of {t} {be} {amount}", "the clock{n} of {t} {be} right again"),
    "memory-stress": (TRUTH, "{t} fill{s} up with memory", "{t} give{s} the memory back"),
    "disk-fill": (TRUTH, "the disk{n} of {t} fill{s} up", "there is room on the disk{n} of {t} again"),
    "pod-disk-fill": (TRUTH, "{t} fill{s} the disk of the node", "{t} would remove what was written"),
    "pod-kill": (PEOPLE, "{t} {be} deleted", ""),
    "pod-failure": (TRUTH, "{t} stop{s} answering", "{t} would answer again"),
    "pod-unresponsive": (TRUTH, "{t} hang{s}", "{t} would answer again"),
    "container-kill": (TRUTH, "the containers of {t} are killed", ""),
    "crash-loop": (TRUTH, "the containers of {t} end whenever they start", "the containers of {t} would stay up again"),
    "component-stop": (TRUTH, "{t} stop{s}", "{t} run{s} again"),
    "quorum-loss": (TRUTH, "{t} {be} without a majority", "{t} would have a majority again"),
    "etcd-nospace": (TRUTH, "{t} {be} over the quota and refuse{s} writes", "{t} {be} within the quota again"),
    "scale": (PEOPLE, "{t} {be} scaled", ""),
    "rollout-restart": (PEOPLE, "{t} {be} rolled out anew", ""),
    "rollout-undo": (PEOPLE, "the rollout{n} of {t} {be} undone", ""),
    "quota": (PEOPLE, "a ResourceQuota is written", "the ResourceQuota is as before"),
}
OUTAGES = frozenset({"node-stop", "node-crash", "node-reboot", "zone-outage", "partition"})


def strikes(scene: Scene) -> Iterator[Entry]:
    """An entry per moment at which a fault begins or ends, with the pods that die of it and the volumes it hides."""
    together: dict[tuple[float, str, bool], list[Strike]] = {}
    for strike in scene.timeline.strikes:
        together.setdefault((strike.time_s, strike.action, strike.begins), []).append(strike)
    amounts = {(one.fault, one.begin_s): _amount(one) for one in scene.timeline.degradations}
    for (time_s, action, begins), struck in together.items():
        targets = list(dict.fromkeys(target for strike in struck for target in strike.targets))
        known = [amounts[strike.fault, time_s] for strike in struck if (strike.fault, time_s) in amounts]
        faults = [strike.fault for strike in struck]
        what, sentence = _said(action, _named(scene, targets), len(targets), faults, begins=begins, amounts=known)
        if not sentence:
            continue
        lost = _at(scene.happened["dead"], time_s) if begins else scene.happened["dead"][:0]
        nodes = [scene.state.node_index[name] for name in targets if name in scene.state.node_index]
        if nodes and len(lost):
            lost = lost[np.isin(lost.nodes, nodes)]
            fate = "out of reach" if action == "partition" else "dead"
            down = [node for node in nodes if scene.timeline.at("node_down", time_s)[node]]
            sentence = "; ".join([sentence, _struck(lost, fate), *_hidden(scene, down)])
        if action in OUTAGES and not begins and (held := _held_down(scene, nodes, time_s)):
            sentence = held
        yield Entry(
            time_s,
            what,
            "struck" if begins else "ended",
            _named(scene, targets),
            sentence,
            time_s,
            max(1, len(targets)),
            scene.objects(lost),
            scene.services_of(lost.pods),
        )


def _held_down(scene: Scene, nodes: list[int], time_s: float) -> str:
    """What is said when an outage ends and another fault still keeps its nodes down; nothing where none does."""
    down = scene.timeline.at("node_down", time_s)
    held = scene.node_names([node for node in nodes if down[node]])
    back = scene.node_names([node for node in nodes if not down[node]])
    told = [f"{listed(back)} {_be(len(back))} back"] if back else []
    return "; ".join([*told, f"another fault keeps {listed(held)} down"]) if held else ""


def _amount(one: Degradation) -> str:
    """How much a degradation takes, in the unit of its action."""
    if one.action == LOSS:
        return f"{100 * one.amount:g}%"
    if one.action == CLOCK_SKEW:
        return f"{human_duration(abs(one.amount))} {'behind' if one.amount < 0 else 'ahead'}"
    if one.action == BANDWIDTH:
        return human_bytes(one.amount)
    return f"{one.amount:g}" if one.action == CPU_STRESS else human_duration(one.amount)


def _named(scene: Scene, targets: list[str]) -> str:
    """The targets by their names; many pods by their number and workloads."""
    rows = [row for target in targets for row in scene.pod_rows.get(("Pod", target), ())]
    return scene.whom(np.array(rows, np.int64)) if len(targets) > 2 and len(rows) == len(targets) else listed(targets)


def _said(
    action: str, named: str, count: int, faults: list[str], *, begins: bool, amounts: list[str]
) -> tuple[str, str]:
    """Whose deed, and the sentence about *count* targets; one that has no words of its own is called by its names."""
    if action not in DEEDS:
        at = f" at {named}" if count else ""
        return TRUTH, f"{action} ({listed(faults)}){at} {'begins' if begins else 'ends'}"
    what, first, last = DEEDS[action]
    text = first if begins else last
    if not count and "{t}" in text:
        return what, ""
    one = count == 1
    words = {"s": "s" if one else "", "es": "es" if one else "", "n": "" if one else "s", "be": _be(count)}
    return what, text.format(t=named, amount=listed(list(dict.fromkeys(amounts))), **words)


def _at(happening: Happening, time_s: float) -> Happening:
    first, past = np.searchsorted(happening.times_s, [time_s, np.nextafter(time_s, np.inf)])
    return happening[slice(first, past)]


def _struck(lost: Happening, fate: str) -> str:
    there = "it" if len(np.unique(lost.nodes)) < 2 else "them"
    return f"{counted(len(lost), 'pod')} on {there} {_be(len(lost))} {fate}"


def _be(count: int) -> str:
    return "is" if count == 1 else "are"


def _hidden(scene: Scene, nodes: list[int]) -> list[str]:
    """Volumes that only these nodes reach."""
    state = scene.state
    held = [volume for volume in state.storage.volumes.values() if volume.claim]
    hidden = [one for one in held if (there := volume_nodes(state, one.name)) and set(there) <= set(nodes)]
    if not hidden:
        return []
    total = sum(volume.size_bytes for volume in hidden)
    amount = f" ({human_bytes(total)})" if total else ""
    return [f"{counted(len(hidden), 'volume')}{amount} out of reach"]


def unnoticed(scene: Scene) -> Iterator[Entry]:
    """At each death that the control plane does not notice at once: who still counts as Ready, who gets traffic."""
    dead = scene.happened["dead"]
    slow = [
        _believed_s(scene.timeline, int(p), float(t)) > SEEN_S for t, p in zip(dead.times_s, dead.pods, strict=True)
    ]
    endpoint = scene.timeline.changes("pod_endpoint")
    for lost in gathered(dead[np.array(slow, bool)]):
        time_s = span(lost)[0]
        held = (endpoint.of(int(pod)) for pod in lost.pods)
        fed = np.array([at(times, values, time_s, NO_ENDPOINT) == ENDPOINT_READY for times, values in held], bool)
        services = scene.services_of(lost.pods[fed])
        nodes = _nodes_down(scene, lost)
        whom, one = listed(nodes) if nodes else scene.whom(lost.pods), len(nodes or lost) == 1
        sentence = f"nothing has noticed yet: {whom} count{'s' if one else ''} as Ready"
        if fed.any():
            get = "gets" if fed.sum() == 1 else "get"
            sentence += f", {counted(int(fed.sum()), 'dead endpoint')} of {scene.behind(services)} {get} traffic"
        yield Entry(
            time_s, CONTROL_PLANE, "unnoticed", whom, sentence, time_s, len(lost), scene.objects(lost), services
        )


def _believed_s(timeline: Timeline, pod: int, dead_s: float) -> float:
    """For how long a pod that died is still believed Ready; inf where that lasts."""
    ends = []
    for quantity, value in (("pod_ready", 0), ("pod_serving", 1)):
        times, values = timeline.changes(quantity).of(pod)
        ends += times[(times >= dead_s) & (values == value)][:1].tolist()
    return min(ends, default=np.inf) - dead_s


def _nodes_down(scene: Scene, lost: Happening) -> list[str]:
    """The nodes that took these pods with them; none where the pods died by themselves."""
    down = scene.timeline.at("node_down", float(lost.times_s[-1])) > 0
    return scene.node_names(lost.nodes) if down[lost.nodes].all() else []


def undrained(scene: Scene) -> Iterator[Entry]:
    """At the end: each drain that goes on, with the pods that are left and what was said of them last."""
    state, timeline = scene.state, scene.timeline
    over = {event.name for event in timeline.events if event.reason in ("NodeDrained", "DrainFailed")}
    begun: dict[str, bool] = {}
    for strike in timeline.strikes:
        if strike.action == "node-drain":
            begun.update(dict.fromkeys(strike.targets, strike.begins))
    refused = {event.name: event.message for event in timeline.events if event.reason == "EvictionRefused"}
    for name in (name for name, open_ in begun.items() if open_ and name not in over):
        there = state.pod_active & (state.pod_node == state.node_index[name])
        left = [pod for pod in np.flatnonzero(there).tolist() if kind_of(state, pod) != "DaemonSet"]
        keys = [state.pod_key(pod) for pod in left]
        objects = tuple(("Pod", key, name, refused.get(key, "")) for key in keys)
        held = [key for key in keys if key in refused]
        why = f": budget: {listed(held)}: {refused[held[0]]}" if held else ""
        sentence = f"at the end, the drain of {name} is not done, {counted(len(left), 'pod')} left{why}"
        yield Entry(timeline.horizon_s, PEOPLE, "unrecovered", name, sentence, count=len(left), objects=objects)
