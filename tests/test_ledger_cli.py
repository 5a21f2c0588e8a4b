"""``gxsim ledger``: what it prints of a channel, the rates it tries, and what it says where there is none."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gxsim.cli import app
from gxsim.errors import ScenarioError

ROOT = Path(__file__).parent.parent
QUIET = """\
apiVersion: gxsim/v1alpha1
kind: Scenario
metadata: {name: quiet}
spec:
  manifests: [FOLDER/gx/cluster, FOLDER/gx/fabric, FOLDER/gx/backend, FOLDER/gx/monitoring]
  model: FOLDER/gx/model.yaml
  placement: FOLDER/gx/placement/documented.yaml
  horizon: 10m
"""


@pytest.fixture
def quiet(tmp_path: Path) -> Path:
    path = tmp_path / "quiet.yaml"
    path.write_text(QUIET.replace("FOLDER", str(ROOT / "scenarios")))
    return path


def test_it_tells_of_a_channel_although_the_scenario_does_not_ask(quiet: Path) -> None:
    told = CliRunner().invoke(app, ["ledger", str(quiet)], env={"COLUMNS": "120"})
    assert told.exit_code == 0
    for words in ("How late the ledger was", "submission to commit", "fabric/peer0-org1", "Saturation, by sweep"):
        assert words in told.stdout
    assert "mainnet carries 195/s; above that validation and commit falls behind." in told.stdout.replace("\n", " ")
    assert "What clients met" not in told.stdout, "nothing was lost"


def test_rates_of_ones_own_are_tried_instead_of_a_search(quiet: Path) -> None:
    arguments = ["ledger", str(quiet), "--rate", "50", "--rate", "400", "-o", "json"]
    tables = json.loads(CliRunner().invoke(app, arguments).stdout)["tables"]
    sweep = tables["ledger_saturation"]["columns"]
    assert sweep["offered_per_s"] == [50.0, 400.0]
    assert sweep["stage"] == ["", "submission"], "of all that cannot follow, the one that loses most"
    assert {"ledger", "ledger_latency", "ledger_peers", "ledger_peer_heights", "ledger_clients"} <= set(tables)


def test_a_model_without_a_ledger_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bare.yaml"
    path.write_text(QUIET.replace("FOLDER", str(ROOT / "scenarios")).replace("  model: ", "  # model: "))
    told = CliRunner().invoke(app, ["ledger", str(path)])
    assert isinstance(told.exception, ScenarioError)
    problem = "its model has no ledger; describe a channel under spec.ledgers of the model"
    assert str(told.exception) == f"{path}: {problem}"


def test_clients_may_be_taken_to_behave_otherwise(quiet: Path) -> None:
    asked = ["--resubmission", "anew", "--broadcast", "persistent", "--rate", "40", "-o", "json"]
    clients = json.loads(CliRunner().invoke(app, ["ledger", str(quiet), *asked]).stdout)["tables"]["ledger_clients"][
        "columns"
    ]
    assert (clients["resubmission"], clients["broadcast"]) == (["anew"], ["persistent"])
    told = CliRunner().invoke(app, ["ledger", str(quiet), "--resubmission", "never"], env={"COLUMNS": "120"})
    assert told.exit_code == 2
    assert "expected lost, envelope or anew, got 'never'" in told.output
