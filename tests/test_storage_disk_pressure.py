"""Kubelets on a disk that fills: images, when they say so, whom they put out and refuse, and how it ends."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gxsim.controllers.disk_pressure import DiskPressure
from gxsim.controllers.disks import Contents, Disks, disk_bytes
from gxsim.controllers.informer import Informer
from gxsim.controllers.lease import Leases
from gxsim.kernels.pressure import CRITICAL_PRIORITY
from gxsim.model.cluster import Cluster
from gxsim.model.control_plane import Kubelet
from gxsim.model.node import Node
from gxsim.model.pod import Container, PodTemplate
from gxsim.state import PHASE_FAILED, ClusterState

GB = 1e9
DISK = 1000 * GB
WEB = PodTemplate(namespace="shop", containers=(Container(name="c"),))
DATABASE = PodTemplate(namespace="shop", containers=(Container(name="c"),), priority=1000, claims=("data",))
SYSTEM = PodTemplate(namespace="kube-system", containers=(Container(name="c"),), priority=CRITICAL_PRIORITY)
NONE = np.zeros(2)


@pytest.fixture
def state() -> ClusterState:
    """Two nodes; on the first a web pod, a database with a claim and a critical pod."""
    made = ClusterState(Cluster(nodes=tuple(Node(name=f"n{i}", allocatable={"pods": 10}) for i in range(2))))
    for name, template in (("db", DATABASE), ("web", WEB), ("dns", SYSTEM)):
        pod = made.create(name, template)
        made.bind(pod, 0)
        made.start(pod, 0.0)
    return made


def contents(used: float, **more: object) -> Contents:
    return Contents(
        disk_bytes=np.full(2, DISK),
        used_bytes=np.array([used, 0.0]),
        host_rate_bytes=np.zeros(2),
        **{"unused_image_bytes": np.zeros(2), "container_bytes": GB, **more},
    )


def kubelets(found: Contents, **parameters: float) -> tuple[Disks, DiskPressure]:
    disks = Disks(found)
    leases = Leases(np.zeros(2), 10.0)
    return disks, DiskPressure(
        disks,
        Kubelet(**parameters),
        leases=leases,
        informer=Informer(),
        status_s=np.full(2, 4.0),
        eviction_s=NONE,
        image_gc_s=np.full(2, 50.0),
    )


def run(controller: DiskPressure, state: ClusterState, now: float, until_s: float) -> list[tuple[float, str, str]]:
    """Let the controller act whenever it is due, and return what it said."""
    said = len(state.events)
    while now <= until_s:
        controller.reconcile(state, now)
        state.check()
        now = max(controller.due(state, now), math.nextafter(now, math.inf))
    return [(event.time_s, event.name, event.reason) for event in state.events[said:]]


def evicted(said: list[tuple[float, str, str]]) -> list[tuple[float, str]]:
    return [(time_s, name) for time_s, name, reason in said if reason == "Evicted"]


def test_nothing_is_due_while_there_is_room(state: ClusterState) -> None:
    _, controller = kubelets(contents(900 * GB))
    assert run(controller, state, 0.0, 3600.0) == []
    assert controller.due(state, 3600.0) == math.inf


def test_the_look_after_the_threshold_evicts_and_the_next_node_status_tells_it(state: ClusterState) -> None:
    disks, controller = kubelets(contents(940 * GB))
    disks.add(0, 0.0, 0.0, 1 * GB)  # 5 % is left after 10 s, less at the look after that
    said = run(controller, state, 0.0, 25.0)
    assert evicted(said)[0] == (20.0, "shop/web")
    assert (24.0, "n0", "NodeHasDiskPressure") in said  # statuses are compared at 4, 14, 24 s
    assert [taint.key for taint in state.taints[0]] == ["node.kubernetes.io/disk-pressure"]


def test_pods_go_one_by_one_the_lower_priority_first_and_critical_ones_stay(state: ClusterState) -> None:
    _, controller = kubelets(contents(960 * GB))
    said = run(controller, state, 0.0, 60.0)
    assert evicted(said) == [(0.0, "shop/web"), (1.0, "shop/db")]
    assert state.pod_phase.tolist() == [PHASE_FAILED, PHASE_FAILED, 1]


def test_evicting_frees_what_pods_wrote_outside_volumes_and_nothing_else(state: ClusterState) -> None:
    disks, controller = kubelets(contents(960 * GB, claim_rates_bytes={"shop/data": GB}))
    run(controller, state, 0.0, 60.0)
    # Two containers with 1 GB each are gone; the database wrote for one second to its claim, and that stays.
    assert disks.available_bytes(60.0)[0] == pytest.approx(40 * GB + 2 * GB - 1 * GB)


def test_evictions_end_when_the_minimum_reclaim_is_there(state: ClusterState) -> None:
    _, controller = kubelets(contents(960 * GB, container_bytes=120 * GB))
    assert [name for _, name in evicted(run(controller, state, 0.0, 60.0))] == ["shop/web"]  # 40 + 120 GB: 15 %


def test_a_kubelet_by_itself_wants_fifteen_percent_where_images_lie_and_reclaims_no_more(state: ClusterState) -> None:
    alone = {"nodefs_available": 0.10, "imagefs_available": 0.15, "minimum_reclaim": 0.0}
    _, controller = kubelets(contents(851 * GB, container_bytes=2 * GB), **alone)
    assert [name for _, name in evicted(run(controller, state, 0.0, 60.0))] == ["shop/web"]


def test_unused_images_go_before_any_pod_and_the_node_says_so_all_the_same(state: ClusterState) -> None:
    disks, controller = kubelets(contents(960 * GB, unused_image_bytes=np.array([150 * GB, 0.0])))
    said = run(controller, state, 0.0, 60.0)
    assert evicted(said) == []
    assert {reason for _, _, reason in said} == {"ImageGarbageCollected", "NodeHasDiskPressure"}
    assert disks.available_bytes(60.0)[0] == 190 * GB


def test_image_collection_frees_down_to_80_percent_at_its_own_period(state: ClusterState) -> None:
    disks, controller = kubelets(contents(840 * GB, unused_image_bytes=np.array([100 * GB, 0.0])))
    disks.add(0, 0.0, 0.0, 0.1 * GB)  # 85 % after 100 s; the collector looks at 50 and 350 s
    said = run(controller, state, 0.0, 400.0)
    assert said == [(350.0, "n0", "ImageGarbageCollected")]
    assert disks.available_bytes(350.0)[0] == pytest.approx(200 * GB)
    assert disks.unused_image_bytes[0] == pytest.approx(25 * GB)


def test_the_taint_goes_when_the_transition_period_has_passed_since_the_last_shortage(state: ClusterState) -> None:
    disks, controller = kubelets(contents(960 * GB))
    run(controller, state, 0.0, 95.0)
    disks.add(0, -500 * GB, 96.0)
    said = run(controller, state, 96.0, 600.0)
    # Looks at 0 and 1 s evict, those at 2, 12 … 92 s find nobody. The last of them found the disk starved, so the look
    # at 392 s is the first that does not count it any more, and the status at 394 s says so.
    assert said == [(394.0, "n0", "NodeHasNoDiskPressure")]
    assert state.taints[0] == ()
    assert controller.due(state, 600.0) == math.inf


def test_pods_that_come_under_pressure_are_turned_away_a_second_later(state: ClusterState) -> None:
    _, controller = kubelets(contents(960 * GB))
    run(controller, state, 0.0, 20.0)
    late = state.create("agent", WEB, now=20.5)
    state.bind(late, 0)
    assert (21.5, "shop/agent") in evicted(run(controller, state, 20.5, 40.0))
    assert state.pod_phase[late] == PHASE_FAILED


def test_inodes_count_where_the_kubelet_has_a_threshold_for_them(state: ClusterState) -> None:
    for limit, gone in ((0.0, 0), (0.05, 2)):
        twin = state.copy()
        disks, controller = kubelets(contents(100 * GB), inodes_free=limit)
        disks.take_inodes(0, 0.96)
        assert len(evicted(run(controller, twin, 0.0, 30.0))) == gone


def test_a_kubelet_that_is_away_does_nothing(state: ClusterState) -> None:
    _, controller = kubelets(contents(960 * GB))
    controller.leases.follow(0.0, np.array([False, True]), api_up=True)
    assert run(controller, state, 0.0, 60.0) == []
    assert state.taints[0] == ()


# ---- disks ----------------------------------------------------------------------------------------------------------


def test_a_disk_never_holds_less_than_nothing_or_more_than_its_size() -> None:
    disks = Disks(contents(990 * GB))
    disks.add(0, 0.0, 0.0, 10 * GB)
    assert disks.available_bytes(5.0)[0] == 0.0
    disks.add(0, 0.0, 5.0, -10 * GB)
    disks.add(0, -5000 * GB, 5.0)
    assert disks.available_bytes(100.0)[0] == DISK
    assert disks.falls_to_s(10 * GB, 100.0)[0] == math.inf


def test_a_fault_writes_at_its_rate_until_it_has_written_all_and_frees_what_it_wrote() -> None:
    disks = Disks(contents(500 * GB))
    disks.fill("dump", 0, 100 * GB, 0.0, 2 * GB)
    assert disks.due_s(0.0) == 50.0
    disks.advance(50.0)
    assert disks.available_bytes(1000.0)[0] == 400 * GB
    disks.empty("dump", 0, 1000.0)
    assert disks.available_bytes(1000.0)[0] == 500 * GB


def test_a_fault_that_meets_the_end_of_the_disk_frees_only_what_fitted() -> None:
    disks = Disks(contents(500 * GB))
    disks.fill("dump", 0, 900 * GB, 0.0, 10 * GB)
    assert disks.falls_to_s(0.0, 0.0)[0] == 50.0
    disks.advance(50.0)
    assert disks.due_s(50.0) == math.inf
    disks.empty("dump", 0, 60.0)
    assert disks.available_bytes(60.0)[0] == pytest.approx(500 * GB)


def test_two_that_write_to_a_full_disk_own_what_each_wrote_before(state: ClusterState) -> None:
    disks = Disks(contents(900 * GB, container_bytes=0.0, container_rate_bytes=1 * GB))
    disks.follow(state, 0.0)  # three containers
    disks.fill("dump", 0, 900 * GB, 0.0, 7 * GB)
    disks.advance(10.0)  # full: 30 GB of logs, 70 GB of the fault
    assert disks.written_bytes(1, 50.0) == pytest.approx(10 * GB)
    disks.empty("dump", 0, 50.0)
    assert disks.available_bytes(50.0)[0] == pytest.approx(70 * GB)


def test_the_disks_of_a_cluster_have_the_size_of_their_capacity(state: ClusterState) -> None:
    node = Node(name="n", capacity={"ephemeral-storage": 10**12}, allocatable={"ephemeral-storage": 9 * 10**11})
    assert disk_bytes(ClusterState(Cluster(nodes=(node,)))).tolist() == [10**12]
    assert Contents.nothing(state).disk_bytes.tolist() == [math.inf, math.inf]  # the fixture's nodes say nothing


def test_an_empty_dir_in_memory_is_not_on_the_disk() -> None:
    volumes = ({"name": "a", "emptyDir": {}}, {"name": "b", "emptyDir": {"medium": "Memory"}}, {"name": "c"})
    template = replace(WEB, volumes=volumes)
    assert contents(0.0, empty_dir_bytes=5.0).pod_bytes(template) == GB + 5.0


class Ledger:
    """One disk, second by second: who writes writes its rate, or its share of what is left."""

    def __init__(self) -> None:
        self.used, self.rates, self.wrote = 0.0, {"host": 0.0}, {"host": 0.0}

    def pass_seconds(self, seconds: int, size: float) -> None:
        for _ in range(seconds):
            total = sum(self.rates.values())
            share = min(1.0, (size - self.used) / total) if total else 0.0
            for name, rate in self.rates.items():
                self.wrote[name] += share * rate
            self.used += share * total


@given(
    st.lists(
        st.tuples(st.integers(0, 30), st.sampled_from(["host", "a", "b"]), st.integers(0, 40), st.booleans()),
        min_size=1,
        max_size=12,
    )
)
def test_disks_agree_with_a_ledger_kept_second_by_second(acts: list[tuple[int, str, int, bool]]) -> None:
    size = 1000.0
    disks, ledger, now = Disks(replace(contents(0.0), disk_bytes=np.full(2, size))), Ledger(), 0
    for seconds, name, rate, ends in acts:
        now += seconds
        ledger.pass_seconds(seconds, size)
        if name == "host":
            disks.add(0, 0.0, float(now), rate - ledger.rates["host"])
            ledger.rates["host"] = float(rate)
        elif name in ledger.rates and ends:
            disks.empty(name, 0, float(now))
            ledger.used -= ledger.wrote.pop(name)
            del ledger.rates[name]
        elif name not in ledger.rates and rate:
            disks.fill(name, 0, math.inf, float(now), float(rate))
            ledger.rates[name], ledger.wrote[name] = float(rate), 0.0
        assert disks.used_bytes(0, float(now)) == pytest.approx(ledger.used, abs=1e-6)
        assert disks.available_bytes(float(now))[0] == pytest.approx(size - ledger.used, abs=1e-6)
