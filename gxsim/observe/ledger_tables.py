"""Tables about the channels of a ledger: latencies, history, peers, what was sent twice, what each stage can do."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gxsim.kernels.histogram import quantile
from gxsim.kernels.intervals import runs
from gxsim.observe.ledger import LedgerSeries
from gxsim.observe.table import Table
from gxsim.traffic.ledger import Channel

PROBABILITIES = {"median_s": 0.5, "p90_s": 0.9, "p95_s": 0.95, "p99_s": 0.99, "p999_s": 0.999}
ENOUGH = 100  # observations beyond a quantile; with fewer it says nothing
LEVEL_BLOCKS = 2  # a peer so far behind is level with the orderers: blocks on their way


def ledger_table(series: Sequence[LedgerSeries]) -> Table:
    """One row per channel and latency, with its quantiles; None where there is not enough data."""
    rows = [
        (one.name, name, int(histogram.sum()), *_quantiles(histogram))
        for one in series
        for name, histogram in (*one.histograms.items(), ("block_interval", one.block_intervals))
    ]
    about = (
        "Latencies of each channel; quantiles within 1 %, of what was done by the horizon; none where fewer than "
        f"{ENOUGH} observations lie beyond"
    )
    return Table.of("ledger_latency", about, ("channel", "latency", "count", *PROBABILITIES), rows)


def _quantiles(histogram: NDArray) -> list[float | None]:
    beyond = {name: int(histogram.sum()) * min(p, 1 - p) for name, p in PROBABILITIES.items()}
    return [float(quantile(histogram, p)) if beyond[name] >= ENOUGH else None for name, p in PROBABILITIES.items()]


def ledger_history(series: Sequence[LedgerSeries]) -> Table:
    """One row per channel and bin: the ledger over time."""
    rows: list[tuple] = []
    for one in series:
        bin_s = float(one.time_s[0]) if len(one.time_s) else 0.0
        columns = {
            "time_s": one.time_s,
            "created": one.created,
            "committed": one.committed,
            "projected": one.projected,
            "height": one.height,
            "block_interval_s": _ratio(np.full(len(one.blocks), bin_s), one.blocks),
            "transactions_per_block": _ratio(one.committed, one.blocks),
            "outbox": one.outbox,
            "uncommitted": one.uncommitted,
            "projector_lag_s": one.projector_lag_s,
        } | {f"{name}_p{100 * level:.0f}_s": points for (name, level), points in one.curves.items()}
        names = ("channel", *columns)
        rows += [(one.name, *map(_plain, row)) for row in zip(*columns.values(), strict=True)]
    about = "Each channel over time; counts per bin, levels at its end; quantiles of what ended in the bin"
    return Table.of("ledger", about, names if series else (), rows)


def _ratio(above: NDArray, below: NDArray) -> NDArray:
    return np.divide(above, below, out=np.full(len(below), np.nan), where=below > 0)


def _plain(value: NDArray) -> float | int | None:
    number = value.item()
    return None if number != number else number


def peer_history(series: Sequence[LedgerSeries]) -> Table:
    """One row per channel, peer and bin in which the peer's height changed or it was behind."""
    rows = []
    for one in series:
        behind = one.height - one.peer_height
        for number, peer in enumerate(one.ledger.peers):
            shown = np.flatnonzero((one.peer_blocks[number] > 0) | (behind[number] > LEVEL_BLOCKS))
            rows += [
                (one.name, peer, float(one.time_s[i]), int(one.peer_height[number, i]), int(behind[number, i]))
                for i in shown
            ]
    about = "Blocks that each peer has committed, and by how many it is behind the orderers, over time"
    return Table.of("ledger_peer_heights", about, ("channel", "peer", "time_s", "height", "behind"), rows)


def peer_table(series: Sequence[LedgerSeries]) -> Table:
    """One row per channel and peer: its height at the end, how far it was behind, and how fast it caught up."""
    rows = []
    for one in series:
        for number, (peer, organisation) in enumerate(one.ledger.peers.items()):
            behind = one.height - one.peer_height[number]
            first, past = runs(behind > LEVEL_BLOCKS)
            worst = int(np.argmax(behind))
            stretch = next((s for s in zip(first.tolist(), past.tolist(), strict=True) if s[0] <= worst < s[1]), None)
            level_s = None
            if stretch is not None and stretch[1] < len(behind):
                level_s = float(one.time_s[stretch[1]])
            rows.append(
                (
                    one.name,
                    peer,
                    organisation,
                    int(one.peer_height[number, -1]),
                    int(behind[worst]),
                    float(one.time_s[stretch[0]]) if stretch else None,
                    level_s,
                    _catch_up(one, number, worst, stretch),
                )
            )
    about = (
        f"Each peer of a channel: its height at the horizon; the most blocks it was behind the orderers (more than "
        f"{LEVEL_BLOCKS}), from when to when, and the blocks per second it then committed"
    )
    names = ("channel", "peer", "organisation", "height", "behind", "behind_from_s", "level_s", "catch_up_per_s")
    return Table.of("ledger_peers", about, names, rows)


def _catch_up(one: LedgerSeries, peer: int, worst: int, stretch: tuple[int, int] | None) -> float | None:
    """Blocks per second from the worst moment until level with the orderers again."""
    if stretch is None or stretch[1] >= len(one.time_s):
        return None
    end = stretch[1]
    busy = np.flatnonzero(one.peer_blocks[peer, worst + 1 : end + 1]) + worst + 1
    if len(busy) == 0:
        return None
    bin_s = float(one.time_s[0])
    return float(one.peer_blocks[peer, busy[0] : end + 1].sum() / ((end + 1 - busy[0]) * bin_s))


def client_table(series: Sequence[LedgerSeries]) -> Table:
    """One row per channel: what clients lost, sent again, did twice, and had refused."""
    rows = [
        (
            one.name,
            one.ledger.broadcast,
            one.ledger.resubmission,
            int(one.created.sum()),
            int(one.committed.sum()),
            one.lost,
            one.resubmitted,
            one.duplicates,
            one.applied_twice,
            one.void,
        )
        for one in series
    ]
    about = (
        "What clients of each channel met: acknowledged but lost with a leader; sent more than once; in a block a "
        "second time, and applied twice; in a block but void, because what was read had changed"
    )
    counts = ("created", "committed", "lost", "resubmitted", "duplicates", "applied_twice", "void")
    return Table.of("ledger_clients", about, ("channel", "broadcast", "resubmission", *counts), rows)


def stage_capacities(channel: Channel) -> Table:
    """What each stage can do at most, per second with full blocks, least first."""
    ledger, costs = channel.ledger, channel.ledger.costs
    size = min(ledger.max_message_count, max(1, ledger.preferred_max_bytes // costs.transaction_bytes))
    write_s = costs.write_s + size * costs.transaction_bytes / costs.write_rate_bytes
    latency_s = write_s + float(channel.reigns.commit_s.max(initial=0.0))
    capacities = {
        "outbox": costs.outbox_batch / ledger.poll_s,
        "submission": _per_s(costs.submitters, costs.submit_s),
        "endorsement": _per_s(costs.endorse_servers, costs.endorse_s),
        "ordering": _per_s(1, costs.order_s),
        "consensus": min(_per_s(size, write_s), _per_s(size * ledger.max_inflight_blocks, latency_s)),
        "validation and commit": _per_s(size, costs.block_s + size * channel.commit_s),
        "projection": _per_s(1, costs.project_s),
    }
    rows = sorted(((ledger.name, stage, rate) for stage, rate in capacities.items()), key=lambda row: row[2])
    about = "Transactions per second that each stage of the channel can sustain with full blocks, by its costs alone"
    return Table.of("ledger_capacity", about, ("channel", "stage", "per_s"), rows)


def _per_s(amount: float, time_s: float) -> float:
    return amount / time_s if time_s > 0 else np.inf
