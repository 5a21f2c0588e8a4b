"""The shipped scenario files: each asks a question, loads, and shows what it expects."""

from functools import cache
from itertools import combinations

import pytest

from gxsim.load.scenario import Case, bundled, load, scenario_names
from gxsim.study.simulate import simulate

NODES = ("srv1089618", "srv1089624", "srv1092158", "srv1117946")


@cache
def loaded(name: str) -> Case:
    return load(name)


@pytest.mark.parametrize("name", scenario_names())
def test_a_scenario_begins_with_its_question(name: str) -> None:
    text = (bundled() / f"{name.removeprefix('gx/')}.yaml").read_text(encoding="utf-8")
    first = text.splitlines()[0]
    assert first.endswith("?")
    assert first == f"# {loaded(name).scenario.question}"


@pytest.mark.parametrize("name", scenario_names())
def test_a_scenario_is_named_like_its_file_and_ends_after_its_faults(name: str) -> None:
    scenario = loaded(name).scenario
    assert f"gx/{scenario.name}" == name
    assert scenario.expect
    for fault in scenario.faults:
        assert fault.at_s + (fault.duration_s or 0.0) < scenario.horizon_s


def test_every_node_and_every_pair_of_nodes_is_lost_in_some_scenario() -> None:
    lost = set()
    for name in scenario_names():
        case = loaded(name)
        if case.placement is not None:  # from scratch repeats a loss
            lost |= {fault.selector.nodes for fault in case.scenario.faults if fault.action == "node-stop"}
    assert lost == {(node,) for node in NODES} | set(combinations(NODES, 2))


# The second seed has other phases of leases and loops: what is expected must not hang on them.
@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("name", scenario_names())
def test_a_scenario_meets_its_expectations(name: str, seed: int) -> None:
    result = simulate(loaded(name), seed=seed)
    missed = [f"{v.expectation.text}: observed {v.observed_text}" for v in result.verdicts if not v.holds]
    assert not missed, "\n".join(missed)
