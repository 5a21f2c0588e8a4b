"""Does placement tell the right story? Each file under testdata/scheduler is a transcript; read the diff of a rewrite.

A block is commands, ``----``, and what came of them. ``pytest --rewrite`` writes the files anew.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gxsim.model.cluster import Cluster
from gxsim.model.node import Node, Taint
from gxsim.model.pod import (
    Container,
    HostPort,
    PodAffinity,
    PodAffinityTerm,
    PodTemplate,
    Toleration,
    TopologySpreadConstraint,
)
from gxsim.model.selectors import LabelSelector, Requirement
from gxsim.scheduler import Framework
from gxsim.state import ClusterState
from gxsim.units import cpu_milli, whole

TRANSCRIPTS = sorted((Path(__file__).parent / "testdata" / "scheduler").glob("*.txt"))
HOSTNAME, ZONE = "kubernetes.io/hostname", "topology.kubernetes.io/zone"


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda p: p.stem)
def test_the_transcript_reads_the_same(path: Path, request: pytest.FixtureRequest) -> None:
    written = path.read_text()
    told = "\n".join(_told(written))
    if request.config.getoption("--rewrite"):
        path.write_text(told)
    else:
        assert told == written


def _told(text: str) -> Iterator[str]:
    """The lines of a transcript with the answers given now."""
    story, answering = _Story(), False
    commands: list[str] = []
    for line in text.split("\n"):
        if answering and line:
            continue  # what was answered then
        yield line
        if line == "----":
            for command in commands:
                yield from story.tell(command)
            commands, answering = [], True
        elif not line:
            answering = False
        elif not line.startswith("#"):
            commands.append(line)


class _Story:
    """A cluster that grows by the commands of a transcript."""

    def __init__(self) -> None:
        self._nodes: list[Node] = []
        self._state: ClusterState | None = None

    def tell(self, line: str) -> Iterator[str]:
        verb, name, *rest = line.split()
        options = dict(option.split("=", 1) for option in rest)
        if verb == "node":
            self._nodes.append(_node(name, options))
            return
        if self._state is None:
            self._state = ClusterState(Cluster(nodes=tuple(self._nodes)))
            self._framework = Framework(self._state)
        yield from getattr(self, f"_{verb}")(self._state, name, options)

    def _pods(self, state: ClusterState, name: str, options: dict[str, str]) -> Iterator[str]:
        template = _template(name, options)
        for number in range(int(options.get("count", "1"))):
            pod = state.create(f"{name}-{number}", template)
            decision = self._framework.decide(pod)
            if decision.scheduled:
                self._framework.bind(pod, decision.node)
                state.start(pod, float(pod))
                yield f"{name}-{number} -> {state.nodes[decision.node].name}"
                continue
            yield f"{name}-{number} -> Pending: {decision.message()}"
            nomination = self._framework.preempt(pod, decision)
            if nomination is not None:
                victims = ", ".join(state.pod_names[victim] for victim in nomination.victims)
                yield f"{name}-{number} nominates {state.nodes[nomination.node].name}, evicting {victims}"

    def _cordon(self, state: ClusterState, name: str, options: dict[str, str]) -> Iterator[str]:
        state.cordon(state.node_index[name])
        yield f"{name} cordoned"

    def _delete(self, state: ClusterState, name: str, options: dict[str, str]) -> Iterator[str]:
        pod = max(p for p, found in enumerate(state.pod_names) if found == name and state.pod_exists[p])
        state.delete(pod)
        yield f"{name} deleted"

    def _explain(self, state: ClusterState, name: str, options: dict[str, str]) -> Iterator[str]:
        pod = state.create(f"{name}-explained", _template(name, options))
        found = self._framework.explain(pod)
        state.delete(pod)
        for i, node in enumerate(state.nodes):
            refusal = found.diagnosis.refusal(i)
            if refusal is not None:
                yield f"{node.name}: {refusal.plugin} {refusal.code}: {', '.join(refusal.reasons)}"
            else:
                scores = " + ".join(f"{plugin} {score[i]}" for plugin, score in sorted(found.scores.items()))
                yield f"{node.name}: {found.total[i]} = {scores}{'  best' if i in found.best else ''}"


def _node(name: str, options: dict[str, str]) -> Node:
    labels = {HOSTNAME: name} | ({ZONE: options["zone"]} if "zone" in options else {})
    taints = [t.split(":") for t in options.get("taints", "").split(",") if t]
    return Node(
        name=name,
        labels=labels,
        allocatable={
            "cpu": cpu_milli(options.get("cpu", "4")),
            "memory": whole(options.get("memory", "8Gi")),
            "pods": 110,
        },
        taints=tuple(Taint(key, "", effect) for key, effect in taints),
    )


def _template(name: str, options: dict[str, str]) -> PodTemplate:
    requests = {"cpu": cpu_milli(options.get("cpu", "1")), "memory": whole(options.get("memory", "1Gi"))}
    like = LabelSelector((Requirement("app", "In", (name,)),))
    apart = tuple(PodAffinityTerm(key, like, ("default",)) for key in (options.get("apart"),) if key)
    spread = tuple(TopologySpreadConstraint(key, 1, "DoNotSchedule", like) for key in (options.get("spread"),) if key)
    return PodTemplate(
        namespace="default",
        labels={"app": name},
        containers=(Container(name="main", image=f"{name}:1", requests=requests),),
        requests=requests,
        scored_requests=(requests["cpu"], requests["memory"]),
        priority=int(options.get("priority", "0")),
        pod_anti_affinity=PodAffinity(required=apart),
        topology_spread_constraints=spread,
        tolerations=tuple(Toleration(key, "Exists") for key in (options.get("tolerates"),) if key),
        host_ports=tuple(HostPort("0.0.0.0", "TCP", int(port)) for port in (options.get("port"),) if port),
    )
