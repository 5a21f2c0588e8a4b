"""Whole runs of a small cluster: what the control plane believes, does and restores, on the clock."""

from dataclasses import replace

import numpy as np
import pytest

from gxsim.engine.phases import Phases
from gxsim.engine.simulation import Simulation
from gxsim.engine.start import start
from gxsim.errors import ScenarioError
from gxsim.load.objects import cluster
from gxsim.model.cluster import Cluster
from gxsim.model.control_plane import ControlPlane
from gxsim.model.fault import Fault, FaultSelector
from gxsim.rng import Streams
from gxsim.scheduler import Framework
from gxsim.state import PENDING, READY, UNKNOWN, ClusterState
from gxsim.timeline import Timeline

NODES = ("n0", "n1", "n2", "n3")
TOLERATIONS = [
    {"key": f"node.kubernetes.io/{what}", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}
    for what in ("not-ready", "unreachable")
]


def pod_spec(cpu: str = "500m") -> dict:
    requests = {"cpu": cpu, "memory": "256Mi"}
    return {"containers": [{"name": "c", "resources": {"requests": requests}}], "tolerations": TOLERATIONS}


def workload(kind: str, name: str, **spec: object) -> dict:
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": spec.pop("pod", pod_spec())}
    return {
        "kind": kind,
        "metadata": {"name": name, "namespace": "app"},
        "spec": {"selector": {"matchLabels": labels}, "template": template, **spec},
    }


def small_cluster(*objects: dict, labels: dict[str, dict[str, str]] | None = None) -> Cluster:
    """Four nodes of 4 CPU; web (3 replicas), db (2, with local volumes), agent, their Services."""
    nodes = [
        {
            "kind": "Node",
            "metadata": {"name": n, "labels": {"kubernetes.io/hostname": n, **(labels or {}).get(n, {})}},
            "status": {"capacity": {"cpu": "4", "memory": "16Gi", "pods": "20"}},
        }
        for n in NODES
    ]
    claim = {"metadata": {"name": "data"}, "spec": {"storageClassName": "local-path", "accessModes": ["ReadWriteOnce"]}}
    return cluster(
        [
            *nodes,
            {
                "kind": "StorageClass",
                "metadata": {"name": "local-path"},
                "provisioner": "rancher.io/local-path",
                "volumeBindingMode": "WaitForFirstConsumer",
            },
            workload("Deployment", "web", replicas=3),
            workload("StatefulSet", "db", replicas=2, volumeClaimTemplates=[claim]),
            workload("DaemonSet", "agent", pod=pod_spec("50m")),
            {"kind": "Service", "metadata": {"name": "web", "namespace": "app"}, "spec": {"selector": {"app": "web"}}},
            *objects,
        ]
    )


PHASES = Phases(
    monitor_s=2.0,
    pod_gc_s=7.0,
    flush_s=11.0,
    quota_s=100.0,
    leases_s=np.array([-1.0, -2.0, -3.0, -4.0]),
    status_s=np.zeros(4),
    reconcile_s=np.zeros(4),
)


def simulate(
    *faults: Fault, until_s: float = 3600.0, given: Cluster | None = None, **options: object
) -> tuple[ClusterState, Timeline]:
    state = ClusterState(given or small_cluster())
    framework = Framework(state)
    start(state, framework)
    sim = Simulation(state, framework=framework, streams=Streams(1), phases=PHASES, faults=faults, **options)
    return state, sim.run(until_s)


def node_fault(action: str, *nodes: str, **fields: object) -> Fault:
    return Fault(kind="NodeChaos", action=action, selector=FaultSelector(nodes=nodes), **fields)


def pods(state: ClusterState, app: str) -> list[int]:
    """Rows of the existing pods of one workload."""
    return [
        p
        for p in range(len(state.pod_names))
        if state.pod_exists[p] and state.templates[state.pod_template[p]].labels["app"] == app
    ]


def first(timeline: Timeline, quantity: str, row: int, value: float) -> float:
    """When *row* first had *value*."""
    times, values = timeline.changes(quantity).of(row)
    return float(times[values == value][0])


def test_a_cluster_starts_with_every_pod_running_and_ready() -> None:
    state, _ = simulate(until_s=1.0)
    assert [len(pods(state, app)) for app in ("web", "db", "agent")] == [3, 2, 4]
    assert state.pod_ready.all()
    assert (state.pod_node != PENDING).all()


def test_a_quiet_cluster_needs_no_event() -> None:
    state, timeline = simulate(until_s=1e6)
    assert timeline.times_s().tolist() == [0.0, 1e6]
    assert state.events == []


def test_a_dead_node_is_noticed_one_grace_period_after_the_pass_that_saw_its_last_lease() -> None:
    # Died at 100; last renewal of n0 at 99, seen by the pass at 102, Unknown 50 s later.
    _, timeline = simulate(node_fault("node-stop", "n0", at_s=100.0))
    assert first(timeline, "node_ready", 0, UNKNOWN) == pytest.approx(152.0)


def test_pods_of_a_dead_node_stop_serving_at_once_but_stay_ready_until_it_is_noticed() -> None:
    _, timeline = simulate(node_fault("node-stop", "n0", at_s=100.0), until_s=400.0)
    rows = np.flatnonzero(timeline.at("pod_node", 99.0) == 0)
    assert len(rows) > 0
    assert not timeline.at("pod_serving", 100.0)[rows].any()
    assert timeline.at("pod_ready", 151.0)[rows].all()
    assert not timeline.at("pod_ready", 152.0)[rows].any()


def test_a_replacement_comes_after_the_toleration_and_a_stateful_pod_waits_for_its_node() -> None:
    fault = node_fault("node-stop", "n0", "n1", at_s=100.0, duration_s=1000.0)
    state, timeline = simulate(fault)
    nodes = timeline.at("pod_node", 99.0)
    lost = np.flatnonzero((nodes != PENDING) & (nodes <= 1)).tolist()
    web = [p for p in lost if state.templates[state.pod_template[p]].labels["app"] == "web"]
    created = state.pod_created_s[state.pod_created_s > 100.0]
    assert len(web) > 0
    # the first node is tainted at 152, the second ten seconds later
    assert set(np.round(created[created < 1000.0], 1)) <= {452.0, 462.0}
    db = [p for p in pods(state, "db") if state.pod_created_s[p] > 0]
    assert all(state.pod_created_s[p] == pytest.approx(1102.0) for p in db)
    assert len(db) == len([p for p in lost if state.templates[state.pod_template[p]].labels["app"] == "db"])


def test_daemon_pods_outlive_their_node() -> None:
    state, _ = simulate(node_fault("node-stop", "n0", at_s=100.0, duration_s=1000.0))
    agent = next(p for p in pods(state, "agent") if state.pod_node[p] == 0)
    assert state.pod_created_s[agent] < 0
    assert state.pod_restarts[agent] == 1
    assert state.pod_ready[agent]


def test_a_node_that_is_back_within_its_grace_period_leaves_no_trace_in_the_control_plane() -> None:
    _, timeline = simulate(node_fault("kubelet-stop", "n0", at_s=100.0, duration_s=30.0))
    assert (timeline.changes("node_ready").times_s == 0.0).all()
    assert (timeline.changes("pod_ready").times_s == 0.0).all()


def test_all_taints_are_gone_after_the_return() -> None:
    state, _ = simulate(node_fault("node-stop", "n0", at_s=100.0, duration_s=1000.0))
    assert all(taints == () for taints in state.taints)
    assert (state.node_ready == READY).all()


def test_three_of_four_nodes_lost_in_one_zone_evicts_nobody() -> None:
    # Leases were last renewed within one monitor period, so one pass notices all three.
    phases = replace(PHASES, leases_s=np.array([-1.0, -1.5, -2.0, -2.5]))
    state = ClusterState(small_cluster())
    framework = Framework(state)
    start(state, framework)
    fault = node_fault("node-stop", "n0", "n1", "n2", at_s=100.0)
    sim = Simulation(state, framework=framework, streams=Streams(1), phases=phases, faults=[fault])
    sim.run(3600.0)
    assert not state.pod_terminating.any()
    assert (state.node_ready[:3] == UNKNOWN).all()


def test_without_etcd_quorum_nothing_is_noticed_and_nothing_moves() -> None:
    fault = node_fault("node-stop", "n0", "n1", at_s=100.0)
    state, timeline = simulate(fault, etcd_members=("n0", "n1", "n2"))
    assert (state.node_ready == READY).all()
    assert not state.pod_terminating.any()
    assert timeline.levels("etcd_members_up")[1].tolist() == [3.0, 1.0]
    assert timeline.levels("control_plane")[1].tolist() == [1.0, 0.0]


def test_a_killed_pod_is_replaced_at_once() -> None:
    fault = Fault(
        kind="PodChaos",
        action="pod-kill",
        mode="one",
        selector=FaultSelector(label_selectors={"app": "web"}),
        at_s=50.0,
    )
    state, _ = simulate(fault)
    created = [float(state.pod_created_s[p]) for p in pods(state, "web")]
    assert sorted(created)[-1] == 50.0
    assert len(created) == 3


def test_a_killed_container_runs_again_on_the_same_node() -> None:
    fault = Fault(
        kind="PodChaos",
        action="container-kill",
        selector=FaultSelector(namespaces=("app",), pods={"app": ("db-0",)}),
        at_s=50.0,
    )
    state, timeline = simulate(fault)
    db = pods(state, "db")[0]
    assert state.pod_restarts[db] == 1
    assert first(timeline, "pod_restarts", db, 1) == 51.0


def test_crash_loop_back_off_doubles_up_to_five_minutes() -> None:
    fault = Fault(
        kind="PodChaos",
        action="container-kill",
        selector=FaultSelector(namespaces=("app",), pods={"app": ("db-0",)}),
        schedule_s=1.5,
    )
    _, timeline = simulate(fault, until_s=2000.0)
    times, values = timeline.changes("pod_restarts").of(timeline.pod_names.index("db-0"))
    gaps = np.diff(times[values > 0])
    assert gaps[:7].tolist() == pytest.approx([12.0, 21.0, 42.0, 81.0, 162.0, 301.5, 301.5], abs=1.5)


def test_a_component_outage_starts_the_grace_period_anew() -> None:
    outage = Fault(
        kind="ComponentChaos",
        action="component-stop",
        parameters={"component": "kube-controller-manager"},
        at_s=90.0,
        duration_s=60.0,
    )
    _, timeline = simulate(outage, node_fault("node-stop", "n0", at_s=100.0))
    assert first(timeline, "node_ready", 0, UNKNOWN) == pytest.approx(200.5)  # half a second to start


def test_an_unknown_node_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(ScenarioError) as error:
        simulate(node_fault("node-stop", "n9"))
    assert str(error.value) == "faults[0].selector.nodes[0]: there is no node 'n9'; did you mean 'n3'?"


def test_an_unknown_action_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(ScenarioError) as error:
        simulate(node_fault("node-stopp", "n0"))
    assert str(error.value) == "faults[0].action: unknown action 'node-stopp'; did you mean 'node-stop'?"


def test_the_same_seed_gives_the_same_timeline() -> None:
    def one() -> list[tuple]:
        faults = [node_fault("node-stop", *NODES, mtbf_s=5000.0, mttr_s=600.0)]
        state, timeline = simulate(*faults, until_s=50_000.0, control_plane=ControlPlane())
        changes = timeline.changes("pod_node")
        return [*state.events, changes.times_s.tobytes(), changes.rows.tobytes(), changes.values.tobytes()]

    assert one() == one()
