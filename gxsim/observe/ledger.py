"""What a channel did over a run: its blocks, its latencies, its outbox, its peers and its projector, over time."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gxsim.kernels.histogram import BINS, bins_of
from gxsim.model.ledger import Ledger
from gxsim.traffic.ledger import Channel, Passage, passages

# Each from one time of a transaction to another.
LATENCIES = {
    "created_to_acknowledged": ("created_s", "acknowledged_s"),
    "submitted_to_committed": ("taken_s", "committed_s"),
    "created_to_committed": ("created_s", "committed_s"),
    "committed_to_projected": ("committed_s", "projected_s"),
    "created_to_projected": ("created_s", "projected_s"),
}
CURVES = {"submitted_to_committed": (0.5, 0.99), "committed_to_projected": (0.5, 0.99)}  # drawn over time
ENOUGH = 10  # observations beyond a quantile, for a point of a curve


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerSeries:
    """One channel; series are (bins,), each at the end of its bin: ``time_s``.

    ``outbox`` counts commands that no orderer has acknowledged, ``uncommitted`` those not in the state database of the
    event peer. ``projector_lag_s`` is how far the projection is behind the orderers' blocks: the age, since it was
    ordered, of the oldest transaction that is not projected.
    ``curves`` are quantiles of latencies, NaN where there were too few. ``lost`` counts what was acknowledged and died
    with its leader, ``resubmitted`` what was sent more than once, ``duplicates`` what got into a second block, of which
    ``applied_twice`` took effect again, and ``void`` what was in a block but read what had changed.
    """

    channel: Channel
    time_s: NDArray
    created: NDArray
    committed: NDArray
    projected: NDArray
    blocks: NDArray
    outbox: NDArray
    uncommitted: NDArray
    projector_lag_s: NDArray
    peer_blocks: NDArray  # (peers, bins), in the order of the ledger's peers
    curves: dict[tuple[str, float], NDArray]
    histograms: dict[str, NDArray]
    block_intervals: NDArray  # histogram
    lost: int
    resubmitted: int
    duplicates: int
    applied_twice: int
    void: int

    @property
    def ledger(self) -> Ledger:
        return self.channel.ledger

    @property
    def name(self) -> str:
        return self.ledger.name

    @property
    def height(self) -> NDArray:
        """Blocks that the orderers have committed so far."""
        return np.cumsum(self.blocks)

    @property
    def commit_p99_s(self) -> NDArray:
        """(bins,) 99th percentile from submission to commit; 0 where too few were committed."""
        return np.nan_to_num(self.curves["submitted_to_committed", 0.99])

    @property
    def farthest_behind(self) -> NDArray:
        """(bins,) blocks that the slowest peer lacks."""
        return (self.height - self.peer_height).max(axis=0)

    @property
    def peer_height(self) -> NDArray:
        """(peers, bins) blocks that each peer has committed so far."""
        return np.cumsum(self.peer_blocks, axis=1)


@dataclass(slots=True)
class _Curve:
    """Quantiles per bin of values that come in order of time; the last bin is open."""

    bin_s: float
    probabilities: tuple[float, ...]
    points: NDArray  # (probabilities, bins)
    times_s: NDArray = field(default_factory=lambda: np.empty(0))
    values: NDArray = field(default_factory=lambda: np.empty(0))

    def see(self, times_s: NDArray, values: NDArray) -> None:
        self.times_s = np.concatenate([self.times_s, times_s])
        self.values = np.concatenate([self.values, values])
        if len(self.times_s):
            self.close(int(self.times_s[-1] / self.bin_s))

    def close(self, upto: int) -> None:
        """Settle the bins before *upto*."""
        edges = np.searchsorted(self.times_s, np.arange(upto + 1) * self.bin_s)
        for number in np.flatnonzero(np.diff(edges)).tolist():
            mine = self.values[edges[number] : edges[number + 1]]
            for row, probability in enumerate(self.probabilities):
                if len(mine) * (1 - probability) >= ENOUGH:
                    self.points[row, number] = np.quantile(mine, probability)
        self.times_s, self.values = self.times_s[edges[-1] :], self.values[edges[-1] :]


@dataclass(slots=True)
class _Tally:
    """Counts per bin, and histograms, filled passage by passage."""

    channel: Channel
    bin_s: float
    bins: int
    counts: dict[str, NDArray] = field(init=False)
    peer_blocks: NDArray = field(init=False)
    histograms: dict[str, NDArray] = field(init=False)
    curves: dict[str, _Curve] = field(init=False)
    block_intervals: NDArray = field(default_factory=lambda: np.zeros(BINS, np.int64))
    lag_s: NDArray = field(init=False)
    last_block_s: float = np.nan
    sums: dict[str, int] = field(init=False)

    def __post_init__(self) -> None:
        names = ("created", "acknowledged", "ordered", "committed", "projected", "blocks")
        self.counts = {name: np.zeros(self.bins, np.int64) for name in names}
        self.peer_blocks = np.zeros((len(self.channel.ledger.peers), self.bins), np.int64)
        self.histograms = {name: np.zeros(BINS, np.int64) for name in LATENCIES}
        self.curves = {
            name: _Curve(self.bin_s, levels, np.full((len(levels), self.bins), np.nan))
            for name, levels in CURVES.items()
        }
        self.lag_s = np.zeros(self.bins)
        self.sums = dict.fromkeys(("lost", "resubmitted", "duplicates", "applied_twice", "void"), 0)

    def counting(self, created_s: Iterable[NDArray]) -> Iterator[NDArray]:
        """The chunks as they come, counted."""
        for chunk in created_s:
            self.counts["created"] += self.binned(chunk)
            yield chunk

    def binned(self, times_s: NDArray) -> NDArray:
        """(bins,) how many of *times_s* lie in each."""
        inside = times_s[times_s < self.bins * self.bin_s]
        return np.bincount((inside / self.bin_s).astype(np.int64), minlength=self.bins)

    def see(self, passage: Passage) -> None:
        once = ~passage.again
        everything = bool(once.all())
        times_s = {
            name: getattr(passage, name) if everything else getattr(passage, name)[once]
            for name in ("created_s", "taken_s", "acknowledged_s", "ordered_s", "committed_s", "projected_s")
        }
        for name in ("acknowledged", "ordered", "committed", "projected"):
            self.counts[name] += self.binned(times_s[f"{name}_s"])
        self.counts["blocks"] += self.binned(passage.block_s)
        for number, blocks_s in enumerate(passage.peer_s):
            self.peer_blocks[number] += self.binned(blocks_s)
        for name, (start, end) in LATENCIES.items():
            self._time(name, times_s[start], times_s[end])
        projected_s = times_s["projected_s"]
        done = projected_s < self.bins * self.bin_s
        lag_s = (projected_s - times_s["ordered_s"])[done]
        np.maximum.at(self.lag_s, (projected_s[done] / self.bin_s).astype(np.int64), lag_s)
        gaps_s = np.diff(passage.block_s, prepend=self.last_block_s)
        self.block_intervals += _histogram(gaps_s[np.isfinite(gaps_s)])
        if len(passage.block_s):
            self.last_block_s = float(passage.block_s[-1])
        self.sums["lost"] += passage.lost
        self.sums["resubmitted"] += int((passage.attempts > 1).sum())
        self.sums["duplicates"] += int(passage.again.sum())
        self.sums["applied_twice"] += int((passage.again & passage.valid).sum())
        self.sums["void"] += int((once & ~passage.valid).sum())

    def _time(self, name: str, start_s: NDArray, end_s: NDArray) -> None:
        """Count one latency of transactions that end within the run, in order of that end."""
        done = int(np.searchsorted(end_s, self.bins * self.bin_s)) if name != "created_to_acknowledged" else None
        mine = slice(0, done) if done is not None else end_s < self.bins * self.bin_s
        latency_s = end_s[mine] - start_s[mine]
        self.histograms[name] += _histogram(latency_s)
        if name in self.curves:
            self.curves[name].see(end_s[mine], latency_s)

    def series(self) -> LedgerSeries:
        """The tally as series."""
        sums = {of: np.cumsum(counts) for of, counts in self.counts.items()}
        time_s = (np.arange(self.bins) + 1) * self.bin_s
        behind = sums["projected"] < sums["ordered"]
        oldest = np.searchsorted(sums["ordered"], sums["projected"] + 1)  # bin in which it was ordered
        age_s = np.where(behind, time_s - (oldest + 1) * self.bin_s, 0.0)
        for curve in self.curves.values():
            curve.close(self.bins)
        return LedgerSeries(
            channel=self.channel,
            time_s=time_s,
            created=self.counts["created"],
            committed=self.counts["committed"],
            projected=self.counts["projected"],
            blocks=self.counts["blocks"],
            outbox=sums["created"] - sums["acknowledged"],
            uncommitted=sums["created"] - sums["committed"],
            projector_lag_s=np.maximum(self.lag_s, age_s),
            peer_blocks=self.peer_blocks,
            curves={
                (name, level): c.points[i] for name, c in self.curves.items() for i, level in enumerate(CURVES[name])
            },
            histograms=self.histograms,
            block_intervals=self.block_intervals,
            **self.sums,
        )


def _histogram(durations_s: NDArray) -> NDArray:
    return np.bincount(bins_of(durations_s), minlength=BINS)


def ledger_series(
    channel: Channel,
    created_s: Iterable[NDArray],
    horizon_s: float,
    *,
    bin_s: float = 60.0,
    rng: np.random.Generator | None = None,
) -> LedgerSeries:
    """Send commands (chunks of sorted times) through *channel* and watch it in bins of *bin_s*."""
    tally = _Tally(channel, bin_s, int(np.ceil(horizon_s / bin_s)))
    for passage in passages(channel, tally.counting(created_s), horizon_s, rng):
        tally.see(passage)
    return tally.series()
