"""Recordings of real Fabric orderers that are killed: elections, what clients see, what was acknowledged but lost.

The summaries and the rows of trials hold the elections; the rows and the logged events of a trial say when a leader was
there, so that what follows from it can be held against each trial by itself.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gxsim.consensus.group import Group, symmetric
from gxsim.consensus.profiles import PROFILES
from gxsim.consensus.voter import NOBODY, Role
from gxsim.kernels.batching import Cutting, cut_blocks
from gxsim.model.ledger import LedgerPatience
from gxsim.rng import Streams
from gxsim.traffic.broadcast import FORWARDED, REFUSED, TAKEN, PersistentStreams, answers
from gxsim.traffic.reigns import Reigns
from gxsim.validate.etcd_outages import losses
from gxsim.validate.record import Check
from gxsim.validate.sampled import same_distribution, same_mean, same_share

ORDERERS = 5
LOOPBACK_S, WRITE_S, HANDLE_S = 0.0003, 0.002, 0.001  # one way; one synchronous write; client to leader
COMMIT_S = 2 * LOOPBACK_S + WRITE_S
MIB = 1024**2
# Five orderers write each block to their log and to their ledger, all on one disk of some 200 MiB/s.
WRITE_S_PER_BYTE = 10 / (200 * MIB)
NOISE_MS = 60.0  # blocks arrived late by so much on the busy machine, most of all at low rates
ENVELOPE_BYTES = 1924
SERIES = 4  # times the recorded number of kills that are played
TIMEOUT_S = 1.0  # of the channel on which orderers are killed
STALLED_MS = 600.0  # a campaign that wins this late met a refusal
RATE = 100.0  # transactions per second over all clients, half of them on fresh streams
STREAM_GAP_S = 0.1  # between two messages of one persistent stream
INTO_THE_VOID = (
    8.0  # streams to survivors, of both styles: each acknowledges one message that the dead leader never saw
)
FEW = 10  # trials below which a distribution says nothing
STALL_MS = 150.0  # by which the busy machine delayed single blocks and answers; its stalls of a second are more
AS_RECORDED = 0.9  # of a trial's answers: the others met a stall of the machine
BROKEN_MS = 350.0  # in which a message or two to the dead leader are written into a connection that breaks
STATUS = {"SUCCESS": TAKEN, "SERVICE_UNAVAILABLE: timed": FORWARDED, "SERVICE_UNAVAILABLE: no Ra": REFUSED}


def recognises(document: Any) -> bool:
    if isinstance(document, dict):
        return any(has(value, "acked_success_never_in_a_block") for value in document.values())
    return _is_rows(document) and (_is_trials(document) or _is_events(document))


def replay(document: Any) -> Iterator[Check]:
    if isinstance(document, dict):
        return _summaries(document)
    return _trials(document) if _is_trials(document) else _events(document)


def _is_rows(document: Any) -> bool:
    return isinstance(document, list) and bool(document)


def _is_trials(document: Any) -> bool:
    return has(document[0], "scenario", "t_first_campaign_ms", "acked_success_never_in_a_block")


def _is_events(document: Any) -> bool:
    return has(document[0], "scenario", "blocks_seen_at_one_survivor_time_txs", "events")


def has(value: Any, *names: str) -> bool:
    """Whether *value* is a mapping with all of these names."""
    return isinstance(value, dict) and set(names) <= value.keys()


def kills(count: int, rng: np.random.Generator) -> NDArray:
    """(count, 2) first campaign and new leader, in seconds, when orderers are killed and restarted in turn."""
    group = Group(PROFILES["fabric"], symmetric(LOOPBACK_S, ORDERERS), rng)
    results: list[tuple[float, float]] = []
    while len(results) < count:
        while not group.steady():
            group.run(group.profile.election_timeout_s)
        group.run(group.profile.election_timeout_s * rng.uniform(1, 2))
        killed, start_s, campaign_s = group.leader, group.now_s, math.nan
        group.crash(killed)
        while group.leader == NOBODY:
            for moment in group.advance(group.next_s):
                if math.isnan(campaign_s) and moment.after.role is Role.PRE_CANDIDATE:
                    campaign_s = moment.time_s - start_s
        results.append((campaign_s, group.now_s - start_s))
        group.run(rng.uniform(0, group.profile.election_timeout_s))
        for _ in group.restart(killed):
            pass
    return np.array(results)


def first_blocks(campaign_s: float, leader_s: float, rng: np.random.Generator) -> tuple[float, float]:
    """When the first block holds a transaction of a fresh, and of a persistent stream, sent after the leader died at 0.

    The persistent one that is back first is kept by the orderer that campaigns, and so knows first; its first message
    after the crash meets a broken connection, the second one is forwarded.
    """
    reigns = Reigns.of([(-np.inf, 0.0, campaign_s), (leader_s, np.inf, np.inf)], COMMIT_S)
    end_s = leader_s + 2 * LedgerPatience().forward_timeout_s
    sent_s = np.arange(STREAM_GAP_S + rng.uniform(0, STREAM_GAP_S), end_s, STREAM_GAP_S)
    kept_s = PersistentStreams(1, reigns, LedgerPatience()).taken_s(sent_s)
    fresh_s = np.arange(leader_s, end_s, 2 / RATE)
    arrival_s = np.concatenate([kept_s, fresh_s]) + HANDLE_S
    order = np.argsort(arrival_s, kind="stable")
    rules = Cutting(
        batch_timeout_s=TIMEOUT_S,
        max_message_count=500,
        preferred_max_bytes=2 * MIB,
        write_s=WRITE_S,
        write_s_per_byte=WRITE_S_PER_BYTE,
        commit_s=(COMMIT_S,),
    )
    blocks, _ = cut_blocks(arrival_s[order], np.full(len(order), ENVELOPE_BYTES), rules, end_s + TIMEOUT_S)
    block = np.searchsorted(blocks.end, np.array([np.flatnonzero(order < len(kept_s))[0], 0]), side="right")
    kept_block_s, first_block_s = blocks.committed_s[block].tolist()
    return first_block_s, kept_block_s


# ---- summaries ------------------------------------------------------------------------------------------------------


def _summaries(document: Mapping[str, Any]) -> Iterator[Check]:
    """Whatever series of kills the document holds."""
    rng = Streams(0).take("validate/fabric/kills")
    if "leader_killed" in document:
        yield from _leader_killed(document["leader_killed"], rng)
    if "three_killed_then_one_restarted" in document:
        returned = document["three_killed_then_one_restarted"]
        back_ms = losses(PROFILES["fabric"], ORDERERS, leader_too=True, rng=rng)[:, 1] * 1000
        start_ms = returned["restart_to_serving_ms"]["mean"]
        yield same_mean(
            "leader after lost quorum", back_ms + start_ms, returned["restart_to_leader_ms"], slack=NOISE_MS
        )


def _leader_killed(recorded: Mapping[str, Any], rng: np.random.Generator) -> Iterator[Check]:
    """Election, first blocks of both styles of client, and what was acknowledged but lost."""
    trials = recorded["trials"]
    found_s = np.concatenate([kills(trials, rng) for _ in range(SERIES)])
    yield same_mean("first campaign", found_s[:, 0] * 1000, recorded["kill_to_first_campaign_ms"])
    yield same_mean("new leader", found_s[:, 1] * 1000, recorded["kill_to_new_leader_ms"])
    slow = recorded["first_campaign_to_new_leader_ms"]
    levels = [float(name.removeprefix("p")) / 100 for name in slow["quantiles"]]
    share = float(np.interp(STALLED_MS, list(slow["quantiles"].values()), levels))
    yield same_share("won after more than 600 ms", np.diff(found_s)[:, 0] * 1000 > STALLED_MS, 1 - share, trials)
    blocks_ms = np.array([first_blocks(campaign_s, leader_s, rng) for campaign_s, leader_s in found_s.tolist()]) * 1000
    for style, values in zip(("fresh", "persistent"), blocks_ms.T, strict=True):
        facts = recorded[f"kill_to_first_block_with_{style}_stream_tx_ms"]
        yield same_mean(f"first block of a {style} stream", values, facts, slack=NOISE_MS)
    lost = rng.uniform(0, TIMEOUT_S, 1000) * RATE + INTO_THE_VOID / 2
    facts = recorded["acked_success_never_in_a_block"]
    yield same_mean("acknowledged but lost", lost, facts, slack=INTO_THE_VOID / 2)


# ---- trials ---------------------------------------------------------------------------------------------------------


def _trials(rows: Sequence[Mapping[str, str]]) -> Iterator[Check]:
    """Each trial by itself where its own times say what follows, and the elections of all."""
    rng = Streams(0).take("validate/fabric/trials")
    for row in rows:
        yield from _trial(row, rng)
    killed = [row for row in rows if row["scenario"] == "leader_killed"]
    if len(killed) >= FEW:
        played_ms = kills(SERIES * len(killed), rng) * 1000
        levels = (np.arange(len(killed)) + 0.5) / len(killed)
        for column, name in enumerate(("t_first_campaign_ms", "t_new_leader_ms")):
            recorded = sorted(float(row[name]) for row in killed)
            yield same_distribution(name, played_ms[:, column], levels, recorded, len(killed), slack=0.0)


def _trial(row: Mapping[str, str], rng: np.random.Generator) -> Iterator[Check]:
    """First blocks, given the election; and what was lost, given how long the batch had been filling."""
    name = f"{row['scenario']} {row['trial']}"
    times = {key: float(value) for key, value in row.items() if key.startswith(("t_", "last_", "acked")) and value}
    campaign_s, leader_s = times["t_first_campaign_ms"] / 1000, times["t_leader_accepting_ms"] / 1000
    fresh_s, kept_s = first_blocks(campaign_s, leader_s, rng)
    found = {"fresh": fresh_s, "persistent": kept_s}
    allowed_ms = {"fresh": STALL_MS, "persistent": STALL_MS + TIMEOUT_S * 1000}  # a block earlier or later
    for style, value_s in found.items():
        recorded_ms = times.get(f"t_first_block_with_{style}_stream_tx_ms")
        if recorded_ms is None:
            continue
        late_ms = recorded_ms - value_s * 1000
        detail = f"{late_ms:.0f} ms later; allowed {allowed_ms[style]:.0f}"
        yield Check(name=f"{name} {style}", agreed=abs(late_ms) <= allowed_ms[style], detail=detail)
    pending = min(-times["last_block_before_gap_ms"] / 1000, TIMEOUT_S) * RATE
    lost, slack = times["acked_success_never_in_a_block"], STALL_MS / 1000 * RATE
    agreed = pending - slack <= lost <= pending + INTO_THE_VOID + slack
    detail = f"{lost:.0f} lost; {pending:.0f} were in the batch"
    yield Check(name=f"{name} lost", agreed=agreed, detail=detail)


# ---- events ---------------------------------------------------------------------------------------------------------


def _events(trials: Sequence[Mapping[str, Any]]) -> Iterator[Check]:
    """What each transaction with a stream of its own was answered, by what its orderer believed when it was sent."""
    for trial in trials:
        sent = trial["fresh_stream_orderer_sent_ack_status_deliver"]
        if not sent:
            continue
        orderer, sent_ms, answered_ms = (np.array([float(one[i]) for one in sent]) for i in range(3))
        status = np.array([next((c for s, c in STATUS.items() if one[3].startswith(s)), -1) for one in sent])
        predicted = np.full(len(sent), -1)
        for number in np.unique(orderer):
            mine = orderer == number
            predicted[mine] = answers(sent_ms[mine] / 1000, _believed(trial["events"], int(number)))
        known = sent_ms > BROKEN_MS
        share = float(np.mean((status == predicted)[known]))
        name = f"{trial['scenario']} {trial['trial']}"
        yield Check(
            name=f"{name} answers", agreed=share >= AS_RECORDED, detail=f"{share:.3f} answered as the rule says"
        )
        waited_ms = answered_ms[known & (status == FORWARDED)] - LedgerPatience().forward_timeout_s * 1000
        late_ms = float(np.median(waited_ms)) if len(waited_ms) else 0.0
        detail = f"forwarded transactions are answered {late_ms:.0f} ms after the time-out"
        yield Check(name=f"{name} time-out", agreed=-1.0 <= late_ms <= STALL_MS, detail=detail)


def _believed(events: Sequence[Mapping[str, Any]], orderer: int) -> Reigns:
    """What one orderer believed: the old leader until it said otherwise, the last one it named from then on."""
    told = [e for e in events if e["orderer"] == orderer and e["event"].startswith("leader_is_")]
    named = [e["t_ms"] / 1000 for e in told if e["event"] != "leader_is_0"]
    first_s = told[0]["t_ms"] / 1000 if told else np.inf
    leads_s = named[-1] if named else np.inf
    return Reigns.of([(-np.inf, 0.0, first_s), (leads_s, np.inf, np.inf)], COMMIT_S)
