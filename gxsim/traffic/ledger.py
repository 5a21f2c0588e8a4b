"""Fabric's way of a write as arrays: outbox, endorsement, ordering, commit, projection; order is kept all the way."""

import copy
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gxsim.kernels.batching import Cutting
from gxsim.kernels.intervals import at
from gxsim.kernels.uptime import ALWAYS, Windows, both, either
from gxsim.model.ledger import Ledger
from gxsim.traffic.delivery import Orderer
from gxsim.traffic.reigns import Reigns

COMMIT_S = {"goleveldb": 1 / 372, "CouchDB": 1 / 194}  # Caliper on Fabric 1.4.0, 100-byte assets
Leg = tuple[NDArray, NDArray]  # (changes,) times, and one-way delays from each on
# The stages of a transaction: each ends at one of its times, and begins at the one before.
STAGES = {
    "outbox": "taken_s",
    "submission": "proposed_s",
    "endorsement": "endorsed_s",
    "broadcast": "arrival_s",
    "ordering": "handled_s",
    "consensus": "ordered_s",
    "delivery": "delivered_s",
    "validation and commit": "committed_s",
    "projection": "projected_s",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """One channel of a ledger in one run: when each of its stages is there.

    ``peers`` says by Service when a peer answers and can write; one that is not listed always does. ``legs`` has
    one-way delays of the network by name (``endorse/ORGANISATION``, ``submit``, ``forward``, ``deliver/PEER``,
    ``event``) and ``open`` when a message gets through; a leg that is not listed has no delay and is always open.
    ``stray`` (changes,) are times, and which share of submissions from each on is acknowledged by a leader that is cut
    off from the majority, so that nobody ever orders them.
    """

    ledger: Ledger
    reigns: Reigns = field(default_factory=lambda: Reigns.unbroken(0.004))
    orderers: tuple[Orderer, ...] = field(default_factory=lambda: (Orderer.always(),))
    submitter: Windows = field(default_factory=lambda: ALWAYS)
    chaincode: Windows = field(default_factory=lambda: ALWAYS)
    peers: Mapping[str, Windows] = field(default_factory=dict)
    projector: Windows = field(default_factory=lambda: ALWAYS)
    legs: Mapping[str, Leg] = field(default_factory=dict)
    open: Mapping[str, Windows] = field(default_factory=dict)
    stray: Leg = field(default_factory=lambda: (np.zeros(1), np.zeros(1)))

    def leg_s(self, name: str, at_s: NDArray) -> NDArray:
        """One way of a message that leaves at *at_s*, by the leg: what every hop costs, and the network's delay."""
        hop_s = np.full(len(at_s), self.ledger.costs.hop_s)
        return hop_s + at(*self.legs[name], at_s) if name in self.legs else hop_s

    def reach(self, name: str) -> Windows:
        """When messages get through on a leg."""
        return self.open.get(name, ALWAYS)

    @property
    def up(self) -> dict[str, Windows]:
        """By Service, when each peer of the ledger is there."""
        return {peer: self.peers.get(peer, ALWAYS) for peer in self.ledger.peers}

    @property
    def endorsing(self) -> list[Windows]:
        """By organisation: when a peer of it and the chaincode answer."""
        up = self.up
        return [
            both(both(either([up[peer] for peer in peers]), self.chaincode), self.reach(f"endorse/{organisation}"))
            for organisation, peers in self.ledger.endorsers.items()
        ]

    @property
    def endorsements(self) -> int:
        """How many organisations must endorse."""
        organisations = len(self.ledger.endorsers)
        return {"ALL": organisations, "MAJORITY": organisations // 2 + 1, "ANY": 1}[self.ledger.endorsement]

    @property
    def commit_s(self) -> float:
        """Per transaction at a committing peer."""
        stated_s = self.ledger.costs.commit_s
        return COMMIT_S[self.ledger.state_database] if stated_s is None else stated_s

    @property
    def cutting(self) -> Cutting:
        """The rules of the block cutter."""
        ledger = self.ledger
        return Cutting(
            batch_timeout_s=ledger.batch_timeout_s,
            max_message_count=ledger.max_message_count,
            preferred_max_bytes=ledger.preferred_max_bytes,
            max_inflight_blocks=ledger.max_inflight_blocks,
            write_s=ledger.costs.write_s,
            write_s_per_byte=1 / ledger.costs.write_rate_bytes,
            commit_s=tuple(self.reigns.commit_s.tolist()),
            commit_from_s=tuple(self.reigns.commit_from_s.tolist()),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """Transactions that got into blocks in one span of time, in their order there; (transactions,) times, and blocks.

    ``attempts`` counts submissions. ``acknowledged_s`` is the first answer of an orderer, which does not mean ordered.
    Those that are ``again`` are in a block already, because their client did not wait. Those that are not ``valid`` are
    in the block, but what they read had changed, or they are the same envelope again.
    """

    created_s: NDArray
    taken_s: NDArray
    proposed_s: NDArray
    endorsed_s: NDArray
    acknowledged_s: NDArray
    arrival_s: NDArray
    handled_s: NDArray
    ordered_s: NDArray
    delivered_s: NDArray
    committed_s: NDArray
    projected_s: NDArray
    attempts: NDArray
    again: NDArray
    valid: NDArray
    block_s: NDArray  # (blocks,) committed by the orderers
    block_transactions: NDArray  # (blocks,)
    peer_s: NDArray  # (peers, blocks) committed by each peer, in the order of the ledger's peers
    lost: int


def poisson(rate: float, horizon_s: float, rng: np.random.Generator, chunk: int = 250_000) -> Iterator[NDArray]:
    """Sorted arrival times at *rate* up to *horizon_s*, in chunks; none at rate 0."""
    now_s = 0.0
    while now_s < horizon_s and rate > 0:
        times_s = now_s + np.cumsum(rng.exponential(1 / rate, chunk))
        now_s = float(times_s[-1])
        yield times_s[times_s < horizon_s]


def passages(
    channel: Channel, created_s: Iterable[NDArray], horizon_s: float, rng: np.random.Generator | None = None
) -> Iterator[Passage]:
    """Send sorted chunks of commands through the channel; yields what got into blocks, span by span.

    What is still under way at *horizon_s* is left out. *rng* picks orderers and draws the keys, for a channel that has
    some. Spans end on multiples of half the commit time-out, so that whoever submits again does so in a later one; a
    long span is taken back and cut where somebody did within it.
    """
    from gxsim.traffic.ledger_stages import Stages

    cell_s = channel.ledger.patience.commit_timeout_s / 2
    stages = Stages(channel, rng or np.random.default_rng(0))
    waiting, cell, step = np.empty(0), 0, 1
    for chunk, until_s in _with_ends(created_s, horizon_s):
        waiting = np.concatenate([waiting, chunk])
        last = int(np.ceil(until_s / cell_s)) if until_s == horizon_s else int(until_s // cell_s)
        while cell < last:
            cells = min(step, last - cell)
            end_s = min((cell + cells) * cell_s, horizon_s)
            upto = int(np.searchsorted(waiting, end_s, side="right"))
            before = copy.deepcopy(stages) if cells > 1 else stages
            passage = stages.advance(waiting[:upto], end_s)
            if cells > 1 and not stages.calm:
                stages, step = before, max(1, cells // 8)
                continue
            yield passage
            waiting, cell, step = waiting[upto:], cell + cells, 2 * cells if stages.calm else 1


def _with_ends(chunks: Iterable[NDArray], horizon_s: float) -> Iterator[tuple[NDArray, float]]:
    """Each chunk that is not empty with the time up to which it is complete, and the horizon at last."""
    for chunk in chunks:
        if len(chunk):
            yield chunk, float(chunk[-1])
    yield np.empty(0), horizon_s
