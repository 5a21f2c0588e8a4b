"""Elections by the kernel against the voters they copy, and a day of transactions through the ledger."""

import tracemalloc

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from gxsim.consensus.group import Group, symmetric
from gxsim.consensus.profiles import Profile
from gxsim.consensus.voter import NOBODY
from gxsim.kernels.election import Contest, elections, last_heard
from gxsim.model.ledger import Ledger
from gxsim.observe.ledger import ledger_series
from gxsim.traffic.ledger import Channel, poisson

DAY_S, RATE = 86_400.0, 200.0


@pytest.mark.parametrize("pre_vote", [True, False])
@pytest.mark.parametrize("trials", [10_000, 1_000_000])
def test_kernel_crashes(benchmark: BenchmarkFixture, trials: int, pre_vote: bool) -> None:
    delays_us = np.full((4, 4), 500)
    contest = Contest(voters=5, tick_us=100_000, delays_us=delays_us, pre_vote=pre_vote)

    def run() -> None:
        rng = np.random.default_rng(1)
        heard_us = last_heard(delays_us[0], tick_us=100_000, trials=trials, rng=rng)
        elections(contest, heard_us, rng.integers(0, 100_000, heard_us.shape), rng)

    benchmark.pedantic(run, rounds=2 if trials > 100_000 else 5)


def test_voter_crashes(benchmark: BenchmarkFixture) -> None:
    """A hundred crashes message by message: what the kernel saves."""

    def run() -> None:
        group = Group(Profile(tick_s=0.1, persist_s=0.0), symmetric(0.0005, 5), np.random.default_rng(1))
        for _ in range(100):
            while not group.steady():
                list(group.advance(group.now_s + 1.0))
            killed = group.leader
            group.crash(killed)
            while group.leader == NOBODY:
                list(group.advance(group.next_s))
            list(group.restart(killed))

    benchmark.pedantic(run, rounds=3)


def test_a_day_of_transactions(benchmark: BenchmarkFixture) -> None:
    """17 million commands from the outbox to the projection; peak memory beside time."""
    ledger = Ledger(
        name="mainnet",
        outbox="db",
        submitter="backend/submitter",
        poll_s=0.1,
        endorsers={"org1": ("peer0-org1", "peer1-org1"), "org2": ("peer0-org2", "peer1-org2")},
        gossip=True,
        chaincode="chaincode",
        orderers="orderers",
        batch_timeout_s=1.0,
        event_peer="peer0-org1",
        projector="backend/projector",
        source="benchmark",
    )

    def run() -> None:
        series = ledger_series(Channel(ledger=ledger), poisson(RATE, DAY_S, np.random.default_rng(1)), DAY_S)
        assert series.committed.sum() > 0.999 * RATE * DAY_S

    tracemalloc.start()
    ledger_series(Channel(ledger=ledger), poisson(RATE, DAY_S / 24, np.random.default_rng(1)), DAY_S / 24)
    benchmark.extra_info["peak_mib_of_an_hour"] = tracemalloc.get_traced_memory()[1] / 2**20
    tracemalloc.stop()
    benchmark.pedantic(run, rounds=2)
