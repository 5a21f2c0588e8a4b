"""How much a channel carries: its pipeline played at rising rates until a stage falls behind."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from gxsim.kernels.uptime import within
from gxsim.observe.table import Table
from gxsim.traffic.ledger import STAGES, Channel, passages
from gxsim.traffic.reigns import Reigns

DURATION_S = 240.0  # of one try; long against batches, polls and gossip
GROWING = 0.02  # of the time that passes: a queue whose wait grows faster does not keep up
FIRST_RATE, HIGHEST_RATE = 10.0, 100_000.0
PRECISION = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Try:
    """One rate: what was committed per second, in the second half, and the stages whose wait grew, most first."""

    rate: float
    committed_per_s: float
    growing: tuple[tuple[str, float], ...]  # stage, and seconds of wait gained per second


def well(channel: Channel) -> Channel:
    """The channel as it is while nothing fails: every member there, under the leader with the slowest commit."""
    commit_s = channel.reigns.commit_s
    orderers = tuple(replace(one, up=np.array([[-np.inf, np.inf]])) for one in channel.orderers)
    return Channel(ledger=channel.ledger, reigns=Reigns.unbroken(float(commit_s.max(initial=0.0))), orderers=orderers)


def tried(channel: Channel, rate: float, duration_s: float = DURATION_S) -> Try:
    """Send commands evenly at *rate*, and see which waits grow in the second half of what got through."""
    even_s = (np.arange(int(rate * duration_s)) + 0.5) / rate
    parts = list(passages(channel, np.array_split(even_s, max(1, len(even_s) // 200_000)), duration_s))
    first = [~part.again for part in parts]
    columns = {
        name: np.concatenate([getattr(part, name)[once] for part, once in zip(parts, first, strict=True)])
        for name in ("created_s", *STAGES.values())
    }
    half = np.array([[duration_s / 2, duration_s]])
    committed = float(within(columns["committed_s"], half).sum() / (duration_s / 2))
    growing, before_s = [], columns["created_s"]
    for stage, name in STAGES.items():
        gained = _growth(before_s, columns[name] - before_s, duration_s)
        if gained > GROWING:
            growing.append((stage, gained))
        before_s = columns[name]
    return Try(rate=rate, committed_per_s=committed, growing=tuple(sorted(growing, key=lambda one: -one[1])))


def _growth(at_s: np.ndarray, wait_s: np.ndarray, duration_s: float) -> float:
    """Seconds of wait gained per second, between the third and the fourth quarter of those that came to a stage."""
    inside = np.isfinite(wait_s) & (at_s < duration_s)
    at_s, wait_s = at_s[inside], wait_s[inside]
    if len(at_s) < 8:
        return 0.0
    end_s = float(at_s[-1])
    third, fourth = (within(at_s, end_s * np.array([[q, q + 0.25]])) for q in (0.5, 0.75))
    return float((wait_s[fourth].mean() - wait_s[third].mean()) / (0.25 * end_s))


def rising(channel: Channel, rates: Sequence[float] = ()) -> Iterator[Try]:
    """Tries at *rates*; without them, at rates doubled until a stage falls behind, and halved towards that point."""
    if rates:
        yield from (tried(channel, rate) for rate in rates)
        return
    low, rate = 0.0, FIRST_RATE
    while rate <= HIGHEST_RATE:
        one = tried(channel, rate)
        yield one
        if one.growing:
            break
        low, rate = rate, 2 * rate
    high = rate
    while high - low > PRECISION * high and low > 0:
        one = tried(channel, (low + high) / 2)
        yield one
        low, high = (low, one.rate) if one.growing else (one.rate, high)


def saturation_sweep(channel: Channel, rates: Sequence[float] = ()) -> Table:
    """One row per rate that was tried, in order of rate, with the stage that fell behind."""
    found = sorted(rising(well(channel), rates), key=lambda one: one.rate)
    rows = [
        (
            channel.ledger.name,
            one.rate,
            one.committed_per_s,
            bool(one.growing),
            one.growing[0][0] if one.growing else "",
            one.growing[0][1] if one.growing else 0.0,
        )
        for one in found
    ]
    about = (
        f"The channel played for {DURATION_S:.0f} s at each rate, nothing failing: what is committed per second, and "
        "the stage whose wait grows most, with the seconds it gains per second"
    )
    names = ("channel", "offered_per_s", "committed_per_s", "saturated", "stage", "growth")
    return Table.of("ledger_saturation", about, names, rows)


def saturation_point(sweep: Table, channel: str) -> tuple[str, float] | None:
    """The stage of a channel that falls behind first, and the highest rate that was carried; None if none did."""
    tries = [row for row in sweep.rows() if row["channel"] == channel]
    saturated = [row for row in tries if row["saturated"]]
    if not saturated:
        return None
    carried = [row["offered_per_s"] for row in tries if not row["saturated"]]
    return saturated[0]["stage"], max(carried, default=0.0)
