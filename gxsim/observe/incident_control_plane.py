"""What the control plane believes of nodes, whether it works at all, and what its Events say."""

from collections.abc import Iterator, Sequence

import numpy as np

from gxsim.controllers.taint_eviction import toleration_s
from gxsim.kernels.intervals import bursts, runs
from gxsim.kernels.quorum import majority
from gxsim.model.node import Taint
from gxsim.observe.causes import Causes
from gxsim.observe.incident_scene import CONTROL_PLANE, GAP_S, PEOPLE, TRUTH, Entry, Scene
from gxsim.observe.quorum import QuorumSeries
from gxsim.state import PENDING, READY, Event
from gxsim.units import counted, human_duration, listed

TAINT, NO_EXECUTE = "taint/", ":NoExecute"
# Events that the columns tell already, or that are no news.
TOLD = frozenset(
    "Scheduled Started Killing NodeNotReady TaintManagerEviction EvictionByEvictionAPI DeletionByPodGC Preempted "
    "SuccessfulAttachVolume SpaceLeft Unhealthy Completed".split()
)
# reason: whose news it is, the entry's name, what is said of {who}; {s} ends a verb and {n} a noun of one or of many
NEWS: dict[str, tuple[str, str, str]] = {
    "FailedCreate": (CONTROL_PLANE, "refused", "{cause} refuses pods of {who}"),
    "FailedScheduling": (CONTROL_PLANE, "unplaced", "no node fits {who}"),
    "EvictionRefused": (CONTROL_PLANE, "refused", "a disruption budget keeps {who} from being evicted"),
    "FailedAttachVolume": (CONTROL_PLANE, "event", "volumes of {who} cannot be attached yet"),
    "ImagePullBackOff": (CONTROL_PLANE, "event", "images of {who} cannot be pulled"),
    "ErrImageNeverPull": (CONTROL_PLANE, "event", "images of {who} are not on the node and may not be pulled"),
    "ProgressDeadlineExceeded": (CONTROL_PLANE, "event", "the rollout of {who} exceeds its progress deadline"),
    "NodeDrained": (PEOPLE, "event", "the drain of {who} is done"),
    "DrainFailed": (PEOPLE, "event", "the drain of {who} is given up"),
    "NodeHasDiskPressure": (CONTROL_PLANE, "noticed", "{who} report{s} DiskPressure"),
    "NodeHasNoDiskPressure": (CONTROL_PLANE, "returned", "{who} report{s} no DiskPressure any more"),
    "NodeHasInsufficientMemory": (CONTROL_PLANE, "noticed", "{who} report{s} MemoryPressure"),
    "NodeHasSufficientMemory": (CONTROL_PLANE, "returned", "{who} report{s} no MemoryPressure any more"),
    "EvictionThresholdMet": (CONTROL_PLANE, "noticed", "the kubelet{n} of {who} find{s} too little left"),
    "ImageGarbageCollected": (CONTROL_PLANE, "event", "the kubelet{n} of {who} remove{s} images"),
    "SystemOOM": (TRUTH, "dead", "the kernel{n} of {who} run{s} out of memory and kill{s}"),
    "ServerExited": (TRUTH, "dead", "the K3s server{n} on {who} exit{s}: etcd cannot write"),
    "Evicted": (CONTROL_PLANE, "deleted", "the kubelet evicts {who}"),
    "OOMKilling": (TRUTH, "dead", "out of memory: the containers of {who} are killed"),
    "NoSpaceLeft": (TRUTH, "dead", "writes fail with 'no space left on device' on {who}"),
    "DiskLost": (TRUTH, "volumes lost", "the data of {who} is lost"),
}


def belief(scene: Scene) -> Iterator[Entry]:
    """Nodes that count as NotReady or as Ready again, and their NoExecute taints."""
    changes, down = scene.timeline.changes("node_ready"), scene.timeline.changes("node_down")
    times, nodes, ready = changes.times_s, changes.rows, changes.values == READY
    before = dict.fromkeys(range(len(scene.state.nodes)), True)
    turned = []
    for row in range(len(times)):
        node = int(nodes[row])
        turned.append(times[row] > 0 and bool(ready[row]) != before[node])
        before[node] = bool(ready[row])
    for good, event in ((False, "noticed"), (True, "returned")):
        mine = np.flatnonzero(np.array(turned, bool) & (ready == good))
        for first, past in zip(*bursts(times[mine], GAP_S), strict=True):
            rows = mine[first:past]
            since = [_since(*down.of(int(nodes[row])), float(times[row]), up=good) for row in rows]
            yield _turned(scene, times[rows].tolist(), nodes[rows].tolist(), since, event)
    yield from _tainted(scene)


def _turned(scene: Scene, times: list[float], nodes: list[int], since: Sequence[float | None], event: str) -> Entry:
    names = scene.node_names(nodes)
    one = len(names) == 1
    after = [t - s for t, s in zip(times, since, strict=True) if s is not None and t >= s]
    said = f"count{'s' if one else ''} as {'NotReady' if event == 'noticed' else 'Ready again'}"
    late = f", {human_duration(max(after))} after {'it was' if one else 'they were'} lost" if after else ""
    unready = scene.happened["unready"]
    if event == "noticed":
        near = (unready.times_s >= times[0]) & (unready.times_s <= times[-1] + 1.0) & np.isin(unready.nodes, nodes)
        mine = unready[near]
        marked = f"; {counted(len(mine), 'pod')} on {'it' if one else 'them'} too" if len(mine) else ""
        sentence = f"{listed(names)} {said}{late}{marked}"
        services = scene.services_of(mine.pods)
        objects = scene.objects(mine)
    else:
        sentence, services, objects = f"{listed(names)} {said}", (), ()
    objects = (*(("Node", name, name, "") for name in names), *objects)
    return Entry(times[0], CONTROL_PLANE, event, listed(names), sentence, times[-1], len(names), objects, services)


def _since(times: np.ndarray, values: np.ndarray, until_s: float, *, up: bool) -> float | None:
    """When the node last went down (or came up) before *until_s*."""
    begun, _ = runs((values == 0) if up else (values > 0))
    begins = [float(times[i]) for i in begun if 0 < times[i] <= until_s]
    return begins[-1] if begins else None


def _tainted(scene: Scene) -> Iterator[Entry]:
    """NoExecute taints as they are put: from then on tolerations run out."""
    put: list[tuple[float, str, str]] = []
    for name in scene.timeline.level_names:
        if name.startswith(TAINT) and name.endswith(NO_EXECUTE):
            node, _, key = name.removeprefix(TAINT).removesuffix(NO_EXECUTE).partition("/")
            times, values = scene.timeline.levels(name)
            put += [(float(t), node, key) for t, on in zip(times, values, strict=True) if on and t > 0]
    put.sort()
    for first, past in zip(*bursts(np.array([t for t, _, _ in put]), GAP_S), strict=True):
        mine = put[first:past]
        names, keys = list(dict.fromkeys(node for _, node, _ in mine)), list(dict.fromkeys(key for _, _, key in mine))
        waits = [wait for t, node, key in mine for wait in _tolerations(scene, t, node, key)]
        said = f"{listed(names)} {'is' if len(names) == 1 else 'are'} tainted {listed(keys)}:NoExecute"
        ends = f"; {_tolerated(waits)}" if waits else ""
        objects = tuple(("Node", name, name, "") for name in names)
        yield Entry(mine[0][0], CONTROL_PLANE, "tainted", listed(names), said + ends, mine[-1][0], len(names), objects)


def _tolerations(scene: Scene, time_s: float, node: str, key: str) -> list[float]:
    """How long each pod of *node* tolerates the taint."""
    state = scene.state
    there = scene.timeline.at("pod_node", time_s) == state.node_index.get(node, PENDING - 1)
    there &= scene.timeline.at("pod_exists", time_s) > 0
    taint = (Taint(key, "", "NoExecute"),)
    return [toleration_s(state.templates[state.pod_template[pod]].tolerations, taint) for pod in np.flatnonzero(there)]


def _tolerated(waits: Sequence[float]) -> str:
    finite = [wait for wait in waits if np.isfinite(wait)]
    ever = len(waits) - len(finite)
    told, most = [], 0.0
    if finite:
        most = max(set(finite), key=lambda wait: (finite.count(wait), wait))
        count = finite.count(most)
        verb = "tolerates" if count == 1 else "tolerate"
        refusal = "does not tolerate that" if count == 1 else "do not tolerate that"
        said = f"{verb} that for {human_duration(most)}" if most > 0 else refusal
        told.append(f"{counted(count, 'pod')} {said}")
    if ever:
        whole = f"{counted(ever, 'pod')} tolerate{'s' if ever == 1 else ''} that for ever"
        told.append(f"{ever} for ever" if finite and most > 0 else whole)
    return ", ".join(told)


# ---- whether it works at all ----------------------------------------------------------------------------------------


def operation(scene: Scene, groups: Sequence[QuorumSeries]) -> Iterator[Entry]:
    """When the control plane stops and works again, and when consensus groups lose members or their majority."""
    words = {
        "etcd_quorum": ("etcd has no majority: nothing is noticed, evicted or scheduled", "etcd has a majority again"),
        "apiserver_up": ("the API server does not answer: nobody can act", "the API server answers again"),
        "control_plane": ("not everything of the control plane works", "the whole control plane works again"),
    }
    told: set[tuple[float, bool]] = set()
    for name, (down, up) in words.items():
        times, values = scene.timeline.levels(name)
        for i in range(1, len(times)):
            moment = (float(times[i]), bool(values[i]))
            if bool(values[i]) != bool(values[i - 1]) and moment not in told:  # one outage is told once, by its cause
                told.add(moment)
                yield Entry(moment[0], CONTROL_PLANE, "operation", "", up if values[i] else down, moment[0])
    yield from _memberships(groups)


def _memberships(groups: Sequence[QuorumSeries]) -> Iterator[Entry]:
    """Bursts of changes in membership, a sentence for all groups together."""
    points = sorted(
        (float(one.times_s[i]), number)
        for number, one in enumerate(groups)
        for i in range(1, len(one.times_s))
        if one.up[i] != one.up[i - 1]
    )
    for first, past in zip(*bursts(np.array([t for t, _ in points]), GAP_S), strict=True):
        from_s, to_s = points[first][0], points[past - 1][0]
        found = [groups[number] for number in sorted({number for _, number in points[first:past]})]
        lost, kept, whole = list[str](), list[str](), list[str]()
        for one in found:
            begins, ends = np.searchsorted(one.times_s, [from_s, to_s], side="right")
            up, fewest = int(one.up[ends - 1]), int(one.up[begins - 1 : ends].min())
            back = up == one.voters and (begins < 2 or one.up[begins - 2] < one.voters)
            held = whole if back else kept if fewest >= majority(one.voters) else lost
            held.append(f"{one.name} ({up if back else fewest} of {one.voters} up)")
        told = [f"the majority is lost by {listed(lost)}"] if lost else []
        told += [f"the majority is kept by {listed(kept)}"] if kept else []
        told += [f"every member is up again of {listed(whole)}"] if whole else []
        names = listed([one.name for one in found])
        yield Entry(from_s, TRUTH, "quorum", names, "; ".join(told), to_s, len(found))


# ---- Events ---------------------------------------------------------------------------------------------------------


def events(scene: Scene, causes: Causes) -> Iterator[Entry]:
    """What Events say that the columns do not; equal reasons in one burst are one entry."""
    by_reason: dict[str, list[Event]] = {}
    for event in scene.timeline.events:
        if event.reason not in TOLD:
            by_reason.setdefault(event.reason, []).append(event)
    for reason, found in by_reason.items():
        found.sort(key=lambda event: event.time_s)
        for first, past in zip(*bursts(np.array([event.time_s for event in found]), GAP_S), strict=True):
            yield _news(scene, causes, reason, found[first:past])


def counted_by_kind(found: Sequence[Event]) -> str:
    """``1 node and 5 pods``: how many objects of each kind Events are about."""
    names: dict[str, set[str]] = {}
    for event in found:
        names.setdefault(event.kind.lower() if event.kind in ("Node", "Pod") else event.kind, set()).add(event.name)
    return listed([counted(len(names[kind]), kind) for kind in names])


def _news(scene: Scene, causes: Causes, reason: str, found: Sequence[Event]) -> Entry:
    names = list(dict.fromkeys(event.name for event in found))
    tries = sum(event.count for event in found)
    from_s = found[0].time_s
    to_s = max(event.time_s if event.last_s is None else event.last_s for event in found)
    who = counted_by_kind(found) if len(names) > 2 else listed(names)
    what, event, text = NEWS.get(reason, (CONTROL_PLANE, "event", f"{reason}: {{message}} ({{who}})"))
    one = len(names) == 1
    words = {"s": "s" if one else "", "n": "" if one else "s"}
    sentence = text.format(who=who, cause=_refusal(causes, found[0]), message=found[0].message, **words)
    if found[0].repeats and tries > len(names):
        sentence += f", {tries} tries in {human_duration(to_s - from_s)}"
    rows = [row for name in names for row in scene.pod_rows.get((found[0].kind, name), ())]
    objects = tuple((e.kind, e.name, "", e.message) for e in found)
    services = scene.services_of(np.array(rows, np.int64))
    return Entry(from_s, what, event, listed(names), sentence, to_s, tries, objects, services)


def _refusal(causes: Causes, event: Event) -> str:
    """Who refuses, in the vocabulary of causes."""
    if event.reason != "FailedCreate":
        return ""
    return "a quota" if causes.refuser(event.kind, event.name) == "quota" else "admission"
