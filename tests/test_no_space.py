"""Disks on which nothing can be written: what programs, servers and their Services do, and how all that ends."""

import numpy as np
import pytest

from gxsim.controllers.no_space import ROOM_BYTES, software_of
from gxsim.controllers.writable import writable
from gxsim.engine.simulation import Simulation
from gxsim.engine.start import start
from gxsim.errors import ScenarioError
from gxsim.kernels.uptime import ALWAYS
from gxsim.load.objects import cluster
from gxsim.model.control_plane import ControlPlane, Kubelet
from gxsim.model.fault import Fault, FaultSelector
from gxsim.model.model import Model
from gxsim.model.pod import Container, PodTemplate
from gxsim.model.storage import Growth, HostGrowth
from gxsim.observe.disks import disk_table
from gxsim.observe.full_disks import full_disks
from gxsim.rng import Streams
from gxsim.scheduler import Framework
from gxsim.state import ClusterState
from gxsim.storage.contents import contents
from gxsim.storage.disk_levels import disk_levels
from gxsim.timeline import Timeline

GB = 1e9
DISK = 100 * GB
IMAGES = {"db": "docker.io/library/postgres:16", "cache": "redis:7", "web": "registry.example.com/shop/web:v1"}
PATIENT = Kubelet(nodefs_available=0.0, imagefs_available=0.0)  # kubelets that evict nobody


def workload(name: str, image: str) -> dict:
    pod = {"containers": [{"name": "c", "image": image, "resources": {"requests": {"cpu": "100m"}}}]}
    metadata = {"name": name, "namespace": "shop"}
    spec = {"replicas": 1, "selector": {"matchLabels": {"app": name}}}
    template = {"metadata": {"labels": {"app": name}}, "spec": pod}
    return {"kind": "Deployment", "metadata": metadata, "spec": {**spec, "template": template}}


def nodes(count: int) -> list[dict]:
    capacity = {"cpu": "4", "memory": "8Gi", "pods": "20", "ephemeral-storage": str(int(DISK))}
    labels = {"kubernetes.io/hostname": ""}
    return [
        {"kind": "Node", "metadata": {"name": f"n{i}", "labels": labels}, "status": {"capacity": capacity}}
        for i in range(count)
    ]


def fill(*names: str, at_s: float = 10.0, duration_s: float | None = 100.0, **parameters: str) -> Fault:
    return Fault(
        name=f"fill {' '.join(names)}",
        kind="IOChaos",
        action="disk-fill",
        selector=FaultSelector(nodes=names),
        parameters=parameters or {"percent": "100%"},
        at_s=at_s,
        duration_s=duration_s,
    )


def simulate(
    *faults: Fault,
    model: Model | None = None,
    count: int = 1,
    kubelet: Kubelet = PATIENT,
    control_plane: ControlPlane | None = None,
    servers: tuple[str, ...] = (),
    until_s: float = 600.0,
) -> tuple[ClusterState, Timeline]:
    state = ClusterState(cluster([*nodes(count), *(workload(name, image) for name, image in IMAGES.items())]))
    framework = Framework(state)
    start(state, framework)
    sim = Simulation(
        state,
        framework=framework,
        streams=Streams(1),
        faults=faults,
        kubelet=kubelet,
        control_plane=control_plane or ControlPlane(),
        etcd_members=servers,
        contents=contents(state, model) if model else None,
    )
    return state, sim.run(until_s)


def serving(state: ClusterState, timeline: Timeline, name: str, time_s: float) -> bool:
    rows = [i for i, pod in enumerate(state.pod_names) if pod.startswith(name)]
    return bool(timeline.at("pod_serving", time_s)[rows].any())


def test_a_program_is_known_by_its_image_and_else_by_whether_it_has_a_volume() -> None:
    known = {
        "docker.io/library/postgres:16": "PostgreSQL",
        "hyperledger/fabric-orderer:2.5": "Fabric orderer",
        "hyperledger/fabric-peer@sha256:0123": "Fabric peer",
        "couchdb:3.3": "CouchDB",
        "registry:5000/redis:7": "Redis",
        "prom/prometheus:v2.48.0": "Prometheus",
        "grafana/loki:latest": "Loki",
        "quay.io/prometheuscommunity/postgres-exporter:v0.15.0": "stateless",
    }
    for image, name in known.items():
        assert software_of(PodTemplate(namespace="a", containers=(Container(name="c", image=image),))).name == name
    assert software_of(PodTemplate(namespace="a", containers=(Container(name="c"),), claims=("d",))).name == "unknown"


def test_a_database_ends_and_comes_back_with_the_room_while_others_run_on() -> None:
    state, timeline = simulate(fill("n0"))
    for name, answers in (("db", False), ("cache", True), ("web", True)):
        assert serving(state, timeline, name, 60.0) is answers
        assert serving(state, timeline, name, 200.0)
    assert writable(timeline, "n0").tolist() == [[-np.inf, 10.0], [110.0, np.inf]]


def test_every_start_fails_in_the_back_off_of_a_crash_loop() -> None:
    state, _ = simulate(fill("n0"))
    ends = [event.time_s for event in state.events if event.reason == "NoSpaceLeft" and event.kind == "Pod"]
    # At once, then after 1 s for the start and 10, 20, 40 s of back-off; the next one, at 84 + 80 s, finds room.
    assert ends == pytest.approx([10.0, 11.0, 22.0, 43.0, 84.0])
    db = next(i for i, name in enumerate(state.pod_names) if name.startswith("db"))
    assert state.pod_restarts[db] == 5


def test_what_is_started_on_a_full_disk_ends_whatever_it_is() -> None:
    crash = Fault(
        kind="PodChaos", action="container-kill", selector=FaultSelector(label_selectors={"app": "web"}), at_s=50.0
    )
    state, timeline = simulate(fill("n0"), crash)
    assert not serving(state, timeline, "web", 100.0)
    assert serving(state, timeline, "web", 300.0)


def test_no_inode_left_is_no_space_left() -> None:
    state, timeline = simulate(fill("n0", inodes="100%"))
    assert not serving(state, timeline, "db", 60.0)
    assert serving(state, timeline, "db", 300.0)


def test_a_little_room_is_not_enough_for_a_start() -> None:
    model = Model(
        host_growth=(HostGrowth(name="system", level_bytes=(int(DISK) - ROOM_BYTES // 2,) * 2, source="test"),)
    )
    state, timeline = simulate(fill("n0"), model=model, until_s=400.0)
    assert not serving(state, timeline, "db", 399.0)  # the fault frees 32 MB, and a start needs 64


def test_a_table_tells_what_each_program_did_and_when_it_worked_again() -> None:
    state, timeline = simulate(fill("n0"))
    rows = list(full_disks(state, timeline).rows())
    assert [(row["software"], row["at_full"], row["to_s"]) for row in rows] == [
        ("PostgreSQL", "ends", 110.0),
        ("Redis", "refuses", 110.0),
    ]
    assert [row["back_s"] for row in rows] == pytest.approx([165.0, 110.0])


def test_a_disk_that_was_never_full_was_always_writable() -> None:
    _, timeline = simulate(fill("n0", size="1G"))
    assert writable(timeline, "n0") is ALWAYS
    assert not len(full_disks(simulate()[0], timeline))


# ---- servers --------------------------------------------------------------------------------------------------------


def test_a_k3s_server_ends_with_its_etcd_and_its_kubelet_with_it() -> None:
    servers = ("n0", "n1", "n2")
    _, timeline = simulate(fill("n0"), count=3, servers=servers)
    times_s, runs = timeline.levels("server/n0")
    assert list(zip(times_s.tolist(), runs.tolist(), strict=True)) == [(10.0, 0.0), (115.0, 1.0)]  # RestartSec=5s
    assert timeline.levels("etcd_members_up")[1].tolist() == [3.0, 2.0, 3.0]
    down = timeline.changes("node_kubelet_down").of(0)
    assert list(zip(down[0].tolist(), down[1].tolist(), strict=True)) == [(10.0, 1), (115.0, 0)]


def test_where_etcd_is_a_process_of_its_own_the_kubelet_goes_on() -> None:
    separate = ControlPlane(single_process=False)
    _, timeline = simulate(fill("n0"), count=3, servers=("n0", "n1", "n2"), control_plane=separate)
    assert timeline.levels("etcd_members_up")[1].tolist() == [3.0, 2.0, 3.0]
    assert len(timeline.changes("node_kubelet_down").times_s) == 0


def test_two_full_servers_of_three_stop_the_control_plane_and_programs_end_all_the_same() -> None:
    state, timeline = simulate(fill("n0", "n1"), fill("n2", at_s=50.0), count=3, servers=("n0", "n1", "n2"))
    times_s, quorum = timeline.levels("etcd_quorum")
    assert list(zip(times_s.tolist(), quorum.tolist(), strict=True)) == [(0.0, 1.0), (10.0, 0.0), (115.0, 1.0)]
    assert not serving(state, timeline, "db", 60.0)  # wherever it is, its disk is full, with or without an API server
    assert serving(state, timeline, "db", 599.0)


def test_the_nospace_alarm_of_etcd_stops_the_control_plane_and_no_program() -> None:
    alarm = Fault(kind="ComponentChaos", action="etcd-nospace", at_s=10.0, duration_s=50.0)
    state, timeline = simulate(alarm, count=3, servers=("n0", "n1", "n2"))
    times_s, quorum = timeline.levels("etcd_quorum")
    assert list(zip(times_s.tolist(), quorum.tolist(), strict=True)) == [(0.0, 1.0), (10.0, 0.0), (60.0, 1.0)]
    assert timeline.levels("etcd_members_up")[1].tolist() == [3.0]
    assert all(serving(state, timeline, name, 30.0) for name in IMAGES)


# ---- what the model says lies there ---------------------------------------------------------------------------------


def test_a_disk_starts_at_the_level_of_the_model_and_fills_at_its_rates() -> None:
    day = int(86_400 * GB)
    model = Model(
        host_growth=(
            HostGrowth(
                name="system", level_bytes=(int(20 * GB), int(40 * GB)), per_day_bytes=(day // 50,) * 2, source="t"
            ),
            HostGrowth(name="logs", each="container", level_bytes=(int(GB), int(3 * GB)), source="t"),
        )
    )
    _, timeline = simulate(model=model, until_s=4000.0)
    # 30 GB and three containers of 2 GB are there; 64 GB of room at 20 MB/s last 3200 s.
    assert timeline.levels("writable/n0")[0].tolist() == pytest.approx([3200.0])


def test_evicting_begins_when_growth_has_used_up_all_but_the_threshold() -> None:
    day = int(86_400 * GB)
    model = Model(host_growth=(HostGrowth(name="logs", each="container", per_day_bytes=(day // 30,) * 2, source="t"),))
    state, _ = simulate(model=model, kubelet=Kubelet(), until_s=4000.0)
    first = next(event for event in state.events if event.reason == "Evicted")
    # Three containers write 0.1 GB/s together: 95 GB after 950 s, seen at the next look.
    assert 950.0 < first.time_s <= 960.0
    # One of them has written 32 GB; 15 GB are wanted, so one is enough.
    low = [event for event in state.events if event.message.startswith("The node was low on resource")]
    assert len([event for event in low if event.time_s < 1200.0]) == 1


def test_contents_are_those_of_the_forecast_and_only_what_runs_is_written() -> None:
    state = ClusterState(cluster([*nodes(1), workload("db", "postgres:16")]))
    start(state, Framework(state))
    assert contents(state, Model()) is None
    model = Model(
        growth=(Growth(name="rows", namespace="shop", workload="db", per_day_bytes=(0, 0), source="t"),),
        host_growth=(
            HostGrowth(name="images", level_bytes=(10, 30), unused_share=(0.2, 0.6), source="t"),
            HostGrowth(name="journal", per_day_bytes=(86_400, 86_400), source="t"),
        ),
    )
    found = contents(state, model)
    assert found is not None
    assert (found.used_bytes.tolist(), found.unused_image_bytes.tolist()) == ([20.0], [8.0])
    assert found.host_rate_bytes.tolist() == [1.0]


# ---- a pod that fills the disk --------------------------------------------------------------------------------------


def pod_fill(app: str, **parameters: str) -> Fault:
    return Fault(
        name="runaway log",
        kind="PodChaos",
        action="pod-disk-fill",
        selector=FaultSelector(label_selectors={"app": app}),
        parameters=parameters,
        at_s=10.0,
        duration_s=500.0,
    )


def test_the_pod_that_fills_the_disk_goes_first_and_takes_what_it_wrote_with_it() -> None:
    state, timeline = simulate(pod_fill("web", percent="97%", rate="1G"), kubelet=Kubelet(), until_s=1200.0)
    low = [event for event in state.events if event.message.startswith("The node was low on resource")]
    assert [event.name.rsplit("-", 2)[0] for event in low] == ["shop/web"]
    found = disk_levels(timeline, "n0", DISK)
    assert found is not None
    assert found.most_bytes == pytest.approx(97 * GB)
    assert found.used_bytes[-1] == 0.0
    assert serving(state, timeline, "db", 1199.0)


def test_a_pod_that_cleans_up_after_itself_leaves_no_trace() -> None:
    state, timeline = simulate(pod_fill("web", size="50G"), kubelet=Kubelet(), until_s=1200.0)
    found = disk_levels(timeline, "n0", DISK)
    assert found is not None
    assert (found.most_bytes, found.used_bytes[-1]) == (50 * GB, 0.0)
    assert not any(event.reason == "Evicted" for event in state.events)


def test_a_pod_takes_no_inodes() -> None:
    with pytest.raises(ScenarioError) as error:
        simulate(pod_fill("web", inodes="50%"))
    assert str(error.value).startswith("faults[0].parameters.inodes: unknown parameter; ")


# ---- what a run says of its disks ---------------------------------------------------------------------------------


def test_levels_are_straight_lines_between_what_changed_them() -> None:
    slow = fill("n0", at_s=100.0, duration_s=500.0, size="30G", rate="100M")
    model = Model(host_growth=(HostGrowth(name="system", level_bytes=(int(40 * GB),) * 2, source="t"),))
    _, timeline = simulate(slow, model=model, until_s=1000.0)
    found = disk_levels(timeline, "n0", DISK)
    assert found is not None
    assert found.reaches_s(40 * GB) == 0.0
    assert found.reaches_s(55 * GB) == pytest.approx(250.0)  # 15 GB at 0.1 GB/s, from 100 s on
    assert found.reaches_s(71 * GB) == np.inf
    assert found.most_bytes == pytest.approx(70 * GB)
    assert found.used_bytes[-1] == pytest.approx(40 * GB)  # somebody made room at 600 s
    assert disk_levels(timeline, "nowhere", DISK) is None


def test_a_full_disk_holds_no_more_than_its_size() -> None:
    _, timeline = simulate(fill("n0", percent="100%", rate="1G"), until_s=200.0)
    found = disk_levels(timeline, "n0", DISK)
    assert found is not None
    assert found.most_bytes == DISK
    assert found.reaches_s(DISK) == pytest.approx(110.0 - 0.0, abs=1e-6)  # 100 GB at 1 GB/s, from 10 s on


def test_the_table_of_disks_tells_alert_pressure_and_evictions() -> None:
    images = HostGrowth(name="images", level_bytes=(int(10 * GB),) * 2, unused_share=(0.5, 0.5), source="t")
    state, timeline = simulate(
        fill("n0", size="86G", rate="1G", duration_s=600.0),
        model=Model(host_growth=(images,)),
        kubelet=Kubelet(),
        until_s=2000.0,
    )
    row = next(disk_table(state, timeline).rows())
    assert (row["used_start_bytes"], row["used_most_bytes"]) == (10 * GB, 96 * GB)
    assert row["alert_s"] == pytest.approx(10.0 + 75.0)
    assert 95.0 < row["pressure_from_s"] < 120.0
    assert row["pressure_s"] > 600.0 - 100.0 + 300.0 - 20.0  # until the room is back, and a transition period more
    assert (row["evicted"], row["images_removed"]) == (3, 1)


# ---- bad input ------------------------------------------------------------------------------------------------------


def refusal(**parameters: str) -> str:
    with pytest.raises(ScenarioError) as error:
        simulate(fill("n0", **parameters))
    return str(error.value)


def test_a_fill_that_does_not_say_how_much_is_refused() -> None:
    assert refusal(rate="1G") == (
        "faults[0].parameters: disk-fill needs one of size (such as 900G) and percent (such as 97%)"
    )
    assert refusal(size="1G", percent="10%").startswith("faults[0].parameters: disk-fill needs one of")


def test_a_wrong_parameter_of_a_fill_is_refused_with_the_nearest_name() -> None:
    assert refusal(percentage="97%") == ("faults[0].parameters.percentage: unknown parameter; did you mean 'percent'?")
    assert refusal(percent="all") == "faults[0].parameters.percent: expected a percentage such as 97%, got 'all'"
    assert refusal(percent="120%") == "faults[0].parameters.percent: expected at most 100%, got '120%'"
    assert refusal(size="0") == "faults[0].parameters.size: expected more than 0, got '0'"


# ---- whatever fills up ----------------------------------------------------------------------------------------------


def random_fill(rng: np.random.Generator, number: int) -> Fault:
    names = tuple(f"n{i}" for i in sorted(rng.choice(4, size=int(rng.integers(1, 5)), replace=False)))
    parameters = (
        {"percent": f"{rng.integers(50, 101)}%"} if rng.random() < 0.5 else {"size": f"{rng.integers(1, 150)}G"}
    )
    if rng.random() < 0.6:
        parameters["rate"] = f"{rng.integers(10, 2000)}M"
    if rng.random() < 0.2:
        parameters["inodes"] = f"{rng.integers(50, 101)}%"
    at_s = float(rng.uniform(0.0, 1200.0))
    return Fault(
        name=f"fill {number}",
        kind="IOChaos",
        action="disk-fill",
        selector=FaultSelector(nodes=names),
        parameters=parameters,
        at_s=at_s,
        duration_s=float(rng.uniform(1.0, 1800.0 - at_s)),
    )


@pytest.mark.parametrize("seed", range(12))
def test_whatever_fills_disks_the_cluster_recovers_once_there_is_room_and_repeats_itself(seed: int) -> None:
    rng = np.random.default_rng(seed)
    level = (int(rng.uniform(0, 40) * GB),) * 2
    entries = (
        HostGrowth(name="images", level_bytes=level, unused_share=(0.5, 0.5), source="t"),
        HostGrowth(
            name="logs", each="container", level_bytes=(int(GB),) * 2, per_day_bytes=(int(10 * GB),) * 2, source="t"
        ),
    )
    case = {
        "model": Model(host_growth=entries),
        "count": 4,
        "kubelet": Kubelet(inodes_free=0.05) if rng.random() < 0.5 else PATIENT,
        "control_plane": ControlPlane(single_process=bool(rng.random() < 0.5)),
        "servers": ("n0", "n1", "n2"),
        "until_s": 4000.0,
    }
    faults = [random_fill(rng, number) for number in range(rng.integers(1, 6))]
    state, _ = simulate(*faults, **case)
    active = np.flatnonzero(state.pod_active)
    assert len(active) == len(IMAGES)
    assert state.pod_ready[active].all()
    assert state.pod_running[active].all()
    assert not any(state.taints)
    assert not state.node_kubelet_down.any()
    assert simulate(*faults, **case)[0].events == state.events
