"""The report: words, tables for people, pictures, files."""

from dataclasses import replace

import numpy as np
import pytest

from gxsim.load.scenario import Case
from gxsim.model.cluster import Claim, Cluster, Service, Unmodelled, Volume, Workload
from gxsim.model.expectation import Expectation
from gxsim.model.fault import Fault, FaultSelector
from gxsim.model.model import Backup, ConsensusGroup, Model, Usage
from gxsim.model.node import Node
from gxsim.model.pod import PodTemplate
from gxsim.model.scenario import Scenario
from gxsim.model.selectors import LabelSelector, NodeSelector, NodeSelectorTerm, Requirement
from gxsim.observe.expectations import judge
from gxsim.observe.nodes import node_load, node_table
from gxsim.observe.pods import pod_counts, pod_fates
from gxsim.observe.quorum import quorum_intervals, quorum_series
from gxsim.observe.services import service_intervals, service_series, service_table
from gxsim.observe.table import Table
from gxsim.observe.volumes import volume_table
from gxsim.observe.workloads import node_losses, workload_table
from gxsim.state import NOT_READY, READY, UNKNOWN, ClusterState, Event, Owner
from gxsim.study.result import Result
from gxsim.timeline import Timeline

GIB = 2**30
HORIZON_S = 7200.0
LOST_S, NOTICED_S, EVICTED_S, MOVED_S, BACK_S = 60.0, 110.0, 410.0, 415.0, 2400.0


def shop() -> Cluster:
    """Three nodes; a web Deployment of 3, a voting StatefulSet of 3 on node-local volumes, a bare pod's place."""
    amounts = {"cpu": 4000, "memory": 16 * GIB, "ephemeral-storage": 100 * GIB, "pods": 110}
    nodes = tuple(
        Node(name=f"node-{i}", labels={"kubernetes.io/hostname": f"node-{i}"}, allocatable=amounts, capacity=amounts)
        for i in range(3)
    )
    templates = {
        app: PodTemplate(
            namespace="shop",
            labels={"app": app.partition("-")[0]},
            requests={"cpu": cpu, "memory": GIB},
            limits={"cpu": 2 * cpu, "memory": 2 * GIB},
            claims=claims,
        )
        for app, cpu, claims in (("web", 500, ()), *((f"db-{i}", 1000, (f"data-db-{i}",)) for i in range(3)))
    }
    workloads = [Workload(kind="Deployment", namespace="shop", name="web", template=templates["web"], replicas=3)]
    workloads += [
        Workload(kind="StatefulSet", namespace="shop", name=app, template=template)
        for app, template in templates.items()
        if app != "web"
    ]
    return Cluster(
        nodes=nodes,
        namespaces={"shop": {}},
        workloads=tuple(workloads),
        services=tuple(
            Service(namespace="shop", name=name, selector=_labels(**labels))
            for name, labels in (("web", {"app": "web"}), ("db", {"app": "db"}), ("one", {"app": "db", "x": "y"}))
        ),
        claims=tuple(
            Claim(
                namespace="shop",
                name=f"data-db-{i}",
                storage_class="local",
                size_bytes=GIB,
                volume=f"pv-{i}",
                bound=True,
            )
            for i in range(3)
        ),
        volumes=tuple(
            Volume(name=f"pv-{i}", storage_class="local", size_bytes=20 * GIB, node_affinity=_only(f"node-{i}"))
            for i in range(3)
        ),
        unmodelled=(Unmodelled(kind="Certificate", name="shop/tls<b>", source="shop.yaml:9"),),
    )


def _labels(**labels: str) -> LabelSelector:
    return LabelSelector(tuple(Requirement(key, "In", (value,)) for key, value in labels.items()))


def _only(node: str) -> NodeSelector:
    at = Requirement("kubernetes.io/hostname", "In", (node,))
    return NodeSelector(terms=(NodeSelectorTerm(expressions=(at,)),))


def lost_node() -> tuple[ClusterState, Timeline]:
    """node-0 stops at 60 s, is noticed at 110 s and back at 2400 s; its web pod moves at 410 s, its database waits."""
    state = ClusterState(shop())
    timeline = Timeline([node.name for node in state.nodes])
    pods = {}
    for workload in state.cluster.workloads:
        owner = state.own(
            Owner(
                kind=workload.kind,
                namespace="shop",
                name=workload.name,
                workload=workload,
                template=workload.template,
                replicas=workload.replicas,
            )
        )
        for i in range(workload.replicas):
            node = i if workload.kind == "Deployment" else int(workload.name[-1])
            name = f"{workload.name}-{i}" if workload.kind == "Deployment" else workload.name
            pods[name] = pod = state.create(name, workload.template, owner=owner, ordinal=i)
            state.bind(pod, node)
            state.start(pod, 0.0)
            state.mark_pod_ready(pod, 0.0)
    timeline.record(0.0, state)
    lose(state, timeline, pods)
    timeline.close(HORIZON_S, state)
    return state, timeline


def lose(state: ClusterState, timeline: Timeline, pods: dict[str, int]) -> None:
    state.fail(0)
    timeline.record(LOST_S, state)
    state.mark_ready(0, UNKNOWN)
    state.mark_pod_not_ready(pods["web-0"])
    state.mark_pod_not_ready(pods["db-0"])
    timeline.record(NOTICED_S, state)
    state.terminate(pods["web-0"], EVICTED_S)
    new = state.create("web-3", state.templates[state.pod_template[pods["web-0"]]], now=EVICTED_S, owner=0, ordinal=0)
    timeline.record(EVICTED_S, state)
    state.bind(new, 1)
    state.start(new, MOVED_S)
    state.mark_pod_ready(new, MOVED_S)
    timeline.record(MOVED_S, state)
    state.repair(0)
    state.mark_ready(0, READY)
    state.delete(pods["web-0"])
    state.mark_pod_ready(pods["db-0"], BACK_S)
    timeline.record(BACK_S, state)


def result_of(*expected: str) -> Result:
    """The result of that run, with these expectations."""
    state, timeline = lost_node()
    model = Model(
        usage=(Usage(namespace="shop", workload="*", cpu_milli=400, memory_bytes=GIB // 2, source="measured"),),
        consensus_groups=(
            ConsensusGroup(name="db", protocol="etcd", namespace="shop", pod_selector={"app": "db"}, source="here"),
        ),
        backups=(
            Backup(
                name="dump",
                namespace="shop",
                workload="db*",
                every_s=86400,
                keep=3,
                restore_s=(600, 900),
                source="here",
            ),
        ),
    )
    fault = Fault(
        kind="NodeChaos", action="node-stop", at_s=LOST_S, duration_s=2340, selector=FaultSelector(nodes=("node-0",))
    )
    scenario = Scenario(
        name="shop-loss",
        question="What if <node-0> stops?",
        manifests=("shop",),
        horizon_s=HORIZON_S,
        clock="23:00",
        faults=(fault,),
        expect=tuple(Expectation.parse(text) for text in expected),
    )
    services, quorum = service_series(state, timeline), quorum_series(state, timeline, model.consensus_groups)
    load = node_load(state, timeline, model, np.array([0.0, 2000.0, HORIZON_S]))
    headroom = Table.of(
        "headroom",
        "headroom",
        (
            "node_lost",
            "pods",
            "stay_with_node",
            "to_move",
            "placed",
            "pending",
            "largest_cpu_percent",
            "largest_memory_percent",
            "first_refusal",
        ),
        [("node-0", 2, 1, 1, 1, 0, 62.5, 12.5, "")],
    )
    tables = (
        node_losses(state, timeline),
        pod_fates(state, timeline),
        service_table(services, HORIZON_S),
        service_intervals(services, HORIZON_S),
        quorum_intervals(quorum, HORIZON_S),
        workload_table(state, timeline),
        volume_table(state, timeline, model),
        node_table(state, load, ("before", "during", "after")),
        pod_counts(timeline),
        headroom,
    )
    named = {table.name: table for table in tables}
    return Result(
        case=Case(scenario=scenario, cluster=state.cluster, model=model, digests={"shop/all.yaml": "ab" * 32}),
        seed=7,
        state=state,
        timeline=timeline,
        tables=named,
        services=tuple(services),
        quorum=tuple(quorum),
        verdicts=judge(scenario.expect, named),
        assumptions=("Nobody sleeps.",),
        provenance={"gxsim": "0.1.0", "seed": 7},
    )
