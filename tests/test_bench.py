"""The placement gate: a change for the worse shuts it, a harmless one does not."""

import json
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from gxsim.cli import app
from gxsim.errors import ScenarioError
from gxsim.plan.bench import (
    Measured,
    compare,
    failed,
    left_out,
    measure,
    moved,
    read_baseline,
    run_suite,
    write_baseline,
)
from gxsim.plan.bench_suite import BenchCase, BenchSuite, load_case, read_suite
from gxsim.plan.calibration import ratio
from gxsim.plan.carry import place_case
from gxsim.plan.quality import FIGURES, quality

ROOT = Path(__file__).parent.parent
SUITE = ROOT / "benchmarks/suite.yaml"
NODES = "\n---\n".join(
    f"{{apiVersion: v1, kind: Node, metadata: {{name: {n}, labels: {{kubernetes.io/hostname: {n}}}}}, "
    'status: {allocatable: {cpu: "4", memory: 8Gi, pods: "20"}}}'
    for n in ("a", "b", "c")
)
WEB = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      affinity:
        podAntiAffinity:
          requiredDuringSchedulingIgnoredDuringExecution:
            - {topologyKey: kubernetes.io/hostname, labelSelector: {matchLabels: {app: web}}}
      containers: [{name: main, image: x, resources: {requests: {cpu: "1", memory: 1Gi}}}]
"""
API = WEB.replace("web", "api").replace("replicas: 3", "replicas: 2")


def written(folder: Path, *, nodes: str = NODES, web: str = WEB, api: str = API, order: str = "nwa") -> Path:
    """A suite of one case over manifests whose files stand in this order."""
    folder.mkdir()
    for place, letter in enumerate(order):
        text = {"n": nodes, "w": web, "a": api}[letter]
        (folder / f"{place}-{letter}.yaml").write_text(text)
    names = ", ".join(f"{place}-{letter}.yaml" for place, letter in enumerate(order))
    head = "{apiVersion: gxsim/v1alpha1, kind: BenchSuite, metadata: {name: test}, spec: "
    (folder / "suite.yaml").write_text(f"{head}{{cases: [{{name: all, files: [{names}]}}]}}}}")
    return folder / "suite.yaml"


def gate(tmp_path: Path, **changes: str) -> tuple[bool, dict[str, str]]:
    """Whether the gate is shut by a change, and the verdict on each figure."""
    suite, before = run_suite(written(tmp_path / "before"), speed=False)
    write_baseline(tmp_path / "baseline.json", suite, before)
    changed, now = run_suite(written(tmp_path / "after", **changes), speed=False)
    findings = compare(changed, read_baseline(tmp_path / "baseline.json"), now)
    return failed(findings), {finding.figure: finding.verdict for finding in findings}


def test_an_anti_affinity_that_is_removed_shuts_the_gate(tmp_path: Path) -> None:
    start, end = WEB.index("      affinity:"), WEB.index("      containers:")
    shut, verdicts = gate(tmp_path, web=WEB[:start] + WEB[end:])
    assert shut
    assert verdicts["guarded"] == "worse"


def test_a_request_that_is_doubled_shuts_the_gate(tmp_path: Path) -> None:
    shut, verdicts = gate(tmp_path, api=API.replace('cpu: "1"', 'cpu: "2"'))
    assert shut
    assert {verdicts["cpu_percent"], verdicts["fullest_percent"]} == {"worse"}


def test_a_node_that_shrinks_shuts_the_gate(tmp_path: Path) -> None:
    shut, verdicts = gate(tmp_path, nodes=NODES.replace('cpu: "4"', 'cpu: "3"', 1))
    assert shut
    assert verdicts["headroom"] == "worse"


def test_survival_that_is_lost_shuts_the_gate(tmp_path: Path) -> None:
    shut, verdicts = gate(tmp_path, nodes=NODES.replace('cpu: "4"', 'cpu: "2"'))
    assert shut
    assert "worse" in {verdicts["pending_n1"], verdicts["pending_n2"], verdicts["headroom_n1"]}


@pytest.mark.parametrize(
    "changes",
    [
        {"web": "# a comment\n" + WEB.replace("replicas: 3", "replicas: 3   # as before")},
        {"order": "awn"},
        {"order": "wna"},
        {"web": WEB.replace('cpu: "1"', "cpu: 1000m")},
        {"nodes": "\n---\n".join(reversed(NODES.split("\n---\n")))},
    ],
)
def test_a_harmless_change_leaves_the_gate_open(tmp_path: Path, changes: dict[str, str]) -> None:
    shut, verdicts = gate(tmp_path, **changes)
    assert not shut
    assert set(verdicts.values()) == {"same"}


def test_a_change_for_the_better_leaves_the_gate_open(tmp_path: Path) -> None:
    shut, verdicts = gate(tmp_path, api=API.replace('cpu: "1"', "cpu: 500m"))
    assert not shut
    assert verdicts["cpu_percent"] == "better"


def suite_of(**more: object) -> BenchSuite:
    return BenchSuite(cases=(BenchCase(name="one"),), **more)


def figures(**changed: float) -> dict[str, float]:
    return {**dict.fromkeys(FIGURES, 10.0), **changed}


def test_a_figure_may_be_worse_by_what_the_suite_tolerates() -> None:
    before = {"one": Measured(name="one", figures=figures())}
    now = [Measured(name="one", figures=figures(imbalance_percent=10.5))]
    assert failed(compare(suite_of(), before, now))
    assert not failed(compare(suite_of(tolerance={"imbalance_percent": 1.0}), before, now))


def test_pods_that_moved_are_named() -> None:
    before = {"one": Measured(name="one", figures=figures(), places={"web": "a x2, b", "db-0": "a"})}
    now = [Measured(name="one", figures=figures(), places={"web": "a, b x2", "db-0": "a", "new-0": "b"})]
    first = compare(suite_of(), before, now)[0]
    assert (first.figure, first.now, first.verdict, first.detail) == ("moved", 1, "worse", "web (a x2, b → a, b x2)")


def test_a_pod_that_came_or_went_has_not_moved() -> None:
    assert moved({"web": "a x3"}, {"web": "a x2"}) == {}
    assert moved({"web": "a x2"}, {"web": "a, Pending"}) == {"web": 1}


def test_speed_shuts_the_gate_only_beyond_its_slack() -> None:
    before = {"one": Measured(name="one", figures=figures(), speed=2.0)}
    for speed, shut in ((1.0, False), (3.0, False), (3.9, False), (4.1, True)):
        findings = compare(suite_of(), before, [Measured(name="one", figures=figures(), speed=speed)])
        assert failed(findings) is shut


def test_a_case_that_is_gone_shuts_the_gate_and_a_new_one_does_not() -> None:
    before = {"one": Measured(name="one", figures=figures()), "two": Measured(name="two", figures=figures())}
    now = [Measured(name="one", figures=figures())]
    assert failed(compare(suite_of(), before, now))
    assert not failed(compare(suite_of(), {}, now))


def test_the_calibration_makes_speed_a_ratio() -> None:
    work = [0]

    def count() -> None:
        work[0] += sum(range(1000))

    assert 0 < ratio(count, 3) < 1


def test_a_case_is_measured_the_same_twice() -> None:
    case = BenchCase(name="again", files=("../scenarios/from-scratch.yaml",))
    assert measure(case, SUITE.parent, speed=False) == measure(case, SUITE.parent, speed=False)


def test_the_suite_of_this_project_agrees_with_its_baseline() -> None:
    names = ("documented", "from scratch", "without srv1089618", "microservices", "open-simulator")
    suite, now = run_suite(SUITE, only=names, speed=False)
    before = read_baseline(SUITE.parent / "baseline.json")
    worse = [f for f in compare(suite, before, now) if f.verdict in ("worse", "gone")]
    assert worse == []
    assert set(before) == {case.name for case in suite.cases}


def test_a_grown_cluster_has_so_many_times_the_room() -> None:
    once, twice = (
        quality(place_case(load_case(BenchCase(name="x", files=("from-scratch.yaml",), grow=n), ROOT / "scenarios")))
        for n in (1, 2)
    )
    assert twice.figures["nodes"] == 2 * once.figures["nodes"]
    assert abs(twice.figures["headroom"] - 2 * once.figures["headroom"]) <= 2


def test_the_gate_prints_writes_and_exits(tmp_path: Path) -> None:
    run, baseline = CliRunner(), tmp_path / "baseline.json"
    suite = written(tmp_path / "before")
    options = ["--baseline", str(baseline), "--no-speed"]
    assert run.invoke(app, ["bench", str(suite), *options, "--update"]).exit_code == 0
    assert run.invoke(app, ["bench", str(suite), *options]).exit_code == 0
    worse = written(tmp_path / "after", api=API.replace('cpu: "1"', 'cpu: "2"'))
    junit, markdown = tmp_path / "junit.xml", tmp_path / "summary.md"
    shut = run.invoke(
        app, ["bench", str(worse), *options, "--junit", str(junit), "--markdown", str(markdown), "-o", "json"]
    )
    assert shut.exit_code == 1
    told = json.loads(shut.stdout)
    columns = told["tables"]["gate"]["columns"]
    verdicts = dict(zip(columns["figure"], columns["verdict"], strict=True))
    assert verdicts["cpu_percent"] == "worse"
    tests = ET.parse(junit).getroot()
    assert int(tests.attrib["failures"]) == list(verdicts.values()).count("worse")
    assert "❌ worse" in markdown.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("{cases: [{name: a}]}", "spec.cases[0]: expected either files, or traceNodes and tracePods"),
        (
            "{cases: [{name: a, files: [x]}, {name: a, files: [x]}]}",
            "spec.cases[1].name: 'a' is the name of another case already",
        ),
        (
            "{cases: [{name: a, files: [x]}], tolerance: {imbalance: 1}}",
            "spec.tolerance.imbalance: unknown figure; did you mean 'imbalance_percent'?",
        ),
        ("{cases: [{name: a, file: [x]}]}", "spec.cases[0].file: unknown field; did you mean 'files'?"),
    ],
)
def test_a_suite_that_cannot_be_read_says_where(tmp_path: Path, spec: str, message: str) -> None:
    path = tmp_path / "suite.yaml"
    path.write_text(f"{{apiVersion: gxsim/v1alpha1, kind: BenchSuite, spec: {spec}}}")
    with pytest.raises(ScenarioError) as refused:
        read_suite(path)
    assert str(refused.value) == f"{path}:1: {message}"


def test_every_figure_of_the_gate_is_documented() -> None:
    page = (ROOT / "docs/placement-gate.md").read_text(encoding="utf-8")
    for figure, (better, _) in FIGURES.items():
        assert better == "neither" or f"`{figure}`" in page


def test_a_baseline_that_is_not_there_says_how_to_write_it(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="write it with --update"):
        read_baseline(tmp_path / "none.json")


def shell_of(step: str) -> str:
    """What a step of the composite action runs."""
    action = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
    return next(one["run"] for one in action["runs"]["steps"] if one.get("name") == step)


def test_the_action_fails_on_a_worse_change_and_writes_its_summary(tmp_path: Path) -> None:
    suite, measured = run_suite(written(tmp_path / "before"), speed=False)
    write_baseline(tmp_path / "baseline.json", suite, measured)
    written(tmp_path / "after", api=API.replace('cpu: "1"', 'cpu: "4"'))
    environment = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "OLD": str(tmp_path / "before"),
        "NEW": str(tmp_path / "after"),
        "SUITE": str(tmp_path / "after-suite.yaml"),
        "BASELINE": str(tmp_path / "baseline.json"),
        "JUNIT": str(tmp_path / "junit.xml"),
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md"),
    }
    for folder in ("before", "after"):  # the folder is what is compared; the suite lies beside it
        text = (tmp_path / folder / "suite.yaml").read_text(encoding="utf-8")
        (tmp_path / folder / "suite.yaml").unlink()
        (tmp_path / f"{folder}-suite.yaml").write_text(re.sub(r"\b(\d-\w\.yaml)", rf"{folder}/\1", text))
    codes = [
        subprocess.run(
            ["bash", "-eo", "pipefail", "-c", shell_of(step)], env=environment, capture_output=True
        ).returncode
        for step in ("Compare the placements", "Compare the figures")
    ]
    assert codes == [1, 1]
    summary = (tmp_path / "summary.md").read_text(encoding="utf-8")
    assert "default/api" in summary  # moved, or Pending
    assert "❌ worse" in summary
    assert (tmp_path / "junit.xml").exists()


def test_an_optional_case_is_left_out_where_its_files_are_not_there(tmp_path: Path) -> None:
    case = "{name: elsewhere, files: [nowhere], optional: true}"
    path = tmp_path / "suite.yaml"
    path.write_text(f"{{apiVersion: gxsim/v1alpha1, kind: BenchSuite, spec: {{cases: [{case}]}}}}")
    suite, measured = run_suite(path)
    assert measured == []
    assert left_out(suite, path) == {"elsewhere": "nowhere"}
