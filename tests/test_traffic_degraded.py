"""Requests over links that are slow, lossy, thin or torn, and to pods that hang."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gxsim.kernels.retransmission import (
    MAX_RTO_S,
    MIN_RTO_S,
    TRIES,
    mean_retransmission_s,
    retransmission_s,
)
from gxsim.load.scenario import load
from gxsim.observe.traffic import tables_of
from gxsim.rng import Streams
from gxsim.study.simulate import simulate
from gxsim.traffic.run import Traffic, run_traffic
from tests.small_world import network, path, small_world

FIXED = [{"step": "*", "serviceTime": "1ms", "scv": 0, "servers": 50, "source": "chosen"}]
EAST, WEST = {"nodes": ["one"]}, {"nodes": ["two"]}
FRONT = {"namespaces": ["default"], "labelSelectors": {"app": "front"}}


def felt(folder: Path, fault: dict[str, Any], **world: Any) -> tuple[Traffic, dict[str, dict[str, Any]]]:
    """The traffic of a run with *fault* from 200 s to 400 s, and what easterners felt by phase."""
    fault = {"name": "f", "at": "200s", "duration": "200s", **fault}
    world = {"network": network("links"), "stations": FIXED, **world}
    result = simulate(small_world(folder, faults=[fault], **world))
    traffic = run_traffic(result.case.model, result.state, result.timeline, Streams(1))
    (paths, *_) = tables_of(traffic, result.state)
    return traffic, {r["phase"]: r for r in paths.rows() if (r["path"], r["population"]) == ("all", "easterners")}


def link_fault(action: str, **fields: Any) -> dict[str, Any]:
    """Between the two nodes, which every request from the east crosses once there and once back."""
    return {"kind": "NetworkChaos", "action": action, "selector": EAST, "target": WEST, **fields}


# ---- the kernel -----------------------------------------------------------------------------------------------------


@given(lost=st.integers(0, 20), rto_s=st.floats(0.2, 300.0))
def test_time_outs_double_up_to_their_cap(lost: int, rto_s: float) -> None:
    waited_s, time_out_s = 0.0, min(rto_s, MAX_RTO_S)
    for _ in range(lost):
        waited_s, time_out_s = waited_s + time_out_s, min(2 * time_out_s, MAX_RTO_S)
    expected_s = waited_s if lost < TRIES else np.inf
    assert retransmission_s(np.array(lost), rto_s) == pytest.approx(expected_s)


@pytest.mark.parametrize("loss", [0.0, 0.01, 0.1, 0.2])
def test_the_mean_cost_of_a_loss_is_a_geometric_sum(loss: float) -> None:
    """Below a loss of 0.2 the cap, reached after nine losses, changes less than a thousandth."""
    assert mean_retransmission_s(np.array(loss), np.array(0.2)) == pytest.approx(0.2 * loss / (1 - 2 * loss), rel=1e-3)


def test_losing_everything_takes_for_ever() -> None:
    assert np.isinf(mean_retransmission_s(np.array(1.0), np.array(0.2)))


# ---- links ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("direction", "extra_s"), [("both", 0.08), ("to", 0.04), ("from", 0.04)])
def test_a_delay_between_two_nodes_is_added_to_each_way(tmp_path: Path, direction: str, extra_s: float) -> None:
    slow = link_fault("delay", direction=direction, parameters={"latency": "40ms"})
    _, phases = felt(tmp_path, slow)
    assert phases["degraded"]["lasts_s"] == pytest.approx(200.0)
    assert phases["degraded"]["mean_s"] - phases["before"]["mean_s"] == pytest.approx(extra_s, abs=2e-4)
    assert phases["after"]["mean_s"] == pytest.approx(phases["before"]["mean_s"], abs=2e-4)


def test_delays_of_two_faults_add_up(tmp_path: Path) -> None:
    slow = link_fault("delay", parameters={"latency": "40ms"})
    both = {"kind": "Workflow", "action": "parallel", "steps": [{**slow, "duration": "200s"}] * 2, "duration": "200s"}
    _, phases = felt(tmp_path, both)
    assert phases["degraded"]["mean_s"] - phases["before"]["mean_s"] == pytest.approx(0.16, abs=2e-4)


def test_jitter_spreads_a_delay_evenly(tmp_path: Path) -> None:
    slow = link_fault("delay", direction="to", parameters={"latency": "100ms", "jitter": "100ms"})
    _, phases = felt(tmp_path, slow)
    low, high = (phases["degraded"][name] - phases["before"]["mean_s"] for name in ("p50_s", "p90_s"))
    assert low == pytest.approx(0.100, abs=0.006)  # 10 000 requests: standard errors of 1 and 0.6 ms, bins of 2 %
    assert high == pytest.approx(0.180, abs=0.008)


def test_a_lost_packet_costs_its_time_out(tmp_path: Path) -> None:
    """Two messages cross the link; each is lost with 10 %, and the time-out is 200 ms and a round trip of 6 ms."""
    _, phases = felt(tmp_path, link_fault("loss", parameters={"loss": 10}))
    extra_s = phases["degraded"]["mean_s"] - phases["before"]["mean_s"]
    expected_s = 2 * float(mean_retransmission_s(np.array(0.1), np.array(MIN_RTO_S + 0.006)))
    assert extra_s == pytest.approx(expected_s, rel=0.08)  # 10 000 requests: a standard error of 2 %
    assert phases["degraded"]["answered_percent"] > 99.9


def test_a_thin_link_takes_its_time_for_every_byte(tmp_path: Path) -> None:
    """1 000 bytes there and 10 000 back at 100 kB/s."""
    _, phases = felt(tmp_path, link_fault("bandwidth", parameters={"rate": "100kbps"}))
    assert phases["degraded"]["mean_s"] - phases["before"]["mean_s"] == pytest.approx(0.11, abs=2e-4)


def test_users_share_the_fate_of_a_node_whose_links_are_all_slow(tmp_path: Path) -> None:
    """Easterners come to the slow node and their requests leave it once more."""
    slow = {"kind": "NetworkChaos", "action": "delay", "selector": EAST, "parameters": {"latency": "40ms"}}
    _, phases = felt(tmp_path, slow)
    assert phases["degraded"]["mean_s"] - phases["before"]["mean_s"] == pytest.approx(0.16, abs=2e-4)


# ---- pods out of reach, and pods that hang --------------------------------------------------------------------------


def causes(phase: dict[str, Any]) -> dict[str, int]:
    names = ("refused", "no_connection", "no_answer", "no_endpoint")
    return {name: phase[name] for name in names if phase[name]}


def test_a_torn_link_costs_the_requests_that_need_it(tmp_path: Path) -> None:
    """All of the east's do: what is left of the cluster stays listed, as nobody else has noticed."""
    fronts = link_fault(
        "partition", selector=FRONT, target={"namespaces": ["default"], "labelSelectors": {"app": "back"}}
    )
    _, phases = felt(tmp_path, fronts)
    torn = phases["degraded"]
    assert list(causes(torn)) == ["no_connection"]
    assert torn["sent"] - torn["no_connection"] < 5  # had crossed it when it tore
    assert phases["after"]["answered_percent"] > 99.9


def test_a_pod_that_is_cut_off_times_connections_out(tmp_path: Path) -> None:
    cut = {"kind": "NetworkChaos", "action": "partition", "selector": FRONT, "mode": "one"}
    _, phases = felt(tmp_path, cut)
    blind = phases["undetected"]
    assert list(causes(blind)) == ["no_connection"]
    assert blind["no_connection"] / blind["sent"] == pytest.approx(0.5, abs=0.02)


def test_a_pod_that_hangs_takes_connections_and_never_answers(tmp_path: Path) -> None:
    hang = {"kind": "PodChaos", "action": "pod-unresponsive", "selector": FRONT, "mode": "one"}
    _, phases = felt(tmp_path, hang)
    blind = phases["undetected"]
    assert list(causes(blind)) == ["no_answer"]
    assert blind["no_answer"] / blind["sent"] == pytest.approx(0.5, abs=0.02)


def test_who_waits_for_a_pod_that_hangs_may_try_another(tmp_path: Path) -> None:
    retrying = [path("page", ["proxy", "default/front", "default/back"], retries=1, answerTimeout="1s")]
    hang = {"kind": "PodChaos", "action": "pod-unresponsive", "selector": FRONT, "mode": "one"}
    _, phases = felt(tmp_path, hang, paths=retrying)
    assert phases["undetected"]["answered_percent"] == pytest.approx(75.0, abs=2.0)
    assert phases["undetected"]["p90_s"] > 1.0 > phases["undetected"]["p50_s"]


# ---- stores on a full disk ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("image", "cause"), [("couchdb:3.3", "read_only"), ("postgres:16", "refused")])
def test_a_store_on_a_full_disk_answers_reads_and_refuses_writes_or_ends(
    tmp_path: Path, image: str, cause: str
) -> None:
    """Half of all requests write; the disk of the only store is full from 200 s to 300 s; kubelets evict nobody."""
    steps = ["proxy", "default/front", "default/back"]
    full = {"kind": "IOChaos", "action": "disk-fill", "selector": WEST, "parameters": {"percent": "100%"}}
    fault = {"name": "full", "at": "200s", "duration": "100s", **full}
    paths = [{**path("write", steps), "share": 0.5, "writes": True}, {**path("read", steps), "share": 0.5}]
    small_world(tmp_path, faults=[fault], paths=paths, stations=FIXED, network=network("links"))
    written = (tmp_path / "cluster.yaml").read_text().replace("pods: '20'", "pods: '20'\n    ephemeral-storage: 100G")
    head, back = written.split("name: back", 1)
    (tmp_path / "cluster.yaml").write_text(f"{head}name: back{back.replace('image: any', f'image: {image}', 1)}")
    text = (tmp_path / "model.yaml").read_text()
    kubelet = "  kubelet: {nodefsAvailable: 0, imagefsAvailable: 0}\n"
    (tmp_path / "model.yaml").write_text(text.replace("spec:\n", f"spec:\n{kubelet}"))
    result = simulate(load(tmp_path / "scenario.yaml"))
    traffic = run_traffic(result.case.model, result.state, result.timeline, Streams(1), keep_writes=True)
    (table, *_) = tables_of(traffic, result.state)
    rows = [one for one in table.rows() if one["population"] == "all" and one["phase"] not in ("before", "after")]
    writes = [one for one in rows if one["path"] == "write"]
    reads = [one for one in rows if one["path"] == "read"]
    assert sum(one[cause] for one in writes) > 0
    done_s = traffic.writes_s["default/back"]
    assert not ((done_s > 200.1) & (done_s < 300.0)).any()
    assert (done_s > 310.0).any()
    if cause == "read_only":
        assert all(one["answered"] == one["sent"] for one in reads)
        assert sum(one["answered"] for one in writes) <= 5  # of those under way
    else:
        assert sum(one["answered"] for one in reads) < 0.05 * sum(one["sent"] for one in reads)
