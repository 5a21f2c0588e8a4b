"""Do elections, partitions and block cutting agree with the recordings of the real components?"""

import csv
import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from gxsim.validate import (
    elections,
    etcd_events,
    etcd_failover,
    etcd_names,
    etcd_outages,
    etcd_writes,
    fabric,
    raft_partitions,
)
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


@pytest.mark.parametrize("name", ["etcd_leader_kill_summary.json", "etcd_leader_kill_trials.csv"])
def test_real_etcd_fails_over_as_fast(name: str) -> None:
    judged(etcd_failover.FAMILY, etcd_failover.FAMILY.replay(recording(name)))


ETCD_WRITES = {
    "etcd_delayed_network_summary.json": 15,
    "etcd_delayed_network_write_latency.csv": 25,
    "etcd_steady_write_latency_summary.json": 12,
    "etcd_steady_write_latency.csv": 15,
    "etcd_follower_kill_summary.json": 2,
    "etcd_follower_kill_trials.csv": 41,
}


@pytest.mark.parametrize("name", ETCD_WRITES)
def test_real_etcd_writes_as_fast_and_on_without_a_follower(name: str) -> None:
    checks = etcd_writes.FAMILY.replay(recording(name))
    assert len(checks) == ETCD_WRITES[name]
    judged(etcd_writes.FAMILY, checks)


OUTAGES = ("etcd_deaf_member", "etcd_quorum_loss")


@pytest.mark.parametrize("name", [f"{kind}_{form}" for kind in OUTAGES for form in ("summary.json", "trials.csv")])
def test_real_etcd_is_disturbed_and_comes_back_alike(name: str) -> None:
    judged(etcd_outages.FAMILY, etcd_outages.FAMILY.replay(recording(name)))


@pytest.mark.parametrize("name", ["etcd_leader_kill", "etcd_quorum_loss", "etcd_deaf_member"])
def test_every_logged_role_change_of_real_etcd_keeps_the_rules(name: str) -> None:
    """Pauses between campaigns are whole ticks from E to 2 E - 1; a leader is the only one of its term, and stood."""
    checks = etcd_events.FAMILY.replay(recording(f"{name}_events.jsonl"))
    assert len(checks) > 90
    judged(etcd_events.FAMILY, checks)


def test_other_timers_than_the_recorded_ones_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """With an election timeout a fifth longer neither the trials nor the logged pauses agree."""
    monkeypatch.setitem(etcd_names.ELECTION_MS, 100, 1200)
    logged = etcd_events.FAMILY.replay(recording("etcd_deaf_member_events.jsonl"))
    assert sum(not check.agreed for check in logged) > 0.1 * len(logged)
    trials = [row for row in recording("etcd_leader_kill_trials.csv") if row["config"] == "e34_n5_hb100"]
    shifted = etcd_failover.FAMILY.replay([row | {"election_ms": "1200"} for row in trials])
    assert sum(not check.agreed for check in shifted) >= 6


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
    modules = (elections, raft_partitions, etcd_events, etcd_failover, etcd_outages, etcd_writes, fabric)
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
