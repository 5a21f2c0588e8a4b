"""Survival and drains: what the clock says agrees with what the scheduler says without one."""

import dataclasses

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gxsim.errors import ScenarioError
from gxsim.load.scenario import Case, load
from gxsim.model.cluster import Cluster, PodDisruptionBudget
from gxsim.model.model import Model
from gxsim.model.scenario import Scenario
from gxsim.observe.headroom import lose, losses, may_move
from gxsim.plan.carry import carried, place_case
from gxsim.plan.drain import drain
from gxsim.plan.survive import survive
from gxsim.state import NO_OWNER, ClusterState
from gxsim.study.start import started
from tests.plan_clusters import LOCAL_PATH, apart, daemon_set, deployment, node, selecting, stateful_set, template


def case(cluster: Cluster) -> Case:
    return Case(scenario=Scenario(name="test", manifests=()), cluster=cluster, model=Model())


def left_by_the_scheduler(state: ClusterState, lost: tuple[int, ...]) -> tuple[int, int]:
    """Pods without room, and pods that wait for a volume of the lost nodes, without any clock."""
    here = np.flatnonzero(state.pod_active & np.isin(state.pod_node, lost) & (state.pod_owner != NO_OWNER))
    kept = [int(pod) for pod in here if state.owners[state.pod_owner[pod]].workload.kind != "DaemonSet"]
    return len(lose(state, lost).pending), sum(not may_move(state, pod, lost) for pod in kept)


@settings(max_examples=20, deadline=None)
@given(
    st.lists(st.integers(2, 6), min_size=2, max_size=4),
    st.lists(st.tuples(st.integers(1, 5), st.booleans(), st.booleans()), min_size=1, max_size=3),
)
def test_survival_on_the_clock_agrees_with_the_scheduler(cores: list[int], apps: list[tuple[int, bool, bool]]) -> None:
    """All pods ask for one core, so that the order in which they come back decides nothing."""
    workloads = [daemon_set("agent", template("agent", 0, 64))]
    for i, (replicas, exclusive, stateful) in enumerate(apps):
        rules = {"pod_anti_affinity": apart(f"app-{i}")} if exclusive else {}
        make = stateful_set if stateful else deployment
        workloads.append(make(f"app-{i}", replicas, template(f"app-{i}", 1000, 64, **rules)))
    nodes = tuple(node(f"node-{i}", 1000 * count) for i, count in enumerate(cores))
    placed = place_case(case(Cluster(nodes=nodes, workloads=tuple(workloads), storage_classes=(LOCAL_PATH,))))
    assume(not placed.waiting)  # who waits from the start is in the race for what a loss leaves
    asked = carried(placed, placed.case.cluster).case  # from here on pods lie where they lie, whoever breaks ties
    state, _ = started(asked, asked.placement)
    matrix = survive(asked, sizes=(1,), jobs=1).matrix
    for row, lost in zip(matrix.rows(), losses(state, 1), strict=True):
        assert (row["pods_pending"], row["pods_waiting"]) == left_by_the_scheduler(state, lost)


def test_survival_of_the_documented_cluster_agrees_wherever_its_control_plane_lives() -> None:
    asked = load("gx/node-loss")
    state, _ = started(asked, asked.placement)
    found = survive(asked, jobs=1)
    rows = {row["lost"]: row for row in found.matrix.rows()}
    for size in (1, 2):
        for lost in losses(state, size):
            row = rows[", ".join(state.nodes[n].name for n in lost)]
            if "etcd" not in row["quorum_lost"]:  # without it nothing is evicted, and nothing is made anew
                assert (row["pods_pending"], row["pods_waiting"]) == left_by_the_scheduler(state, lost)
    assert {row["lost"] for row in rows.values() if row["quorum_lost"]} == {
        "srv1089618, srv1089624",
        "srv1089618, srv1092158",
        "srv1089624, srv1092158",
    }
    assert [row["lost"] for row in rows.values() if row["loss"] == "region"] == [
        "americas (1)",
        "asia-southeast (1)",
        "europe (2)",
    ]
    assert found.survived == 1  # the planned worker alone


def test_workers_change_nothing() -> None:
    pod = template("web", 1000, 64)
    asked = case(Cluster(nodes=tuple(node(n) for n in "abc"), workloads=(deployment("web", 4, pod),)))
    assert survive(asked, jobs=2).matrix.columns == survive(asked, jobs=1).matrix.columns


def test_nodes_that_come_back_leave_nothing_lacking() -> None:
    pod = template("web", 1000, 64, pod_anti_affinity=apart("web"))
    asked = case(Cluster(nodes=(node("a"), node("b")), workloads=(deployment("web", 2, pod),)))
    assert survive(asked, sizes=(1,)).survived == 0  # nowhere to go beside one's like
    assert survive(asked, sizes=(1,), duration_s=600.0).survived == 2


def test_a_drain_ends_when_the_last_pod_is_gone() -> None:
    pod = template("web", 1000, 64)
    plan = drain(case(Cluster(nodes=(node("a"), node("b")), workloads=(deployment("web", 2, pod),))), ["a"])
    assert plan.done
    assert plan.duration_s is not None
    assert 0 < plan.duration_s < 60
    assert [(row["successor_node"], row["outcome"]) for row in plan.pods.rows()] == [("b", "moved")]
    assert len(plan.obstacles) == 0


def test_a_budget_that_lets_nobody_go_blocks_a_drain() -> None:
    pod = template("web", 1000, 64)
    budget = PodDisruptionBudget(namespace="default", name="all", selector=selecting("web"), min_available=2)
    cluster = Cluster(
        nodes=(node("a"), node("b")), workloads=(deployment("web", 2, pod),), disruption_budgets=(budget,)
    )
    plan = drain(case(cluster), ["a"], timeout_s=120.0)
    assert (plan.done, plan.duration_s) == (False, None)
    assert [row["why"] for row in plan.obstacles.rows()] == [
        "never evicted: Cannot evict pod as it would violate the pod's disruption budget. "
        "The disruption budget all needs 2 healthy pods and has 2 currently"
    ]


def test_nodes_without_obstacles_are_drained_first() -> None:
    pod = template("web", 1000, 64, pod_anti_affinity=apart("web"))
    cluster = Cluster(nodes=(node("a"), node("b"), node("c", 500)), workloads=(deployment("web", 2, pod),))
    plan = drain(case(cluster), ["a", "c"], timeout_s=120.0)
    assert plan.nodes.columns["node"] == ["c", "a"]
    assert plan.nodes.columns["ends_s"] == [0.0, plan.nodes.columns["ends_s"][1]]
    assert plan.nodes.columns["starts_s"][1] > 0.0
    why = plan.obstacles.columns["why"][0]
    assert "didn't match pod anti-affinity rules" in why


def test_a_drain_of_the_documented_cluster_waits_for_two_budgets() -> None:
    plan = drain(load("gx/node-drain"), ["srv1089618"])
    held = [row["pod"] for row in plan.obstacles.rows() if row["why"].startswith("never evicted")]
    assert [name.rpartition("-")[0].rpartition("-")[0] for name in held] == [
        "backend-mainnet/outbox-submitter",
        "backend-mainnet/projector",
    ]
    pinned = [row["pod"] for row in plan.obstacles.rows() if row["why"].startswith("its volume")]
    assert "backend-mainnet/postgres-0" in pinned
    assert len(pinned) == 9


def test_a_node_that_is_not_there_cannot_be_drained() -> None:
    with pytest.raises(ScenarioError) as refused:
        drain(case(Cluster(nodes=(node("a"), node("b")))), ["c"])
    assert str(refused.value) == "c: there is no such node; expected one of a, b"


def test_faults_of_the_scenario_itself_are_left_out() -> None:
    asked = load("gx/node-loss")
    quiet = dataclasses.replace(asked, scenario=dataclasses.replace(asked.scenario, faults=()))
    assert survive(asked, sizes=(1,), jobs=1).matrix.columns == survive(quiet, sizes=(1,), jobs=1).matrix.columns


def test_a_pod_of_higher_priority_takes_the_place_of_another_after_a_loss() -> None:
    low, high = template("low", 3000, 64), template("high", 3000, 64, priority=1000)
    cluster = Cluster(nodes=(node("a"), node("b")), workloads=(deployment("high", 1, high), deployment("low", 1, low)))
    state, _ = started(case(cluster), None)
    where = {state.pod_names[pod].partition("-")[0]: int(state.pod_node[pod]) for pod in range(2)}
    loss = lose(state, (where["high"],))
    loss.state.check()
    assert [loss.state.pod_names[new].partition("-")[0] for _, new in loss.moved] == ["high"]
    assert [loss.state.pod_names[decision.pod].partition("-")[0] for decision in loss.pending] == ["low"]


def test_a_loss_that_is_thought_through_changes_nothing() -> None:
    asked = load("gx/node-loss")
    state, _ = started(asked, asked.placement)
    before = (state.requested.copy(), state.pod_node.tolist(), state.unschedulable.tolist(), list(state.storage.claims))
    loss = lose(state, (0, 1))
    loss.state.check()
    state.check()
    assert (state.requested == before[0]).all()
    assert (state.pod_node.tolist(), state.unschedulable.tolist(), list(state.storage.claims)) == before[1:]
    assert loss.here == len(loss.moved) + len(loss.pending) + loss.staying


def two_on_each(**of_a: str) -> Cluster:
    pod = template("web", 1000, 64)
    nodes = tuple(dataclasses.replace(node(n), labels={**node(n).labels, **of_a}) for n in "ab")
    return Cluster(nodes=nodes, workloads=(deployment("web", 2, pod),))


def test_a_cluster_without_regions_is_warned_of() -> None:
    found = survive(case(two_on_each()), sizes=(1,))
    assert found.warnings == (
        "no node has the label topology.kubernetes.io/region: no region is lost; name another label with --region",
    )
    one = survive(case(two_on_each(**{"topology.kubernetes.io/region": "eu"})), sizes=(1,))
    assert one.warnings == ("every node with the label topology.kubernetes.io/region is in eu: no region is lost",)
    with pytest.raises(ScenarioError) as refused:
        survive(case(two_on_each(rack="1")), sizes=(1,), label="rak")
    assert str(refused.value) == "--region: no node has the label 'rak'; did you mean 'rack'?"


def test_nothing_can_be_lost_without_a_node() -> None:
    with pytest.raises(ScenarioError) as refused:
        survive(case(Cluster(nodes=())))
    assert str(refused.value).startswith("survive: the input has no node; add some, for example --node-shape count=")


def test_progress_is_told_after_each_loss_whoever_plays_it() -> None:
    told: list[tuple[int, int]] = []
    for jobs in (1, 2):
        survive(case(two_on_each()), sizes=(1,), jobs=jobs, progress=lambda done, total: told.append((done, total)))
    assert told == [(1, 2), (2, 2)] * 2


def test_what_is_missing_after_a_loss_has_its_cause() -> None:
    pod = template("web", 3000, 64)
    asked = case(Cluster(nodes=(node("a"), node("b")), workloads=(deployment("web", 2, pod),)))
    rows = list(survive(asked, sizes=(1,)).matrix.rows())
    assert [row["causes"] for row in rows] == ["1 nothing fits"] * 2
    limits = Cluster(
        nodes=(node("a", 3000), node("b", 3000)), workloads=(deployment("web", 2, template("web", 1000, 64)),)
    )
    over = list(survive(case(limits), sizes=(1,)).matrix.rows())
    assert [row["over"] for row in over] == ["limits of cpu on b (133%)", "limits of cpu on a (133%)"]


def held_by(**budget: int | str) -> Cluster:
    pod = template("web", 1000, 64)
    held = PodDisruptionBudget(namespace="default", name="all", selector=selecting("web"), **budget)
    return Cluster(nodes=(node("a"), node("b")), workloads=(deployment("web", 2, pod),), disruption_budgets=(held,))


def test_a_blocked_drain_says_what_to_scale_and_how_long_it_takes_then() -> None:
    plan = drain(case(held_by(min_available=2)), ["a"], timeout_s=120.0)
    assert plan.obstacles.columns["remedy"] == [
        "kubectl scale --namespace default deployment/web --replicas=3, and back after the drain"
    ]
    assert not plan.done
    assert plan.helped_s is not None
    assert plan.helped_s < 60


def test_a_budget_that_no_replica_helps_has_to_be_edited() -> None:
    plan = drain(case(held_by(max_unavailable=0)), ["a"], timeout_s=120.0)
    assert plan.obstacles.columns["remedy"] == ["edit budget all: it lets nobody go, however many replicas there are"]
    assert plan.helped_s is None
    full = dataclasses.replace(held_by(min_available=2), nodes=(node("a", 1500), node("b", 1500)))
    plan = drain(case(full), ["a"], timeout_s=120.0)
    assert plan.obstacles.columns["remedy"][-1] == (
        "edit budget all for the time of the drain: there is no room for a further replica"
    )


def test_a_drain_is_given_as_commands() -> None:
    pod = template("web", 1000, 64, volumes=({"name": "tmp", "emptyDir": {}},))
    cluster = Cluster(nodes=(node("a"), node("b")), workloads=(deployment("web", 2, pod),))
    assert drain(case(cluster), ["a"]).nodes.columns["command"] == [
        "kubectl drain a --ignore-daemonsets --delete-emptydir-data"
    ]
