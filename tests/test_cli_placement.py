"""Options of place and explain: scheduler configuration, variables, ties."""

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gxsim import cli

NODES = "".join(
    f"""\
---
apiVersion: v1
kind: Node
metadata: {{name: node-{i}, labels: {{kubernetes.io/hostname: node-{i}}}}}
status: {{allocatable: {{cpu: "8", memory: 8Gi, pods: "110"}}}}
"""
    for i in range(3)
)
PODS = "".join(
    f"""\
---
apiVersion: v1
kind: Pod
metadata: {{name: web-{i}, namespace: "${{NS}}"}}
spec: {{containers: [{{name: main, image: web:1, resources: {{requests: {{cpu: "1", memory: 1Gi}}}}}}]}}
"""
    for i in range(3)
)
PACKING = """\
apiVersion: kubescheduler.config.k8s.io/v1
kind: KubeSchedulerConfiguration
profiles:
  - schedulerName: default-scheduler
    pluginConfig:
      - name: NodeResourcesFit
        args: {scoringStrategy: {type: MostAllocated, resources: [{name: cpu, weight: 1}]}}
"""
Place = Callable[..., dict[str, str]]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Place:
    """Place the pods with more options; returns the node of each."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "all.yaml").write_text(NODES + PODS)
    (tmp_path / "packing.yaml").write_text(PACKING)

    def command(*options: str) -> dict[str, str]:
        monkeypatch.setattr(sys, "argv", ["gxsim", "place", "-f", "all.yaml", "-o", "json", *options])
        with pytest.raises(SystemExit):
            cli.main()
        columns = json.loads(capsys.readouterr().out)["tables"]["placement"]["columns"]
        return dict(zip(columns["pod"], columns["node"], strict=True))

    return command


def test_the_default_profile_spreads_and_a_packing_one_packs(place: Place) -> None:
    assert len(set(place("--set-var", "NS=shop").values())) == 3
    assert len(set(place("--set-var", "NS=shop", "--scheduler-config", "packing.yaml").values())) == 1


def test_variables_reach_the_manifests(place: Place) -> None:
    assert sorted(place("--set-var", "NS=market")) == ["market/web-0", "market/web-1", "market/web-2"]


def test_ties_go_by_name_or_by_seed(place: Place) -> None:
    by_name = place("--set-var", "NS=shop")
    assert by_name["shop/web-0"] == "node-0"
    firsts = {place("--set-var", "NS=shop", "--seed", str(seed))["shop/web-0"] for seed in range(12)}
    assert firsts == {"node-0", "node-1", "node-2"}
    assert place("--set-var", "NS=shop", "--seed", "7") == place("--set-var", "NS=shop", "--seed", "7")


def test_a_variable_without_a_value_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["gxsim", "place", "-f", str(tmp_path), "--set-var", "NS"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert (ended.value.code, capsys.readouterr().err) == (2, "error: --set-var: expected NAME=VALUE, got 'NS'\n")


def test_a_scenario_and_its_manifests_come_from_standard_input_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    scenario = "{apiVersion: gxsim/v1alpha1, kind: Scenario, spec: {manifests: [MANIFESTS], expect: [pending == 0]}}"
    (tmp_path / "all.yaml").write_text(NODES + PODS.replace("${NS}", "shop"))
    (tmp_path / "from-stdin.yaml").write_text(scenario.replace("MANIFESTS", "'-'"))
    for argument, text in (
        ("-", scenario.replace("MANIFESTS", "all.yaml")),
        ("from-stdin.yaml", (tmp_path / "all.yaml").read_text()),
    ):
        monkeypatch.setattr("sys.stdin", io.StringIO(text))
        monkeypatch.setattr(sys, "argv", ["gxsim", "run", argument, "-q", "--no-report"])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        assert (ended.value.code, capsys.readouterr().out) == (0, "The expectation holds.\n")
