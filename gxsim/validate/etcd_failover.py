"""Recordings of real etcd whose leader is killed, summed up or trial by trial. Bounds allow for a busy machine."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gxsim.consensus.profiles import Profile
from gxsim.kernels.commit import commit_latency
from gxsim.kernels.election import Contest, elections, last_heard
from gxsim.rng import Streams
from gxsim.validate.etcd_names import Settings
from gxsim.validate.record import Check, Family
from gxsim.validate.sampled import (
    by_config,
    column,
    config_of,
    same_distribution,
    same_mean,
    same_sample,
    same_share,
    summary,
)

TRIALS = 20_000
LOOPBACK_US, PERSIST_US = 300, 2_000  # the recordings' own: one way on loopback, one synchronous write
WRITES_PER_S = 160  # of the clients together before the kill: one write loop per member
NOISE_MS = 30.0  # a busy machine handles a message late; see the load averages in the recordings
NOISE_SHARE = 0.05  # the same for a distribution
ATTEMPT_MS, FAR_ATTEMPT_MS = 50.0, 600.0  # after which a client abandons a write; over delayed links


@dataclass(frozen=True, slots=True, kw_only=True)
class Kills:
    """(trials,) of one configuration, in milliseconds since the kill; ``terms`` that were used."""

    first_campaign_ms: NDArray
    new_leader_ms: NDArray
    first_write_ms: NDArray
    terms: NDArray
    patience_ms: float


def kills(name: str, settings: Settings, one_way_ms: float) -> Kills:
    """Kill the leader of a group under the recordings' load again and again.

    A survivor's client whose write went to the dead leader abandons it after a while; the first to do so writes.
    """
    voters, tick_us = settings.members, settings.heartbeat_ms * 1000
    delay_us = LOOPBACK_US + round(one_way_ms * 1000)
    rng = Streams(0).take(f"validate/{name}")
    profile = Profile(tick_s=tick_us / 1e6, election_ticks=settings.election_ticks)
    contest = Contest(
        voters=voters,
        tick_us=tick_us,
        delays_us=np.full((voters - 1, voters - 1), delay_us),
        persist_us=PERSIST_US,
        election_ticks=profile.election_ticks,
        pre_vote=settings.pre_vote,
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
    between_s = delay_us / 1e6 * (1 - np.eye(voters))
    survivors = np.arange(voters) > 0
    commit_s = commit_latency(between_s, survivors, persist_s=PERSIST_US / 1e6, leader_writes_first=False)[1]
    attempt_ms = FAR_ATTEMPT_MS if one_way_ms else ATTEMPT_MS
    abandoned_ms = rng.uniform(0, attempt_ms, (TRIALS, voters - 1)).min(axis=1)
    return Kills(
        first_campaign_ms=found.first_campaign_us / 1000,
        new_leader_ms=found.new_leader_us / 1000,
        first_write_ms=found.new_leader_us / 1000 + abandoned_ms + commit_s * 1000,
        terms=found.terms,
        patience_ms=profile.patience_s * 1000,
    )


def recognises(document: Any) -> bool:
    return _is_summary(document) or _is_trials(document)


def replay(document: Any) -> list[Check]:
    if _is_summary(document):
        return [check for recorded in document.values() for check in _summed_up(recorded)]
    return [check for name, rows in by_config(document).items() for check in _trials(name, rows)]


def _is_summary(document: Any) -> bool:
    recorded = list(document.values()) if isinstance(document, dict) else []
    return bool(recorded) and all(config_of(v) and "kill_to_first_write_ms" in v for v in recorded)


def _is_trials(document: Any) -> bool:
    first = document[0] if isinstance(document, list) and document else None
    return isinstance(first, dict) and {"t_first_campaign_ms", "t_first_write_ms", "heartbeat_ms"} <= first.keys()


def _summed_up(recorded: Mapping[str, Any]) -> Iterator[Check]:
    """First campaign and new leader: means, distributions, patient writes, and whether a term was wasted."""
    config = recorded["config"]
    name = config["label"]
    settings = Settings(
        members=config["members"],
        heartbeat_ms=config["heartbeat_ms"],
        election_ms=config["election_ms"],
        pre_vote=config["prevote"],
    )
    found = kills(name, settings, config["oneway_ms"])
    for what, times_ms in (("first_campaign", found.first_campaign_ms), ("new_leader", found.new_leader_ms)):
        facts = recorded[f"kill_to_{what}_ms"]
        levels = np.array([float(p.removeprefix("p")) / 100 for p in facts["quantiles"]])
        values = list(facts["quantiles"].values())
        yield same_mean(f"{name} {what}", times_ms, facts | {"sd": None}, slack=NOISE_MS)
        yield same_distribution(
            f"{name} {what} distribution", times_ms, levels, values, facts["count"], slack=NOISE_SHARE
        )
    for put in recorded.get("single_put_issued_20ms_after_kill", ()):
        yield _patient(name, put["latency_ms"], bool(put["ok"]), found)
    terms = {int(k): v for k, v in recorded["terms_used_histogram"].items()}
    trials = sum(terms.values())
    yield same_share(f"{name} more than one term", found.terms > 1, 1 - terms.get(1, 0) / trials, trials)


def _trials(name: str, rows: Sequence[Mapping[str, str]]) -> Iterator[Check]:
    """Every trial counts: three distributions and means, wasted terms, and each patient write by itself."""
    members, heartbeat_ms, election_ms = (int(rows[0][key]) for key in ("members", "heartbeat_ms", "election_ms"))
    settings = Settings(
        members=members, heartbeat_ms=heartbeat_ms, election_ms=election_ms, pre_vote=rows[0]["prevote"] == "1"
    )
    found = kills(name, settings, float(rows[0]["one_way_delay_ms"]))
    for what in ("first_campaign_ms", "new_leader_ms", "first_write_ms"):
        recorded_ms = column(rows, f"t_{what}")
        yield same_mean(f"{name} {what} mean", getattr(found, what), summary(recorded_ms), slack=NOISE_MS)
        yield same_sample(f"{name} {what}", getattr(found, what), recorded_ms, slack=NOISE_SHARE)
    for row in rows:
        if row["single_put_latency_ms"]:
            yield _patient(name, float(row["single_put_latency_ms"]), row["single_put_result"] == "ok", found)
    terms = column(rows, "terms_used")
    yield same_share(f"{name} more than one term", found.terms > 1, float(np.mean(terms > 1)), len(terms))


def _patient(name: str, latency_ms: float, succeeded: bool, found: Kills) -> Check:
    """A write without retry that a survivor sent to the dead leader fails when the survivor's patience ends."""
    return Check(
        name=f"{name} patient write",
        agreed=abs(latency_ms - found.patience_ms) <= NOISE_MS and not succeeded,
        detail=f"fails after {found.patience_ms:.0f} ms, recorded {latency_ms:.0f} ms",
    )


FAMILY = Family(name="etcd_failover", bound=0.9, recognises=recognises, replay=replay)
