"""Recordings of writes to real etcd: one at a time, over delayed links, and while a follower is killed.

Links decide what is compared: on loopback a write is disk, CPU and client, of which nothing is known but that a busy
machine had a few milliseconds for them; over delayed links it is round trips.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gxsim.consensus.group import Group, symmetric
from gxsim.consensus.profiles import PROFILES
from gxsim.consensus.voter import Role
from gxsim.kernels.commit import commit_latency
from gxsim.rng import Streams
from gxsim.validate.etcd_names import settings_of
from gxsim.validate.record import Check, Family
from gxsim.validate.sampled import by_config, column, config_of

LOOPBACK_MS, PERSIST_MS = 0.3, 2.0  # one way on loopback, one synchronous write
WRITE_MS = 6.0  # gRPC and a client on a busy machine, on top of disks and links
FORWARD_MS = 1.0  # by which a hop on loopback may differ between two runs
SHARE = 0.05  # of a latency
FOLLOWER_KILLS = 50  # that are played
SECONDS_AFTER = 3.0  # in which writes after a kill were counted, against one before
KEPT_PACE = 0.8  # of the writes per second, at least: one member less to wait for, and a process that is restarted
VIAS = ("leader", "follower")


def recognises(document: Any) -> bool:
    return any(holds(document) for holds in READERS)


def replay(document: Any) -> list[Check]:
    read = next(read for holds, read in READERS.items() if holds(document))
    return list(read(document))


# ---- what they look like --------------------------------------------------------------------------------------------


def _is_mode(document: Any, mode: str) -> bool:
    recorded = document if isinstance(document, list) else []
    return bool(recorded) and all(isinstance(one, dict) and config_of(one).get("mode") == mode for one in recorded)


def _is_delayed(document: Any) -> bool:
    return _is_mode(document, "stability")


def _is_steady(document: Any) -> bool:
    return _is_mode(document, "steady")


def _is_rows(document: Any) -> bool:
    return _has_columns(document, "config", "members", "via", "latency_ms")


def _is_follower_kills(document: Any) -> bool:
    return _has_columns(document, "config", "max_gap_before_ms", "max_gap_after_ms", "leader_changed")


def _is_follower_kill_summary(document: Any) -> bool:
    recorded = list(document.values()) if isinstance(document, dict) else []
    return bool(recorded) and all(config_of(one).get("mode") == "followerkill" for one in recorded)


def _has_columns(document: Any, *names: str) -> bool:
    first = document[0] if isinstance(document, list) and document else None
    return isinstance(first, dict) and set(names) <= first.keys()


# ---- writes ---------------------------------------------------------------------------------------------------------


def write_ms(members: int, one_way_ms: float) -> tuple[float, float]:
    """A write through the leader, and through a follower, which forwards it."""
    link_ms = LOOPBACK_MS + one_way_ms
    between_s = symmetric(link_ms / 1000, members)
    commit_s = commit_latency(between_s, np.ones(members, bool), persist_s=PERSIST_MS / 1000, leader_writes_first=False)
    return float(commit_s[0]) * 1000, float(commit_s[0]) * 1000 + 2 * link_ms


def _median(name: str, median_ms: float, members: int, one_way_ms: float, via: str) -> Check:
    expected_ms = write_ms(members, one_way_ms)[via == "follower"]
    return Check(
        name=f"{name} write via {via}",
        agreed=abs(median_ms - expected_ms) <= WRITE_MS + SHARE * expected_ms,
        detail=f"median {expected_ms:.1f} ms, recorded {median_ms:.1f} ms",
    )


def _delayed(document: Sequence[Mapping[str, Any]]) -> Iterator[Check]:
    """The median write over delayed links, which by themselves unseat nobody."""
    for recorded in document:
        config = recorded["config"]
        if "write_latency_via_leader_ms" not in recorded:
            continue
        elected = recorded["new_leaders_in_window"]
        yield Check(name=f"{config['label']} no election", agreed=elected == 0, detail=f"{elected} new leaders")
        for via in VIAS:
            median_ms = recorded[f"write_latency_via_{via}_ms"]["quantiles"]["p50"]
            yield _median(config["label"], median_ms, config["members"], config["oneway_ms"], via)


def _steady(document: Sequence[Mapping[str, Any]]) -> Iterator[Check]:
    """The median write on loopback; none fails, and nobody else comes to lead."""
    for recorded in document:
        config, name = recorded["config"], f"{recorded['config']['label']} via {recorded['via']}"
        median_ms = recorded["write_latency_ms"]["quantiles"]["p50"]
        yield _median(config["label"], median_ms, config["members"], config["oneway_ms"], recorded["via"])
        steady = not recorded["failed"] and not recorded["leader_changed"]
        yield Check(name=f"{name} steady", agreed=steady, detail="failed writes, or another leader")


def _written(rows: Sequence[Mapping[str, str]]) -> Iterator[Check]:
    """Single writes: medians, the physical floor of the round trips, and what a follower adds."""
    for name, mine in by_config(rows).items():
        members, one_way_ms = int(mine[0]["members"]), float(mine[0].get("one_way_delay_ms") or 0.0)
        found = {via: column([row for row in mine if row["via"] == via], "latency_ms") for via in VIAS}
        for trips, (via, latency_ms) in enumerate(found.items(), 1):
            if not len(latency_ms):
                continue
            yield _median(name, float(np.median(latency_ms)), members, one_way_ms, via)
            floor_ms = trips * 2 * one_way_ms
            faster = int(np.sum(latency_ms < floor_ms))
            yield Check(
                name=f"{name} floor via {via}",
                agreed=faster == 0,
                detail=f"{faster} writes in less than {trips} round trips, {floor_ms:g} ms",
            )
        if all(map(len, found.values())):
            yield _hop(name, found["leader"], found["follower"], LOOPBACK_MS + one_way_ms)


def _hop(name: str, leader_ms: NDArray, follower_ms: NDArray, link_ms: float) -> Check:
    added_ms = float(np.median(follower_ms) - np.median(leader_ms))
    return Check(
        name=f"{name} forwarding",
        agreed=abs(added_ms - 2 * link_ms) <= FORWARD_MS + SHARE * 2 * link_ms,
        detail=f"a follower adds {2 * link_ms:.1f} ms, recorded {added_ms:.1f} ms",
    )


# ---- followers killed -----------------------------------------------------------------------------------------------


def follower_kills(members: int) -> tuple[int, int]:
    """How often another leader was elected, and how often the commit index stood still, when a follower is killed."""
    rng = Streams(0).take(f"validate/follower kill/{members}")
    elected = stalled = 0
    for _ in range(FOLLOWER_KILLS):
        group = Group(PROFILES["etcd"], symmetric(LOOPBACK_MS / 1000, members), rng)
        while not group.steady():
            group.run(1.0)
        leader = group.leader
        group.crash(next(i for i in rng.permutation(members).tolist() if i != leader))
        list(group.propose(leader, 10))
        moments = list(group.advance(group.now_s + SECONDS_AFTER))
        elected += any(m.after.role is Role.LEADER and m.before.role is not Role.LEADER for m in moments)
        stalled += group.voters[leader].commit < group.voters[leader].log.last_index
    return elected, stalled


def _follower_kills(rows: Sequence[Mapping[str, str]]) -> Iterator[Check]:
    """No trial changes the leader, misses writes for as long as an election, or loses its pace."""
    for name, mine in by_config(rows).items():
        changed = sum(row["leader_changed"] == "True" for row in mine)
        settings = settings_of(name)
        yield _nobody_elected(name, changed, settings.members)
        for row in mine:
            gap_ms = float(row["max_gap_after_ms"])
            yield Check(
                name=f"{name} gap",
                agreed=gap_ms < settings.election_ms,
                detail=f"no election, but no write for {gap_ms:.0f} ms",
            )
            pace = float(row["writes_after"]) / SECONDS_AFTER / float(row["writes_before_1s"])
            yield Check(name=f"{name} pace", agreed=pace >= KEPT_PACE, detail=f"{pace:.2f} of the writes before")


def _follower_kill_summary(document: Mapping[str, Any]) -> Iterator[Check]:
    for name, recorded in document.items():
        yield _nobody_elected(name, recorded["leader_changed"], recorded["config"]["members"])
        longest_ms = recorded["longest_gap_between_writes_3_election_timeouts_after_kill_ms"]["max"]
        least_ms = recorded["config"]["election_ms"]
        yield Check(
            name=f"{name} longest gap", agreed=longest_ms < least_ms, detail=f"no write for {longest_ms:.0f} ms"
        )


def _nobody_elected(name: str, changed: int, members: int) -> Check:
    elected, stalled = follower_kills(members)
    return Check(
        name=f"{name} leader",
        agreed=changed == elected == stalled == 0,
        detail=f"{elected} elections and {stalled} stalls, recorded {changed} new leaders",
    )


READERS: dict[Callable[[Any], bool], Callable[[Any], Iterator[Check]]] = {
    _is_delayed: _delayed,
    _is_steady: _steady,
    _is_rows: _written,
    _is_follower_kills: _follower_kills,
    _is_follower_kill_summary: _follower_kill_summary,
}
FAMILY = Family(name="etcd_writes", bound=0.9, recognises=recognises, replay=replay)
