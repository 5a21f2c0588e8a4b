"""ClusterState: its verbs keep the columns true, and what is not allowed raises and changes nothing."""

import pytest

from gxsim.errors import InvariantError
from gxsim.model.cluster import Cluster
from gxsim.model.node import Node, Taint
from gxsim.model.pod import PodTemplate
from gxsim.state import CPU, PENDING, PHASE_SUCCEEDED, PODS, ClusterState
from gxsim.timeline import Timeline

WEB = PodTemplate(namespace="shop", requests={"cpu": 500, "memory": 100}, scored_requests=(500, 100))


@pytest.fixture
def state() -> ClusterState:
    offered = {"cpu": 2000, "memory": 4000, "pods": 10}
    return ClusterState(Cluster(nodes=tuple(Node(name=f"node-{i}", allocatable=offered) for i in range(2))))


def test_binding_takes_resources_and_deleting_gives_them_back(state: ClusterState) -> None:
    pod = state.create("web-0", WEB)
    state.bind(pod, 1)
    assert state.requested[1, [CPU, PODS]].tolist() == [500, 1]
    state.check()
    state.delete(pod)
    assert not state.requested.any()
    state.check()
    assert [line.sign for line in state.journal] == [1, -1]


def test_capacity_is_free_when_a_pod_is_over_not_when_its_object_goes(state: ClusterState) -> None:
    pod = state.create("web-0", WEB)
    state.bind(pod, 0)
    state.start(pod, 1.0)
    state.finish(pod, PHASE_SUCCEEDED)
    assert not state.requested.any()
    state.delete(pod)
    state.check()


def test_a_pod_on_a_lost_node_is_believed_ready_but_does_not_serve(state: ClusterState) -> None:
    pod = state.create("web-0", WEB)
    state.bind(pod, 0)
    state.start(pod, 1.0)
    state.mark_pod_ready(pod, 1.0)
    state.fail(0)
    assert state.pod_ready[pod]
    assert not state.pod_serving[pod]
    state.fail(0)
    state.repair(0)
    assert not state.pod_serving[pod], "two faults overlap: one repair is not enough"
    state.repair(0)
    assert state.pod_serving[pod]


def test_a_pod_bound_twice_raises_and_changes_nothing(state: ClusterState) -> None:
    pod = state.create("web-0", WEB)
    state.bind(pod, 0)
    with pytest.raises(InvariantError, match="pod shop/web-0 is bound or over"):
        state.bind(pod, 1)
    assert state.pod_node[pod] == 0
    assert not state.requested[1].any()


def test_repairing_a_healthy_node_raises(state: ClusterState) -> None:
    with pytest.raises(InvariantError, match="node node-1 is repaired but was not down"):
        state.repair(1)


def test_a_taint_replaces_one_of_the_same_key_and_effect(state: ClusterState) -> None:
    state.taint(0, Taint("k", "a", "NoExecute"))
    state.taint(0, Taint("k", "b", "NoExecute"))
    state.taint(0, Taint("k", "b", "NoSchedule"))
    assert state.taints[0] == (Taint("k", "b", "NoExecute"), Taint("k", "b", "NoSchedule"))
    state.untaint(0, "k", "NoExecute")
    assert state.taints[0] == (Taint("k", "b", "NoSchedule"),)


def test_check_finds_a_column_that_no_verb_changed(state: ClusterState) -> None:
    state.requested[0, CPU] += 1
    with pytest.raises(InvariantError, match="requested differs from the sum over bound pods"):
        state.check()


def test_a_copy_is_independent(state: ClusterState) -> None:
    pod = state.create("web-0", WEB)
    twin = state.copy()
    twin.bind(pod, 0)
    assert state.pod_node[pod] == PENDING
    assert not state.requested.any()
    twin.check()
    state.check()


def test_rows_survive_growth(state: ClusterState) -> None:
    pods = [state.create(f"web-{i}", WEB, now=float(i)) for i in range(200)]
    assert state.pod_created_s.tolist() == [float(i) for i in range(200)]
    assert pods == list(range(200))


def test_the_timeline_gives_back_every_value(state: ClusterState) -> None:
    timeline = Timeline([node.name for node in state.nodes])
    timeline.record(0.0, state)
    pod = state.create("web-0", WEB, now=5.0)
    timeline.record(5.0, state)
    state.bind(pod, 1)
    state.fail(1)
    timeline.record(7.0, state)
    assert not timeline.record(8.0, state), "nothing changed"
    timeline.close(10.0, state)
    assert timeline.at("pod_node", 6.0).tolist() == [PENDING]
    assert timeline.at("pod_node", 7.0).tolist() == [1]
    assert timeline.at("node_down", 10.0).tolist() == [0, 1]
    assert timeline.at("pod_exists", 4.0).tolist() == [False]
    assert timeline.times_s().tolist() == [0.0, 5.0, 7.0, 10.0]
