"""``gxsim paths``: what it prints and draws, on a small cluster and on the documented one."""

import dataclasses
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gxsim.cli import app
from gxsim.errors import ScenarioError
from gxsim.load.scenario import load
from gxsim.observe.traffic import traffic_tables
from gxsim.report.paths_plot import draw, figure
from gxsim.rng import Streams
from gxsim.study.simulate import simulate
from gxsim.traffic.run import run_traffic
from tests.small_world import network, small_world


def test_it_prints_what_users_feel_and_compares_both_hypotheses(tmp_path: Path) -> None:
    small_world(tmp_path, loss=("one", "200s", "200s"), network=network())
    arguments = ["paths", str(tmp_path / "scenario.yaml"), "--delays", "both", "--sweep"]
    told = CliRunner().invoke(app, arguments, env={"COLUMNS": "160"})
    assert told.exit_code == 0, told.output
    for title in ("What users feel", "Where the time goes", "How much fits", "Two hypotheses", "Latency under load"):
        assert title in told.output
    assert "the address DNS gives is out of reach" in told.output
    assert "not enough data" in told.output


def test_json_has_every_table_and_the_same_bytes_each_time(tmp_path: Path) -> None:
    small_world(tmp_path)
    arguments = ["paths", str(tmp_path / "scenario.yaml"), "-o", "json"]
    one, other = (CliRunner().invoke(app, arguments).output for _ in range(2))
    assert one == other
    tables = json.loads(one)["tables"]
    assert set(tables) == {"paths", "waterfall", "stations", "traffic_nodes", "saturation", "traffic_over_time"}


def test_an_unknown_hypothesis_is_refused(tmp_path: Path) -> None:
    told = CliRunner().invoke(app, ["paths", "gx/node-loss", "--delays", "guess"])
    assert told.exit_code == 2
    assert "expected distance, links or both" in told.output


def test_a_hypothesis_about_a_network_needs_one(tmp_path: Path) -> None:
    small_world(tmp_path)
    told = CliRunner().invoke(app, ["paths", str(tmp_path / "scenario.yaml"), "--delays", "links"])
    assert str(told.exception) == "--delays: the model has no network; leave the option out"


def test_pictures_show_each_population_and_fail_with_a_remedy(tmp_path: Path) -> None:
    case = small_world(tmp_path, loss=("one", "200s", "200s"))
    result = simulate(case)
    traffic = run_traffic(case.model, result.state, result.timeline, Streams(1))
    tables = {t.name: t for t in traffic_tables(case, result.state, result.timeline, Streams(1))[1]}
    drawn = figure(traffic, tables)
    labels = [text.get_text() for text in drawn.axes[0].get_legend().get_texts()]
    assert labels == ["easterners", "westerners"]
    draw(traffic, tables, tmp_path / "traffic.svg")
    assert (tmp_path / "traffic.svg").stat().st_size > 10_000
    with pytest.raises(ScenarioError, match=r"expected a name that ends with one of \.svg, \.png, \.pdf"):
        draw(traffic, tables, tmp_path / "traffic.gif")


def test_the_documented_cluster_serves_the_regions_whose_node_lives() -> None:
    """srv1089624 carries no database: users of its region are lost with its address, the others are not."""
    case = load("gx/node-loss-srv1089624")
    fault = dataclasses.replace(case.scenario.faults[0], at_s=600.0, duration_s=900.0)
    case = dataclasses.replace(case, scenario=dataclasses.replace(case.scenario, faults=(fault,), horizon_s=2400.0))
    result = simulate(case)
    tables = {t.name: t for t in traffic_tables(case, result.state, result.timeline, Streams(1))[1]}
    rows = {(r["path"], r["population"], r["phase"]): r for r in tables["paths"].rows()}
    for population in ("asia", "emea"):
        # One address in two hundred exceeds the rate limit by chance: no burst is allowed (10/s is a gap of 100 ms).
        assert rows["identity", population, "before"]["answered_percent"] == pytest.approx(99.5, abs=0.3)
        assert rows["identity", population, "outage"]["answered_percent"] == pytest.approx(99.5, abs=0.5)
        assert 50 < rows["identity", population, "undetected"]["answered_percent"] < 80
    assert rows["identity", "americas", "undetected"]["answered_percent"] == 0
    assert rows["identity", "americas", "after"]["answered_percent"] == pytest.approx(99.5, abs=0.5)
    lost = [rows["tax", "all", phase] for phase in ("before", "after")]
    assert all(row["answered"] == 0 and row["no_endpoint"] > 0.98 * row["sent"] for row in lost)
