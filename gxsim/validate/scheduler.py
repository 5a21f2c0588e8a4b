"""Scheduling decisions recorded from the real kube-scheduler framework, one check per attempt."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from gxsim.load import objects as load
from gxsim.load.pods import pod as load_pod
from gxsim.model.pod import Pod
from gxsim.scheduler import Explanation, Framework, Refusal
from gxsim.state import NO_OWNER, PENDING, PHASE_FAILED, PHASE_SUCCEEDED, ClusterState, Owner
from gxsim.validate.record import Check, Family

Object = Mapping[str, Any]
_EPOCH_S = 1_767_225_600  # 2026-01-01T00:00:00Z, the start of a recording's clock
_COMPACT = ("feasibleCount", "argmaxSize", "chosenTotal")


def recognises(document: Any) -> bool:
    return isinstance(document, dict) and {"kubernetesVersion", "objects", "steps"} <= document.keys()


def replay(document: Object) -> list[Check]:
    """Take each recorded attempt again, with the recorded outcome of those before it."""
    cluster = _Recorded(document["objects"])
    checks = []
    for index, step in enumerate(document["steps"]):
        cluster.apply(step.get("events", ()))
        differences = list(_differences(cluster, step))
        name = f"{document['name']} step {index}: {step['pod']['metadata']['name']}"
        checks.append(Check(name=name, agreed=not differences, detail="; ".join(differences)))
        cluster.settle(step, index)
    return checks


class _Recorded:
    """The objects of a recording as they stand, and the state and framework made from them."""

    def __init__(self, objects: list[Object]):
        self._objects = {_key(o): o for o in objects}
        self._build()

    def _build(self) -> None:
        """Make the state anew: what changed is more than the verbs say."""
        others = [o for o in self._objects.values() if o["kind"] != "Pod"]
        cluster = load.cluster(others)
        self.state = ClusterState(cluster)
        self.framework = Framework(self.state)
        self._rows: dict[str, int] = {}
        self._owners = {
            (w.kind, w.namespace, w.name): self.state.own(
                Owner(
                    kind=w.kind,
                    namespace=w.namespace,
                    name=w.name,
                    workload=w,
                    template=w.template,
                    replicas=w.replicas,
                )
            )
            for w in cluster.workloads
        }
        for obj in self._objects.values():
            if obj["kind"] == "Pod":
                self._run(load_pod(obj))

    def apply(self, events: list[Object]) -> None:
        """Put the objects an event applies in place, and remove those it deletes."""
        for event in events:
            if event["op"] == "delete" and event["kind"] == "Pod":
                self._objects.pop((event["kind"], event["namespace"], event["name"]), None)
                self._remove(f"{event['namespace']}/{event['name']}")
                continue
            if event["op"] == "delete":
                self._objects.pop((event["kind"], event.get("namespace", ""), event["name"]), None)
            else:
                self._objects[_key(event["object"])] = event["object"]
            self._build()

    def _remove(self, key: str) -> None:
        row = self._rows.pop(key, None)
        if row is not None:
            self.state.delete(row)

    def create(self, pod: Pod) -> int:
        """A row for *pod*, bound nowhere."""
        owner = NO_OWNER
        if pod.owner is not None:
            owner = self._owners.get((pod.owner.kind, pod.template.namespace, pod.owner.name), NO_OWNER)
        return self.state.create(pod.name, pod.template, owner=owner)

    def settle(self, step: Object, index: int) -> None:
        """Take the recorded outcome: the pod runs on the chosen node, with the volumes it was given."""
        for obj in step.get("volumes", {}).get("objects", ()):
            self._objects[_key(obj)] = obj
            if obj["kind"] == "PersistentVolume":
                self.state.storage.put_volume(load.volume(obj))
            else:
                self.state.storage.put_claim(load.claim(obj))
        if step.get("chosen") is None:
            return
        pod = dict(step["pod"])
        pod["spec"] = {**pod["spec"], "nodeName": step["chosen"]}
        start = np.datetime64(_EPOCH_S + index, "s")
        pod["status"] = {"phase": "Running", "startTime": f"{start}Z"}
        self._objects[_key(pod)] = pod
        self._run(load_pod(pod))

    def _run(self, pod: Pod) -> None:
        if pod.node_name not in self.state.node_index:
            return
        row = self._rows[f"{pod.template.namespace}/{pod.name}"] = self.create(pod)
        self.state.bind(row, self.state.node_index[pod.node_name])
        if pod.start_s is not None:
            self.state.start(row, pod.start_s)
        if pod.terminating:
            self.state.terminate(row, _EPOCH_S)
        if pod.phase in ("Succeeded", "Failed"):
            self.state.finish(row, PHASE_SUCCEEDED if pod.phase == "Succeeded" else PHASE_FAILED)


def _key(obj: Object) -> tuple[str, str, str]:
    return obj["kind"], obj["metadata"].get("namespace", ""), obj["metadata"]["name"]


def _differences(cluster: _Recorded, step: Object) -> Iterator[str]:
    """What gxsim answers otherwise than was recorded."""
    state, framework = cluster.state, cluster.framework
    noun = load_pod(step["pod"])
    pod = cluster.create(noun)
    if noun.nominated_node_name in state.node_index:
        framework.nominate(pod, state.node_index[noun.nominated_node_name])
    decision = framework.decide(pod)
    if "preEnqueue" in step:
        refusal = decision.diagnosis.pod if decision.gated and decision.diagnosis else None
        yield from _differ("preEnqueue", _refusal(refusal), _recorded_refusal(step["preEnqueue"]))
    else:
        explanation = framework.explain(pod)
        yield from _filters(cluster, step, explanation)
        yield from _scores(cluster, step, explanation)
        chosen = state.nodes[decision.node].name if decision.scheduled else None
        yield from _differ("chosen", chosen, step.get("chosen"))
        if decision.scheduled and "volumes" in step:
            yield from _volumes(framework, pod, decision.node, step)
        if "preemption" in step:
            yield from _preemption(cluster, decision.nomination, step["preemption"])
    framework.nominated.pop(pod, None)
    state.delete(pod)


def _filters(cluster: _Recorded, step: Object, explanation: Explanation) -> Iterator[str]:
    names = [node.name for node in cluster.state.nodes]
    diagnosis = explanation.diagnosis
    recorded = step.get("preFilterFailure")
    yield from _differ("preFilterFailure", _refusal(diagnosis.pod), _recorded_refusal(recorded))
    feasible = sorted(names[i] for i in np.flatnonzero(explanation.feasible))
    if "feasibleCount" in step:
        yield from _differ("feasibleCount", len(feasible), step["feasibleCount"])
        return
    yield from _differ("feasible", feasible, step.get("feasible", []))
    if recorded is None and "rejections" in step:
        found = {name: _refusal(r) for i, name in enumerate(names) if (r := diagnosis.refusal(i)) is not None}
        wanted = {name: _recorded_refusal(r) for name, r in step["rejections"].items()}
        yield from _differ("rejections", found, wanted)


def _scores(cluster: _Recorded, step: Object, explanation: Explanation) -> Iterator[str]:
    names = [node.name for node in cluster.state.nodes]
    best = [names[i] for i in explanation.best]
    if "chosenTotal" in step:
        highest = int(explanation.total.max())
        yield from _differ("argmaxSize", len(best), step["argmaxSize"])
        yield from _differ("chosenTotal", highest, step["chosenTotal"])
    if "scores" not in step:
        return
    feasible = np.flatnonzero(explanation.feasible).tolist()
    scores = {names[i]: {plugin: int(s[i]) for plugin, s in explanation.scores.items()} for i in feasible}
    yield from _differ("scores", scores, step["scores"])
    yield from _differ("totals", {names[i]: int(explanation.total[i]) for i in feasible}, step["totals"])
    yield from _differ("argmax", best, step["argmax"])


def _volumes(framework: Framework, pod: int, node: int, step: Object) -> Iterator[str]:
    """Which claims get a volume that was there, and which a new one; a new one's name is the provisioner's business."""
    planned = framework.volumes_for(pod, node)
    found = {claim.key: volume.name for claim, volume in planned.matched}
    found |= dict.fromkeys((claim.key for claim in planned.provisioned), "new")
    wanted = {b["pvc"]: "new" if b["provisioned"] else b["pv"] for b in step["volumes"]["bound"]}
    yield from _differ("volumes", found, wanted)


def _preemption(cluster: _Recorded, nomination: Any, recorded: Object) -> Iterator[str]:
    if nomination is None:
        yield "preemption: not tried"
        return
    state = cluster.state
    names = [node.name for node in state.nodes]
    node = names[nomination.node] if nomination.node != PENDING else None
    yield from _differ("nominatedNode", node, recorded.get("nominatedNode"))
    yield from _differ("tiedNodes", [names[i] for i in nomination.tied], recorded.get("tiedNodes") or [])
    victims = [state.pod_key(p) for p in nomination.victims]
    yield from _differ("victims", victims, recorded.get("victims") or [])
    found = {names[c.node]: ([state.pod_key(p) for p in c.victims], c.violations) for c in nomination.candidates}
    wanted = {
        c["node"]: (c.get("victims") or [], c.get("numPDBViolations", 0)) for c in recorded.get("candidates") or ()
    }
    yield from _differ("candidates", found, wanted)


def _refusal(refusal: Refusal | None) -> object:
    return None if refusal is None else (refusal.plugin, refusal.code, sorted(refusal.reasons))


def _recorded_refusal(recorded: Object | None) -> object:
    return None if recorded is None else (recorded["plugin"], recorded["code"], sorted(recorded["reasons"]))


def _differ(what: str, found: Any, wanted: Any) -> Iterator[str]:
    """One sentence if *found* is not *wanted*; of two tables only the entries that differ."""
    if found == wanted:
        return
    if isinstance(found, dict) and isinstance(wanted, dict):
        keys = [key for key in sorted({*found, *wanted}) if found.get(key) != wanted.get(key)]
        yield f"{what}: {keys[0]} is {found.get(keys[0])}, recorded {wanted.get(keys[0])} ({len(keys)} differ)"
        return
    yield f"{what} is {found}, recorded {wanted}"


FAMILY = Family(name="scheduler", bound=1.0, recognises=recognises, replay=replay)
