"""Does placement agree with the recordings of the real kube-scheduler framework? Every step must."""

import gzip
import json
from pathlib import Path

import pytest

from gxsim.validate import FAMILIES, validate
from gxsim.validate.scheduler import FAMILY

RECORDINGS = Path(__file__).parent / "truth" / "scheduler"
NAMES = sorted(path.name.removesuffix(".json.gz") for path in RECORDINGS.glob("*.json.gz"))


@pytest.mark.parametrize("name", NAMES)
def test_every_step_is_decided_as_recorded(name: str) -> None:
    document = json.loads(gzip.decompress((RECORDINGS / f"{name}.json.gz").read_bytes()))
    checks = FAMILY.replay(document)
    assert len(checks) == len(document["steps"])
    assert [f"{check.name}: {check.detail}" for check in checks if not check.agreed] == []


def test_the_recordings_cover_105_cases() -> None:
    assert len(NAMES) == 105


def test_a_recording_is_known_by_its_content_and_counted(tmp_path: Path) -> None:
    renamed = tmp_path / "anything.json"
    renamed.write_bytes(gzip.decompress((RECORDINGS / "gates-00.json.gz").read_bytes()))
    agreement = validate([tmp_path])
    assert agreement.as_dict() == {
        "families": {"scheduler": {"recordings": 1, "checks": 10, "agreed": 10, "bound": 1.0}},
        "unrecognised": [],
    }


def test_a_wrong_recording_is_a_disagreement_with_its_reason(tmp_path: Path) -> None:
    document = json.loads(gzip.decompress((RECORDINGS / "balanced-01.json.gz").read_bytes()))
    step = document["steps"][0]
    step["scores"][step["chosen"]]["NodeResourcesFit"] += 1
    (tmp_path / "wrong.json").write_text(json.dumps(document))
    (family,) = validate([tmp_path])
    assert not family.good
    assert (family.checks - family.agreed, len(family.worst)) == (1, 1)
    assert family.worst[0].detail.startswith(f"scores: {step['chosen']} is ")


def test_a_file_nobody_knows_is_listed(tmp_path: Path) -> None:
    (tmp_path / "other.json").write_text("[1, 2]")
    agreement = validate([tmp_path])
    assert agreement.unrecognised == (str(tmp_path / "other.json"),)
    assert not list(agreement)


def test_families_have_different_names() -> None:
    assert len({family.name for family in FAMILIES}) == len(FAMILIES)
