"""The command line: what it prints, what it writes, how it ends."""

import io
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import gxsim
from gxsim import cli
from gxsim.cli import progress
from gxsim.errors import InvariantError

ROOT = Path(__file__).parent.parent
NODE_LOSS = ROOT / "scenarios" / "node-loss.yaml"
COMMAND = (sys.executable, "-m", "gxsim")
HEAVY = ("jinja2", "matplotlib", "networkx", "numpy", "pandas", "rich", "simpy", "yaml")

SCENARIO = """\
apiVersion: gxsim/v1alpha1
kind: Scenario
metadata: {name: shop}
spec:
  manifests: [shop]
"""
SHOP = """\
apiVersion: v1
kind: Node
metadata: {name: node-0, labels: {kubernetes.io/hostname: node-0}}
status: {allocatable: {cpu: "4", memory: 8Gi, pods: "110"}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers: [{name: c, image: web, resources: {requests: {cpu: 500m, memory: 1Gi}}}]
"""
EXPLODE = "{kind: NodeChaos, action: node-explode}"
STOP_NODE_9 = "{kind: NodeChaos, action: node-stop, selector: {nodes: [node-9]}}"
MODEL = "apiVersion: gxsim/v1alpha1\nkind: Model\nspec:\n  usages: []\n"
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with the manifests of a small shop and a scenario about it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "web.yaml").write_text(SHOP)
    (tmp_path / "quiet.yaml").write_text(SCENARIO)
    return tmp_path


@pytest.fixture
def run(shop: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command line there; returns exit code, standard output and standard error."""

    def command(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["gxsim", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        printed = capsys.readouterr()
        return int(ended.value.code or 0), printed.out, printed.err

    return command


# ---- what is wrong with the input ------------------------------------------------------------------------------------

WRONG: dict[str, tuple[dict[str, str | bytes], str, str]] = {
    "a bundled name that is not there": (
        {},
        "run gx/node-los",
        "gx/node-los: no such scenario file or bundled scenario; did you mean 'gx/node-loss'?",
    ),
    "a file that is not there": (
        {},
        "place -f quite.yaml",
        "quite.yaml: no such file or folder; did you mean 'quiet.yaml'?",
    ),
    "text that is no YAML": (
        {"x.yaml": "a: [1, 2\nb: }"},
        "run x.yaml",
        "x.yaml:2: not YAML: did not find expected ',' or ']'",
    ),
    "a key given twice": (
        {"x.yaml": f"{SCENARIO}  horizon: 1h\n  horizon: 2h\n"},
        "run x.yaml",
        "x.yaml:7: not YAML: the key 'horizon' is given twice",
    ),
    "a field nobody knows": (
        {"x.yaml": f"{SCENARIO}  horizont: 1h\n"},
        "run x.yaml",
        "x.yaml:6: spec.horizont: unknown field; did you mean 'horizon'?",
    ),
    "a number without its unit": (
        {"x.yaml": f"{SCENARIO}  horizon: 20\n"},
        "run x.yaml",
        "x.yaml:6: spec.horizon: expected a duration such as 250ms, 5m or 2h, got 20",
    ),
    "a time of day past midnight": (
        {"x.yaml": f"{SCENARIO}  clock: '25:00'\n"},
        "run x.yaml",
        "x.yaml:5: spec: clock: expected a time of day such as 09:30, got '25:00'",
    ),
    "an action nobody knows": (
        {"x.yaml": f"{SCENARIO}  faults: [{EXPLODE}]\n"},
        "run x.yaml",
        "x.yaml:6: spec.faults[0].action: unknown action 'node-explode'; did you mean 'node-reboot'?",
    ),
    "a node that is not there": (
        {"x.yaml": f"{SCENARIO}  faults: [{STOP_NODE_9}]\n"},
        "run x.yaml",
        "x.yaml:6: spec.faults[0].selector.nodes[0]: there is no node 'node-9'; did you mean 'node-0'?",
    ),
    "a measure nobody knows": (
        {"x.yaml": f"{SCENARIO}  expect: ['pendin == 0']\n"},
        "run x.yaml",
        "x.yaml:6: spec.expect[0]: unknown measure 'pendin'; did you mean 'pending'?",
    ),
    "a model with a field nobody knows": (
        {"x.yaml": f"{SCENARIO}  model: m.yaml\n", "m.yaml": MODEL},
        "run x.yaml",
        "m.yaml:4: spec.usages: unknown field; did you mean 'usage'?",
    ),
    "an object an API server refuses": (
        {"x.yaml": SHOP.replace("replicas: 2", "replicas: -2")},
        "place -f x.yaml",
        "x.yaml:10: Deployment web: spec.replicas: Invalid value: -2: must be greater than or equal to 0",
    ),
    "a folder without a file": (
        {"empty/README": ""},
        "place -f empty",
        "empty: the folder holds no .yaml, .yml, .json file",
    ),
    "text that is no JSON": (
        {"x.json": '{"apiVersion": "v1",'},
        "place -f x.json",
        "x.json:1: not JSON: Expecting property name enclosed in double quotes",
    ),
    "bytes that are no text": (
        {"x.yaml": b"\x89PNG\r\n\x1a\n"},
        "run x.yaml",
        "x.yaml: expected UTF-8 text, got byte 0x89",
    ),
    "a list where a scenario belongs": (
        {"x.yaml": "- 1\n- 2\n"},
        "run x.yaml",
        "x.yaml:1: expected a Scenario (apiVersion: gxsim/v1alpha1), got list",
    ),
    "pods and no node": (
        {"x.yaml": SHOP.partition("---")[2]},
        "place -f x.yaml",
        "x.yaml: the input has no node; add some, for example --node-shape count=4,cpu=16,memory=64Gi",
    ),
    "a node shape without memory": (
        {},
        "place -f shop --node-shape cpu=4",
        "--node-shape cpu=4: memory is missing; expected for example count=4,cpu=16,memory=64Gi",
    ),
    "a pod that is not there": (
        {},
        "explain shop/wep -f shop",
        "shop/wep: there is no such pod or workload; did you mean 'shop/web'?",
    ),
    "an output folder that is a file": (
        {},
        "run quiet.yaml --out quiet.yaml",
        "quiet.yaml: cannot be written: Not a directory",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_bad_input_is_one_line_that_says_what_to_write_instead(run: Run, shop: Path, case: str) -> None:
    texts, arguments, message = WRONG[case]
    for name, text in texts.items():
        (shop / name).parent.mkdir(exist_ok=True)
        (shop / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    code, out, err = run(*arguments.split())
    assert (code, out, err) == (2, "", f"error: {message}\n")


@pytest.mark.parametrize("arguments", [["frobnicate"], ["run"], ["run", "--sed", "4", "quiet.yaml"], ["run", "a", "b"]])
def test_wrong_usage_ends_with_two(run: Run, arguments: list[str]) -> None:
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert "Usage: " in err


def test_a_fault_of_gxsim_itself_asks_for_a_report(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise InvariantError("requested differs from the sum over bound pods")

    monkeypatch.setattr(cli, "app", broken)
    code, _, err = run()
    assert code == 70
    assert err == (
        "error: requested differs from the sum over bound pods\n"
        f"This is a fault of gxsim {gxsim.__version__}; please report it with the input.\n"
    )


# ---- run ------------------------------------------------------------------------------------------------------------


def test_run_tells_the_story_and_says_where_the_files_are(run: Run, shop: Path) -> None:
    code, out, err = run("run", "quiet.yaml")
    assert (code, err) == (0, "")
    assert "No node is lost and no pod stops answering." in out
    assert re.fullmatch(
        r"Written: out/shop/ \(report.html, result.json, tables/ with \d+ CSV files\)", out.splitlines()[-1]
    )
    assert sorted(path.name for path in (shop / "out" / "shop").iterdir()) == ["report.html", "result.json", "tables"]


def test_json_is_all_that_is_printed_and_nothing_is_written(run: Run, shop: Path) -> None:
    code, out, err = run("run", "quiet.yaml", "--json", "--seed", "5")
    found = json.loads(out)
    assert (code, err) == (0, "")
    assert (found["kind"], found["metadata"], found["provenance"]["seed"]) == ("Result", {"name": "shop"}, 5)
    assert not (shop / "out").exists()


def test_a_failed_expectation_ends_with_one(run: Run, shop: Path) -> None:
    (shop / "strict.yaml").write_text(f"{SCENARIO}  expect: [moved == 3, pending == 0]\n")
    assert run("run", "strict.yaml", "-q", "--no-report") == (1, "1 of 2 expectations failed: moved == 3.\n", "")


def test_no_report_draws_no_page(run: Run, shop: Path) -> None:
    run("run", "quiet.yaml", "-q", "--no-report", "--out", "here")
    assert sorted(path.name for path in (shop / "here").iterdir()) == ["result.json", "tables"]


def test_the_documented_node_loss_gives_the_same_bytes_twice(run: Run, shop: Path) -> None:
    for name in ("one", "two"):
        code, out, _ = run("run", str(NODE_LOSS), "--out", name, "-q")
        assert (code, out.startswith("All ")) == (0, True)
    files = sorted(path.relative_to(shop / "one") for path in (shop / "one").rglob("*") if path.is_file())
    assert {Path("report.html"), Path("result.json"), Path("tables/pods.csv")} < set(files)
    assert all((shop / "one" / name).read_bytes() == (shop / "two" / name).read_bytes() for name in files)


def test_a_bundled_scenario_runs_by_its_name(run: Run) -> None:
    assert run("run", "gx/node-loss", "--json")[1] == run("run", str(NODE_LOSS), "--json")[1]


def test_scenarios_lists_every_bundled_one_with_its_question(run: Run) -> None:
    code, out, _ = run("scenarios", "--json")
    asked = json.loads(out)["scenarios"]
    assert code == 0
    assert set(asked) == {f"gx/{path.stem}" for path in (ROOT / "scenarios").glob("*.yaml")}
    assert all(question.endswith("?") for question in asked.values())


# ---- place, explain, diff -------------------------------------------------------------------------------------------


def test_place_names_the_node_of_each_pod(run: Run) -> None:
    code, out, _ = run("place", "-f", "shop", "-o", "json")
    columns = json.loads(out)["tables"]["placement"]["columns"]
    assert (code, columns["workload"], columns["node"]) == (0, ["shop/web"] * 2, ["node-0"] * 2)


def test_a_pending_pod_ends_with_one_and_the_schedulers_sentence(run: Run, shop: Path) -> None:
    (shop / "shop" / "web.yaml").write_text(SHOP.replace("500m", "3"))
    code, out, _ = run("place", "-f", "shop", "--node-shape", "name=small,cpu=1,memory=1Gi", "-o", "markdown")
    assert code == 1
    assert "❌ Pending: 0/2 nodes are available: 2 Insufficient cpu." in out


def test_a_pod_that_a_quota_refuses_ends_with_one(run: Run, shop: Path) -> None:
    quota = "apiVersion: v1\nkind: ResourceQuota\nmetadata: {name: small, namespace: shop}\nspec: {hard: {pods: '1'}}\n"
    (shop / "shop" / "quota.yaml").write_text(quota)
    code, out, _ = run("place", "-f", "shop", "-o", "json")
    refused = json.loads(out)["tables"]["refused"]["columns"]
    assert (code, refused["missing"]) == (1, [1])
    assert "exceeded quota: small, requested: pods=1, used: pods=1, limited: pods=1" in refused["why"][0]


def test_explain_says_why_not(run: Run, shop: Path) -> None:
    shapes = ("--node-shape", "count=2,name=small,cpu=100m,memory=8Gi")
    code, out, _ = run("explain", "web", "-f", "shop", *shapes, "-o", "json")
    found = json.loads(out)
    columns = found["tables"]["explain"]["columns"]
    assert (code, found["chosen"], columns["node"]) == (0, "node-0", ["node-0", "small-0", "small-1"])
    assert columns["reasons"] == ["", "Insufficient cpu", "Insufficient cpu"]
    assert run("explain", "web", "small-1", "-f", "shop", *shapes)[0] == 1


def test_diff_shows_what_moved_and_what_that_costs(run: Run, shop: Path) -> None:
    (shop / "more").mkdir()
    (shop / "more" / "web.yaml").write_text(SHOP.replace("replicas: 2", "replicas: 9"))
    assert run("diff", "shop", "shop")[0] == 0
    code, out, _ = run("diff", "shop", "more", "-o", "json")
    tables = json.loads(out)["tables"]
    assert code == 1
    assert tables["moves"]["columns"] == {
        "workload": ["shop/web", "shop/web"],
        "kind": ["Deployment", "Deployment"],
        "pod": ["", ""],
        "old": ["", ""],
        "new": ["Pending", "node-0"],
        "pods": [1, 6],
    }
    assert tables["survival"]["columns"]["new_pending"] == [8]


# ---- validate -------------------------------------------------------------------------------------------------------


def test_validate_says_how_well_each_family_agrees(run: Run) -> None:
    recordings = sorted(
        (ROOT / "tests" / "truth" / "scheduler").glob("*.json.gz"), key=lambda path: path.stat().st_size
    )
    code, out, _ = run("validate", *map(str, recordings[:5]), "--json")
    family = json.loads(out)["families"]["scheduler"]
    assert code == 0
    assert family["checks"] >= family["agreed"] >= family["bound"] * family["checks"] > 0


# ---- behaviour of a good citizen ------------------------------------------------------------------------------------


def test_help_and_version_load_nothing_heavy() -> None:
    program = f"import sys, gxsim, gxsim.cli; print([m for m in {HEAVY} if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout == "[]\n"
    said = subprocess.run([*COMMAND, "--version"], capture_output=True, text=True)
    assert said.stdout == f"gxsim {gxsim.__version__}\n"


def test_a_closed_pipe_ends_quietly() -> None:
    shell = f"{sys.executable} -m gxsim scenarios | head -n 1"
    ended = subprocess.run(["sh", "-c", shell], capture_output=True, text=True)
    assert ended.stdout.strip() == "Bundled scenarios"
    assert ended.stderr == ""


def test_an_interrupt_ends_quietly(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("gxsim.study.simulate.simulate", interrupted)
    assert run("run", "quiet.yaml") == (130, "", "")


class Terminal(io.StringIO):
    """A standard error that somebody watches."""

    def isatty(self) -> bool:
        return True


def test_a_long_run_shows_its_progress_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    watched = Terminal()
    monkeypatch.setattr(sys, "stderr", watched)
    for patience_s, shown in ((3600.0, False), (0.0, True)):
        monkeypatch.setattr(progress, "PATIENCE_S", patience_s)
        with progress.progress_of("shop", 100.0) as told:
            assert told is not None
            told(50.0)
        assert ("shop" in watched.getvalue()) == shown


def test_nobody_watching_means_no_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with progress.progress_of("shop", 100.0) as told:
        assert told is None
