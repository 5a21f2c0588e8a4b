"""What a run says of faults that slow things down: whom they met, and what it leaves out."""

import dataclasses
from pathlib import Path

import pytest

from gxsim.errors import ScenarioError
from gxsim.model.expectation import Expectation
from gxsim.report.degradations import degradations
from gxsim.study.simulate import simulate
from tests.small_world import small_world

SLOW = {
    "name": "slow",
    "kind": "NetworkChaos",
    "action": "delay",
    "selector": {"nodes": ["one"]},
    "target": {"namespaces": ["default"], "labelSelectors": {"app": "back"}},
    "direction": "to",
    "parameters": {"latency": "80ms"},
    "at": "10s",
    "duration": "20s",
}


def told(folder: Path, *faults: dict) -> str:
    """The sentences that a run adds because of *faults*."""
    usual = simulate(small_world(folder)).assumptions
    return "\n".join(line for line in simulate(small_world(folder, faults=faults)).assumptions if line not in usual)


def test_a_run_lists_whom_a_fault_met(tmp_path: Path) -> None:
    result = simulate(small_world(tmp_path, faults=[SLOW]))
    (row,) = result.tables["degradations"].rows()
    back = next(name for name in result.timeline.pod_names if name.startswith("back"))
    assert row == {
        "fault": "slow",
        "action": "delay",
        "at": "one",
        "towards": f"default/{back}",
        "direction": "to",
        "amount": 0.08,
        "unit": "s",
        "from_s": 10.0,
        "to_s": 30.0,
    }
    (shown,) = degradations(result).rows
    assert [cell.text for cell in shown] == ["delay 80ms", "one", f"to default/{back}", "00:00:10", "00:00:30"]


def test_a_fault_that_lasts_for_ever_is_listed_to_the_horizon(tmp_path: Path) -> None:
    lasting = {name: value for name, value in SLOW.items() if name not in ("duration", "target")}
    (row,) = simulate(small_world(tmp_path, faults=[lasting])).tables["degradations"].rows()
    assert (row["towards"], row["to_s"]) == ("everything else", 600.0)


@pytest.mark.parametrize(
    ("kind", "action", "parameters", "sentence"),
    [
        ("NetworkChaos", "delay", {"latency": "1ms"}, "A delay acts on requests, on the heartbeats of nodes"),
        ("NetworkChaos", "delay", {"latency": "1ms"}, "add dataPlane: [traffic] to the scenario"),
        (
            "NetworkChaos",
            "loss",
            {"loss": 5, "correlation": 25},
            "without effect: the correlation of delays and losses",
        ),
        ("NetworkChaos", "bandwidth", {"rate": "1mbit", "buffer": 100}, "without effect: the burst of a bandwidth's"),
        ("IOChaos", "disk-slow", {"latency": "50ms"}, "not act on the service times of databases"),
        ("StressChaos", "cpu-stress", {"workers": 4}, "No station of the model is cpuBound, so no request notices."),
        ("TimeChaos", "clock-skew", {"offset": "500ms"}, "A wrong clock changes nothing that is played"),
        ("TimeChaos", "clock-skew", {"offset": "-20m"}, "At 20m etcd members log a warning; API servers that disagree"),
    ],
)
def test_a_run_says_what_it_leaves_out(tmp_path: Path, kind: str, action: str, parameters: dict, sentence: str) -> None:
    fault = {"kind": kind, "action": action, "selector": {"nodes": ["one"]}, "parameters": parameters, "at": "10s"}
    assert sentence in told(tmp_path, fault)


def test_a_run_without_such_faults_says_nothing_of_them(tmp_path: Path) -> None:
    stop = {"kind": "NodeChaos", "action": "node-stop", "selector": {"nodes": ["one"]}, "at": "10s"}
    assert told(tmp_path, stop) == ""


# ---- expectations about requests ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("p99(page) < 1s", ""),
        ("p99(page/easterners) < 1s", ""),
        ("answered(page) > 99%", ""),
        ("attempts(easterners) == 1", ""),
        ("attempts(x) == 1", "no population matches; there are: all, easterners, westerners"),
        (
            "p99(pages) < 1s",
            "no path/users matches; there are: all/all, all/easterners, all/westerners, page/all, page/easterners, "
            "page/westerners",
        ),
    ],
)
def test_a_scenario_may_expect_what_users_feel(tmp_path: Path, text: str, problem: str) -> None:
    case = small_world(tmp_path)
    scenario = dataclasses.replace(case.scenario, data_plane=("traffic",), expect=(Expectation.parse(text),))
    case = dataclasses.replace(case, scenario=scenario)
    if not problem:
        assert simulate(case).passed
        return
    with pytest.raises(ScenarioError) as error:
        simulate(case)
    assert str(error.value).endswith(f"expect[0]: {text}: {problem}")
