"""Do failures unfold as recorded from a real control plane? 95 % of all milestones must, and the rest is explained."""

import gzip
import json
import re
from functools import cache
from pathlib import Path

import pytest

from gxsim.validate import validate
from gxsim.validate.failures import FAMILY, FITTED, strictly_fitted
from gxsim.validate.failures_cluster import Recording
from gxsim.validate.failures_replay import Chance
from gxsim.validate.record import Check

RECORDINGS = Path(__file__).parent / "truth" / "failures"
NAMES = sorted(path.name.removesuffix(".json.gz") for path in RECORDINGS.glob("*.json.gz"))
EXPLANATIONS = Path(__file__).parent.parent / "docs" / "failure_disagreements.md"


def document(name: str) -> dict:
    return json.loads(gzip.decompress((RECORDINGS / f"{name}.json.gz").read_bytes()))


@cache
def checks(name: str) -> list[Check]:
    return FAMILY.replay(document(name))


def explained() -> dict[str, int]:
    """How many checks of each recording the documentation explains."""
    rows = re.findall(r"^\| (\w+) (r\w+) \| (\d+) \|", EXPLANATIONS.read_text(), re.MULTILINE)
    return {f"{scenario}__{variant}": int(count) for scenario, variant, count in rows}


@pytest.mark.parametrize("name", NAMES)
def test_every_disagreement_is_explained(name: str) -> None:
    wrong = [f"{check.name}: {check.detail}" for check in checks(name) if not check.agreed]
    assert len(wrong) <= explained().get(name, 0), "\n".join(wrong)


def test_enough_milestones_agree() -> None:
    found = [check.agreed for name in NAMES for check in checks(name)]
    assert len(found) > 2400
    assert sum(found) >= FAMILY.bound * len(found)


def test_the_documented_figures_are_those_of_the_replays() -> None:
    rows = re.findall(r"^\| (\w) \| (\d+) of (\d+) \| (\d+) of (\d+) \|$", EXPLANATIONS.read_text(), re.MULTILINE)
    found: dict[str, list[int]] = {letter: [0, 0, 0, 0] for letter in sorted({name[0] for name in NAMES})}
    for name in NAMES:
        for column, of_run in enumerate((checks(name), FITTED.replay(document(name)))):
            found[name[0]][2 * column] += sum(check.agreed for check in of_run)
            found[name[0]][2 * column + 1] += len(of_run)
    assert {letter: [int(count) for count in counts] for letter, *counts in rows} == found


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("g_")])
def test_the_figure_that_counts_fits_no_phase_but_those_of_the_monitor_and_of_pod_gc(name: str) -> None:
    chance, _ = strictly_fitted(Recording(document(name)))
    allowed = Chance(
        monitor_s=chance.monitor_s, pod_gc_s=chance.pod_gc_s, raced=chance.raced, node_order=chance.node_order
    )
    assert chance == allowed


def test_a_recording_is_reported_once_as_fitted_strictly_and_once_with_every_phase() -> None:
    agreement = validate([RECORDINGS / "g_control_plane_outage__r6_apiserver_down_100s_no_leader_election.json.gz"])
    assert [(family.name, family.checks - family.agreed) for family in agreement] == [
        ("failures", 8),
        ("failures, every phase fitted", 0),
    ]


def test_the_explanations_are_about_recordings_that_are_there() -> None:
    assert set(explained()) <= set(NAMES)
    assert len(NAMES) == 64


def test_a_milestone_that_is_late_is_a_disagreement_with_both_times() -> None:
    recorded = document("b_node_dies_short__r1_partition120s")
    pod = next(p for p in recorded["summary"]["pods"] if "created_ms" in p)
    pod["created_ms"] += 2000.0
    wrong = [check for check in FAMILY.replay(recorded) if not check.agreed]
    assert len(wrong) == 1
    assert wrong[0].name == f"b/b_node_dies_short r1_partition120s: {pod['name']} created"
    assert re.fullmatch(r"at 44\.\d\d s, recorded 46\.24 s", wrong[0].detail)


def test_an_action_nobody_knows_is_a_disagreement() -> None:
    recorded = document("e_drain_pdb__r2_min3of3_blocks")
    recorded["events"].append({"t_ms": 1.0, "kind": "Action", "name": "operator", "what": "pulls the plug"})
    wrong = [check for check in FAMILY.replay(recorded) if not check.agreed]
    assert [(check.name, check.detail) for check in wrong] == [
        ("e/e_drain_pdb r2_min3of3_blocks: action pulls the plug", "gxsim does not know this action")
    ]
