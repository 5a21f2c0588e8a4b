"""Kinds of fault that need no story: levels, workflows, traces, disks, memory, and what is refused."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from gxsim.engine.outage import exited_s, leads_s, reconnected_s, through_s
from gxsim.engine.partition import sides
from gxsim.engine.simulation import Simulation
from gxsim.engine.start import start
from gxsim.errors import ScenarioError
from gxsim.load.objects import cluster
from gxsim.load.traces import with_traces
from gxsim.model.control_plane import ControlPlane, Kubelet
from gxsim.model.fault import Fault, FaultSelector
from gxsim.model.model import Usage
from gxsim.observe.causes import Causes
from gxsim.observe.pods import pod_fates
from gxsim.rng import Streams
from gxsim.scheduler import Framework
from gxsim.state import PHASE_FAILED, PHASE_SUCCEEDED, ClusterState
from gxsim.timeline import Timeline

GIBIBYTE = 2**30
PODS = FaultSelector(namespaces=("app",))


def workload(kind: str, name: str, *, limit: str = "", **spec: object) -> dict:
    labels = {"app": name}
    limits = {"limits": {"memory": limit}} if limit else {}
    pod: dict = {"containers": [{"name": "c", "resources": {"requests": {"cpu": "100m"}, **limits}}]}
    if kind == "Job":
        pod["restartPolicy"] = "Never"
    template = {"metadata": {"labels": labels}, "spec": pod}
    metadata = {"name": name, "namespace": "app"}
    spec |= {"selector": {"matchLabels": labels}, "template": template}
    return {"kind": kind, "metadata": metadata, "spec": spec}


def simulate(
    *faults: Fault, objects: tuple[dict, ...] = (), until_s: float = 600.0, usage: Sequence[Usage] = ()
) -> tuple[ClusterState, Timeline]:
    nodes = [
        {
            "kind": "Node",
            "metadata": {"name": f"n{i}", "labels": {"kubernetes.io/hostname": f"n{i}"}},
            "status": {"capacity": {"cpu": "4", "memory": "8Gi", "pods": "20", "ephemeral-storage": "100Gi"}},
        }
        for i in range(3)
    ]
    state = ClusterState(cluster([*nodes, workload("Deployment", "web", replicas=2, limit="512Mi"), *objects]))
    framework = Framework(state)
    start(state, framework)
    sim = Simulation(state, framework=framework, streams=Streams(1), faults=faults, usage=usage)
    return state, sim.run(until_s)


def refusal(fault: Fault) -> str:
    with pytest.raises(ScenarioError) as error:
        simulate(fault)
    return str(error.value)


# ---- memory and disks ------------------------------------------------------------------------------------------------


def test_memory_beyond_its_limit_kills_a_container_again_and_again() -> None:
    stress = Fault(
        kind="StressChaos", action="memory-stress", selector=PODS, parameters={"size": "1Gi"}, at_s=10, duration_s=60
    )
    state, _ = simulate(stress)
    assert {e.reason for e in state.events} >= {"OOMKilling"}
    assert (state.pod_restarts[:2] >= 3).all()
    assert state.pod_ready[:2].all()


def test_memory_within_its_limit_is_a_level_only() -> None:
    stress = Fault(
        name="s", kind="StressChaos", action="memory-stress", selector=PODS, parameters={"size": "256Mi"}, duration_s=60
    )
    state, timeline = simulate(stress)
    assert not state.pod_restarts.any()
    assert timeline.levels("memory-stress/s")[1].tolist() == [256 * 2**20, 0.0]


def test_a_memory_stress_without_a_size_is_refused() -> None:
    fault = Fault(kind="StressChaos", action="memory-stress", selector=PODS)
    assert refusal(fault) == "faults[0].parameters.size: is missing: how much memory is taken, such as 512Mi"


def test_a_wrong_time_of_a_memory_stress_is_refused() -> None:
    fault = Fault(kind="StressChaos", action="memory-stress", selector=PODS, parameters={"size": "1Gi", "time": "soon"})
    expected = "faults[0].parameters.time: expected a duration such as 250ms, 5m or 2h, got 'soon'"
    assert refusal(fault) == expected


def test_a_wrong_oom_score_is_refused() -> None:
    selector, parameters = FaultSelector(nodes=("n0",)), {"size": "1Gi", "oomScoreAdj": 2000}
    fault = Fault(kind="StressChaos", action="node-memory-hog", selector=selector, parameters=parameters)
    expected = "faults[0].parameters.oomScoreAdj: expected a whole number from -1000 to 1000, got 2000"
    assert refusal(fault) == expected


def test_the_kernel_kills_while_the_api_server_is_away() -> None:
    away = Fault(
        name="away",
        kind="ComponentChaos",
        action="component-stop",
        parameters={"component": "kube-apiserver"},
        at_s=10,
        duration_s=60,
    )
    stress = Fault(
        name="s", kind="StressChaos", action="memory-stress", selector=PODS, parameters={"size": "1Gi"}, at_s=20
    )
    state, timeline = simulate(away, stress, until_s=60)
    assert [e.time_s for e in state.events if e.reason == "OOMKilling"][:2] == [20.0, 20.0]
    assert not timeline.at("pod_serving", 20.0)[:2].any()
    assert timeline.at("pod_ready", 20.0)[:2].all()  # nobody can be told


def test_a_pod_never_begins_above_its_limit_whatever_the_model_states() -> None:
    stated = Usage(namespace="app", workload="web", cpu_milli=0, memory_bytes=GIBIBYTE, source="chosen")
    state, _ = simulate(usage=[stated])
    assert not state.events


def test_pods_get_ready_within_a_period_of_their_probe_each_in_its_own_phase() -> None:
    probed = workload("Deployment", "probed", replicas=8)
    spec = probed["spec"]["template"]["spec"]
    spec["containers"][0] |= {
        "startupProbe": {"periodSeconds": 10, "failureThreshold": 30},
        "readinessProbe": {"periodSeconds": 10},
    }
    kill = Fault(kind="PodChaos", action="pod-kill", selector=FaultSelector(label_selectors={"app": "probed"}), at_s=10)
    states = [simulate(kill, objects=(probed,))[0] for _ in range(2)]
    waited = []
    for state in states:
        made = np.flatnonzero(state.pod_active & (state.pod_created_s == 10.0))
        waited.append((state.pod_ready_since_s[made] - state.pod_started_s[made]).tolist())
    assert len(waited[0]) == 8
    assert 0 <= min(waited[0]) < 4 < 6 < max(waited[0]) <= 10
    assert waited[0] == waited[1]  # the phases are drawn from the seed


def test_a_leak_that_reaches_its_limit_begins_anew_after_the_restart() -> None:
    leak = Usage(
        namespace="app",
        workload="web",
        cpu_milli=0,
        memory_bytes=GIBIBYTE // 4,
        memory_per_day_bytes=24 * 9 * GIBIBYTE // 4,  # a quarter of a gibibyte is left: 400 s
        source="chosen",
    )
    state, _ = simulate(usage=[leak], until_s=900)
    assert [e.time_s for e in state.events if e.reason == "OOMKilling"] == pytest.approx([400, 400, 801, 801], abs=0.01)


def test_a_full_disk_evicts_and_a_freed_one_takes_pods_again() -> None:
    full = Fault(
        kind="IOChaos",
        action="disk-fill",
        selector=FaultSelector(nodes=("n0",)),
        parameters={"size": "99Gi"},
        at_s=10,
        duration_s=120,
    )
    state, _ = simulate(full, until_s=1200)
    assert (state.pod_phase[state.pod_node == 0] == PHASE_FAILED).any()
    assert not any(state.taints)
    assert np.count_nonzero(state.pod_active) == 2


# ---- composition ----------------------------------------------------------------------------------------------------


def stop(node: str, **when: float) -> Fault:
    return Fault(kind="NodeChaos", action="node-stop", selector=FaultSelector(nodes=(node,)), **when)


def down(timeline: Timeline, node: int) -> list[tuple[float, float]]:
    times, values = timeline.changes("node_down").of(node)
    return list(zip(times.tolist(), values.tolist(), strict=True))


def test_serial_steps_wait_for_one_another() -> None:
    steps = (
        stop("n0", duration_s=10),
        Fault(kind="Workflow", action="suspend", duration_s=5),
        stop("n1", duration_s=10),
    )
    _, timeline = simulate(Fault(kind="Workflow", action="serial", at_s=100, steps=steps))
    assert down(timeline, 0) == [(100.0, 1), (110.0, 0)]
    assert down(timeline, 1) == [(115.0, 1), (125.0, 0)]


def test_parallel_steps_begin_together_and_a_series_goes_on_after_the_longest() -> None:
    both = Fault(kind="Workflow", action="parallel", steps=(stop("n0", duration_s=10), stop("n1", duration_s=30)))
    _, timeline = simulate(Fault(kind="Workflow", action="serial", at_s=100, steps=(both, stop("n2", duration_s=10))))
    assert (down(timeline, 0)[0], down(timeline, 1)[0]) == ((100.0, 1), (100.0, 1))
    assert down(timeline, 2) == [(130.0, 1), (140.0, 0)]


def test_overlapping_faults_of_one_node_count() -> None:
    _, timeline = simulate(stop("n0", at_s=10, duration_s=100), stop("n0", at_s=50, duration_s=10))
    assert down(timeline, 0) == [(10.0, 1), (50.0, 2), (60.0, 1), (110.0, 0)]


def test_a_step_that_repeats_itself_is_refused() -> None:
    fault = Fault(kind="Workflow", action="serial", steps=(stop("n0", mtbf_s=10.0),))
    assert refusal(fault) == "faults[0].steps[0].mtbf: a step happens once; write it as a fault of its own"


def test_steps_of_anything_else_are_refused() -> None:
    fault = Fault(kind="ComponentChaos", action="quorum-loss", steps=(stop("n0"),))
    assert refusal(fault) == "faults[0].steps: only a Workflow has steps"


def test_times_come_from_a_trace_file(tmp_path: Path) -> None:
    (tmp_path / "outages.csv").write_text("begin_s,duration_s\n100,10\n200,5\n")
    fault = Fault(kind="NodeChaos", action="node-stop", selector=FaultSelector(nodes=("n0",)), trace_file="outages.csv")
    digests: dict[str, str] = {}
    (traced,) = with_traces((fault,), tmp_path, digests)
    _, timeline = simulate(traced)
    assert down(timeline, 0) == [(100.0, 1), (110.0, 0), (200.0, 1), (205.0, 0)]
    assert list(digests) == [str(tmp_path / "outages.csv")]


def test_a_trace_file_with_other_columns_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "outages.csv"
    file.write_text("begin,end\n1,2\n")
    with pytest.raises(ScenarioError) as error:
        with_traces((Fault(kind="NodeChaos", action="node-stop", trace_file="outages.csv"),), tmp_path, {})
    expected = f"faults[0].traceFile: {file}: expected the columns begin_s,duration_s, got ['begin', 'end']"
    assert str(error.value) == expected


def test_a_command_that_finds_no_api_server_is_given_again() -> None:
    away = Fault(
        kind="ComponentChaos",
        action="component-stop",
        parameters={"component": "kube-apiserver"},
        at_s=10,
        duration_s=30,
    )
    scale = Fault(
        kind="Operation",
        action="scale",
        selector=FaultSelector(workloads=("Deployment/web",)),
        parameters={"replicas": 3},
        at_s=20,
    )
    state, _ = simulate(away, scale, until_s=200)
    created = state.pod_created_s[state.pod_created_s > 0]
    assert len(created) == 1
    assert created[0] >= 45.0  # it answers 5 s after its start at 40


# ---- jobs -----------------------------------------------------------------------------------------------------------


def test_a_job_runs_its_pods_to_the_end_as_many_at_once_as_it_may() -> None:
    job = workload("Job", "load", completions=3, parallelism=2)
    state, _ = simulate(objects=(job,))
    rows = [p for p, name in enumerate(state.pod_names) if name.startswith("load-")]
    assert [int(state.pod_phase[p]) for p in rows] == [PHASE_SUCCEEDED] * 3
    assert [float(state.pod_created_s[p]) for p in rows] == pytest.approx([0.0, 0.0, 62.0])
    assert [e.reason for e in state.events if e.kind == "Job"] == ["Completed"]


def test_a_job_gives_up_after_its_back_off_limit() -> None:
    job = workload("Job", "load", completions=1, parallelism=1, backoffLimit=1)
    kills = Fault(
        kind="PodChaos",
        action="container-kill",
        selector=FaultSelector(label_selectors={"app": "load"}),
        schedule_s=20.0,
    )
    state, _ = simulate(kills, objects=(job,))
    rows = [p for p, name in enumerate(state.pod_names) if name.startswith("load-")]
    assert [int(state.pod_phase[p]) for p in rows] == [PHASE_FAILED] * 2
    assert [e.reason for e in state.events if e.kind == "Job"] == ["BackoffLimitExceeded"]


def test_only_a_pod_that_did_not_end_well_is_lost() -> None:
    job = workload("Job", "load", completions=2, parallelism=1)
    stop = Fault(kind="NodeChaos", action="node-stop", selector=FaultSelector(nodes=("n0", "n1", "n2")), at_s=30.0)
    for faults, lost in (((), 0), ((stop,), 1)):
        state, timeline = simulate(*faults, objects=(job,))
        assert pod_fates(state, timeline, Causes(state, timeline)).columns["workload"].count("app/load") == lost


# ---- arithmetic of outages ------------------------------------------------------------------------------------------


def test_a_leader_exits_after_its_deadline_and_waits_out_the_old_lease() -> None:
    parameters = ControlPlane()
    assert exited_s(parameters, 100.0) == 112.0
    assert leads_s(parameters, 160.0) == 177.0


def test_a_process_restarted_without_etcd_hangs_for_the_whole_request_time_out() -> None:
    parameters = ControlPlane()
    assert through_s(parameters, 0.0, 10.0) == 17.0  # etcd was back before the restart
    assert through_s(parameters, 0.0, 60.0) == 77.0
    assert through_s(parameters, 0.0, 80.0) == 82.0  # back in the pause before the second restart
    assert through_s(parameters, 0.0, 100.0) == 142.0  # the second hang


def test_a_watch_is_opened_again_after_pauses_that_double() -> None:
    parameters = ControlPlane()
    assert reconnected_s(parameters, 0.0, 2.0, 0.0) == pytest.approx(2.4)
    assert reconnected_s(parameters, 0.0, 100.0, 0.0) == pytest.approx(0.8 * 63 + 30 * 2)


@pytest.mark.parametrize(
    ("cut", "down_nodes", "expected"),
    [
        (({0}, {1, 2, 3}), (), ({0}, True)),
        (({0, 1}, {2, 3}), (), ({2, 3}, True)),
        (({3}, {0, 1, 2}), (), ({3}, True)),
        (({0}, {1, 2, 3}), (1,), ({0}, False)),
    ],
)
def test_the_side_with_the_majority_of_etcd_lives(cut: tuple, down_nodes: tuple, expected: tuple) -> None:
    up = np.array([node not in down_nodes for node in range(4)])
    found = sides([(frozenset(cut[0]), frozenset(cut[1]))], [0, 1, 2], up)
    assert found == (frozenset(expected[0]), expected[1])


def test_a_healed_network_has_a_leader_again() -> None:
    assert sides([], [0, 1, 2], np.array([False, False, False])) == (frozenset(), True)


def test_parameters_of_kubelets_have_defaults_of_k3s() -> None:
    assert (Kubelet().crash_backoff_s, Kubelet().crash_backoff_cap_s, ControlPlane().node_monitor_grace_period_s) == (
        10.0,
        300.0,
        50.0,
    )
