"""PostgreSQL and Redis: what a kill loses and how recovery takes its time, against recordings of the real ones."""

import copy
import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gxsim.storage import databases
from gxsim.validate.databases import FAMILY

TRUTH = Path(__file__).parent / "truth" / "components"
RECORDINGS = {
    "async_commit_loss": TRUTH / "postgres" / "async_commit_loss.json.gz",
    "crash_recovery": TRUTH / "postgres" / "crash_recovery.json.gz",
    "dump_restore": TRUTH / "postgres" / "dump_restore.json.gz",
    "persistence_loss": TRUTH / "redis" / "persistence_loss.json.gz",
}


def recording(name: str) -> Any:
    return json.loads(gzip.decompress(RECORDINGS[name].read_bytes()))


@pytest.mark.parametrize("name", RECORDINGS)
def test_every_recorded_fact_agrees(name: str) -> None:
    document = recording(name)
    assert FAMILY.recognises(document)
    checks = FAMILY.replay(document)
    assert len(checks) >= 9
    assert [(check.name, check.detail) for check in checks if not check.agreed] == []


def test_other_recordings_are_not_taken_for_databases() -> None:
    for document in (None, [], {}, {"runs": []}, {"runs": [{"pods": 1}]}, {"redis": "7.0"}):
        assert not FAMILY.recognises(document)


@pytest.mark.parametrize(
    ("name", "key", "value"),
    [
        ("async_commit_loss", "loss_window_s", 7.0),
        ("crash_recovery", "to_accept_s", 900.0),
        ("dump_restore", "dump_Fc_default_cpu_s", 60.0),
    ],
)
def test_a_recording_that_breaks_the_rule_disagrees(name: str, key: str, value: float) -> None:
    document = copy.deepcopy(recording(name))
    document["runs"][0][key] = value
    assert sum(not check.agreed for check in FAMILY.replay(document)) >= 1


def test_a_redis_that_loses_more_than_its_snapshot_disagrees() -> None:
    document = recording("persistence_loss")
    document["kill_runs"][0]["loss_window_s"] += 1.0
    assert sum(not check.agreed for check in FAMILY.replay(document)) == 1


def test_asynchronous_commit_loses_at_most_three_writer_delays() -> None:
    assert databases.asynchronous_loss_s(0.2) == pytest.approx(0.6)


def test_recovery_grows_with_the_log() -> None:
    few, many = databases.recovery_s(64e6), databases.recovery_s(1e9)
    assert few[0] < many[0] < many[1]
    assert databases.recovery_s(0.0) == databases.START_S


def test_writes_during_an_fsync_wait_for_the_next() -> None:
    assert databases.unsynced_s(np.array([0.0, 1.0]), np.array([0.3, 0.2])).tolist() == [1.2]


def test_a_save_rule_waits_from_the_last_save_and_for_the_next_look() -> None:
    assert databases.save_rule_loss_s(5.0, 0.5) == pytest.approx(6.1)
