"""What was done during a recorded run: each action's sentence, and what it does to a simulation."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Protocol

from gxsim.controllers.deletion import delete_claim, delete_pod
from gxsim.engine.simulation import Simulation
from gxsim.model.control_plane import PodTiming
from gxsim.model.fault import Fault
from gxsim.model.node import Taint
from gxsim.model.pod import PodTemplate
from gxsim.state import PHASE_FAILED, Event
from gxsim.validate.failures_cluster import NAMESPACE, Recording, timing_of

Object = dict[str, Any]
Words = Mapping[str, str]

COMPONENTS = {"api": "kube-apiserver", "kcm": "kube-controller-manager", "sched": "kube-scheduler", "etcd": "etcd"}
REBOOT = Fault(kind="NodeChaos", action="node-reboot")
SILENCE = Fault(kind="NodeChaos", action="kubelet-stop")  # what the control plane sees of a node that is cut off
DRAIN = Fault(kind="NodeChaos", action="node-drain")
ROLLED = ("Deployment", "StatefulSet", "DaemonSet")
STAMP = "revision"  # an annotation that makes a template another one, as a changed image would


class Stage(Protocol):
    """One replay, as an action sees it."""

    recording: Recording
    sim: Simulation
    silent: dict[str, Fault]  # nodes that are away, and the fault that began there

    @property
    def now(self) -> float: ...

    @property
    def recorded_s(self) -> float: ...

    def node(self, name: str) -> int: ...

    def owner(self, kind: str, name: str) -> int: ...

    def pod(self, name: str) -> int: ...


Act = Callable[[Stage, Words], None]


def actions(recording: Recording) -> Iterator[tuple[float, Act, Words]]:
    """When, what and with which words, in order of time; sentences nobody knows are left out."""
    for time_s, said in _said(recording):
        for pattern, act in SENTENCES:
            words = pattern.fullmatch(said)
            if words:
                yield time_s, act, words.groupdict()
                break


def unknown_actions(recording: Recording) -> list[str]:
    """What was done that gxsim cannot do again."""
    said = [sentence for _, sentence in _said(recording) if not sentence.startswith("Drain: ")]
    return [sentence for sentence in said if not any(pattern.fullmatch(sentence) for pattern, _ in SENTENCES)]


def _said(recording: Recording) -> Iterator[tuple[float, str]]:
    """What the operator did and what kubectl drain said, in order of time."""
    for event in sorted(recording.events, key=lambda e: float(e["t_ms"])):
        if event["kind"] in ("Action", "Drain"):
            said = event["what"] if event["kind"] == "Action" else f"Drain: {event['name']} {event['what']}"
            yield float(event["t_ms"]) / 1000, said


def pod_timings(recording: Recording) -> list[PodTiming]:
    """Durations of every set of annotations that a template of the run carries."""
    written = [
        dict((obj["spec"]["template"].get("metadata") or {}).get("annotations") or {})
        for obj in recording.document["workloads"]
        if "template" in obj.get("spec", {})
    ]
    written += [_annotations(words["timing"]) for _, act, words in actions(recording) if act is _new_template]
    return [timing for given in written if (timing := timing_of(given)) is not None]


def will_reboot(recording: Recording, node: str, now_s: float) -> bool:
    """Whether the containers of a node that is lost at *now_s* will have stopped when it returns."""
    returns = (words for time_s, act, words in actions(recording) if act is _return and time_s > now_s)
    return next((words["how"] == "reboot" for words in returns if node in _names(words)), False)


# ---- what each sentence does ----------------------------------------------------------------------------------------


def _stop(stage: Stage, words: Words) -> None:
    for name in _names(words):
        stage.silent[name] = REBOOT if will_reboot(stage.recording, name, stage.recorded_s) else SILENCE
        stage.sim.begin(stage.silent[name], stage.node(name))


def _return(stage: Stage, words: Words) -> None:
    for name in _names(words):
        if name in stage.silent:
            stage.sim.end(stage.silent.pop(name), stage.node(name))


def _delete_node(stage: Stage, words: Words) -> None:
    stage.sim.state.remove_node(stage.node(words["node"]))


def _out_of_service(stage: Stage, words: Words) -> None:
    stage.sim.state.taint(stage.node(words["node"]), Taint("node.kubernetes.io/out-of-service", "", "NoExecute"))


def _drain(stage: Stage, words: Words) -> None:
    stage.sim.begin(DRAIN, stage.node(words["node"]))


def _stop_drain(stage: Stage, words: Words) -> None:
    stage.sim.components.evictions.stop_drain(stage.node(words["node"]))


def _cordon(stage: Stage, words: Words) -> None:
    stage.sim.state.cordon(stage.node(words["node"]))


def _uncordon(stage: Stage, words: Words) -> None:
    stage.sim.state.uncordon(stage.node(words["node"]))


def _label(stage: Stage, words: Words) -> None:
    node = stage.node(words["node"])
    stage.sim.state.relabel(node, {**stage.sim.state.nodes[node].labels, words["key"]: words["value"]})


def _unlabel(stage: Stage, words: Words) -> None:
    """Every node gets the labels back that it began with."""
    state = stage.sim.state
    for node, given in enumerate(state.cluster.nodes):
        if state.nodes[node].labels != given.labels:
            state.relabel(node, given.labels)


def _new_template(stage: Stage, words: Words) -> None:
    _roll(stage, stage.owner(words["kind"], words["name"]), _annotations(words["timing"]))


def _fix_template(stage: Stage, words: Words) -> None:
    """The durations the workload began with, in a new revision."""
    state = stage.sim.state
    for owner, held in enumerate(state.owners):
        if held.kind in ROLLED and held.revision > 1:
            _roll(stage, owner, held.workload.template.annotations)


def _undo(stage: Stage, words: Words) -> None:
    """kubectl rollout undo, back to the template of the start."""
    for owner, held in enumerate(stage.sim.state.owners):
        if held.kind in ROLLED and held.revision > 1:
            stage.sim.state.roll(owner, held.workload.template)


def _roll(stage: Stage, owner: int, annotations: Mapping[str, str]) -> None:
    held = stage.sim.state.owners[owner]
    stamped = {**annotations, STAMP: str(held.revision + 1)}
    stage.sim.state.roll(owner, with_annotations(held.template, stamped))


def with_annotations(template: PodTemplate, annotations: Mapping[str, str]) -> PodTemplate:
    """The same template with other annotations, in the manifest too."""
    metadata = {**template.manifest.get("metadata", {}), "annotations": dict(annotations)}
    return replace(template, annotations=annotations, manifest={**template.manifest, "metadata": metadata})


def _scale(stage: Stage, words: Words) -> None:
    """The workload named, or the first one of those that can be scaled."""
    state, name = stage.sim.state, words["name"]
    scalable = [row for row, held in enumerate(state.owners) if held.kind in ("Deployment", "StatefulSet")]
    state.scale(next(row for row in scalable if name in (None, state.owners[row].name)), int(words["replicas"]))


def _create(stage: Stage, words: Words) -> None:
    """A Deployment like the others of the recordings: one container of 200m unless the sentence says otherwise."""
    amount, selector = words["cpu"] or "200m", words["selector"] or ""
    labels = {"app": words["name"]}
    resources = {"requests": {"cpu": amount, "memory": "256Mi"}, "limits": {"cpu": amount, "memory": "256Mi"}}
    key, _, value = selector.partition("=")
    spec = {
        "containers": [{"name": "c", "image": "fake/app:1", "resources": resources}],
        **({"nodeSelector": {key: value}} if key else {}),
    }
    written = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": words["name"]},
        "spec": {
            "replicas": int(words["replicas"]),
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": spec},
        },
    }
    stage.sim.create(stage.recording.created(written))


def _delete_pod(stage: Stage, words: Words) -> None:
    pod = stage.pod(words["pod"])
    delete_pod(stage.sim.state, pod, stage.now, 0.0 if words.get("force") else None)


def _delete_claim(stage: Stage, words: Words) -> None:
    """The claim of a pod that is Pending, and the pod; the volume goes with its claim (reclaim policy Delete)."""
    state, pod = stage.sim.state, stage.pod(words["pod"])
    template = state.templates[state.pod_template[pod]]
    for name in template.claims:
        delete_claim(state, f"{template.namespace}/{name}")
    delete_pod(state, pod, stage.now)


def _fail_pod(stage: Stage, words: Words) -> None:
    """As the kubelet does when it evicts a pod."""
    state, pod = stage.sim.state, stage.pod(words["pod"])
    state.emit(Event(stage.now, "Pod", state.pod_key(pod), "Evicted", "set to phase Failed"))
    state.finish(pod, PHASE_FAILED)


def _set_quota(stage: Stage, words: Words) -> None:
    hard = dict(re.findall(r"'([^']+)': '([^']+)'", words["hard"]))
    stage.sim.components.admission.set_quota(NAMESPACE, words["name"], hard)


def _stop_component(stage: Stage, words: Words) -> None:
    stage.sim.components.fail(COMPONENTS[words["component"]], stage.now)


def _start_component(stage: Stage, words: Words) -> None:
    stage.sim.components.repair(COMPONENTS[words["component"]], stage.now)


def _nothing(stage: Stage, words: Words) -> None:
    """Said for the reader only."""


SENTENCES: tuple[tuple[re.Pattern[str], Act], ...] = tuple(
    (re.compile(pattern), act)
    for pattern, act in (
        (r"kubelet stops on (?P<nodes>.+)", _stop),
        (r"kubelet returns \((?P<how>\w+)\) on (?P<nodes>.+)", _return),
        (r"kubectl delete node (?P<node>\S+)", _delete_node),
        (r"taint out-of-service:NoExecute on (?P<node>\S+)", _out_of_service),
        (r"Drain: (?P<node>\S+) node/\S+ cordoned", _drain),
        (r"Drain: (?P<node>\S+) exit rc=1", _stop_drain),
        (r"kubectl cordon (?P<node>\S+)", _cordon),
        (r"kubectl uncordon (?P<node>\S+)", _uncordon),
        (r"label (?P<node>\S+) (?P<key>[^=]+)=(?P<value>\S+)", _label),
        (r"label removed", _unlabel),
        (r"new template for (?P<kind>\w+) (?P<name>\S+): (?P<timing>\{.*\})", _new_template),
        (r"template fixed", _fix_template),
        (r"undo", _undo),
        (r"scale (?:(?P<name>\S+) )?to (?P<replicas>\d+)", _scale),
        (
            r"create Deployment (?P<name>\S+) replicas (?P<replicas>\d+)"
            r"(?: of (?P<cpu>\S+) CPU)?(?: with nodeSelector (?P<selector>\S+))?",
            _create,
        ),
        (r"(?:kubectl )?delete pod (?P<pod>\S+)", _delete_pod),
        (r"kubectl delete (?P<force>--grace-period=0 --force) (?P<pod>\S+)", _delete_pod),
        (r"delete the PVC of the Pending StatefulSet pod, then the pod: (?P<pod>\S+)", _delete_claim),
        (r"pod (?P<pod>\S+) set to phase Failed \(Evicted\)", _fail_pod),
        (r"quota (?P<name>\S+) set to (?P<hard>\{.*\})", _set_quota),
        (r"(?P<component>\w+) stopped \(\w+\)", _stop_component),
        (r"(?P<component>\w+) started", _start_component),
        (r"kubectl drain \S+|order of nodes: .*", _nothing),
    )
)


def _names(words: Words) -> Iterable[str]:
    return words["nodes"].split(", ")


def _annotations(timing: str) -> dict[str, str]:
    """``{'start': 2, 'ready': 5}`` as annotations."""
    return {f"sim/{name}": value for name, value in re.findall(r"'(\w+)': (-?[\d.]+)", timing)}
