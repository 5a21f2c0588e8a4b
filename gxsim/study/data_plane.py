"""What the Timeline means for users, consensus groups and ledgers: what they felt, who led, what piled up."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gxsim.consensus.history import LeaderHistory
from gxsim.load.scenario import Case
from gxsim.model.model import Ledger, Model
from gxsim.observe.consensus import latency_table, leader_histories, leader_table, subset_table, write_gaps
from gxsim.observe.ledger import (
    LedgerSeries,
    channel_of,
    ledger_history,
    ledger_series,
    ledger_table,
    stage_capacities,
    workload_windows,
)
from gxsim.observe.services import ServiceSeries
from gxsim.observe.table import Table
from gxsim.observe.traffic import traffic_tables
from gxsim.rng import Streams
from gxsim.state import ClusterState
from gxsim.timeline import Timeline
from gxsim.traffic.delays import node_delays
from gxsim.traffic.ledger import poisson
from gxsim.traffic.run import ASSUMPTIONS as TRAFFIC_ASSUMPTIONS

LEDGER_BIN_S = 60.0
LEDGER_ASSUMPTIONS = (
    "Where the traffic is not played, commands come as a Poisson stream at the populations' rates times the share of "
    "the paths that write.",
    "Only the peer whose events are followed is played through the commit; the others are taken to commit with it.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """What was played over a Timeline: its tables, the ledgers' series, and what is approximate about it."""

    tables: tuple[Table, ...]
    ledgers: tuple[LedgerSeries, ...] = ()
    assumptions: tuple[str, ...] = ()


def play(
    case: Case, state: ClusterState, timeline: Timeline, services: Sequence[ServiceSeries], streams: Streams
) -> Played:
    """The consensus groups of *case*, and of traffic and ledger what its scenario asks for, over *timeline*."""
    histories, tables = consensus_tables(case, state, timeline, streams)
    ledgers: tuple[LedgerSeries, ...] = ()
    assumptions: tuple[str, ...] = ()
    writes_s = None
    if "traffic" in case.scenario.data_plane:
        writes_s, felt = traffic_tables(case, state, timeline, streams)
        tables, assumptions = [*tables, *felt], (*assumptions, *TRAFFIC_ASSUMPTIONS)
    if "ledger" in case.scenario.data_plane:
        ledgers, passed = ledger_tables(case, state, timeline, histories, services, streams, writes_s)
        tables, assumptions = [*tables, *passed], (*assumptions, *LEDGER_ASSUMPTIONS)
    return Played(tables=tuple(tables), ledgers=ledgers, assumptions=assumptions)


def consensus_tables(
    case: Case, state: ClusterState, timeline: Timeline, streams: Streams
) -> tuple[list[LeaderHistory], list[Table]]:
    """The leaders of every consensus group of the model, and the tables about them; nothing without groups."""
    groups = case.model.consensus_groups
    if not groups:
        return [], []
    delays_s = node_delays(case.model.network, state.nodes)
    histories = leader_histories(state, timeline, groups, delays_s, streams)
    return histories, [
        leader_table(histories, timeline.horizon_s),
        write_gaps(histories, timeline.horizon_s),
        subset_table(histories, [node.name for node in state.nodes]),
        latency_table(histories, delays_s),
    ]


def ledger_tables(
    case: Case,
    state: ClusterState,
    timeline: Timeline,
    histories: Sequence[LeaderHistory],
    services: Sequence[ServiceSeries],
    streams: Streams,
    writes_s: Mapping[str, NDArray] | None = None,
) -> tuple[tuple[LedgerSeries, ...], list[Table]]:
    """Every channel of the model through the run, with its tables; one whose orderers are not there is left out.

    *writes_s* are the times at which requests left a write in each outbox, where the traffic was played too.
    """
    by_group = {history.members.group.name: history for history in histories}
    series, capacities = [], []
    for ledger in case.model.ledgers:
        if ledger.orderers not in by_group:
            continue
        windows = {w: workload_windows(state, timeline, w) for w in (ledger.submitter, ledger.projector)}
        channel = channel_of(ledger, by_group[ledger.orderers], services, windows)
        commands = streams.take(f"ledger/{ledger.name}/commands")
        if writes_s is None:
            created_s: Iterable[NDArray] = poisson(write_rate(case.model), timeline.horizon_s, commands)
        else:
            created_s = [writes_s.get(ledger.outbox, np.empty(0))]
        rng = streams.take(f"ledger/{ledger.name}")
        series.append(ledger_series(channel, created_s, timeline.horizon_s, bin_s=LEDGER_BIN_S, rng=rng))
        capacities.append(_named(ledger, stage_capacities(channel)))
    if not series:
        return (), []
    return tuple(series), [ledger_table(series), ledger_history(series), _stacked(capacities)]


def write_rate(model: Model) -> float:
    """Commands per second that end in an outbox."""
    return sum(p.rate for p in model.populations) * sum(path.share for path in model.paths if path.writes)


def _named(ledger: Ledger, table: Table) -> Table:
    return Table(table.name, table.about, {"channel": [ledger.name] * len(table), **table.columns})


def _stacked(tables: Sequence[Table]) -> Table:
    """Tables of one shape below one another."""
    columns = {name: list(np.concatenate([t.columns[name] for t in tables])) for name in tables[0].columns}
    return Table(tables[0].name, tables[0].about, columns)
