"""``gxsim quorum`` and what a run says about its consensus groups: terminal, page and JSON."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gxsim.cli import app
from gxsim.errors import ScenarioError
from gxsim.load.scenario import load
from gxsim.report.details import details
from gxsim.report.sections import sections
from gxsim.study.quorum import quorum_tables
from gxsim.study.result import Result
from gxsim.study.simulate import simulate
from tests.small_world import small_world

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def torn() -> Result:
    return simulate(ROOT / "scenarios" / "server-cut.yaml")


def test_every_environment_s_groups_stand_side_by_side() -> None:
    told = CliRunner().invoke(app, ["quorum", "gx/testnet-devnet", "--members"], env={"COLUMNS": "160"})
    assert told.exit_code == 0, told.output
    for title in (
        "Consensus groups",
        "What any loss of nodes",
        "What any loss of members",
        "Failover by",
        "Round trips",
    ):
        assert title in told.output
    assert "2 of 3 on 1" in told.output, "a quota refuses the third orderer of the testnet"
    assert "A group of one orders alone" in told.output


def test_json_has_every_table_and_the_same_bytes_each_time() -> None:
    one, other = (CliRunner().invoke(app, ["quorum", "gx/node-loss", "-o", "json"]).output for _ in range(2))
    assert one == other
    tables = json.loads(one)["tables"]
    assert set(tables) == {"consensus_groups", "quorum_subsets", "commit_latency", "round_trips", "failover"}
    assert tables["round_trips"]["columns"]["network"][:4] == ["as modelled", "1ms", "5ms", "by links"]


def test_a_model_without_groups_is_refused(tmp_path: Path) -> None:
    small_world(tmp_path)
    with pytest.raises(ScenarioError) as error:
        quorum_tables(load(tmp_path / "scenario.yaml"))
    wanted = "model.consensusGroups: none matches a pod or node of this cluster; name one with its labels"
    assert str(error.value) == wanted


def test_a_run_says_who_leads_what_was_written_and_what_any_loss_leaves(torn: Result) -> None:
    shown = {grid.name: grid for grid in (*sections(torn), *details(torn))}
    names = {"consensus_groups", "leaders", "write_gaps", "round_trips", "quorum_subsets", "quorum_subsets-members"}
    assert names <= shown.keys()
    groups = {cells[0].text: cells for cells in shown["consensus_groups"].rows}
    leaders = {one["group"]: one["leader"] for one in torn.tables["leaders"].rows()}  # the last reign stays
    assert {name: cells[2].text for name, cells in groups.items()} == leaders
    assert len(shown["quorum_subsets-members"].rows) == 2**5 + 2**3


def test_a_server_that_is_cut_off_leads_on_for_a_while_and_nobody_comes_back_with_a_higher_term(torn: Result) -> None:
    reigns = [one for one in torn.tables["leaders"].rows() if one["group"] == "etcd"]
    assert [one["leader"] for one in reigns] == ["srv1092158", "srv1089618"]
    assert [one["term"] for one in reigns] == [1, 2]
    assert (reigns[1]["rival"], reigns[1]["rival_s"] > 0) == ("srv1092158", True)


def test_gaps_and_elections_can_be_expected(torn: Result) -> None:
    observed = {verdict.expectation.text: verdict.observed for verdict in torn.verdicts}
    gaps = {one["group"]: one["gap_s"] for one in torn.tables["write_gaps"].rows()}
    assert observed["write_gap(etcd) < 40s"] == gaps["etcd"] > 5.0
    assert observed["elections(etcd) <= 2"] == 1.0
