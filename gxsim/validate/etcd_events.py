"""Logged role changes of real etcd, trial by trial, against the rules that every trial must keep."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from gxsim.rng import Streams
from gxsim.validate.etcd_names import Settings, settings_of
from gxsim.validate.record import Check, Family
from gxsim.validate.sampled import same_mean, summary

STAGES = ("events", "after_kill", "after_restart", "events_since_deaf")
CAMPAIGNS = ("candidate", "precandidate")
OFF_TICK = 0.25  # of a tick: lines of the log are stamped on arrival, on a machine that was busy
NOISE_MS = 60.0  # within which a campaign is logged
FEW = 10  # pauses below which their mean says nothing
DRAWN = 20_000
Events = Sequence[Mapping[str, Any]]


def recognises(document: Any) -> bool:
    first = document[0] if isinstance(document, list) and document else None
    return isinstance(first, dict) and "config" in first and any(stage in first for stage in STAGES)


def replay(document: Sequence[Mapping[str, Any]]) -> list[Check]:
    """One check per trial and rule, and the mean of all pauses between campaigns in vain."""
    checks: list[Check] = []
    pauses: dict[str, list[float]] = {}
    for trial in document:
        settings, name = settings_of(trial["config"]), f"{trial['config']} {trial['trial']}"
        checks += _first_campaign(name, trial, settings)
        for stage in STAGES:
            events = [event for event in trial.get(stage) or () if "member" in event]
            found = _pauses(events, settings)
            pauses.setdefault(trial["config"], []).extend(found)
            checks += (_whole_ticks(name, pause, settings) for pause in found)
            checks += _leaders(name, events)
    return [*checks, *(check for config, found in pauses.items() for check in _mean_pause(config, found))]


def _first_campaign(name: str, trial: Mapping[str, Any], settings: Settings) -> Iterator[Check]:
    """After a leader's death, not before E - 2 ticks after it and not after 2 E - 1: two ticks are partial ones."""
    campaigns = [event["t_ms"] for event in trial.get("events") or () if event["event"] in CAMPAIGNS]
    if campaigns:
        low, high = settings.election_ticks - 2, 2 * settings.election_ticks - 1
        ticks = (min(campaigns) - NOISE_MS) / settings.heartbeat_ms, min(campaigns) / settings.heartbeat_ms
        yield Check(
            name=f"{name} first campaign",
            agreed=ticks[0] <= high and ticks[1] >= low,
            detail=f"{ticks[1]:.1f} ticks after the kill, expected {low} to {high}",
        )


def _pauses(events: Events, settings: Settings) -> list[float]:
    """Ticks from one campaign of a member to its next of the same kind, as long as nothing else happened to it."""
    found = []
    for member in {event["member"] for event in events}:
        mine = [event for event in events if event["member"] == member and event["event"] != "lostleader"]
        for one, following in pairwise(mine):
            if one["event"] == following["event"] and one["event"] in CAMPAIGNS:
                found.append((following["t_ms"] - one["t_ms"]) / settings.heartbeat_ms)
    return found


def _whole_ticks(name: str, pause: float, settings: Settings) -> Check:
    """An election timeout is a whole number of ticks, from E to 2 E - 1."""
    low, high = settings.election_ticks, 2 * settings.election_ticks - 1
    whole = abs(pause - round(pause)) <= OFF_TICK and low <= round(pause) <= high
    detail = f"{pause:.2f} ticks, expected a whole number {low} to {high}"
    return Check(name=f"{name} pause", agreed=whole, detail=detail)


def _mean_pause(config: str, pauses: Sequence[float]) -> Iterator[Check]:
    """Election timeouts are drawn evenly."""
    if len(pauses) >= FEW:
        ticks = settings_of(config).election_ticks
        drawn = Streams(0).take(f"validate/{config}/pauses").integers(ticks, 2 * ticks, DRAWN).astype(float)
        yield same_mean(f"{config} mean pause", drawn, summary(np.array(pauses)))


def _leaders(name: str, events: Events) -> Iterator[Check]:
    """Election safety: one leader in a term, and it stood in that term itself."""
    led = [event for event in events if event["event"] == "leader"]
    stood = {(event["member"], event["term"]) for event in events if event["event"] == "candidate"}
    if led:
        terms = {event["term"] for event in led}
        yield Check(
            name=f"{name} one leader", agreed=len(terms) == len(led), detail=f"{len(led)} in {len(terms)} terms"
        )
        unasked = [event["member"] for event in led if (event["member"], event["term"]) not in stood]
        yield Check(name=f"{name} stood", agreed=not unasked, detail=f"{unasked} led without having stood")


FAMILY = Family(name="etcd_events", bound=0.9, recognises=recognises, replay=replay)
