"""The public names: what ``import gxsim`` offers, and that asking for it is cheap."""

import subprocess
import sys
from pathlib import Path

import matplotlib.figure
import pandas as pd
import pytest

import gxsim

ROOT = Path(__file__).parent.parent


def test_every_public_name_is_there_and_documented() -> None:
    for name in gxsim.__all__:
        assert name in dir(gxsim)
        assert name == "__version__" or getattr(gxsim, name).__doc__


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match=r"^module 'gxsim' has no attribute 'simulat'$"):
        gxsim.simulat  # noqa: B018


def test_load_stays_a_function_whatever_is_imported_first() -> None:
    program = "import gxsim.load.scenario, gxsim, gxsim.load.manifests; print(gxsim.load('gx/pod-crash').scenario.name)"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout == "pod-crash\n"


def test_from_a_file_to_tables_a_figure_and_files(tmp_path: Path) -> None:
    case = gxsim.load(ROOT / "scenarios" / "pod-crash.yaml")
    result = gxsim.simulate(case, seed=3)
    assert isinstance(result, gxsim.Result)
    assert isinstance(result.table("services"), pd.DataFrame)
    assert isinstance(gxsim.figure(result), matplotlib.figure.Figure)
    assert (tmp_path / "result.json") in gxsim.write(result, tmp_path, page=False)


def test_a_table_that_is_not_there_is_the_users_error() -> None:
    result = gxsim.simulate("gx/pod-crash")
    with pytest.raises(gxsim.ScenarioError, match=r"^table: there is no table 'service'; did you mean 'services'\?$"):
        result.table("service")


def test_place_answers_for_manifests_and_for_scenarios() -> None:
    placed = gxsim.place([ROOT / "scenarios" / "gx" / folder for folder in ("cluster", "backend")])
    assert placed.waiting == 0
    assert set(placed.pods().columns["node"]) <= {node.name for node in placed.state.nodes}
