"""Recordings of real Fabric orderers: blocks under load, and leaders killed. Bounds allow for a busy machine."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gxsim.consensus.group import Group, symmetric
from gxsim.consensus.profiles import PROFILES
from gxsim.consensus.voter import NOBODY, Role
from gxsim.kernels.batching import Blocks, Cutting, cut_blocks
from gxsim.rng import Streams
from gxsim.validate.etcd_outages import losses
from gxsim.validate.record import Check, Family
from gxsim.validate.sampled import same_mean, same_share

ORDERERS = 5
LOOPBACK_S, WRITE_S, HANDLE_S = 0.0003, 0.002, 0.001  # one way; one synchronous write; client to leader
COMMIT_S = 2 * LOOPBACK_S + WRITE_S
REPLICATIONS = 20  # of every load; recorded runs last 20 to 80 s
NOISE_MS = 60.0  # blocks arrived late by so much on the busy machine, most of all at low rates
MIB = 1024**2
# Channels of a recording that holds transactions only; its README gives their settings.
CHANNELS = {"ch2s": (2.0, 500, 2 * MIB), "ch1s": (1.0, 500, 2 * MIB), "ch10": (2.0, 10, 512 * 1024)}
SAMPLED = 3000  # a configuration with so many transactions holds a sample of them only
ENVELOPE_BYTES = 1924
SERIES = 4  # times the recorded number of kills that are played


def recognises(document: Any) -> bool:
    return _is_load(document) or _is_kill(document) or _is_transactions(document)


def replay(document: Any) -> list[Check]:
    if _is_load(document):
        return [check for recorded in document for check in _loaded(recorded)]
    if _is_transactions(document):
        return list(_transactions(document))
    return list(_killed(document))


def _is_load(document: Any) -> bool:
    return isinstance(document, list) and bool(document) and _has(document[0], "batching", "block_tx")


def _is_kill(document: Any) -> bool:
    return isinstance(document, dict) and any(_has(v, "acked_success_never_in_a_block") for v in document.values())


def _is_transactions(document: Any) -> bool:
    return isinstance(document, list) and bool(document) and _has(document[0], "sent_at_ms", "block", "channel")


def _has(value: Any, *names: str) -> bool:
    return isinstance(value, dict) and set(names) <= value.keys()


# ---- load -----------------------------------------------------------------------------------------------------------


def cut(sent_s: NDArray, rules: Cutting, sizes_bytes: float) -> Blocks:
    """The blocks of transactions sent at these times, all of one size."""
    arrival_s = np.sort(sent_s) + HANDLE_S
    sizes = np.full(len(arrival_s), round(sizes_bytes))
    blocks, _ = cut_blocks(arrival_s, sizes, rules, float(arrival_s[-1]) + rules.batch_timeout_s)
    return blocks


def _rules(timeout_s: float, count: int, preferred_bytes: int) -> Cutting:
    return Cutting(
        batch_timeout_s=timeout_s,
        max_message_count=count,
        preferred_max_bytes=preferred_bytes,
        write_s=WRITE_S,
        commit_s=(COMMIT_S,),
    )


def _loaded(recorded: Mapping[str, Any]) -> Iterator[Check]:
    """Block size, block interval and latency of Poisson arrivals at the recorded rate."""
    batching, name = recorded["batching"], f"{recorded['channel']} at {recorded['rate_tx_s']}/s"
    amount, unit = batching["preferred_max_bytes"].split()
    preferred = int(amount) * {"KB": 1024, "MB": MIB}[unit]
    rules = _rules(batching["batch_timeout_ms"] / 1000, batching["max_message_count"], preferred)
    size_bytes = recorded["block_bytes"]["mean"] / recorded["block_tx"]["mean"]
    rng = Streams(0).take(f"validate/fabric/{name}")
    sizes, intervals_ms, latencies_ms = [], [], []
    for _ in range(REPLICATIONS):
        sent_s = np.sort(rng.uniform(0, recorded["seconds"], rng.poisson(recorded["sent"])))
        blocks = cut(sent_s, rules, size_bytes)
        sizes.append(blocks.end - blocks.first)
        intervals_ms.append(np.diff(blocks.committed_s) * 1000)
        seen_s = np.repeat(blocks.committed_s, sizes[-1]) + LOOPBACK_S
        latencies_ms.append((seen_s - sent_s[: len(seen_s)]) * 1000)
    found = {
        "block_tx": (np.concatenate(sizes), 1.0),
        "block_interval_ms": (np.concatenate(intervals_ms), NOISE_MS),
        "send_to_deliver_from_leader_ms": (np.concatenate(latencies_ms), NOISE_MS),
    }
    for what, (values, slack) in found.items():
        facts = recorded[what]
        for level in (5, 50, 95):
            if facts["n"] * min(level, 100 - level) < 2 * 100:
                continue  # fewer than two observations beyond a quantile say nothing about it
            wanted, value = facts[f"p{level}"], float(np.quantile(values, level / 100))
            spread = 3 * float(values.std()) / math.sqrt(facts["n"])  # of a recorded quantile, roughly
            allowed = slack + max(0.1 * wanted, spread)
            yield Check(
                name=f"{name} {what} p{level}",
                agreed=abs(value - wanted) <= allowed,
                detail=f"{value:.4g}, recorded {wanted:.4g} +- {allowed:.3g}",
            )


def _transactions(rows: Sequence[Mapping[str, str]]) -> Iterator[Check]:
    """Which transactions share a block, and when they arrive in it, from the times they were really sent."""
    for channel, rate in sorted({(row["channel"], row["rate_tx_s"]) for row in rows}):
        mine = [row for row in rows if (row["channel"], row["rate_tx_s"]) == (channel, rate)]
        if len(mine) >= SAMPLED or channel not in CHANNELS:
            continue
        sent_ms = np.array([float(row["sent_at_ms"]) for row in mine])
        recorded = np.array([int(row["block"]) for row in mine])
        latency_ms = np.array([float(row["deliver_latency_leader_ms"]) for row in mine])
        blocks = cut(sent_ms / 1000, _rules(*CHANNELS[channel]), ENVELOPE_BYTES)
        sizes = blocks.end - blocks.first
        block = np.repeat(np.arange(len(sizes)), sizes)
        same = np.mean(np.diff(block) == np.diff(recorded))
        found_ms = (np.repeat(blocks.committed_s, sizes) + LOOPBACK_S) * 1000 - sent_ms
        late_ms = float(np.median(np.abs(found_ms - latency_ms)))
        name = f"{channel} at {rate}/s"
        yield Check(name=f"{name} blocks", agreed=bool(same >= 0.98), detail=f"{same:.3f} of neighbours as recorded")
        yield Check(name=f"{name} delivery", agreed=late_ms <= NOISE_MS, detail=f"median difference {late_ms:.1f} ms")


# ---- kills ----------------------------------------------------------------------------------------------------------


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


def _killed(document: Mapping[str, Any]) -> Iterator[Check]:
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
    found_ms = np.concatenate([kills(trials, rng) for _ in range(SERIES)]) * 1000
    yield same_mean("first campaign", found_ms[:, 0], recorded["kill_to_first_campaign_ms"])
    yield same_mean("new leader", found_ms[:, 1], recorded["kill_to_new_leader_ms"])
    slow = recorded["first_campaign_to_new_leader_ms"]
    share = float(np.interp(600.0, list(slow["quantiles"].values()), _levels(slow)))
    yield same_share("won after more than 600 ms", np.diff(found_ms)[:, 0] > 600, 1 - share, trials)
    timeout_ms, forward_ms = 1000.0, 7000.0  # of the channel, and of the orderers' RPCs
    block_ms = timeout_ms + (HANDLE_S + WRITE_S + COMMIT_S) * 1000
    fresh_ms = found_ms[:, 1] + block_ms
    yield same_mean(
        "first block of a fresh stream",
        fresh_ms,
        recorded["kill_to_first_block_with_fresh_stream_tx_ms"],
        slack=NOISE_MS,
    )
    waiting_ms = np.maximum(forward_ms + 50.0 - fresh_ms, 0)  # 50 ms: the first submission after the kill
    rounds = np.ceil(waiting_ms / block_ms)  # blocks that pass before the streams are back
    yield same_mean(
        "first block of a persistent stream",
        fresh_ms + rounds * block_ms,
        recorded["kill_to_first_block_with_persistent_stream_tx_ms"],
        slack=NOISE_MS,
    )
    lost = _lost(rng, rate=100.0, trials=1000)
    yield same_mean("acknowledged but lost", lost, recorded["acked_success_never_in_a_block"], slack=5.0)


def _lost(rng: np.random.Generator, *, rate: float, trials: int) -> NDArray:
    """(trials,) transactions in no block that had left the leader when it died; the batch of one timeout at most."""
    rules = _rules(*CHANNELS["ch1s"])
    lost = []
    for _ in range(trials):
        killed_s = 5.0 + rng.uniform(0, 1)
        arrival_s = np.sort(rng.uniform(0, killed_s, rng.poisson(rate * killed_s)))
        blocks, _ = cut_blocks(arrival_s, np.full(len(arrival_s), ENVELOPE_BYTES), rules, killed_s)
        gone = blocks.written_s <= killed_s
        lost.append(len(arrival_s) - (int(blocks.end[gone][-1]) if gone.any() else 0))
    return np.array(lost, float)


def _levels(facts: Mapping[str, Any]) -> list[float]:
    return [float(name.removeprefix("p")) / 100 for name in facts["quantiles"]]


FAMILY = Family(name="fabric_ordering", bound=0.9, recognises=recognises, replay=replay)
