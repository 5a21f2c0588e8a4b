"""What losses cost: closed forms, the rule for each kind of loss, variants, and a second disk."""

import dataclasses

import numpy as np
import pytest

from gxsim.load.scenario import Case, load
from gxsim.model.model import Model
from gxsim.model.storage import Backup, Store
from gxsim.rng import Streams
from gxsim.state import ClusterState
from gxsim.storage.drivers import Draws, Ends
from gxsim.storage.protection import LOSSES, Exposure, exposures, in_force, second_losses
from gxsim.study.start import started

HOUR_S = 3600.0
OWNER = {"namespace": "backend-mainnet", "workload": "postgres", "source": "test"}
DUMPS = Backup(**OWNER, name="dump", every_s=6 * HOUR_S, keep=30, restore_s=(600.0, 1800.0))


@pytest.fixture(scope="module")
def case() -> Case:
    return load("gx/node-loss")


@pytest.fixture(scope="module")
def state(case: Case) -> ClusterState:
    return started(case, case.placement)[0]


def costs(
    state: ClusterState, store: Store, *backups: Backup, sizes: dict[str, float] | None = None, paths: int = 4000
) -> dict[str, Exposure]:
    found = exposures(state, Model(stores=(store,), backups=backups), Draws(Streams(1), paths), sizes)
    assert [one.loss for one in found] == list(LOSSES if store.replicas else LOSSES[:-1])
    return {one.loss: one for one in found}


def store(**given: object) -> Store:
    return Store(**{**OWNER, "name": "variant", **given})


def test_a_log_that_is_flushed_loses_nothing_but_the_disk(state: ClusterState) -> None:
    found = costs(state, store(), DUMPS)
    assert found["pod crash"].lost_s.max() == 0.0
    assert found["node lost, disk kept"].lost_s.max() == 0.0
    assert found["disk lost"].everything
    assert found["disk lost"].how == "everything is lost: dump copies lie on the same disk"


def test_a_deleted_claim_takes_its_data_with_it_but_not_the_dumps_in_another_volume(state: ClusterState) -> None:
    gone = costs(state, store(), DUMPS)["claim deleted"]
    assert gone.everything
    apart = costs(state, store(), dataclasses.replace(DUMPS, reserved_bytes=1))["claim deleted"]
    assert apart.how == "last dump"
    assert apart.lost_s.max() <= 6 * HOUR_S
    assert apart.outage_s.max() <= 1810.0  # a restart and the restore: nobody has to repair a disk


def test_with_the_reclaim_policy_retain_a_deleted_claim_loses_nothing(state: ClusterState) -> None:
    twin = state.copy()
    for volume in list(twin.storage.volumes.values()):
        twin.storage.put_volume(dataclasses.replace(volume, reclaim_policy="Retain"))
    assert costs(twin, store(), DUMPS)["claim deleted"].lost_s.max() == 0.0


def test_replicas_on_one_node_are_lost_with_its_disk(state: ClusterState) -> None:
    """The three databases lie on three nodes; of the CAs of one organisation there is one place only."""
    replicated = {"replicas": 2, "failover_s": (1.0, 2.0)}
    assert costs(state, store(**replicated))["disk lost"].lost_s.max() == 0.0
    alone = {"namespace": "fabric", "workload": "ca-root"}
    found = costs(state, store(**replicated, **alone))
    assert found["disk lost"].everything
    assert found["disk lost"].how == "everything is lost: there is no copy; all members were on it"
    assert found["node lost, disk kept"].outage_s.min() >= 4 * HOUR_S
    planned = costs(state, store(**replicated, **alone, in_force=False))
    assert planned["disk lost"].outage_s.max() <= 2.0


def test_snapshots_lose_what_came_after_the_last_finished_one(state: ClusterState) -> None:
    slow = dataclasses.replace(DUMPS, copy_s=(600.0, 600.0))
    lost = costs(state, store(persistence="snapshot"), slow)["pod crash"].lost_s
    assert 600.0 <= lost.min() < lost.max() <= 6 * HOUR_S + 600.0
    assert lost.mean() == pytest.approx(3 * HOUR_S + 600.0, rel=0.03)  # 4000 draws: a standard error of 0.9 %


def test_a_copy_off_the_node_is_what_a_lost_disk_falls_back_to(state: ClusterState) -> None:
    found = costs(state, store(), dataclasses.replace(DUMPS, off_node=True))["disk lost"]
    assert 0.0 <= found.lost_s.min() < found.lost_s.max() <= 6 * HOUR_S
    assert found.outage_s.min() >= 4 * HOUR_S + 600.0  # no time to repair is stated: the default, and the restore


def test_a_restore_takes_as_long_as_the_data_is_large(state: ClusterState) -> None:
    away = dataclasses.replace(DUMPS, off_node=True)
    data = {"backend-mainnet/postgres-data-postgres-0": 60e9}
    restored = costs(state, store(restore_rate_bytes=(10_000_000, 10_000_000)), away, sizes=data)["disk lost"]
    stated = costs(state, store(), away)["disk lost"]
    assert np.median(restored.outage_s) - np.median(stated.outage_s) == pytest.approx(6000 - 1200, rel=0.02)


def test_a_lagging_replica_takes_over_for_a_lost_node_but_not_for_a_crash(state: ClusterState) -> None:
    found = costs(state, store(replicas=2, replica_lag_s=(1.0, 5.0), failover_s=(30.0, 60.0), recovery_s=(9.0, 9.0)))
    assert found["pod crash"].lost_s.max() == 0.0
    lost = found["node lost, disk kept"]
    assert 1.0 <= lost.lost_s.min() <= lost.lost_s.max() <= 5.0
    assert 30.0 <= lost.outage_s.min() <= lost.outage_s.max() <= 60.0
    assert lost.exposed_s.min() >= 4 * HOUR_S  # the node is still away


def test_a_member_of_a_group_that_acknowledges_together_loses_nothing(state: ClusterState) -> None:
    found = costs(state, store(replicas=4, failover_s=(1.0, 2.0), recovery_s=(60.0, 60.0)))
    assert all(found[loss].lost_s.max() == 0.0 and found[loss].outage_s.max() <= 2.0 for loss in LOSSES[:-1])


def test_members_that_all_come_back_from_copies_lose_the_age_of_the_youngest(state: ClusterState) -> None:
    away = dataclasses.replace(DUMPS, off_node=True)
    lost = costs(state, store(replicas=4, failover_s=(1.0, 2.0)), away, paths=20_000)["every disk lost"].lost_s
    assert lost.mean() == pytest.approx(6 * HOUR_S / 6, rel=0.03)  # five members; a standard error of 0.6 %
    alone = costs(state, store(replicas=4, failover_s=(1.0, 2.0)), DUMPS)["every disk lost"]
    assert alone.everything


def test_a_log_archive_bounds_what_a_lost_disk_costs(state: ClusterState) -> None:
    found = costs(state, store(archive_lag_s=(0.0, 60.0)), DUMPS)["disk lost"]
    assert found.lost_s.max() <= 60.0
    assert not found.everything


def test_variants_meet_the_same_moments(state: ClusterState) -> None:
    plain, other = store(persistence="snapshot"), store(persistence="snapshot", name="other", in_force=False)
    model = Model(stores=(plain, other), backups=(DUMPS,))
    found = exposures(state, model, Draws(Streams(1), 500))
    assert np.array_equal(found[0].lost_s, found[len(LOSSES) - 1].lost_s)
    assert in_force(found, "backend-mainnet", "postgres", "pod crash") is found[0]


def test_the_ends_of_the_ranges_are_the_best_and_the_worst_case(state: ClusterState) -> None:
    model = Model(stores=(store(persistence="snapshot"),), backups=(dataclasses.replace(DUMPS, copy_s=(60.0, 300.0)),))
    crash = exposures(state, model, Ends())[0]
    assert crash.lost_s.tolist() == [60.0, 6 * HOUR_S + 300.0]


# ---- the documented cluster -----------------------------------------------------------------------------------------


def test_every_stateful_workload_of_the_documented_cluster_has_a_store(case: Case, state: ClusterState) -> None:
    found = exposures(state, case.model, Ends())
    stateful = {f"{c.namespace}/{c.name}" for c in case.cluster.workloads if c.claim_templates or c.template.claims}
    assert {f"{one.namespace}/{one.workload}" for one in found if one.store.in_force} == stateful


def test_a_second_disk_takes_what_the_first_left_and_both_majorities(case: Case, state: ClusterState) -> None:
    found = exposures(state, case.model, Draws(Streams(1), 500))
    losses = {(one.first, one.second): one for one in second_losses(state, case.model, found)}
    assert len(losses) == 3
    for one in losses.values():
        assert one.gone_together == ()  # the ledger is on all three
        assert one.quorums == ("orderers", "etcd")
        mtbf_s = 1825 * 86_400.0
        assert one.probability == pytest.approx(one.exposed_s / mtbf_s, rel=1e-3)  # far below 1
    assert "backend-mainnet/postgres-data-postgres-0" in losses["srv1089618", "srv1092158"].gone_with_first


def test_data_with_two_copies_is_gone_when_both_disks_are(case: Case, state: ClusterState) -> None:
    pair = Store(name="pair", namespace="fabric", workload="peer*-org2", replicas=1, source="test")
    model = dataclasses.replace(case.model, stores=(pair,))
    losses = second_losses(state, model, exposures(state, model, Ends()))
    assert [(one.first, one.second, one.gone_together) for one in losses] == [
        ("srv1089624", "srv1092158", ())  # the snapshots away from both
    ]
    nowhere = dataclasses.replace(model, backups=())
    losses = second_losses(state, nowhere, exposures(state, nowhere, Ends()))
    assert losses[0].gone_together == ("fabric/peer*-org2",)


def test_every_redis_of_the_documented_environments_keeps_a_file_that_a_crash_leaves() -> None:
    case = load("gx/testnet-devnet")
    state, _ = started(case, case.placement)
    found = [one for one in exposures(state, case.model, Draws(Streams(1), 200), None) if one.workload == "redis"]
    crashes = {one.namespace: one.lost_s.max() for one in found if one.loss == "pod crash" and one.store.in_force}
    assert crashes["backend-mainnet"] <= 6 * HOUR_S + 30  # --save 21600 1, and the time of the copy
    assert max(crashes["backend-testnet"], crashes["backend-devnet"]) <= HOUR_S + 30  # Redis' own save points
