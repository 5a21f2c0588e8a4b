"""The verbs of plans: tables that fit 100 columns, each with a JSON twin, and exit codes."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gxsim.cli import app

ROOT = Path(__file__).parent.parent
GX = "gx/node-loss"
DEVNET = str(ROOT / "scenarios/gx/overlays/devnet")
COMMANDS = {
    "headroom": (["headroom", "-f", GX], 0, ["headroom", "nodes", "domains", "shapes"]),
    "headroom-workload": (["headroom", "-f", GX, "--workload", "api-gateway"], 0, ["headroom"]),
    "headroom-mix": (["headroom", "-f", GX, "--mix", DEVNET, "--ignore-quota", "--max-limit", "9"], 0, ["headroom"]),
    "whatif": (["whatif", "-f", GX, "--remove-node", "srv1117946"], 0, ["figures", "steps", "moves", "emptying"]),
    "whatif-worse": (["whatif", "-f", GX, "--remove-node", "srv1089618"], 1, ["figures", "steps"]),
    "survive": (["survive", "-f", GX], 1, ["survival"]),
    "drain": (["drain", "srv1117946", "srv1089618", "-f", GX], 1, ["drains", "obstacles", "evictions", "interrupted"]),
    "drain-easy": (["drain", "srv1117946", "-f", GX], 0, ["drains"]),
    "bench": (["bench", str(ROOT / "benchmarks/suite.yaml"), "--only", "documented", "--no-speed"], 0, ["figures"]),
}


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    monkeypatch.setenv("COLUMNS", "100")
    return CliRunner()


@pytest.mark.parametrize("command", COMMANDS)
def test_tables_fit_a_hundred_columns(run: CliRunner, command: str) -> None:
    arguments, code, _ = COMMANDS[command]
    told = run.invoke(app, arguments)
    assert told.exit_code == code, told.output
    assert max(len(line) for line in told.stdout.splitlines()) <= 100


@pytest.mark.parametrize("command", COMMANDS)
def test_each_table_has_a_json_twin(run: CliRunner, command: str) -> None:
    arguments, code, tables = COMMANDS[command]
    told = run.invoke(app, [*arguments, "-o", "json"])
    assert told.exit_code == code, told.output
    document = json.loads(told.stdout)
    assert document["apiVersion"] == "gxsim/v1alpha1"
    for name in tables:
        columns = document["tables"][name]["columns"]
        assert len({len(values) for values in columns.values()}) == 1


def test_a_quota_is_told_by_its_name_and_what_it_lacks(run: CliRunner) -> None:
    told = run.invoke(app, COMMANDS["headroom-workload"][0])
    assert "quota backend-mainnet" in " ".join(told.stdout.split())
    assert "any" in told.stdout  # every loss leaves the same, as it is the quota that binds


def test_one_thing_at_a_time_is_asked_for(run: CliRunner) -> None:
    told = run.invoke(app, ["headroom", "-f", GX, "--mix", DEVNET, "--workload", "api-gateway"])
    assert str(told.exception) == "headroom: give one of --podspec, --workload and --mix"


@pytest.mark.parametrize("command", ["survive", "drain"])
def test_json_may_be_asked_for_as_of_run(run: CliRunner, command: str) -> None:
    arguments, code, _ = COMMANDS[command]
    short, long = run.invoke(app, [*arguments, "--json"]), run.invoke(app, [*arguments, "-o", "json"])
    assert (short.exit_code, short.stdout) == (code, long.stdout)


def test_a_scheduler_configuration_decides_where_a_drained_pod_goes(run: CliRunner, tmp_path: Path) -> None:
    """Packing, the fullest of the nodes that are left takes them; by default the emptiest does."""
    strategy = {"type": "MostAllocated", "resources": [{"name": "cpu", "weight": 1}, {"name": "memory", "weight": 1}]}
    fit = {"name": "NodeResourcesFit", "args": {"scoringStrategy": strategy}}
    weights = {"disabled": [{"name": "*"}], "enabled": [{"name": "NodeResourcesFit", "weight": 1}]}
    profile = {"schedulerName": "default-scheduler", "plugins": {"score": weights}, "pluginConfig": [fit]}
    packing = {"apiVersion": "kubescheduler.config.k8s.io/v1", "kind": "KubeSchedulerConfiguration"}
    (tmp_path / "packing.yaml").write_text(json.dumps({**packing, "profiles": [profile]}))
    went = []
    for more in ([], ["--scheduler-config", str(tmp_path / "packing.yaml")]):
        told = run.invoke(app, ["drain", "srv1089618", "-f", GX, "--json", *more])
        columns = json.loads(told.stdout)["tables"]["evictions"]["columns"]
        went.append(set(columns["successor_node"]) - {"", "srv1089618"})
        assert run.invoke(app, ["survive", "-f", GX, "--max-losses", "1", *more]).exit_code in (0, 1)
    assert "srv1117946" in went[0]
    assert "srv1117946" not in went[1]
