"""Recordings of real etcd: leaders killed, and writes over delayed links. Bounds allow for a busy machine."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from gxsim.consensus.profiles import Profile
from gxsim.kernels.commit import commit_latency
from gxsim.kernels.election import Contest, elections, last_heard
from gxsim.rng import Streams
from gxsim.validate.record import Check, Family
from gxsim.validate.sampled import config_of, same_distribution, same_mean, same_share

TRIALS = 20_000
LOOPBACK_US, PERSIST_US = 300, 2_000  # the recordings' own: one way on loopback, one synchronous write
WRITES_PER_S = 160  # of the clients together before the kill: one write loop per member
NOISE_MS = 30.0  # a busy machine handles a message late; see the load averages in the recordings
NOISE_SHARE = 0.05  # the same for a distribution
WRITE_MS = 6.0  # gRPC and a client on a busy machine, on top of disks and links


def recognises(document: Any) -> bool:
    return _is_kill(document) or _is_delayed(document)


def replay(document: Any) -> list[Check]:
    if _is_kill(document):
        return [check for recorded in document.values() for check in _killed(recorded)]
    return [check for recorded in document for check in _delayed(recorded)]


def _is_kill(document: Any) -> bool:
    recorded = list(document.values()) if isinstance(document, dict) else []
    return bool(recorded) and all(config_of(v) and "kill_to_first_write_ms" in v for v in recorded)


def _is_delayed(document: Any) -> bool:
    recorded = document if isinstance(document, list) else []
    return bool(recorded) and all(config_of(v).get("mode") == "stability" for v in recorded)


def _killed(recorded: Mapping[str, Any]) -> Iterator[Check]:
    """First campaign and new leader after a kill: means, distributions, and whether a term was wasted."""
    config = recorded["config"]
    name, voters, tick_us = config["label"], config["members"], round(config["heartbeat_ms"] * 1000)
    delay_us = LOOPBACK_US + round(config["oneway_ms"] * 1000)
    rng = Streams(0).take(f"validate/{name}")
    profile = Profile(tick_s=tick_us / 1e6, election_ticks=config["election_ms"] // config["heartbeat_ms"])
    contest = Contest(
        voters=voters,
        tick_us=tick_us,
        delays_us=np.full((voters - 1, voters - 1), delay_us),
        persist_us=PERSIST_US,
        election_ticks=profile.election_ticks,
        pre_vote=config["prevote"],
    )
    heard_us = last_heard(
        np.full(voters - 1, delay_us),
        tick_us=tick_us,
        trials=TRIALS,
        rng=rng,
        proposals_per_tick=max(1, WRITES_PER_S * tick_us // 1_000_000),
        persist_us=PERSIST_US,
    )
    found = elections(contest, heard_us, rng.integers(0, tick_us, heard_us.shape), rng)
    for what, times_us in (("first_campaign", found.first_campaign_us), ("new_leader", found.new_leader_us)):
        facts = recorded[f"kill_to_{what}_ms"]
        levels = np.array([float(p.removeprefix("p")) / 100 for p in facts["quantiles"]])
        values = list(facts["quantiles"].values())
        yield same_mean(f"{name} {what}", times_us / 1000, facts | {"sd": None}, slack=NOISE_MS)
        yield same_distribution(
            f"{name} {what} distribution", times_us / 1000, levels, values, facts["count"], slack=NOISE_SHARE
        )
    patience_ms = profile.patience_s * 1000
    for i, put in enumerate(recorded.get("single_put_issued_20ms_after_kill", ())):
        late = abs(put["latency_ms"] - patience_ms) <= NOISE_MS
        yield Check(
            name=f"{name} patient write {i}",
            agreed=late and not put["ok"],
            detail=f"fails after {patience_ms:.0f} ms, recorded {put['latency_ms']:.0f} ms",
        )
    terms = {int(k): v for k, v in recorded["terms_used_histogram"].items()}
    trials = sum(terms.values())
    yield same_share(f"{name} more than one term", found.terms > 1, 1 - terms.get(1, 0) / trials, trials)


def _delayed(recorded: Mapping[str, Any]) -> Iterator[Check]:
    """The median write through the leader and through a follower, which forwards it."""
    if "write_latency_via_leader_ms" not in recorded:
        return
    config = recorded["config"]
    one_way_s = (LOOPBACK_US / 1000 + config["oneway_ms"]) / 1000
    between_s = one_way_s * (1 - np.eye(config["members"]))
    everyone = np.ones(config["members"], bool)
    commit_s = commit_latency(between_s, everyone, persist_s=PERSIST_US / 1e6, leader_writes_first=False)[0]
    yield Check(
        name=f"{config['label']} no election",
        agreed=recorded["new_leaders_in_window"] == 0,
        detail=f"{recorded['new_leaders_in_window']} new leaders",
    )
    for via, expected_ms in (("leader", commit_s * 1000), ("follower", (commit_s + 2 * one_way_s) * 1000)):
        median_ms = recorded[f"write_latency_via_{via}_ms"]["quantiles"]["p50"]
        yield Check(
            name=f"{config['label']} write via {via}",
            agreed=abs(median_ms - expected_ms) <= WRITE_MS + 0.05 * expected_ms,
            detail=f"median {expected_ms:.1f} ms, recorded {median_ms:.1f} ms",
        )


FAMILY = Family(name="etcd_failover", bound=0.9, recognises=recognises, replay=replay)
