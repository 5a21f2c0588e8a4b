"""What the Timeline means for users, consensus groups and ledgers: what they felt, who led, what piled up."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gxsim.consensus.conditions import conditions
from gxsim.consensus.history import LeaderHistory
from gxsim.engine.raft_groups import leader_histories, leader_history
from gxsim.errors import ScenarioError
from gxsim.load.fields import unknown_name
from gxsim.load.scenario import Case
from gxsim.model.ledger import Ledger
from gxsim.model.model import Model
from gxsim.observe.channels import channel_of
from gxsim.observe.consensus import leader_table, write_gaps
from gxsim.observe.ledger import LedgerSeries, ledger_series
from gxsim.observe.ledger_tables import (
    client_table,
    ledger_history,
    ledger_table,
    peer_history,
    peer_table,
    stage_capacities,
)
from gxsim.observe.saturation import saturation_sweep
from gxsim.observe.services import ServiceSeries
from gxsim.observe.table import Table
from gxsim.observe.traffic import traffic_tables
from gxsim.rng import Streams
from gxsim.state import ClusterState
from gxsim.study.quorum import answers
from gxsim.timeline import Timeline
from gxsim.traffic.delays import node_delays
from gxsim.traffic.ledger import Channel, poisson
from gxsim.traffic.run import ASSUMPTIONS as TRAFFIC_ASSUMPTIONS

LEDGER_BIN_S = 60.0
LEDGER_ASSUMPTIONS = (
    "Commands come as a Poisson stream at the channel's own rate or, where the traffic is not played, at the "
    "populations' rates times the share of the paths that write.",
    "Channels share orderers and peers, but not their time: each has its own elections, batches and commits.",
    "After its time-out a client submits again what the model's resubmission says; it hears of a commit as soon as any "
    "peer has it.",
    "Messages between the parties of a channel take the mean delay between the nodes of those that are there; peers "
    "gossip without delay.",
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
        *answers(case, state, [history.members for history in histories], streams),
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
    series, capacities, sweeps = [], [], []
    for channel in channels(case, state, timeline, histories, services, streams):
        ledger = channel.ledger
        commands = streams.take(f"ledger/{ledger.name}/commands")
        if writes_s is None or ledger.rate is not None:
            created_s: Iterable[NDArray] = poisson(write_rate(case.model, ledger), timeline.horizon_s, commands)
        else:
            written_s = writes_s.get(ledger.outbox, np.empty(0))
            created_s = [written_s[commands.random(len(written_s)) < ledger.share]]
        rng = streams.take(f"ledger/{ledger.name}")
        series.append(ledger_series(channel, created_s, timeline.horizon_s, bin_s=LEDGER_BIN_S, rng=rng))
        capacities.append(stage_capacities(channel))
        sweeps.append(saturation_sweep(channel))
    if not series:
        return (), []
    about = (ledger_table, ledger_history, peer_table, peer_history, client_table)
    return tuple(series), [*(table(series) for table in about), Table.stacked(capacities), Table.stacked(sweeps)]


def channels(
    case: Case,
    state: ClusterState,
    timeline: Timeline,
    histories: Sequence[LeaderHistory],
    services: Sequence[ServiceSeries],
    streams: Streams,
) -> Iterator[Channel]:
    """Every channel of the model whose orderers are there, as it is in the run. Raises ScenarioError for wrong names.

    Each is a Raft group of its own: the first on a group of orderers has the group's leaders, others elect their own.
    """
    by_group = {history.members.group.name: history for history in histories}
    groups = [group.name for group in case.model.consensus_groups]
    delays_s = node_delays(case.model.network, state.nodes)
    seen: set[str] = set()
    for ledger in case.model.ledgers:
        if ledger.orderers not in groups:
            problem = f"there is no consensus group {ledger.orderers!r}; {unknown_name(ledger.orderers, groups)}"
            raise ScenarioError(f"ledger {ledger.name}", problem)
        history = by_group.get(ledger.orderers)
        if history is None:
            continue
        if ledger.orderers in seen:
            rng = streams.take(f"consensus/{ledger.orderers}/{ledger.name}")
            meets = conditions(history.members, delays_s, timeline.degradations)
            history = leader_history(history.members, meets, timeline.horizon_s, rng)
        seen.add(ledger.orderers)
        yield channel_of(ledger, history, state, timeline, services, delays_s)


def write_rate(model: Model, ledger: Ledger) -> float:
    """Commands per second of a channel: its own rate, or that of the paths that write into its outbox, or anywhere."""
    if ledger.rate is not None:
        return ledger.rate
    writing = [path for path in model.paths if path.writes and ledger.outbox in ("", path.steps[-1])]
    return sum(p.rate for p in model.populations) * sum(path.share for path in writing) * ledger.share
