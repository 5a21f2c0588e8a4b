"""A run's leaders and ledger: they follow the Timeline, keep count, and tell the story of two lost nodes."""

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest

from gxsim.observe.ledger import LedgerSeries
from gxsim.report.ledger import drained, idle_s, stall_s
from gxsim.study.result import Result
from gxsim.study.simulate import simulate

ROOT = Path(__file__).parent.parent
REPAIR_S = 6 * 3600.0
LOST_S = 14 * 3600.0


@pytest.fixture(scope="module")
def two_lost() -> Result:
    return simulate(ROOT / "scenarios" / "nodes-loss-srv1089618-srv1092158.yaml")


@pytest.fixture(scope="module")
def one_lost() -> Result:
    return simulate(ROOT / "scenarios" / "node-loss.yaml")


def test_nobody_leads_while_the_majority_is_away(two_lost: Result) -> None:
    for one in two_lost.tables["write_gaps"].rows():
        assert one["from_s"] == LOST_S
        assert REPAIR_S < one["gap_s"] < REPAIR_S + 30.0


def test_the_ledger_stands_still_and_the_outbox_grows_and_drains(two_lost: Result) -> None:
    (mainnet,) = two_lost.ledgers
    assert stall_s(mainnet) == pytest.approx(REPAIR_S, abs=120.0)
    waiting = mainnet.created[(mainnet.time_s > LOST_S) & (mainnet.time_s <= LOST_S + REPAIR_S)].sum()
    assert mainnet.outbox.max() == pytest.approx(waiting, rel=0.01), "what came while nobody ordered is what piled up"
    caught_up_s = drained(mainnet)
    assert caught_up_s is not None
    assert LOST_S + REPAIR_S < caught_up_s < two_lost.timeline.horizon_s


def test_nothing_is_lost_on_the_way_through_the_ledger(two_lost: Result) -> None:
    (mainnet,) = two_lost.ledgers
    assert mainnet.created.sum() == mainnet.committed.sum() + mainnet.uncommitted[-1]
    assert mainnet.projected.sum() <= mainnet.committed.sum()
    assert (np.diff(mainnet.height) >= 0).all()


def test_one_lost_node_costs_at_most_an_election(one_lost: Result) -> None:
    gaps = [one["gap_s"] for one in one_lost.tables["write_gaps"].rows() if one["group"] in ("orderers", "etcd")]
    assert all(gap_s < 30.0 for gap_s in gaps)
    assert one_lost.ledgers == (), "the scenario does not ask for the ledger"


def test_every_subset_of_the_documented_orderers_is_listed(one_lost: Result) -> None:
    rows = [one for one in one_lost.tables["quorum_subsets"].rows() if one["group"] == "orderers"]
    members = [one for one in rows if one["losing"] == "members"]
    nodes = {one["lost"]: one["quorum"] for one in rows if one["losing"] == "nodes"}
    assert len(members) == 2**5
    assert sum(one["quorum"] for one in members) == 1 + 5 + 10, "any two of five may be lost"
    assert [lost for lost, kept in nodes.items() if kept and lost] == ["srv1089618", "srv1089624", "srv1092158"]


def test_a_ledger_without_commands_is_idle_and_does_not_stand_still() -> None:
    """Series of 10 s: commands wait for 30 s, then none come for 40 s."""
    waiting, committed = np.array([0, 5, 9, 9, 0, 0, 0, 0, 0, 1]), np.array([2, 0, 0, 0, 9, 0, 0, 0, 0, 1])
    series = SimpleNamespace(time_s=np.arange(10.0, 110.0, 10.0), uncommitted=waiting, committed=committed)
    assert stall_s(cast(LedgerSeries, series)) == 30.0
    assert idle_s(cast(LedgerSeries, series)) == 40.0
