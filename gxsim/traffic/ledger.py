"""Fabric's way of a write as arrays: outbox, endorsement, ordering, commit, projection; order is kept all the way."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gxsim.consensus.history import LeaderHistory
from gxsim.kernels.batching import Cutting
from gxsim.kernels.uptime import ALWAYS, Windows
from gxsim.model.fields import spec
from gxsim.model.model import Ledger

MIB = 1024**2


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """What each stage costs; the defaults are documented, recorded or published values, told in each ``doc``."""

    outbox_batch: int = spec(100, doc="Rows that one look at the outbox takes; not documented", ge=1)
    submitters: int = spec(2, doc="Commands that are submitted at a time; one per documented replica", ge=1)
    submit_s: float = spec(0.0075, doc="One submission; the middle of the documented 5 to 10 ms", ge=0)
    endorse_s: float = spec(0.005, doc="Chaincode execution at one peer; not documented", ge=0)
    endorse_servers: int = spec(8, doc="Executions at a time of one organisation; not documented", ge=1)
    order_s: float = spec(0.0003, doc="Per transaction at the leading orderer; recorded acks at 500 tx/s", ge=0)
    write_s: float = spec(0.002, doc="One synchronous write of the log; recorded disk", ge=0)
    write_bytes_per_s: float = spec(200.0 * MIB, doc="Sequential writing of the disk", gt=0)
    transaction_bytes: int = spec(4096, doc="An endorsed transaction in a block; commonly 3 to 5 KiB", ge=1)
    max_inflight_blocks: int = spec(5, doc="Blocks proposed and not committed; configtx.yaml", ge=1)
    hop_s: float = spec(0.0005, doc="One way between two pods of the pipeline", ge=0)
    block_s: float = spec(0.010, doc="Per block at a committing peer; not documented", ge=0)
    commit_s: dict[str, float] = spec(
        doc="Per transaction at a committing peer by state database; Caliper on Fabric 1.4.0, 100-byte assets",
        factory=lambda: {"goleveldb": 1 / 372, "CouchDB": 1 / 194},
    )
    project_s: float = spec(0.001, doc="Per transaction at the projector; not documented", ge=0)
    forward_timeout_s: float = spec(7.0, doc="A follower gives up forwarding to a dead leader; RPCTimeout", gt=0)
    retry_s: float = spec(0.1, doc="Pause before a refused submission is tried again; not documented", gt=0)
    reconnect_s: float = spec(
        0.1, doc="A peer's first pause before it asks an orderer for blocks again; core.yaml", gt=0
    )
    reconnect_growth: float = spec(1.2, doc="Growth of that pause from try to try; blocksprovider/deliverer.go", gt=1)
    reconnect_cap_s: float = spec(3600.0, doc="Longest such pause; core.yaml", gt=0)
    commit_timeout_s: float = spec(30.0, doc="Wait for the commit event before submitting again; not documented", gt=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reigns:
    """(reigns,) who orders, and when: from the moment a leader commits to its loss.

    ``noticed_s`` is when the orderers stop believing in the lost leader; ``commit_s`` what a block takes from the
    leader's disk to a majority.
    """

    from_s: NDArray
    to_s: NDArray
    noticed_s: NDArray
    commit_s: NDArray
    leader: NDArray

    @classmethod
    def unbroken(cls, commit_s: float) -> "Reigns":
        """One leader for ever."""
        return cls(
            from_s=np.array([-np.inf]),
            to_s=np.array([np.inf]),
            noticed_s=np.array([np.inf]),
            commit_s=np.array([commit_s]),
            leader=np.zeros(1, np.int64),
        )

    @property
    def accepting(self) -> Windows:
        """When a submission is not refused at once: from a leader's first commit until its loss is noticed."""
        last = np.append(self.from_s[1:], np.inf)
        return np.column_stack([self.from_s, np.minimum(self.noticed_s, last)])


def reigns_of(history: LeaderHistory) -> Reigns:
    """The stretches of a group's history in which it ordered, each under one leader in one term."""
    who = np.where(history.writable, history.leader, -1)
    starts = np.flatnonzero((who >= 0) & ((np.diff(who, prepend=-2) != 0) | (np.diff(history.term, prepend=-1) != 0)))
    if len(starts) == 0:
        never = np.array([np.inf])
        return Reigns(from_s=never, to_s=never, noticed_s=never, commit_s=np.zeros(1), leader=np.zeros(1, np.int64))
    times_s = np.append(history.times_s, np.inf)
    ends, doubts = [], []
    for start in starts:
        changed = np.flatnonzero((who[start:] != who[start]) | (history.term[start:] != history.term[start]))
        end = start + int(changed[0]) if len(changed) else len(who)
        doubt = np.flatnonzero(~history.believed[end:])
        ends.append(times_s[end])
        doubts.append(times_s[end + int(doubt[0])] if len(doubt) else times_s[end])
    from_s = history.times_s[starts].astype(float)
    from_s[0] = -np.inf if starts[0] == 0 else from_s[0]
    return Reigns(
        from_s=from_s,
        to_s=np.array(ends),
        noticed_s=np.array(doubts),
        commit_s=history.commit_s[starts],
        leader=history.leader[starts],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """One channel: its settings, costs, and when each of its stages is there.

    A command reads and writes one of *keys* keys, each as often; 0: no two ever the same.
    """

    ledger: Ledger
    costs: Costs = field(default_factory=Costs)
    reigns: Reigns = field(default_factory=lambda: Reigns.unbroken(0.004))
    submitter: Windows = field(default_factory=lambda: ALWAYS)
    endorsers: tuple[Windows, ...] = (ALWAYS,)  # by organisation: when a peer of it and the chaincode answer
    event_peer: Windows = field(default_factory=lambda: ALWAYS)
    projector: Windows = field(default_factory=lambda: ALWAYS)
    keys: int = 0

    @property
    def commit_s(self) -> float:
        """Per transaction at a committing peer."""
        return self.costs.commit_s[self.ledger.state_database]

    @property
    def delivery(self) -> Windows:
        """When the event peer gets blocks: orderers without a leader refuse, and it asks again ever more rarely.

        A peer that was itself away asks at once when it is back.
        """
        windows, broken_s = [], -np.inf
        for from_s, noticed_s in self.reigns.accepting:
            for up_s, down_s in self.event_peer:
                if up_s >= noticed_s or down_s <= from_s:
                    continue
                begun_s = max(broken_s, up_s)
                asks_s = self._asks(begun_s, from_s) if begun_s < from_s and np.isfinite(begun_s) else max(from_s, up_s)
                if asks_s < min(noticed_s, down_s):
                    windows.append((asks_s, min(noticed_s, down_s)))
            broken_s = noticed_s
        return np.array(windows).reshape(-1, 2)

    def _asks(self, begun_s: float, from_s: float) -> float:
        """The first try at or after *from_s* of a peer that has been refused since *begun_s*."""
        asks_s, pause_s = begun_s, self.costs.reconnect_s
        while asks_s < from_s:
            asks_s += pause_s
            pause_s = min(pause_s * self.costs.reconnect_growth, self.costs.reconnect_cap_s)
        return asks_s

    def cutting(self, reign: int) -> Cutting:
        """The rules of the block cutter under one leader."""
        return Cutting(
            batch_timeout_s=self.ledger.batch_timeout_s,
            max_message_count=self.ledger.max_message_count,
            preferred_max_bytes=self.ledger.preferred_max_bytes,
            max_inflight_blocks=self.costs.max_inflight_blocks,
            write_s=self.costs.write_s,
            write_s_per_byte=1 / self.costs.write_bytes_per_s,
            commit_s=float(self.reigns.commit_s[reign]),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """Transactions that were committed in one span of time, in order of commit; (transactions,) times, and blocks.

    ``attempts`` counts submissions. ``acknowledged_s`` is the first answer of an orderer, which does not mean ordered.
    Those that are not ``valid`` are in the block, but what they read had changed; their client must begin anew.
    """

    created_s: NDArray
    acknowledged_s: NDArray
    ordered_s: NDArray
    committed_s: NDArray
    projected_s: NDArray
    attempts: NDArray
    valid: NDArray
    block_s: NDArray  # (blocks,) committed by the orderers
    block_transactions: NDArray  # (blocks,)


def poisson(rate: float, horizon_s: float, rng: np.random.Generator, chunk: int = 500_000) -> Iterator[NDArray]:
    """Sorted arrival times at *rate* up to *horizon_s*, in chunks."""
    now_s = 0.0
    while now_s < horizon_s:
        times_s = now_s + np.cumsum(rng.exponential(1 / rate, chunk))
        now_s = float(times_s[-1])
        yield times_s[times_s < horizon_s]


def passages(
    channel: Channel, created_s: Iterable[NDArray], horizon_s: float, rng: np.random.Generator | None = None
) -> Iterator[Passage]:
    """Send sorted chunks of commands through the channel; each chunk yields what was committed by its end.

    What is still under way at *horizon_s* is left out. *rng* draws the keys, for a channel that has some.
    """
    from gxsim.traffic.ledger_stages import Stages

    stages = Stages(channel, rng or np.random.default_rng(0))
    for chunk in created_s:
        if len(chunk):
            yield stages.advance(chunk, float(chunk[-1]))
    yield stages.advance(np.empty(0), horizon_s)
