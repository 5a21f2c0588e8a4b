"""Recordings of elections after a leader's crash in the raft library, against ``kernels.election``."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from gxsim.kernels.election import NEVER, Contest, Elections, elections, last_heard
from gxsim.rng import Streams
from gxsim.validate.record import Check, Family
from gxsim.validate.sampled import of_library, same_distribution, same_mean, same_share

TRIALS = 20_000  # twice a recording's 10 000: its own error stays the greater one
# Recorded quantiles are given in whole percent and to the microsecond; ties with a tick move a point by about this.
KS_SLACK = 0.005
TIMES = {"time_to_first_campaign_ms": "first_campaign_us", "time_to_new_leader_ms": "new_leader_us"}


def crash(config: Mapping[str, Any], trials: int, rng: np.random.Generator) -> Elections:
    """Elections of one recorded configuration: equal links, a leader and perhaps followers crashed at 0."""
    tick_us = _us(config["tick_ms"])
    low_us = _us(config["one_way_delay_min_ms"])
    survivors = config["nodes"] - 1 - config.get("followers_crashed_with_leader", 0)
    contest = Contest(
        voters=config["nodes"],
        tick_us=tick_us,
        delays_us=np.full((survivors, survivors), low_us),
        jitter_us=_us(config["one_way_delay_max_ms"]) - low_us,
        loss=config["loss_probability"],
        persist_us=_us(config["persist_ms"]),
        election_ticks=config["election_tick"],
        pre_vote=config["prevote"],
        check_quorum=config["check_quorum"],
    )
    heard_us = last_heard(
        np.full(survivors, low_us),
        tick_us=tick_us,
        trials=trials,
        rng=rng,
        jitter_us=contest.jitter_us,
        loss=contest.loss,
        proposals_per_tick=config["proposals_per_tick"],
        persist_us=contest.persist_us,
    )
    return elections(contest, heard_us, rng.integers(0, tick_us, (trials, survivors)), rng)


def recognises(document: Any) -> bool:
    return of_library(document, "crash")


def replay(document: Mapping[str, Any]) -> list[Check]:
    """Per configuration: mean and distribution of both times, and the share that used more than one term."""
    return [check for recorded in document["configurations"] for check in _compared(recorded)]


def _compared(recorded: Mapping[str, Any]) -> Iterator[Check]:
    name = recorded["name"]
    found = crash(recorded["config"], TRIALS, Streams(0).take(f"validate/{name}"))
    for what, column in TIMES.items():
        times_us = getattr(found, column)
        times_ms = times_us[times_us < NEVER] / 1000
        facts = recorded[what]
        quantiles = facts["quantiles_1_to_99_percent"]
        yield same_mean(f"{name} {what} mean", times_ms, facts)
        yield same_distribution(
            f"{name} {what}", times_ms, np.arange(1, 100) / 100, quantiles, facts["count"], slack=KS_SLACK
        )
    yield same_share(
        f"{name} more than one term",
        found.terms > 1,
        recorded["p_more_than_one_term"]["p"],
        recorded["time_to_new_leader_ms"]["count"],
    )


def _us(milliseconds: float) -> int:
    return round(milliseconds * 1000)


FAMILY = Family(name="raft_elections", bound=0.98, recognises=recognises, replay=replay)
