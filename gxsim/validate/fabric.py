"""Recordings of real Fabric orderers under load: which transactions share a block, and when blocks arrive.

Every bound says what it allows for. The machine was shared and busy (its README tells the load), so that blocks arrive
late, most of all at low rates and high load; a count and an order are not changed by that.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gxsim.kernels.batching import Blocks, Cutting, cut_blocks
from gxsim.rng import Streams
from gxsim.validate import fabric_kills
from gxsim.validate.fabric_kills import (
    COMMIT_S,
    ENVELOPE_BYTES,
    HANDLE_S,
    LOOPBACK_S,
    MIB,
    NOISE_MS,
    WRITE_S,
    WRITE_S_PER_BYTE,
    has,
)
from gxsim.validate.record import Check, Family
from gxsim.validate.sampled import same_distribution

REPLICATIONS = 20  # of every load; recorded runs last 20 to 80 s
# Channels of a recording that holds rows only; its README gives their settings.
CHANNELS = {"ch2s": (2.0, 500, 2 * MIB), "ch1s": (1.0, 500, 2 * MIB), "ch10": (2.0, 10, 512 * 1024)}
SAMPLED = 3000  # a configuration with so many transactions holds a sample of them only
PROMPT_MS = 15.0  # a block that is full does not wait for a timer, and only the machine makes it late
CAUTION = 0.05  # of a latency or of a Kolmogorov distance: the offered rate is known to a few per cent only
EXPLAINED = 0.98  # of blocks and of neighbours: the rule is exact, two arrivals within a millisecond are not
PUNCTUAL = 0.85  # of transactions: a stall of the machine holds up a whole block, a tenth of a recording


def recognises(document: Any) -> bool:
    return _is_load(document) or _is_rows(document) or fabric_kills.recognises(document)


def replay(document: Any) -> list[Check]:
    if fabric_kills.recognises(document):
        return list(fabric_kills.replay(document))
    if _is_load(document):
        return [check for recorded in document for check in _loaded(recorded)]
    judge = _blocks if has(document[0], "block_seen_at_ms") else _transactions
    return [check for channel, rate, rows in _configurations(document) for check in judge(channel, rate, rows)]


def _is_load(document: Any) -> bool:
    return isinstance(document, list) and bool(document) and has(document[0], "batching", "block_tx")


def _is_rows(document: Any) -> bool:
    if not isinstance(document, list) or not document or not has(document[0], "channel", "rate_tx_s"):
        return False
    return has(document[0], "sent_at_ms", "block") or has(document[0], "block_seen_at_ms", "transactions")


def _configurations(rows: Sequence[Mapping[str, str]]) -> Iterator[tuple[str, float, list[Mapping[str, str]]]]:
    """Rows by channel and rate; a channel whose settings are not known is left out."""

    def key(row: Mapping[str, str]) -> tuple[str, float]:
        return row["channel"], float(row["rate_tx_s"])

    for (channel, rate), mine in groupby(sorted(rows, key=key), key):
        if channel in CHANNELS:
            yield channel, rate, list(mine)


def _column(rows: Sequence[Mapping[str, str]], name: str) -> NDArray:
    return np.array([float(row[name]) for row in rows])


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
        write_s_per_byte=WRITE_S_PER_BYTE,
        commit_s=(COMMIT_S,),
    )


def _played(rules: Cutting, rate: float, seconds: float, size_bytes: float, name: str) -> tuple[NDArray, ...]:
    """Sizes, intervals and latencies, in ms, of the blocks of Poisson arrivals, many times over."""
    rng = Streams(0).take(f"validate/fabric/{name}")
    sizes, intervals_ms, latencies_ms = [], [], []
    for _ in range(REPLICATIONS):
        sent_s = np.sort(rng.uniform(0, seconds, rng.poisson(rate * seconds)))
        blocks = cut(sent_s, rules, size_bytes)
        sizes.append(blocks.end - blocks.first)
        intervals_ms.append(np.diff(blocks.committed_s) * 1000)
        seen_s = np.repeat(blocks.committed_s, sizes[-1]) + LOOPBACK_S
        latencies_ms.append((seen_s - sent_s[: len(seen_s)]) * 1000)
    return np.concatenate(sizes), np.concatenate(intervals_ms), np.concatenate(latencies_ms)


# ---- summaries ------------------------------------------------------------------------------------------------------


def _loaded(recorded: Mapping[str, Any]) -> Iterator[Check]:
    """Block size, block interval and latency of Poisson arrivals at the recorded rate."""
    batching, name = recorded["batching"], f"{recorded['channel']} at {recorded['rate_tx_s']}/s"
    amount, unit = batching["preferred_max_bytes"].split()
    preferred = int(amount) * {"KB": 1024, "MB": MIB}[unit]
    rules = _rules(batching["batch_timeout_ms"] / 1000, batching["max_message_count"], preferred)
    size_bytes = recorded["block_bytes"]["mean"] / recorded["block_tx"]["mean"]
    seconds = recorded["seconds"]
    sizes, intervals_ms, latencies_ms = _played(rules, recorded["sent"] / seconds, seconds, size_bytes, name)
    found = {
        "block_tx": (sizes, 1.0),
        "block_interval_ms": (intervals_ms, NOISE_MS),
        "send_to_deliver_from_leader_ms": (latencies_ms, NOISE_MS),
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


# ---- rows -----------------------------------------------------------------------------------------------------------


def _blocks(channel: str, rate: float, rows: Sequence[Mapping[str, str]]) -> Iterator[Check]:
    """Why each block was cut, and whether blocks are as large and as far apart as those of Poisson arrivals.

    A block that is not full was cut by a timer, which began after the block before it.
    """
    rules, name = _rules(*CHANNELS[channel]), f"{channel} at {rate:g}/s"
    seen_ms, transactions, size_bytes = (_column(rows, c) for c in ("block_seen_at_ms", "transactions", "bytes"))
    gaps_ms = np.diff(seen_ms)
    each_bytes = float(size_bytes.sum() / transactions.sum())
    full = (transactions >= rules.max_message_count) | (size_bytes + 2 * each_bytes > rules.preferred_max_bytes)
    explained = float(np.mean(full[1:] | (gaps_ms >= rules.batch_timeout_s * 1000 - NOISE_MS)))
    detail = f"{explained:.3f} of the blocks are full, or a time-out after the one before"
    yield Check(name=f"{name} reasons", agreed=explained >= EXPLAINED, detail=detail)
    seconds = float(seen_ms[-1] - seen_ms[0]) / 1000
    offered = float(transactions[1:].sum()) / seconds
    sizes, intervals_ms, _ = _played(rules, offered, seconds, each_bytes, f"{name} blocks")
    levels = (np.arange(len(rows)) + 0.5) / len(rows)
    recorded = np.sort(transactions).tolist()
    yield same_distribution(f"{name} sizes", sizes, levels, recorded, len(rows), slack=CAUTION)
    late_ms = float(np.median(gaps_ms) - np.median(intervals_ms))
    allowed_ms = _lateness_ms(rules, offered) + 3 * 1.25 * float(intervals_ms.std()) / math.sqrt(len(gaps_ms))
    detail = f"the median interval is {late_ms:.1f} ms longer; allowed {allowed_ms:.1f}"
    yield Check(name=f"{name} intervals", agreed=abs(late_ms) <= allowed_ms, detail=detail)


def _lateness_ms(rules: Cutting, rate: float) -> float:
    """What the machine may add: less where blocks are cut by count, long before their timer, than where they wait."""
    return PROMPT_MS if rules.max_message_count < 0.5 * rate * rules.batch_timeout_s else NOISE_MS


def _transactions(channel: str, rate: float, rows: Sequence[Mapping[str, str]]) -> Iterator[Check]:
    """Which transactions share a block, and when each arrives in it, from the times they were really sent.

    Where the recording holds only some of them, their latencies are held against those of Poisson arrivals.
    """
    rules, name = _rules(*CHANNELS[channel]), f"{channel} at {rate:g}/s"
    sent_ms, latency_ms = _column(rows, "sent_at_ms"), _column(rows, "deliver_latency_leader_ms")
    if len(rows) >= SAMPLED:
        seconds = float(sent_ms[-1] - sent_ms[0]) / 1000
        _, _, played_ms = _played(rules, rate, seconds, ENVELOPE_BYTES, f"{name} transactions")
        for level in (0.05, 0.5, 0.95):
            value, wanted = float(np.quantile(played_ms, level)), float(np.quantile(latency_ms, level))
            allowed = _lateness_ms(rules, rate) + CAUTION * wanted
            detail = f"{value:.4g}, recorded {wanted:.4g} +- {allowed:.3g}"
            yield Check(name=f"{name} p{100 * level:g}", agreed=abs(value - wanted) <= allowed, detail=detail)
        return
    recorded = np.array([int(row["block"]) for row in rows])
    blocks = cut(sent_ms / 1000, rules, ENVELOPE_BYTES)
    sizes = blocks.end - blocks.first
    same = float(np.mean(np.diff(np.repeat(np.arange(len(sizes)), sizes)) == np.diff(recorded)))
    yield Check(name=f"{name} blocks", agreed=same >= EXPLAINED, detail=f"{same:.3f} of neighbours as recorded")
    found_ms = (np.repeat(blocks.committed_s, sizes) + LOOPBACK_S) * 1000 - sent_ms
    near = float(np.mean(np.abs(found_ms - latency_ms) <= NOISE_MS))
    detail = f"{near:.3f} of the transactions within {NOISE_MS:.0f} ms of when they came"
    yield Check(name=f"{name} delivery", agreed=near >= PUNCTUAL, detail=detail)


# A tenth: where the machine stood still for a second, no rule about timers can hold.
FAMILY = Family(name="fabric_ordering", bound=0.9, recognises=recognises, replay=replay)
