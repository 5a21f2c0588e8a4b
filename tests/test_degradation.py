"""Faults that slow their targets down: whom they hit, that they overlap, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest

from gxsim.engine.simulation import Simulation
from gxsim.engine.start import start
from gxsim.errors import ScenarioError
from gxsim.load.objects import cluster
from gxsim.model.fault import Fault, FaultSelector
from gxsim.rng import Streams
from gxsim.scheduler import Framework
from gxsim.state import ENDPOINT_READY, ClusterState
from gxsim.state.degradation import OUTSIDE, Degradation, Ends, change_times
from gxsim.timeline import Timeline

REGION = "topology.kubernetes.io/region"
WEB = FaultSelector(workloads=("Deployment/web",))
N0, N1 = FaultSelector(nodes=("n0",)), FaultSelector(nodes=("n1",))


def world() -> ClusterState:
    """Four nodes in two regions; a Deployment with a Service, one pod on each of the first two nodes."""
    nodes = [
        {
            "kind": "Node",
            "metadata": {"name": f"n{i}", "labels": {"kubernetes.io/hostname": f"n{i}", REGION: "ab"[i // 2]}},
            "status": {"capacity": {"cpu": "4", "memory": "8Gi", "pods": "20"}},
        }
        for i in range(4)
    ]
    labels = {"app": "web"}
    probe = {"httpGet": {"port": 80}, "periodSeconds": 5}
    container = {"name": "c", "resources": {"requests": {"cpu": "100m"}}, "readinessProbe": probe}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    web = {
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "app"},
        "spec": {"replicas": 2, "selector": {"matchLabels": labels}, "template": template},
    }
    service = {"kind": "Service", "metadata": {"name": "web", "namespace": "app"}, "spec": {"selector": labels}}
    return ClusterState(cluster([*nodes, web, service]))


def simulate(*faults: Fault, until_s: float = 600.0) -> tuple[ClusterState, Timeline]:
    state = world()
    framework = Framework(state)
    start(state, framework)
    sim = Simulation(state, framework=framework, streams=Streams(1), faults=faults)
    return state, sim.run(until_s)


def refusal(fault: Fault) -> str:
    with pytest.raises(ScenarioError) as error:
        simulate(fault)
    return str(error.value)


def delay(latency: str, selector: FaultSelector = N0, **given: object) -> Fault:
    return Fault(kind="NetworkChaos", action="delay", selector=selector, parameters={"latency": latency}, **given)


# ---- what the timeline keeps ----------------------------------------------------------------------------------------


def test_a_delay_between_regions_is_at_the_nodes_of_both() -> None:
    a, b = (FaultSelector(node_selectors={REGION: region}) for region in "ab")
    _, timeline = simulate(delay("80ms", a, target=b, name="slow", at_s=10, duration_s=20))
    slow = Degradation(
        fault="slow",
        action="delay",
        amount=0.08,
        near=Ends(nodes=(0, 1)),
        far=Ends(nodes=(2, 3)),
        begin_s=10.0,
        end_s=30.0,
    )
    assert timeline.degradations == (slow,)


def test_a_fault_at_pods_keeps_to_the_pods_it_found() -> None:
    kill = Fault(kind="PodChaos", action="pod-kill", selector=WEB, at_s=20)
    _, timeline = simulate(delay("80ms", WEB, at_s=10), kill)
    (slow,) = timeline.degradations
    assert slow.near == Ends(pods=(0, 1))  # their replacements are other pods
    assert np.isinf(slow.end_s)


def test_overlapping_faults_of_one_target_end_independently() -> None:
    _, timeline = simulate(
        delay("80ms", name="long", at_s=10, duration_s=100), delay("20ms", name="short", at_s=50, duration_s=10)
    )
    assert [(d.fault, d.begin_s, d.end_s) for d in timeline.degradations] == [("long", 10, 110), ("short", 50, 60)]
    assert change_times(timeline.degradations).tolist() == [10, 50, 60, 110]


def test_a_loss_is_a_share_under_the_name_another_tool_gives_it() -> None:
    bad = Fault(kind="NetworkChaos", action="pod-network-loss", selector=N0, parameters={"loss": "5%"}, at_s=10)
    _, timeline = simulate(bad)
    assert [(d.action, d.amount) for d in timeline.degradations] == [("loss", 0.05)]


@pytest.mark.parametrize(
    ("kind", "action", "parameters", "amount", "spread"),
    [
        ("NetworkChaos", "bandwidth", {"rate": "10mbit"}, 1.25e6, 0),
        ("NetworkChaos", "bandwidth", {"rate": "1mbps"}, 1e6, 0),  # tc's bps are bytes
        ("NetworkChaos", "bandwidth", {"rate": "2Mi"}, 2 * 2**20, 0),
        ("NetworkChaos", "delay", {"latency": "90ms", "jitter": "30ms"}, 0.09, 0.03),
        ("IOChaos", "disk-slow", {"latency": "50ms"}, 0.05, 0),
        ("StressChaos", "cpu-stress", {"workers": 4, "load": 50}, 2, 4),
        ("StressChaos", "cpu-stress", {"cores": "1500m"}, 1.5, 2),
        ("TimeChaos", "clock-skew", {"offset": "-10m"}, -600, 0),
    ],
)
def test_amounts_are_in_seconds_bytes_and_cores(
    kind: str, action: str, parameters: dict, amount: float, spread: float
) -> None:
    _, timeline = simulate(Fault(kind=kind, action=action, selector=N0, parameters=parameters, at_s=1))
    assert [(d.amount, d.spread) for d in timeline.degradations] == [(amount, spread)]


# ---- whom a link's fault meets --------------------------------------------------------------------------------------


def link(near: Ends, far: Ends | None = None, direction: str = "both") -> Degradation:
    return Degradation(fault="f", action="delay", amount=1.0, near=near, far=far, direction=direction, begin_s=0.0)


def meets(fault: Degradation, sender: tuple[int, int], receiver: tuple[int, int]) -> bool:
    return bool(fault.meets(*(np.array(row) for row in (*sender, *receiver))))


def test_a_direction_tells_the_way_there_from_the_way_back() -> None:
    there, back, both = (link(Ends(nodes=(0,)), Ends(nodes=(1,)), d) for d in ("to", "from", "both"))
    ways = [(0, OUTSIDE), (1, OUTSIDE)], [(1, OUTSIDE), (0, OUTSIDE)]
    assert [[meets(f, *way) for way in ways] for f in (there, back, both)] == [[1, 0], [0, 1], [1, 1]]


def test_a_node_is_every_pod_on_it_and_what_stays_within_passes_no_network() -> None:
    fault = link(Ends(nodes=(0,)))
    assert meets(fault, (0, 7), (1, 8))
    assert meets(fault, (OUTSIDE, OUTSIDE), (0, 7))  # users
    assert not meets(fault, (0, 7), (0, 9))
    assert not meets(fault, (1, 8), (2, 3))


def test_a_pods_own_fault_meets_its_neighbours_on_the_node_too() -> None:
    fault = link(Ends(pods=(7,)))
    assert meets(fault, (0, 7), (0, 9))
    assert not meets(fault, (0, 9), (1, 8))


# ---- partitions -----------------------------------------------------------------------------------------------------


def test_a_pod_that_is_cut_off_stays_ready_and_serves_nobody() -> None:
    cut = Fault(kind="NetworkChaos", action="partition", selector=WEB, mode="one", at_s=100, duration_s=100)
    state, timeline = simulate(cut)
    (pod,) = timeline.degradations[0].near.pods
    times, values = timeline.changes("pod_serving").of(pod)
    assert list(zip(times.tolist(), values.tolist(), strict=True)) == [(0.0, True), (100.0, False), (200.0, True)]
    assert timeline.at("pod_ready", 199.0)[pod]  # its kubelet is on the same node
    assert timeline.at("pod_endpoint", 199.0)[pod] == ENDPOINT_READY
    assert not state.pod_restarts.any()


def test_a_pod_that_is_cut_off_from_one_other_node_serves_the_rest() -> None:
    cut = Fault(kind="NetworkChaos", action="partition", selector=WEB, target=N1, at_s=100, duration_s=100)
    _, timeline = simulate(cut)
    assert timeline.at("pod_serving", 150.0)[:2].all()
    assert timeline.degradations[0].severs


def test_losing_every_packet_of_a_node_is_a_partition() -> None:
    lost = Fault(kind="NetworkChaos", action="loss", selector=N0, parameters={"loss": 100}, at_s=100, duration_s=60)
    cut = Fault(kind="NetworkChaos", action="partition", selector=N0, at_s=100, duration_s=60)
    downs = [simulate(fault)[1].changes("node_down").of(0) for fault in (lost, cut)]
    assert [[part.tolist() for part in down] for down in downs] == [[[100.0, 160.0], [1, 0]]] * 2


def test_nodes_that_fail_each_by_itself_are_cut_off_from_one_another() -> None:
    everyone = FaultSelector(nodes=("n0", "n1", "n2", "n3"))
    cut = Fault(kind="NetworkChaos", action="partition", mode="one", selector=everyone, at_s=100, duration_s=60)
    _, timeline = simulate(cut)
    assert np.count_nonzero(timeline.at("node_down", 120.0)) == 1


# ---- refusals -------------------------------------------------------------------------------------------------------

SLOW = delay("80ms")


@pytest.mark.parametrize(
    ("fault", "problem"),
    [
        (delay("fast"), "latency: expected a duration such as 250ms, 5m or 2h, got 'fast'"),
        (delay("-1s"), "latency: expected a duration of at least 0, got '-1s'"),
        (replace(SLOW, parameters={}), "latency: is missing: how long packets are held back, such as 80ms"),
        (
            replace(SLOW, parameters={"latncy": "80ms"}),
            "latncy: delay has none; did you mean 'latency'?",
        ),
        (
            replace(SLOW, action="loss", parameters={"loss": "150%"}),
            "loss: expected a percentage from 0 to 100, such as 5 or 5%, got '150%'",
        ),
        (
            replace(SLOW, action="bandwidth", parameters={"rate": "10 Mbit"}),
            "rate: expected a rate such as 10mbit, 1mbps (bytes) or 2Mi, got '10 Mbit'",
        ),
        (
            replace(SLOW, kind="StressChaos", action="cpu-stress", parameters={"workers": 0}),
            "workers: expected a whole number of workers, got 0",
        ),
    ],
)
def test_a_parameter_that_means_nothing_is_refused(fault: Fault, problem: str) -> None:
    assert refusal(fault) == f"faults[0].parameters.{problem}"


def test_a_stress_says_cores_or_workers() -> None:
    stress = replace(SLOW, kind="StressChaos", action="cpu-stress", parameters={})
    assert refusal(stress) == "faults[0].parameters: is empty; write cores, or workers and their load"
    both = replace(stress, parameters={"cores": 1, "workers": 2})
    assert refusal(both) == "faults[0].parameters: cores, or workers and their load, not both"


def test_only_the_network_has_directions_and_targets() -> None:
    stop = Fault(kind="NodeChaos", action="node-stop", selector=N0, direction="to")
    assert refusal(stop) == "faults[0].direction: only NetworkChaos has a direction, NodeChaos has none"
    stop = Fault(kind="NodeChaos", action="node-stop", selector=N0, target=N1)
    assert refusal(stop) == "faults[0].target: only NetworkChaos has a target, NodeChaos has none"


def test_no_action_ignores_a_parameter() -> None:
    stop = Fault(kind="NodeChaos", action="node-stop", selector=N0, parameters={"force": 1})
    assert refusal(stop) == "faults[0].parameters.force: node-stop has none; it takes no parameters"
    taint = Fault(kind="NodeChaos", action="node-taint", selector=N0, parameters={"efect": "NoSchedule"})
    assert refusal(taint) == "faults[0].parameters.efect: node-taint has none; did you mean 'effect'?"


def test_a_link_fault_names_someone() -> None:
    expected = "faults[0].selector: names no node; write nodes or nodeSelectors, or another mode than all"
    assert refusal(delay("80ms", FaultSelector())) == expected
