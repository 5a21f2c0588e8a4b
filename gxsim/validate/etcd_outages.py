"""Recordings of real etcd: a member that is deaf for a while, and a majority that is lost. Bounds allow for noise."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gxsim.consensus.group import Group, symmetric
from gxsim.consensus.profiles import Profile
from gxsim.consensus.voter import Role
from gxsim.rng import Streams
from gxsim.validate.raft_partitions import trial
from gxsim.validate.record import Check, Family
from gxsim.validate.sampled import config_of, same_mean, same_share

DEAF_TRIALS, LOSS_TRIALS = 24, 200
LOOPBACK_MS, PERSIST_MS = 0.3, 2.0
START_MS = 200.0  # of an etcd process, until it takes part
NOISE_MS = 150.0  # the machine ran several clusters at once
DEAF_TICKS, WATCHED_TICKS = 45, 80  # 4 to 5 election timeouts, then 8


def recognises(document: Any) -> bool:
    return isinstance(document, dict) and bool(document) and (_all(document, _is_deaf) or _all(document, _is_loss))


def replay(document: Mapping[str, Any]) -> list[Check]:
    compared = _deaf if _all(document, _is_deaf) else _lost
    return [check for recorded in document.values() for check in compared(recorded)]


def _all(document: Mapping[str, Any], holds: Any) -> bool:
    return all(config_of(value) and holds(value) for value in document.values())


def _is_deaf(recorded: Mapping[str, Any]) -> bool:
    return "heal_to_last_election_ms" in recorded


def _is_loss(recorded: Mapping[str, Any]) -> bool:
    return {"leader_killed", "leader_survived_kill"} <= recorded.keys()


def _deaf(recorded: Mapping[str, Any]) -> Iterator[Check]:
    """Whether the member's return unseats the leader, and how long the group then takes to settle."""
    settings = recorded["config"]
    config = {
        "scenario": settings["mode"],
        "nodes": settings["members"],
        "tick_ms": settings["heartbeat_ms"],
        "election_tick": settings["election_ms"] // settings["heartbeat_ms"],
        "heartbeat_tick": 1,
        "one_way_delay_min_ms": LOOPBACK_MS + settings["oneway_ms"],
        "one_way_delay_max_ms": LOOPBACK_MS + settings["oneway_ms"],
        "loss_probability": 0,
        "prevote": settings["prevote"],
        "check_quorum": True,
        "proposals_per_tick": 4,
        "persist_ms": PERSIST_MS,
        "partition_ticks": DEAF_TICKS,
    }
    name, rng = settings["label"], Streams(0).take(f"validate/{settings['label']}")
    trials = [trial(config, WATCHED_TICKS, rng) for _ in range(DEAF_TRIALS)]
    unseated = np.array([t.elections_after_heal > 0 for t in trials])
    yield same_share(f"{name} unseats", unseated, recorded["election_won_after_heal_share"], recorded["trials"])
    settled_ms = np.array([t.last_election_ms for t in trials])[unseated]
    if recorded["heal_to_last_election_ms"]["count"] and len(settled_ms):
        yield same_mean(f"{name} settles", settled_ms, recorded["heal_to_last_election_ms"], slack=NOISE_MS)
    terms = np.array([t.terms_gained for t in trials])
    yield same_mean(f"{name} terms", terms, recorded["term_growth_while_deaf"], slack=0.1)


def _lost(recorded: Mapping[str, Any]) -> Iterator[Check]:
    """How long a leader without a majority believes, and from a member's return to the first write."""
    config = recorded["config"]
    profile = Profile(
        tick_s=config["heartbeat_ms"] / 1000,
        election_ticks=config["election_ms"] // config["heartbeat_ms"],
        pre_vote=config["prevote"],
        persist_s=PERSIST_MS / 1000,
    )
    for case in ("leader_killed", "leader_survived_kill"):
        facts, name = recorded[case], f"{config['label']} {case}"
        rng = Streams(0).take(f"validate/{name}")
        found_ms = losses(profile, config["members"], leader_too=case == "leader_killed", rng=rng) * 1000
        if facts["surviving_leader_stepdown_ms"]["count"]:
            stepdown_ms = found_ms[~np.isnan(found_ms[:, 0]), 0]  # some still believe when the member returns
            yield same_mean(f"{name} stepdown", stepdown_ms, facts["surviving_leader_stepdown_ms"], slack=NOISE_MS)
        write_ms = found_ms[:, 1] + START_MS
        yield same_mean(f"{name} first write", write_ms, facts["restart_to_first_write_ms"], slack=NOISE_MS)


def losses(profile: Profile, voters: int, *, leader_too: bool, rng: np.random.Generator) -> NDArray:
    """(trials, 2) step-down of a surviving leader (nan without), and a member's return to the next write, seconds."""
    timeout_s = profile.election_timeout_s
    results: list[tuple[float, float]] = []
    while len(results) < LOSS_TRIALS:
        group = Group(profile, symmetric(LOOPBACK_MS / 1000, voters), rng)
        while not group.steady():
            group.run(timeout_s)
        group.run(timeout_s * rng.uniform(2, 3))
        leader, start_s, stepdown_s = group.leader, group.now_s, np.nan
        others = [int(i) for i in rng.permutation(voters) if i != leader]
        killed = ([leader, *others] if leader_too else others)[: voters // 2 + 1]
        for member in killed:
            group.crash(member)
        for moment in group.advance(start_s + max(3.0, 1.6 * timeout_s) + timeout_s * rng.uniform(0, 1)):
            if moment.after.id == leader and moment.after.role is not Role.LEADER and np.isnan(stepdown_s):
                stepdown_s = moment.time_s - start_s
        returned_s = group.now_s
        for _ in group.restart(int(rng.choice(killed))):
            pass
        while not group.writable():
            for _ in group.advance(group.next_s):
                pass
        results.append((stepdown_s, group.now_s - returned_s))
    return np.array(results)


FAMILY = Family(name="etcd_outages", bound=0.9, recognises=recognises, replay=replay)
