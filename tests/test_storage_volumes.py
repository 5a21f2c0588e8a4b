"""The volumes of a run's report: what is lost with a disk, and what a loss of each would cost."""

import dataclasses
import math

import pytest

from gxsim.load.scenario import load
from gxsim.model.fault import Fault, FaultSelector
from gxsim.study.result import Result
from gxsim.study.simulate import simulate

HOUR_S, DAY_S = 3600.0, 86_400.0


@pytest.fixture(scope="module")
def result() -> Result:
    """The documented cluster loses a node with its disk."""
    case = load("gx/node-loss")
    gone = Fault(kind="NodeChaos", action="node-terminate", selector=FaultSelector(nodes=("srv1089618",)), at_s=60.0)
    scenario = dataclasses.replace(case.scenario, faults=(gone,), horizon_s=300.0, expect=())
    return simulate(dataclasses.replace(case, scenario=scenario))


def volumes(result: Result) -> dict[str, dict]:
    return {row["claim"]: row for row in result.tables["volumes"].rows()}


def test_volumes_of_a_lost_disk_are_lost_and_no_others(result: Result) -> None:
    for row in volumes(result).values():
        assert row["lost"] == (row["node"] == "srv1089618"), row["claim"]


def test_a_database_whose_dumps_lie_beside_it_loses_everything_with_the_disk(result: Result) -> None:
    row = volumes(result)["backend-mainnet/postgres-data-postgres-0"]
    assert (row["backup"], row["replicated"]) == ("pg_dump", False)
    assert row["node_loss_s"] == 0.0
    assert row["disk_loss_s"] == math.inf
    assert row["backup_age_s"] == 6 * HOUR_S + 35 * 60  # the interval and the longest dump


def test_a_cache_that_only_takes_snapshots_loses_up_to_an_interval_with_its_node(result: Result) -> None:
    row = volumes(result)["backend-mainnet/redis-data-redis-0"]
    assert row["node_loss_s"] == 6 * HOUR_S + 30.0
    assert row["disk_loss_s"] == math.inf


def test_members_of_a_group_lose_nothing_while_others_are_there(result: Result) -> None:
    row = volumes(result)["fabric/orderer-data-orderer0-0"]
    assert row["replicated"]
    assert (row["disk_loss_s"], row["disk_outage_s"]) == (0.0, 10.0)
    assert row["exposed_s"] >= 8 * HOUR_S


def test_a_copy_off_the_node_bounds_the_loss_of_what_nobody_else_holds(result: Result) -> None:
    row = volumes(result)["fabric/ca-data-ca-root-0"]
    assert not row["replicated"]
    assert row["disk_loss_s"] == DAY_S
