"""Recordings of real etcd: a member that is deaf for a while, and a majority that is lost. Bounds allow for noise."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gxsim.consensus.group import Group, symmetric
from gxsim.consensus.profiles import Profile
from gxsim.consensus.voter import Role
from gxsim.rng import Streams
from gxsim.validate.etcd_names import Settings, settings_of
from gxsim.validate.raft_partitions import Trial, trial
from gxsim.validate.record import Check, Family
from gxsim.validate.sampled import by_config, column, config_of, same_mean, same_sample, same_share

DEAF_TRIALS, LOSS_TRIALS = 24, 200
LOOPBACK_MS, PERSIST_MS = 0.3, 2.0
START_MS = 200.0  # of an etcd process, until it takes part
NOISE_SHARE = 0.05  # of a distribution
NOISE_MS = 150.0  # the machine ran several clusters at once
DEAF_TICKS, WATCHED_TICKS = 45, 80  # 4 to 5 election timeouts, then 8
DEAF_COLUMNS = frozenset(("deaf_member", "deaf_ms", "heal_to_last_election_ms"))
LOSS_COLUMNS = frozenset(("leader_among_killed", "restart_to_first_write_ms", "linearizable_read"))


def recognises(document: Any) -> bool:
    if isinstance(document, list):
        return _has_columns(document, DEAF_COLUMNS) or _has_columns(document, LOSS_COLUMNS)
    return isinstance(document, dict) and bool(document) and (_all(document, _is_deaf) or _all(document, _is_loss))


def replay(document: Any) -> list[Check]:
    if isinstance(document, list):
        trials = _deaf_trials if _has_columns(document, DEAF_COLUMNS) else _loss_trials
        return [check for name, rows in by_config(document).items() for check in trials(name, rows)]
    compared = _deaf if _all(document, _is_deaf) else _lost
    return [check for recorded in document.values() for check in compared(recorded)]


def _has_columns(rows: Sequence[Any], names: frozenset[str]) -> bool:
    return bool(rows) and isinstance(rows[0], dict) and names <= rows[0].keys()


def _all(document: Mapping[str, Any], holds: Any) -> bool:
    return all(config_of(value) and holds(value) for value in document.values())


def _is_deaf(recorded: Mapping[str, Any]) -> bool:
    return "heal_to_last_election_ms" in recorded


def _is_loss(recorded: Mapping[str, Any]) -> bool:
    return {"leader_killed", "leader_survived_kill"} <= recorded.keys()


def deaf_trials(name: str, mode: str, settings: Settings, one_way_ms: float) -> list[Trial]:
    """What happens when a member of the recordings' cluster is deaf for a while and hears again."""
    config = {
        "scenario": mode,
        "nodes": settings.members,
        "tick_ms": settings.heartbeat_ms,
        "election_tick": settings.election_ticks,
        "heartbeat_tick": 1,
        "one_way_delay_min_ms": LOOPBACK_MS + one_way_ms,
        "one_way_delay_max_ms": LOOPBACK_MS + one_way_ms,
        "loss_probability": 0,
        "prevote": settings.pre_vote,
        "check_quorum": True,
        "proposals_per_tick": 4,
        "persist_ms": PERSIST_MS,
        "partition_ticks": DEAF_TICKS,
    }
    rng = Streams(0).take(f"validate/{name}")
    return [trial(config, WATCHED_TICKS, rng) for _ in range(DEAF_TRIALS)]


def _deaf(recorded: Mapping[str, Any]) -> Iterator[Check]:
    """Whether the member's return unseats the leader, and how long the group then takes to settle."""
    config = recorded["config"]
    settings = Settings(
        members=config["members"],
        heartbeat_ms=config["heartbeat_ms"],
        election_ms=config["election_ms"],
        pre_vote=config["prevote"],
    )
    name = config["label"]
    trials = deaf_trials(name, config["mode"], settings, config["oneway_ms"])
    unseated = np.array([t.elections_after_heal > 0 for t in trials])
    yield same_share(f"{name} unseats", unseated, recorded["election_won_after_heal_share"], recorded["trials"])
    settled_ms = np.array([t.last_election_ms for t in trials])[unseated]
    if recorded["heal_to_last_election_ms"]["count"] and len(settled_ms):
        yield same_mean(f"{name} settles", settled_ms, recorded["heal_to_last_election_ms"], slack=NOISE_MS)
    terms = np.array([t.terms_gained for t in trials])
    yield same_mean(f"{name} terms", terms, recorded["term_growth_while_deaf"], slack=0.1)


def _deaf_trials(name: str, rows: Sequence[Mapping[str, str]]) -> Iterator[Check]:
    """The same from every trial: distributions of the time to settle and of the terms gained, and who was unseated."""
    mode = "deaf_leader" if rows[0]["deaf_member"] == "leader" else "deaf_follower"
    settings = replace(settings_of(name), members=int(rows[0]["members"]), pre_vote=rows[0]["prevote"] == "1")
    trials = deaf_trials(f"{name} trials", mode, settings, 0.0)
    unseated = np.array([t.elections_after_heal > 0 for t in trials])
    won = column(rows, "elections_won_after_heal")
    yield same_share(f"{name} unseated", unseated, float(np.mean(won > 0)), len(rows))
    settled_ms, recorded_ms = (
        np.array([t.last_election_ms for t in trials])[unseated],
        column(rows, "heal_to_last_election_ms"),
    )
    if len(settled_ms) and len(recorded_ms):
        yield same_sample(f"{name} time to settle", settled_ms, recorded_ms, slack=NOISE_SHARE)
    grown = column(rows, "highest_term_at_heal") - column(rows, "term_before")
    gained = np.array([t.terms_gained for t in trials], float)
    yield same_sample(f"{name} terms gained", gained, grown, slack=NOISE_SHARE)


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


def _loss_trials(name: str, rows: Sequence[Mapping[str, str]]) -> Iterator[Check]:
    """The same from every trial; and without a majority no write succeeds, and no read but a local one."""
    profile = Profile(
        tick_s=float(rows[0]["heartbeat_ms"]) / 1000,
        election_ticks=round(float(rows[0]["election_ms"]) / float(rows[0]["heartbeat_ms"])),
        pre_vote=rows[0]["prevote"] == "1",
        persist_s=PERSIST_MS / 1000,
    )
    for case, flag in (("leader killed", "1"), ("leader survived", "0")):
        mine = [row for row in rows if row["leader_among_killed"] == flag]
        if not mine:
            continue
        rng = Streams(0).take(f"validate/{name} trials {case}")
        found_ms = losses(profile, int(rows[0]["members"]), leader_too=flag == "1", rng=rng) * 1000
        stepdown_ms, recorded_ms = found_ms[~np.isnan(found_ms[:, 0]), 0], column(mine, "surviving_leader_stepdown_ms")
        if len(recorded_ms):
            yield same_sample(f"{name} {case} stepdown", stepdown_ms, recorded_ms, slack=NOISE_SHARE)
        write_ms, wrote_ms = found_ms[:, 1] + START_MS, column(mine, "restart_to_first_write_ms")
        yield same_sample(f"{name} {case} first write", write_ms, wrote_ms, slack=NOISE_SHARE)
    for row in rows:
        refused = all("deadline exceeded" in row[what] for what in ("linearizable_read", "put"))
        silent = row["writes_started_after_kill_that_succeeded"] == "0"
        yield Check(
            name=f"{name} no quorum",
            agreed=refused and silent and row["serializable_read"] == "ok",
            detail=f"local read {row['serializable_read']}, write {row['put']}",
        )


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
