"""Kubelets on a disk that fills: when they say so, whom they put out, what cannot write, and how it ends."""

import math

import numpy as np
import pytest

from gxsim.controllers.disk_pressure import DISK_PRESSURE, DiskPressure, Disks, disk_bytes
from gxsim.controllers.informer import Informer
from gxsim.controllers.lease import Leases
from gxsim.kernels.pressure import CRITICAL_PRIORITY, K3S
from gxsim.model.cluster import Cluster
from gxsim.model.node import Node
from gxsim.model.pod import Container, PodTemplate
from gxsim.state import PHASE_FAILED, ClusterState

GB = 1e9
DISK = 1000 * GB
WEB = PodTemplate(namespace="shop", containers=(Container(name="c"),))
DATABASE = PodTemplate(namespace="shop", containers=(Container(name="c"),), priority=1000, claims=("data",))
SYSTEM = PodTemplate(namespace="kube-system", containers=(Container(name="c"),), priority=CRITICAL_PRIORITY)


@pytest.fixture
def state() -> ClusterState:
    """Two nodes; on the first a web pod, a database with a claim and a critical pod."""
    made = ClusterState(Cluster(nodes=tuple(Node(name=f"n{i}", allocatable={"pods": 10}) for i in range(2))))
    for name, template in (("db", DATABASE), ("web", WEB), ("dns", SYSTEM)):
        pod = made.create(name, template)
        made.bind(pod, 0)
        made.start(pod, 0.0)
    return made


def kubelets(used: float, written: float = GB) -> tuple[Disks, DiskPressure]:
    disks = Disks(np.full(2, DISK), np.array([used, 0.0]))
    leases = Leases(np.zeros(2), 10.0)
    return disks, DiskPressure(disks, leases=leases, informer=Informer(), written_bytes=written)


def run(controller: DiskPressure, state: ClusterState, now: float, until_s: float) -> list[tuple[float, str, str]]:
    """Let the controller act whenever it is due, and return what it said."""
    said = len(state.events)
    while now <= until_s:
        controller.reconcile(state, now)
        state.check()
        now = max(controller.due(state, now), math.nextafter(now, math.inf))
    return [(event.time_s, event.name, event.reason) for event in state.events[said:]]


def test_nothing_is_due_while_there_is_room(state: ClusterState) -> None:
    _, controller = kubelets(900 * GB)
    assert controller.due(state, 0.0) == math.inf
    assert run(controller, state, 0.0, 3600.0) == []


def test_the_look_after_the_threshold_finds_the_disk_starved(state: ClusterState) -> None:
    disks, controller = kubelets(940 * GB)
    disks.grow(0, 1 * GB, 0.0)  # 5 % is left after 10 s, less at the look after that
    assert run(controller, state, 0.0, 25.0)[0] == (20.0, "n0", "NodeHasDiskPressure")
    assert [taint.key for taint in state.taints[0]] == [DISK_PRESSURE.key]


def test_pods_go_one_by_one_the_lower_priority_first_and_critical_ones_stay(state: ClusterState) -> None:
    _, controller = kubelets(960 * GB)
    said = run(controller, state, 0.0, 60.0)
    assert [(time_s, name) for time_s, name, reason in said if reason == "Evicted"] == [
        (0.0, "shop/web"),
        (1.0, "shop/db"),
    ]
    assert state.pod_phase.tolist() == [PHASE_FAILED, PHASE_FAILED, 1]


def test_evictions_end_when_the_minimum_reclaim_is_there(state: ClusterState) -> None:
    _, controller = kubelets(960 * GB, written=120 * GB)
    said = run(controller, state, 0.0, 60.0)
    assert [name for _, name, reason in said if reason == "Evicted"] == ["shop/web"]  # 40 + 120 GB are free: 15 %


def test_the_taint_goes_when_the_transition_period_has_passed_since_the_last_shortage(state: ClusterState) -> None:
    disks, controller = kubelets(960 * GB)
    run(controller, state, 0.0, 95.0)
    disks.add(0, -500 * GB, 96.0)
    said = run(controller, state, 96.0, 600.0)
    # Looks at 0 and 1 s evict, those at 2, 12 … 92 s find nobody; the last one was the last to find the disk starved.
    assert said == [(92.0 + K3S.transition_s, "n0", "NodeHasNoDiskPressure")]
    assert state.taints[0] == ()
    assert controller.due(state, 600.0) == math.inf


def test_pods_that_come_under_pressure_are_turned_away(state: ClusterState) -> None:
    _, controller = kubelets(960 * GB)
    run(controller, state, 0.0, 20.0)
    late = state.create("agent", WEB, now=20.0)
    state.bind(late, 0)
    assert ("shop/agent", "Evicted") in [line[1:] for line in run(controller, state, 21.0, 40.0)]
    assert state.pod_phase[late] == PHASE_FAILED


def test_programs_with_volumes_end_when_nothing_is_left(state: ClusterState) -> None:
    _, controller = kubelets(DISK)
    said = run(controller, state, 0.0, 0.5)
    assert ("shop/db", "NoSpaceLeft") in [line[1:] for line in said]
    assert not state.pod_running[0]


def test_a_kubelet_that_is_away_does_nothing(state: ClusterState) -> None:
    _, controller = kubelets(960 * GB)
    controller.leases.follow(0.0, np.array([False, True]), api_up=True)
    assert run(controller, state, 0.0, 60.0) == []
    assert state.taints[0] == ()


def test_a_disk_never_holds_less_than_nothing_or_more_than_its_size() -> None:
    disks, _ = kubelets(990 * GB)
    disks.grow(0, 10 * GB, 0.0)
    assert disks.available_bytes(0, 5.0) == 0.0
    disks.grow(0, -10 * GB, 5.0)
    disks.add(0, -5000 * GB, 5.0)
    assert disks.available_bytes(0, 100.0) == DISK
    assert disks.falls_to_s(0, 10 * GB, 100.0) == math.inf


def test_the_disks_of_a_cluster_have_the_size_of_their_capacity(state: ClusterState) -> None:
    node = Node(name="n", capacity={"ephemeral-storage": 10**12}, allocatable={"ephemeral-storage": 9 * 10**11})
    assert disk_bytes(ClusterState(Cluster(nodes=(node,)))).tolist() == [10**12]
    assert Disks.of(state).available_bytes(0, 0.0) == 0.0  # the fixture's nodes say nothing of a disk
