"""Single rules of controllers, admission and the scheduler's queue, without a clock."""

import dataclasses
import math

import pytest

from gxsim.controllers.admission import Admission, Refused
from gxsim.controllers.deletion import delete_pod
from gxsim.controllers.deployment import bounds
from gxsim.controllers.informer import WorkQueue
from gxsim.controllers.names import HASH_LABEL, template_hash
from gxsim.controllers.probes import Run, hanging, passing_s, starting, unready_s
from gxsim.controllers.taint_eviction import toleration_s
from gxsim.load.objects import cluster
from gxsim.load.pods import pod_template
from gxsim.model.cluster import Cluster, Workload
from gxsim.model.control_plane import ControlPlane
from gxsim.model.node import Taint
from gxsim.model.pod import PodTemplate, Probe, Toleration
from gxsim.scheduler import Framework
from gxsim.scheduler.queue import Scheduler
from gxsim.state import PENDING, ClusterState, Event, Owner

UNREACHABLE = Taint("node.kubernetes.io/unreachable", "", "NoExecute")


def template(cpu: str = "500m", priority_class: str = "", **spec: object) -> PodTemplate:
    containers = [{"name": "c", "resources": {"requests": {"cpu": cpu, "memory": "64Mi"}}}]
    written = {"containers": containers, "priorityClassName": priority_class, **spec}
    return pod_template("app", {"labels": {"app": "web"}}, written)


def quota(hard: dict[str, str], **spec: object) -> dict:
    return {"kind": "ResourceQuota", "metadata": {"name": "q", "namespace": "app"}, "spec": {"hard": hard, **spec}}


def node(name: str, cpu: str = "2", **labels: str) -> dict:
    metadata = {"name": name, "labels": {"kubernetes.io/hostname": name, **labels}}
    return {"kind": "Node", "metadata": metadata, "status": {"capacity": {"cpu": cpu, "memory": "8Gi", "pods": "10"}}}


def refused(admission: Admission, state: ClusterState, name: str, given: PodTemplate) -> str:
    with pytest.raises(Refused) as error:
        admission.create_pod(state, name, given, now=0.0)
    return str(error.value)


# ---- admission ------------------------------------------------------------------------------------------------------


def test_a_spent_quota_refuses_in_the_words_of_the_api_server_and_creates_nothing() -> None:
    state = ClusterState(cluster([quota({"pods": "2", "requests.cpu": "1"})]))
    admission, small = Admission(state), template()
    for name in ("a", "b"):
        admission.create_pod(state, name, small, now=0.0)
    expected = (
        'pods "c" is forbidden: exceeded quota: q, requested: pods=1,requests.cpu=500m, '
        "used: pods=2,requests.cpu=1, limited: pods=2,requests.cpu=1"
    )
    assert refused(admission, state, "c", small) == expected
    assert len(state.pod_names) == 2


def test_a_deleted_pod_gives_its_share_back() -> None:
    state = ClusterState(cluster([quota({"pods": "1"})]))
    admission, small = Admission(state), template()
    delete_pod(state, admission.create_pod(state, "a", small, now=0.0), 1.0)
    assert admission.create_pod(state, "b", small, now=1.0) == 1


def test_a_quota_with_a_scope_sees_only_pods_in_it() -> None:
    scope = {"scopeName": "PriorityClass", "operator": "In", "values": ["high"]}
    state = ClusterState(cluster([quota({"pods": "0"}, scopeSelector={"matchExpressions": [scope]})]))
    admission = Admission(state)
    admission.create_pod(state, "plain", template(), now=0.0)
    assert "exceeded quota: q" in refused(admission, state, "urgent", template(priority_class="high"))


def test_a_raised_quota_keeps_its_scopes_and_counts_what_is_there() -> None:
    state = ClusterState(cluster([quota({"pods": "1"}, scopes=["NotBestEffort"])]))
    admission, small = Admission(state), template()
    admission.create_pod(state, "a", small, now=0.0)
    admission.set_quota("app", "q", {"pods": "2"})
    admission.create_pod(state, "b", small, now=0.0)
    assert "used: pods=2, limited: pods=2" in refused(admission, state, "c", small)


def test_a_limit_range_refuses_what_is_out_of_bounds() -> None:
    limits = [{"type": "Container", "max": {"cpu": "400m"}}]
    limit_range = {"kind": "LimitRange", "metadata": {"name": "l", "namespace": "app"}, "spec": {"limits": limits}}
    state = ClusterState(cluster([limit_range]))
    assert "maximum cpu usage per Container is 400m" in refused(Admission(state), state, "a", template())


# ---- names and numbers ----------------------------------------------------------------------------------------------


def test_a_template_keeps_its_hash_when_it_carries_it() -> None:
    plain = template()
    hashed = template_hash(plain)
    assert template_hash(dataclasses.replace(plain, labels={**plain.labels, HASH_LABEL: hashed})) == hashed
    assert template_hash(template(cpu="600m")) != hashed


@pytest.mark.parametrize(
    ("replicas", "surge", "unavailable", "expected"),
    [
        (3, "25%", "25%", (1, 0)),
        (10, "25%", "25%", (3, 2)),
        (4, 0, 0, (0, 1)),
        (1, "0%", "50%", (0, 1)),
        (2, 1, 5, (1, 2)),
    ],
)
def test_surge_rounds_up_and_unavailable_down(
    replicas: int, surge: int | str, unavailable: int | str, expected: tuple[int, int]
) -> None:
    assert bounds(replicas, surge, unavailable) == expected


def test_the_shortest_matching_toleration_counts_and_none_means_at_once() -> None:
    forever = Toleration(UNREACHABLE.key, "Exists", "", "NoExecute")
    minute = Toleration(UNREACHABLE.key, "Exists", "", "NoExecute", 60.0)
    assert toleration_s((), (UNREACHABLE,)) == 0.0
    assert toleration_s((forever,), (UNREACHABLE,)) == math.inf
    assert toleration_s((forever, minute), (UNREACHABLE,)) == 60.0
    assert toleration_s((minute,), (UNREACHABLE, Taint("other", "", "NoExecute"))) == 0.0


def test_a_readiness_probe_notices_at_its_next_run_and_gives_up_after_its_failures() -> None:
    probe = Probe(initial_delay_s=5.0, period_s=10.0, failure_threshold=3, timeout_s=1.0)
    run = Run(started_s=100.0, seen_s=100.5, answers_s=112.0)
    assert passing_s([probe], [], run) == 120.5
    assert unready_s([probe], [], run, 130.0) == 130.5 + 2 * 10.0 + 1.0


def test_a_readiness_probe_begins_at_once_where_the_startup_probe_has_passed() -> None:
    startup, readiness = Probe(period_s=5.0, failure_threshold=60), Probe(period_s=30.0)
    run = Run(started_s=100.0, seen_s=101.0, answers_s=112.0, share=0.2)
    assert passing_s([readiness], [startup], run) == 116.0  # ticks of the startup probe: 101, 106, 111, 116


def test_ticks_within_the_initial_delay_are_left_out() -> None:
    probe = Probe(initial_delay_s=12.0, period_s=10.0)
    run = Run(started_s=100.0, seen_s=100.0, answers_s=100.0)
    assert passing_s([probe], [], run) == 120.0


def test_a_liveness_probe_kills_what_takes_longer_to_start_than_it_waits_unless_a_startup_probe_waits_longer() -> None:
    liveness, startup = Probe(period_s=10.0, termination_grace_period_s=5.0), Probe(period_s=10.0, failure_threshold=6)
    slow = Run(started_s=100.0, seen_s=100.0, answers_s=140.0, share=0.5)
    failure = starting([], [liveness], slow)
    assert (failure.time_s, failure.grace_s) == (125.0, 5.0)  # ticks at 105, 115, 125
    assert starting([startup], [liveness], slow).time_s == math.inf
    never = Run(started_s=100.0, seen_s=100.0, answers_s=math.inf, share=0.5)
    assert starting([startup], [liveness], never).time_s == 155.0
    assert starting([], [liveness], Run(started_s=100.0, seen_s=100.0, answers_s=125.0, share=0.5)).time_s == math.inf


def test_the_first_of_several_liveness_probes_that_fails_counts_with_its_own_grace() -> None:
    slow, fast = Probe(period_s=60.0), Probe(period_s=5.0, failure_threshold=2, termination_grace_period_s=1.0)
    failure = hanging([slow, fast], Run(started_s=0.0, seen_s=0.0, answers_s=0.0), 1000.0)
    assert (failure.time_s, failure.grace_s) == (1006.0, 1.0)


def test_a_failed_sync_waits_twice_as_long_each_time_and_a_pause_under_way_is_not_prolonged() -> None:
    state = ClusterState(Cluster())
    owner = state.own(_owner())
    queue = WorkQueue("ReplicaSet", ControlPlane())
    assert queue.take(state, 0.0) == [owner]
    queue.retry(owner, 0.0)
    queue.retry(owner, 0.0)  # a pod event brought it back at once
    assert queue.due_s == 0.005
    assert queue.take(state, 0.005) == [owner]
    queue.retry(owner, 0.005)
    assert queue.due_s == pytest.approx(0.025)


def _owner() -> Owner:
    given = template()
    workload = Workload(kind="ReplicaSet", namespace="app", name="web", template=given)
    return Owner(kind="ReplicaSet", namespace="app", name="web", workload=workload, template=given, replicas=1)


# ---- the scheduler's queue ------------------------------------------------------------------------------------------


def scheduler(*objects: dict) -> tuple[ClusterState, Scheduler]:
    state = ClusterState(cluster(objects))
    return state, Scheduler(state, Framework(state), ControlPlane(), first_flush_s=0.0)


def tries(state: ClusterState) -> int:
    return sum(event.count for event in state.events if event.reason == "FailedScheduling")


def test_a_pod_that_lacks_room_wakes_when_a_pod_leaves_and_not_when_a_volume_changes() -> None:
    state, queue = scheduler(node("a"))
    first = state.create("first", template(cpu="2"))
    queue.reconcile(state, 0.0)
    second = state.create("second", template(cpu="2"))
    queue.reconcile(state, 1.0)
    state.storage.revision += 1
    queue.reconcile(state, 2.0)
    assert tries(state) == 1
    state.delete(first)
    queue.reconcile(state, 3.0)
    assert state.pod_node[second] == 0


def test_a_pod_that_wants_a_neighbour_wakes_when_one_is_bound() -> None:
    term = {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"app": "web"}}}
    affinity = {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    state, queue = scheduler(node("a"))
    lonely = state.create("lonely", pod_template("app", {"labels": {"app": "other"}}, {"affinity": affinity}))
    queue.reconcile(state, 0.0)
    assert state.pod_node[lonely] == PENDING
    state.create("neighbour", template())
    queue.reconcile(state, 1.0)  # binds the neighbour
    queue.reconcile(state, 1.0)
    assert state.pod_node[lonely] == 0


def test_a_pod_that_nothing_helps_is_tried_again_after_five_minutes() -> None:
    state, queue = scheduler(node("a", cpu="1"))
    state.create("large", template(cpu="2"))
    queue.reconcile(state, 10.0)
    assert queue.due(state, 10.0) == 330.0  # the first flush, every 30 s, that finds it 300 s old
    queue.reconcile(state, 330.0)
    assert tries(state) == 2


def test_failed_tries_that_say_the_same_are_one_event() -> None:
    state = ClusterState(Cluster())
    for time_s in (1.0, 2.0, 5.0):
        state.emit(Event(time_s, "Pod", "app/web", "FailedScheduling", "no room"))
    state.emit(Event(6.0, "Pod", "app/web", "Scheduled", "assigned"))
    assert [(e.time_s, e.count, e.last_s) for e in state.events] == [(1.0, 3, 5.0), (6.0, 1, None)]
