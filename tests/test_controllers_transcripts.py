"""Failures and recoveries told as transcripts: what goes wrong, and what the control plane then does and believes."""

import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gxsim.engine.phases import Phases
from gxsim.engine.simulation import Simulation
from gxsim.engine.start import start
from gxsim.load.objects import cluster
from gxsim.model.control_plane import ControlPlane, Kubelet, PodTiming
from gxsim.model.fault import Fault, FaultSelector
from gxsim.model.model import Usage
from gxsim.rng import Streams
from gxsim.scheduler import Framework
from gxsim.state import ENDPOINTS, NO_OWNER, PENDING, PHASE_FAILED, PHASE_RUNNING, PHASES, ClusterState
from gxsim.timeline import Timeline
from gxsim.units import duration_s, whole

TRANSCRIPTS = sorted((Path(__file__).parent / "testdata" / "failures").glob("*.txt"))
TOLERATIONS = [
    {"key": f"node.kubernetes.io/{what}", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}
    for what in ("not-ready", "unreachable")
]
CLAIM = {"metadata": {"name": "data"}, "spec": {"storageClassName": "local-path", "accessModes": ["ReadWriteOnce"]}}
LOCAL = {
    "kind": "StorageClass",
    "metadata": {"name": "local-path"},
    "provisioner": "rancher.io/local-path",
    "volumeBindingMode": "WaitForFirstConsumer",
}
KINDS = {"node": "NodeChaos", "kubelet": "NodeChaos", "pod": "PodChaos", "container": "PodChaos", "crash": "PodChaos"}
OF_CRON_JOBS = (
    "schedule",
    "timeZone",
    "concurrencyPolicy",
    "startingDeadlineSeconds",
    "successfulJobsHistoryLimit",
    "failedJobsHistoryLimit",
)
CONDITIONS = ("Unknown", "NotReady", "Ready")


class Teller:
    """Lease renewals at -1, -1.5, -2, ... s, passes of the node monitor at 2 s, of pod GC at 7 s; ties go by name."""

    def __init__(self) -> None:
        self.objects: list[dict[str, Any]] = [LOCAL]
        self.faults: list[Fault] = []
        self.timings: list[PodTiming] = []
        self.control_plane: dict[str, Any] = {}
        self.etcd: tuple[str, ...] = ()
        self.kubelet: dict[str, float] = {}
        self.truth = False
        self.usage: list[Usage] = []

    def told(self, command: str) -> str:
        verb, *words = command.split()
        plain = [word for word in words if "=" not in word]
        given = dict(word.split("=", 1) for word in words if "=" in word)
        return "\n".join(getattr(self, f"do_{verb}")(*plain, **given)) or "ok"

    def do_nodes(self, count: str, cpu: str = "4", zones: str = "0", memory: str = "16Gi") -> Iterator[str]:
        for i in range(int(count)):
            labels = {"kubernetes.io/hostname": f"n{i}"}
            if int(zones):
                labels["topology.kubernetes.io/zone"] = f"z{i % int(zones)}"
            capacity = {"cpu": cpu, "memory": memory, "pods": "20"}
            node = {"kind": "Node", "metadata": {"name": f"n{i}", "labels": labels}, "status": {"capacity": capacity}}
            self.objects.append(node)
        yield from ()

    def do_set(self, **given: str) -> Iterator[str]:
        """Parameters of the control plane, and ``etcd=n0,n1,n2``."""
        self.etcd = tuple(filter(None, given.pop("etcd", "").split(",")))
        leader = given.pop("leader", "")
        self.control_plane = {"leader": leader} | {
            name: value == "on" if value in ("on", "off") else float(value) for name, value in given.items()
        }
        yield from ()

    def do_tell(self, what: str) -> Iterator[str]:
        """``tell truth``: also when pods truly answer."""
        self.truth = what == "truth"
        yield from ()

    def do_kubelet(self, **given: str) -> Iterator[str]:
        """Parameters of the kubelet; ``memory_available=100Mi`` and other amounts of memory without their suffix."""
        for name, value in given.items():
            self.kubelet |= {f"{name}_bytes": whole(value)} if value.endswith("i") else {name: float(value)}
        yield from ()

    def do_usage(self, workload: str, memory: str, per_day: str = "0") -> Iterator[str]:
        """What a pod of *workload* uses, and what that grows by in a day."""
        self.usage.append(
            Usage(
                namespace="app",
                workload=workload,
                cpu_milli=0,
                memory_bytes=whole(memory),
                memory_per_day_bytes=whole(per_day),
                source="chosen",
            )
        )
        yield from ()

    def do_workload(self, reference: str, **given: str) -> Iterator[str]:
        """``workload Deployment/web replicas=3 cpu=500m start=2 ready=5`` and further fields of its spec.

        ``memory=`` is the request (none: ``memory=0``), ``limit=`` the limit, ``priority=`` and ``grace=`` the pods';
        ``readiness=5x2`` a probe every 5 s with a failure threshold of 2, likewise ``startup=`` and ``liveness=``; that
        one's own grace period is ``livenessGrace=``; ``preStop=`` a sleep; ``pull=`` the imagePullPolicy; ``known=``
        the time to Ready without a readiness probe where it is not ``ready=``.
        """
        kind, name = reference.split("/")
        times = {key: float(given.pop(key)) for key in ("start", "ready", "stop") if key in given}
        known_s = float(given.pop("known")) if "known" in given else times.get("ready", 0.0)
        seconds = {f"{key}_s": value for key, value in times.items()}
        self.timings.append(PodTiming(labels={"app": name}, unprobed_ready_s=known_s, **seconds))
        pod: dict[str, Any] = {"containers": [container(given)], "tolerations": TOLERATIONS}
        pod |= {"priority": int(given.pop("priority"))} if "priority" in given else {}
        pod |= {"terminationGracePeriodSeconds": int(given.pop("grace"))} if "grace" in given else {}
        spec: dict[str, Any] = {key: int(value) if value.isdigit() else value for key, value in given.items()}
        rolling = {key: spec.pop(key) for key in ("maxSurge", "maxUnavailable") if key in spec}
        if rolling:
            spec["strategy"] = {"type": "RollingUpdate", "rollingUpdate": rolling}
        if kind == "StatefulSet":
            spec["volumeClaimTemplates"] = [CLAIM]
        labels = {"app": name}
        spec |= {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": pod}}
        self.objects.append({"kind": kind, "metadata": {"name": name, "namespace": "app"}, "spec": spec})
        service = {"metadata": {"name": name, "namespace": "app"}, "spec": {"selector": labels}}
        self.objects.append({"kind": "Service", **service})
        yield from ()

    def do_batch(self, reference: str, **given: str) -> Iterator[str]:
        """``batch CronJob/report schedule=*/5,*,*,*,* run=2m`` (commas for blanks), fields of it and of its Job."""
        kind, name = reference.split("/")
        self.timings.append(PodTiming(labels={"app": name}, start_s=1.0, run_s=duration_s(given.pop("run", "1m"))))
        values: dict[str, Any] = {key: int(value) if value.isdigit() else value for key, value in given.items()}
        container = {"name": "c", "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}}}
        pod = {"containers": [container], "restartPolicy": values.pop("restartPolicy", "Never")}
        own = {key: values.pop(key) for key in OF_CRON_JOBS if key in values}
        job = {**values, "template": {"metadata": {"labels": {"app": name}}, "spec": pod}}
        if kind == "CronJob":
            job = {**own, "schedule": own["schedule"].replace(",", " "), "jobTemplate": {"spec": job}}
        self.objects.append({"kind": kind, "metadata": {"name": name, "namespace": "app"}, "spec": job})
        yield from ()

    def do_budget(self, app: str, **given: str) -> Iterator[str]:
        metadata = {"name": given.pop("name", app), "namespace": "app"}
        spec: dict[str, Any] = {key: int(value) if value.isdigit() else value for key, value in given.items()}
        spec["selector"] = {"matchLabels": {"app": app}}
        self.objects.append({"kind": "PodDisruptionBudget", "metadata": metadata, "spec": spec})
        yield from ()

    def do_quota(self, **hard: str) -> Iterator[str]:
        metadata = {"name": "q", "namespace": "app"}
        self.objects.append({"kind": "ResourceQuota", "metadata": metadata, "spec": {"hard": hard}})
        yield from ()

    def do_fault(self, action: str, target: str = "", **given: str) -> Iterator[str]:
        """``fault node-stop n0,n1 at=100s for=10m``; targets are nodes, ``app:web``, or a workload."""
        given["at"], lasts = given.get("at", "0"), given.pop("for", None)
        at_s = duration_s(given.pop("at"))
        selector = FaultSelector()
        if "/" in target:
            selector = FaultSelector(workloads=(target,))
        elif target.startswith("app:"):
            selector = FaultSelector(namespaces=("app",), label_selectors={"app": target[4:]})
        elif target.startswith("pod:"):
            selector = FaultSelector(namespaces=("app",), pods={"app": (target[4:],)})
        elif target:
            selector = FaultSelector(nodes=tuple(target.split(",")))
        kind = given.pop("kind", KINDS.get(action.split("-")[0], "Operation"))
        self.faults.append(
            Fault(
                name=f"{action}-{len(self.faults)}",
                kind=kind,
                action=action,
                mode=given.pop("mode", "all"),
                selector=selector,
                at_s=at_s,
                duration_s=None if lasts is None else duration_s(lasts),
                parameters=given,
            )
        )
        yield from ()

    def do_run(self, until: str) -> Iterator[str]:
        yield from story(*self.run(until), truth=self.truth)

    def run(self, until: str) -> tuple[ClusterState, Timeline]:
        state = ClusterState(cluster(self.objects))
        framework = Framework(state)
        start(state, framework)
        count = len(state.nodes)
        phases = Phases(
            monitor_s=2.0,
            pod_gc_s=7.0,
            flush_s=11.0,
            quota_s=100.0,
            leases_s=-1.0 - np.arange(count) / 2,
            status_s=np.full(count, 3.0),
            reconcile_s=np.full(count, 4.0),
            eviction_s=np.full(count, 5.0),
        )
        sim = Simulation(
            state,
            framework=framework,
            streams=Streams(1),
            phases=phases,
            faults=self.faults,
            pod_timings=self.timings,
            control_plane=ControlPlane(**self.control_plane),
            etcd_members=self.etcd,
            kubelet=Kubelet(**self.kubelet),
            usage=self.usage,
        )
        return state, sim.run(duration_s(until))


def container(given: dict[str, str]) -> dict[str, Any]:
    """The container that a ``workload`` command describes; its words are taken out of *given*."""
    requests = {"cpu": given.pop("cpu", "100m"), "memory": given.pop("memory", "64Mi")}
    resources = {"requests": {name: amount for name, amount in requests.items() if amount != "0"}}
    resources |= {"limits": {"memory": given.pop("limit")}} if "limit" in given else {}
    made: dict[str, Any] = {"name": "c", "image": "c", "resources": resources}
    for kind in ("startup", "readiness", "liveness"):
        if kind in given:
            period, _, threshold = given.pop(kind).partition("x")
            made[f"{kind}Probe"] = {"periodSeconds": int(period), "failureThreshold": int(threshold or 3)}
    if "livenessGrace" in given:
        made["livenessProbe"]["terminationGracePeriodSeconds"] = int(given.pop("livenessGrace"))
    if "preStop" in given:
        made["lifecycle"] = {"preStop": {"exec": {"command": ["sh", "-c", f"sleep {given.pop('preStop')}"]}}}
    if "pull" in given:
        made["imagePullPolicy"] = given.pop("pull")
    return made


def story(state: ClusterState, timeline: Timeline, *, truth: bool) -> Iterator[str]:
    """Every change after the start, pods of one sort on one line; *truth*: also when pods answer."""
    lines: dict[tuple[float, int, str], list[str]] = defaultdict(list)
    names = told_names(state)
    changes = (*node_changes(state, timeline), *pod_changes(state, timeline, truth=truth))
    for order, (time_s, what, who) in enumerate(changes):
        del order
        lines[time_s, 0 if who.startswith("n") else 1, what].append(who)
    for event in timeline.events:
        if event.reason in TOLD and event.message != "Stopping containers":
            times = f" ({event.count} times until {event.last_s:.2f} s)" if event.last_s is not None else ""
            message = re.sub(r"app/[\w-]+", lambda key: names.get(key.group(), key.group()), event.message)
            message = re.sub(r"web-\w+-\w+", "web-…", message)
            who = event.name if event.kind == "Node" else names.get(event.name, event.kind)
            lines[event.time_s, 2, f"{event.reason}: {message}{times}"].append(who)
    for (time_s, _, what), who in sorted(lines.items(), key=lambda item: (item[0][0], item[0][1])):
        yield f"{time_s:9.2f} s  {', '.join(who)} {what}"


TOLD = (
    *("DrainFailed", "FailedCreate", "FailedScheduling", "ProgressDeadlineExceeded", "EvictionRefused", "NodeDrained"),
    *("Completed", "BackoffLimitExceeded", "DeadlineExceeded"),
    *("SuccessfulCreate", "JobAlreadyActive", "TooManyMissedTimes", "UnknownTimeZone"),
    *("EvictionThresholdMet", "Evicted", "OOMKilling", "SystemOOM"),
    *("ErrImageNeverPull", "ImagePullBackOff", "Killing"),
)


def node_changes(state: ClusterState, timeline: Timeline) -> Iterator[tuple[float, str, str]]:
    for row, node in enumerate(state.nodes):
        for time_s, value in after_start(timeline, "node_ready", row):
            yield time_s, CONDITIONS[int(value)], node.name
        for time_s, value in after_start(timeline, "node_exists", row):
            yield time_s, "registered" if value else "deleted", node.name
    for name in timeline.level_names:
        if name.startswith("taint/"):
            _, node_name, taint = name.split("/", 2)
            times, values = timeline.levels(name)
            for time_s, value in zip(times.tolist(), values.tolist(), strict=True):
                yield time_s, f"{'+' if value else '-'}{taint.rpartition('/')[2]}", node_name


def told_names(state: ClusterState) -> dict[str, str]:
    """What each pod is called: its own name in a StatefulSet or alone, else its workload and a number; by pod key."""
    counts: dict[str, int] = defaultdict(int)
    names = {}
    for pod in range(len(state.pod_names)):
        app, owner = state.templates[state.pod_template[pod]].labels["app"], int(state.pod_owner[pod])
        names[state.pod_key(pod)] = state.pod_names[pod]
        if owner != NO_OWNER and state.owners[owner].kind != "StatefulSet":
            names[state.pod_key(pod)] = f"{app}#{counts[app]}"
            counts[app] += 1
    return names


def pod_changes(state: ClusterState, timeline: Timeline, *, truth: bool) -> Iterator[tuple[float, str, str]]:
    names = told_names(state)
    for pod in range(len(state.pod_names)):
        name = names[state.pod_key(pod)]
        for time_s, value in after_start(timeline, "pod_exists", pod):
            yield time_s, "created" if value else "gone", name
        for time_s, value in after_start(timeline, "pod_node", pod):
            if value != PENDING:
                yield time_s, f"bound to {state.nodes[int(value)].name}", name
        for time_s, value in after_start(timeline, "pod_phase", pod):
            if value in (PHASE_RUNNING, PHASE_FAILED):
                yield time_s, PHASES[int(value)].lower(), name
        for time_s, value in after_start(timeline, "pod_terminating", pod):
            if value:
                yield time_s, "terminating", name
        for time_s, value in after_start(timeline, "pod_endpoint", pod):
            yield time_s, f"endpoint {ENDPOINTS[int(value)]}", name
        for time_s, value in after_start(timeline, "pod_serving", pod) if truth else ():
            yield time_s, "answers" if value else "is silent", name
        for time_s, value in after_start(timeline, "pod_restarts", pod):
            yield time_s, f"restarted ({int(value)})", name


def after_start(timeline: Timeline, quantity: str, row: int) -> list[tuple[float, float]]:
    times, values = timeline.changes(quantity).of(row)
    return [(t, v) for t, v in zip(times.tolist(), values.tolist(), strict=True) if t > 0]


def played(text: str, teller_of: type[Teller] = Teller) -> str:
    """The transcript with what is told now; each block of commands is a run of its own."""
    told = []
    for block in re.split(r"\n\n(?=\S)", text.strip("\n")):
        lines = block.split("\n")
        end = lines.index("----") if "----" in lines else len(lines)
        teller = teller_of()
        answers = [teller.told(line) for line in lines[:end] if not line.startswith("#")]
        told.append("\n".join([*lines[:end], "----", *(a for a in answers if a != "ok")]))
    return "\n\n".join(told) + "\n"


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda p: p.stem)
def test_the_control_plane_tells_the_story_of_the_transcript(path: Path, request: pytest.FixtureRequest) -> None:
    told = played(path.read_text())
    if request.config.getoption("--rewrite", default=False):
        path.write_text(told)
    assert told == path.read_text()


def test_there_are_transcripts() -> None:
    assert len(TRANSCRIPTS) >= 8
