"""Do elections, partitions and block cutting agree with the recordings of the real components?"""

import csv
import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from gxsim.validate import elections, etcd_failover, etcd_outages, fabric, raft_partitions
from gxsim.validate.record import Check, Family

RECORDINGS = Path(__file__).parent / "truth" / "raft"
EVERY = 8  # configuration of the partitions that is played here; `make validate` plays all


def recording(name: str) -> Any:
    text = gzip.decompress((RECORDINGS / f"{name}.gz").read_bytes()).decode()
    if name.endswith(".jsonl"):
        return [json.loads(line) for line in text.splitlines()]
    return list(csv.DictReader(text.splitlines())) if name.endswith(".csv") else json.loads(text)


def judged(family: Family, checks: list[Check]) -> None:
    wrong = [f"{check.name}: {check.detail}" for check in checks if not check.agreed]
    assert len(wrong) <= (1 - family.bound) * len(checks), "\n".join(wrong)


@pytest.mark.parametrize("name", ["leader_crash_grid", "leader_crash_variants", "leader_and_follower_crash"])
def test_elections_take_as_long_as_in_the_raft_library(name: str) -> None:
    document = recording(f"virtual_time_{name}.json")
    checks = elections.FAMILY.replay(document)
    assert len(checks) == 5 * len(document["configurations"])
    judged(elections.FAMILY, checks)


def test_partitions_end_as_in_the_raft_library() -> None:
    document = recording("virtual_time_partitions.json")
    judged(
        raft_partitions.FAMILY, raft_partitions.FAMILY.replay({"configurations": document["configurations"][::EVERY]})
    )


@pytest.mark.parametrize("name", ["etcd_leader_kill_summary", "etcd_delayed_network_summary"])
def test_real_etcd_fails_over_and_writes_as_fast(name: str) -> None:
    judged(etcd_failover.FAMILY, etcd_failover.FAMILY.replay(recording(f"{name}.json")))


@pytest.mark.parametrize("name", ["etcd_deaf_member_summary", "etcd_quorum_loss_summary"])
def test_real_etcd_is_disturbed_and_comes_back_alike(name: str) -> None:
    judged(etcd_outages.FAMILY, etcd_outages.FAMILY.replay(recording(f"{name}.json")))


@pytest.mark.parametrize("name", ["fabric_load_summary.json", "fabric_kill_summary.json"])
def test_real_fabric_orderers_cut_blocks_and_fail_over_alike(name: str) -> None:
    judged(fabric.FAMILY, fabric.FAMILY.replay(recording(name)))


def test_transactions_share_blocks_as_recorded() -> None:
    """Four configurations are recorded whole: who shares a block with whom follows from when each was sent."""
    checks = fabric.FAMILY.replay(recording("fabric_load_transactions.csv"))
    assert len(checks) == 4 * 2 + 3 * 3
    assert [check for check in checks if not check.agreed] == []


def test_every_block_was_cut_for_a_reason_the_cutter_has() -> None:
    checks = fabric.FAMILY.replay(recording("fabric_load_blocks.csv"))
    assert len(checks) == 7 * 3
    assert [check for check in checks if not check.agreed] == []


def test_what_a_killed_leader_costs_follows_from_each_trials_own_times() -> None:
    """First blocks of both styles of client, and what was lost; stalls of the machine spoil a few of 34 trials."""
    checks = fabric.FAMILY.replay(recording("fabric_kill_trials.csv"))
    assert len(checks) > 90
    judged(fabric.FAMILY, checks)


def test_orderers_answer_by_what_they_believe() -> None:
    """Taken, forwarded for seven seconds, refused: transaction by transaction."""
    checks = fabric.FAMILY.replay(recording("fabric_kill_events.jsonl"))
    assert len(checks) == 2 * 29
    judged(fabric.FAMILY, checks)


def test_each_recording_is_known_by_one_family_only() -> None:
    modules = (elections, raft_partitions, etcd_failover, etcd_outages, fabric)
    families = [module.FAMILY for module in modules]
    names = sorted(path.name.removesuffix(".gz") for path in RECORDINGS.glob("*.gz"))
    for name in names:
        document = recording(name)
        assert sum(family.recognises(document) for family in families) == 1, name


def test_a_wrong_rule_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the leader's lease the grid does not agree: the checks can fail."""
    real = elections.Contest
    monkeypatch.setattr(elections, "Contest", lambda **given: real(**given | {"check_quorum": False}))
    document = recording("virtual_time_leader_crash_grid.json")
    checks = elections.FAMILY.replay({"configurations": document["configurations"][:4]})
    assert sum(not check.agreed for check in checks) >= 8
