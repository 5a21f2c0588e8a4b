"""What a channel did over a run: its blocks, its latencies, its outbox and its projector, over time and in sum."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gxsim.consensus.history import LeaderHistory
from gxsim.kernels.histogram import BINS, bins_of, quantile
from gxsim.kernels.intervals import combine, count, steps
from gxsim.kernels.uptime import ALWAYS, Windows, both, either, windows_of
from gxsim.model.model import Ledger
from gxsim.observe.services import ServiceSeries
from gxsim.observe.table import Table
from gxsim.state import ClusterState, owner_name
from gxsim.timeline import Timeline
from gxsim.traffic.ledger import Channel, Costs, Passage, passages, reigns_of

PROBABILITIES = (0.5, 0.95, 0.99)
LATENCIES = ("created_to_acknowledged", "created_to_committed", "committed_to_projected", "created_to_projected")


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerSeries:
    """One channel; series are (bins,), each at the end of its bin: ``time_s``.

    ``outbox`` counts commands that no orderer has acknowledged, ``uncommitted`` those not in the state database.
    ``resubmitted`` counts what a dead leader lost, ``void`` what was in a block but read what had changed.
    ``projector_lag_s`` is the age, since its commit, of the oldest transaction that is not projected.
    """

    name: str
    time_s: NDArray
    created: NDArray
    committed: NDArray
    projected: NDArray
    blocks: NDArray
    outbox: NDArray
    uncommitted: NDArray
    projector_lag_s: NDArray
    histograms: dict[str, NDArray]
    block_intervals: NDArray  # histogram
    resubmitted: int
    void: int

    @property
    def height(self) -> NDArray:
        """Blocks so far."""
        return np.cumsum(self.blocks)


@dataclass(slots=True)
class _Tally:
    """Counts per bin, and histograms, filled passage by passage."""

    bin_s: float
    bins: int
    counts: dict[str, NDArray] = field(init=False)
    histograms: dict[str, NDArray] = field(init=False)
    block_intervals: NDArray = field(default_factory=lambda: np.zeros(BINS, np.int64))
    lag_s: NDArray = field(init=False)
    last_block_s: float = np.nan
    resubmitted: int = 0
    void: int = 0

    def __post_init__(self) -> None:
        names = ("created", "acknowledged", "committed", "projected", "blocks")
        self.counts = {name: np.zeros(self.bins, np.int64) for name in names}
        self.histograms = {name: np.zeros(BINS, np.int64) for name in LATENCIES}
        self.lag_s = np.zeros(self.bins)

    def counting(self, created_s: Iterable[NDArray]) -> Iterator[NDArray]:
        """The chunks as they come, counted."""
        for chunk in created_s:
            self.count("created", chunk)
            yield chunk

    def count(self, name: str, times_s: NDArray) -> None:
        inside = times_s[times_s < self.bins * self.bin_s]
        self.counts[name] += np.bincount((inside / self.bin_s).astype(np.int64), minlength=self.bins)

    def see(self, passage: Passage) -> None:
        end_s = self.bins * self.bin_s
        for name in ("acknowledged", "committed", "projected"):
            self.count(name, getattr(passage, f"{name}_s"))
        self.count("blocks", passage.block_s)
        for name in LATENCIES:
            start, _, end = name.partition("_to_")
            times_s = getattr(passage, f"{end}_s")
            done = times_s < end_s
            self.histograms[name] += _histogram((times_s - getattr(passage, f"{start}_s"))[done])
        done = passage.projected_s < end_s
        lag_s = passage.projected_s[done] - passage.committed_s[done]
        np.maximum.at(self.lag_s, (passage.projected_s[done] / self.bin_s).astype(np.int64), lag_s)
        gaps_s = np.diff(passage.block_s, prepend=self.last_block_s)
        self.block_intervals += _histogram(gaps_s[np.isfinite(gaps_s)])
        if len(passage.block_s):
            self.last_block_s = float(passage.block_s[-1])
        self.resubmitted += int((passage.attempts > 1).sum())
        self.void += int((~passage.valid).sum())

    def series(self, name: str) -> LedgerSeries:
        """The tally as series."""
        sums = {of: np.cumsum(counts) for of, counts in self.counts.items()}
        time_s = (np.arange(self.bins) + 1) * self.bin_s
        behind = sums["projected"] < sums["committed"]
        oldest = np.searchsorted(sums["committed"], sums["projected"] + 1)  # bin in which it was committed
        age_s = np.where(behind, time_s - (oldest + 1) * self.bin_s, 0.0)
        return LedgerSeries(
            name=name,
            time_s=time_s,
            created=self.counts["created"],
            committed=self.counts["committed"],
            projected=self.counts["projected"],
            blocks=self.counts["blocks"],
            outbox=sums["created"] - sums["acknowledged"],
            uncommitted=sums["created"] - sums["committed"],
            projector_lag_s=np.maximum(self.lag_s, age_s),
            histograms=self.histograms,
            block_intervals=self.block_intervals,
            resubmitted=self.resubmitted,
            void=self.void,
        )


def _histogram(durations_s: NDArray) -> NDArray:
    return np.bincount(bins_of(durations_s), minlength=BINS)


def channel_of(
    ledger: Ledger,
    history: LeaderHistory,
    services: Sequence[ServiceSeries],
    workloads: Mapping[str, Windows],
    costs: Costs | None = None,
) -> Channel:
    """A channel of a model in one run; *workloads* says when the submitter and the projector were there.

    An organisation endorses while a peer of it and the chaincode answer. Services that match no pod answer always:
    they are outside the cluster.
    """
    up = {service.name: windows_of(service.times_s, service.answering > 0) for service in services}
    chaincode = up.get(ledger.chaincode, ALWAYS)
    return Channel(
        ledger=ledger,
        costs=costs or Costs(),
        reigns=reigns_of(history),
        submitter=workloads.get(ledger.submitter, ALWAYS),
        endorsers=tuple(
            both(either([up.get(peer, ALWAYS) for peer in peers]), chaincode) for peers in ledger.endorsers.values()
        ),
        event_peer=up.get(ledger.event_peer, ALWAYS),
        projector=workloads.get(ledger.projector, ALWAYS),
    )


def workload_windows(state: ClusterState, timeline: Timeline, name: str) -> Windows:
    """When at least one pod of a workload (namespace/name) answers."""
    serving = timeline.changes("pod_serving")
    spaces = [template.namespace for template in state.templates]
    of = [f"{spaces[template]}/{owner_name(state, pod)}" for pod, template in enumerate(state.pod_template)]
    mine = np.array([one == name for one in of], bool)
    picked = mine[serving.rows]
    times_s, rows, values = combine([(serving.times_s[picked], serving.rows[picked], serving.values[picked])], [0])
    grid, level = count(*(steps(times_s, rows, values[:, 0] > 0)[i] for i in (0, 2)))
    return windows_of(grid, level > 0)


def ledger_series(
    channel: Channel,
    created_s: Iterable[NDArray],
    horizon_s: float,
    *,
    bin_s: float = 60.0,
    rng: np.random.Generator | None = None,
) -> LedgerSeries:
    """Send commands (chunks of sorted times) through *channel* and watch it in bins of *bin_s*."""
    tally = _Tally(bin_s, int(np.ceil(horizon_s / bin_s)))
    for passage in passages(channel, tally.counting(created_s), horizon_s, rng):
        tally.see(passage)
    return tally.series(channel.ledger.name)


def ledger_table(series: Sequence[LedgerSeries]) -> Table:
    """One row per channel and latency, with its quantiles."""
    rows = [
        (one.name, name, int(histogram.sum()), *(float(quantile(histogram, p)) for p in PROBABILITIES))
        for one in series
        for name, histogram in (*one.histograms.items(), ("block_interval", one.block_intervals))
    ]
    about = "Latencies of each channel; quantiles within 1 %, of what was done by the horizon"
    return Table.of("ledger_latency", about, ("channel", "latency", "count", "median_s", "p95_s", "p99_s"), rows)


def ledger_history(series: Sequence[LedgerSeries]) -> Table:
    """One row per channel and bin: the ledger over time."""
    rows = []
    for one in series:
        size = np.divide(one.committed, one.blocks, out=np.zeros(len(one.blocks)), where=one.blocks > 0)
        columns = (
            one.time_s,
            one.created,
            one.committed,
            one.projected,
            one.height,
            size,
            one.outbox,
            one.uncommitted,
            one.projector_lag_s,
        )
        rows += [(one.name, *(value.item() for value in row)) for row in zip(*columns, strict=True)]
    names = (
        "channel",
        "time_s",
        "created",
        "committed",
        "projected",
        "height",
        "transactions_per_block",
        "outbox",
        "uncommitted",
        "projector_lag_s",
    )
    return Table.of("ledger", "Each channel over time; counts per bin, levels at its end", names, rows)


def stage_capacities(channel: Channel) -> Table:
    """What each stage can do at most, per second, least first; the first row is the channel's saturation point."""
    costs, ledger = channel.costs, channel.ledger
    size = min(ledger.max_message_count, max(1, ledger.preferred_max_bytes // costs.transaction_bytes))
    write_s = costs.write_s + size * costs.transaction_bytes / costs.write_bytes_per_s
    latency_s = write_s + float(channel.reigns.commit_s.max())
    capacities = {
        "outbox": costs.outbox_batch / ledger.poll_s,
        "submission": costs.submitters / costs.submit_s,
        "endorsement": costs.endorse_servers / costs.endorse_s,
        "ordering": 1 / costs.order_s,
        "consensus": min(size / write_s, size * costs.max_inflight_blocks / latency_s),
        "validation and commit": size / (costs.block_s + size * channel.commit_s),
        "projection": 1 / costs.project_s,
    }
    rows = sorted(((stage, rate) for stage, rate in capacities.items()), key=lambda row: row[1])
    about = "Transactions per second that each stage of the channel can sustain with full blocks"
    return Table.of("ledger_capacity", about, ("stage", "per_s"), rows)


def saturation(channel: Channel, rates: Sequence[float], *, duration_s: float = 300.0) -> Table:
    """What comes out at each offered rate: committed per second, and what is left behind after *duration_s*."""
    bottleneck, rows = str(stage_capacities(channel).columns["stage"][0]), []
    for rate in rates:
        even_s = (np.arange(int(rate * duration_s)) + 0.5) / rate
        series = ledger_series(channel, [even_s], duration_s, bin_s=duration_s / 10)
        late = slice(5, None)  # the second half, when the start is forgotten
        out = float(series.committed[late].sum() / (duration_s / 2))
        growth = float((series.uncommitted[-1] - series.uncommitted[4]) / (duration_s / 2))
        saturated = growth > 0.02 * rate
        rows.append((rate, out, float(series.uncommitted[-1]), saturated, bottleneck if saturated else ""))
    names = ("offered_per_s", "committed_per_s", "uncommitted", "saturated", "stage")
    return Table.of("ledger_saturation", "The channel at each offered rate", names, rows)
