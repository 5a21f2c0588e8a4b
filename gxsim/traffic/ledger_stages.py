"""The stages of a channel, and what they remember between two spans of time."""

import copy
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from gxsim.kernels.batching import Blocks, Cutter, cut_blocks, polled
from gxsim.kernels.intervals import at
from gxsim.kernels.mvcc import unconflicted
from gxsim.kernels.uptime import ALWAYS, within
from gxsim.model.ledger import ENVELOPE, LOST, PERSISTENT
from gxsim.traffic.broadcast import PersistentStreams, taken_s
from gxsim.traffic.ledger import Channel, Passage
from gxsim.traffic.peers import Peers
from gxsim.traffic.servers import Servers


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """(transactions,) on their way into a block: when each passed what is behind it.

    ``read_s`` is when it was endorsed, which for an envelope sent again is long ago; ``answered_s`` when an orderer
    last acknowledged it, ``acknowledged_s`` when one first did; ``original_s`` when an earlier try of the same command
    was committed, inf for none.
    """

    created_s: NDArray
    taken_s: NDArray
    proposed_s: NDArray
    endorsed_s: NDArray
    read_s: NDArray
    acknowledged_s: NDArray
    answered_s: NDArray
    arrival_s: NDArray
    handled_s: NDArray
    original_s: NDArray
    attempts: NDArray

    @classmethod
    def fresh(cls, created_s: NDArray) -> "Waiting":
        """Commands as they stand in the outbox, from ``arrival_s`` on."""
        none, never = np.full(len(created_s), np.nan), np.full(len(created_s), np.inf)
        columns = dict.fromkeys(cls.__slots__, none) | {"created_s": created_s, "arrival_s": created_s}
        return cls(**columns | {"original_s": never, "attempts": np.zeros(len(created_s), np.int64)})

    def __len__(self) -> int:
        return len(self.created_s)

    def pick(self, rows: NDArray | slice) -> "Waiting":
        return Waiting(**{name: getattr(self, name)[rows] for name in self.__slots__})

    def split(self, by: str, until_s: float) -> tuple["Waiting", "Waiting"]:
        """What has its time *by* up to *until_s*, and the rest; sorted by it."""
        upto = int(np.searchsorted(getattr(self, by), until_s, side="right"))
        return self.pick(slice(0, upto)), self.pick(slice(upto, None))

    def merged(self, other: "Waiting") -> "Waiting":
        """Both, by arrival."""
        if not len(self) or not len(other):
            return self if len(self) else other
        both = joined([self, other])
        return (
            both if self.arrival_s[-1] <= other.arrival_s[0] else both.pick(np.argsort(both.arrival_s, kind="stable"))
        )


def joined(parts: list[Waiting]) -> Waiting:
    """One after the other."""
    return Waiting(**{f.name: np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(Waiting)})


class Stages:
    """A channel at work; ``advance`` moves it on to a later time."""

    def __init__(self, channel: Channel, rng: np.random.Generator):
        ledger, costs = channel.ledger, channel.ledger.costs
        self.channel, self.rng = channel, rng
        self.peers = Peers(channel, rng)
        self.now_s = 0.0
        self.outbox_s = np.empty(0)  # created, not yet taken
        self.again = Waiting.fresh(np.empty(0))  # taken before, and to be taken once more
        self.queued = Waiting.fresh(np.empty(0))  # from the outbox, for submitters who are busy still
        self.polls = 0  # looks at the outbox so far
        self.submit = Servers(channel.submitter, costs.submitters)
        endorsing = zip(ledger.endorsers, channel.endorsing, strict=True)
        self.endorse = {organisation: Servers(windows, costs.endorse_servers) for organisation, windows in endorsing}
        streams = PersistentStreams(costs.submitters, channel.reigns, ledger.patience)
        self.streams = streams if ledger.broadcast == PERSISTENT else None
        self.travelling = Waiting.fresh(np.empty(0))  # sent, not yet at a leader
        self.orderer = Servers(ALWAYS)
        self.waiting = Waiting.fresh(np.empty(0))  # at a leader, in no block
        self.rules = channel.cutting
        self.reign, self.cutter = 0, Cutter()
        self.lost = 0  # acknowledged, and gone with a leader, in this span
        self.written_s = np.zeros(ledger.keys)  # when each key was last written
        self.project = Servers(channel.projector)

    @property
    def calm(self) -> bool:
        """Whether nobody is about to submit a command again."""
        return len(self.again) == 0 and not (self.queued.attempts > 0).any()

    def advance(self, created_s: NDArray, until_s: float) -> Passage:
        """Take further commands, sorted, and go on to *until_s*; returns what got into blocks."""
        self.lost = 0
        if not self.calm:  # some clients have heard of their commits after all
            self.again = self.again.pick(self.again.original_s > self.now_s)
            self.queued = self.queued.pick(self.queued.original_s > self.now_s)
        self.outbox_s = np.concatenate([self.outbox_s, created_s])
        here, self.travelling = self.travelling.merged(self._submitted(until_s)).split("arrival_s", until_s)
        handled_s = self.orderer.pass_through(here.arrival_s, self.channel.ledger.costs.order_s)
        self.waiting = joined([self.waiting, replace(here, handled_s=handled_s)])
        ordered, blocks = self._ordered(until_s)
        self.now_s = until_s
        return self._committed(ordered, blocks)

    # ---- from the outbox to the orderers ------------------------------------------------------------------------

    def _submitted(self, until_s: float) -> Waiting:
        """What the submitters take up to *until_s*, endorsed and at the leader."""
        costs, ledger = self.channel.ledger.costs, self.channel.ledger
        upto = int(np.floor(until_s / ledger.poll_s))
        looks_s = np.arange(self.polls + 1, upto + 1) * ledger.poll_s
        self.polls = max(upto, self.polls)
        windows = (self.channel.submitter, self.channel.reigns.accepting, self.channel.reach("submit"))
        there = np.all([within(looks_s, one) for one in windows], axis=0)
        rows = joined([self.queued, self._polled(looks_s, np.where(there, costs.outbox_batch, 0))])
        begun = int(np.searchsorted(copy.deepcopy(self.submit).pass_through(rows.taken_s, costs.submit_s), until_s))
        rows, self.queued = rows.pick(slice(0, begun)), rows.pick(slice(begun, None))
        proposed_s = self.submit.pass_through(rows.taken_s, costs.submit_s)
        unknown = rows.original_s > proposed_s  # whoever submits looks first whether it is there by now
        rows, proposed_s = (rows, proposed_s) if unknown.all() else (rows.pick(unknown), proposed_s[unknown])
        endorsed_s, read_s = self._endorsed(rows, proposed_s)
        legs_s = self.channel.leg_s("submit", endorsed_s) + self.channel.leg_s("forward", endorsed_s)
        sent_s = np.maximum.accumulate(endorsed_s + legs_s)
        rows = replace(rows, proposed_s=proposed_s, endorsed_s=endorsed_s, read_s=read_s)
        rows, sent_s = self._without_strays(rows, sent_s)
        arrival_s = self._taken(sent_s)
        return replace(
            rows,
            acknowledged_s=np.where(np.isnan(rows.acknowledged_s), arrival_s, rows.acknowledged_s),
            answered_s=arrival_s,
            arrival_s=arrival_s,
            attempts=rows.attempts + 1,
        ).pick(np.argsort(arrival_s, kind="stable"))

    def _polled(self, looks_s: NDArray, batch: NDArray) -> Waiting:
        """What is taken from the outbox: the oldest first, counted from when each came or came back."""
        most = int(batch.sum())  # no more than so many need to be merged
        oldest = self.again.pick(slice(0, most)).merged(Waiting.fresh(self.outbox_s[:most]))
        taken_s = polled(oldest.arrival_s, looks_s, batch)
        rows = replace(oldest.pick(slice(0, len(taken_s))), taken_s=taken_s)
        back = int((rows.attempts > 0).sum())
        self.again, self.outbox_s = self.again.pick(slice(back, None)), self.outbox_s[len(rows) - back :]
        return rows

    def _endorsed(self, rows: Waiting, proposed_s: NDArray) -> tuple[NDArray, NDArray]:
        """When enough organisations have answered, and when they read the state; an old envelope is not sent to any."""
        anew = (rows.attempts == 0) | (self.channel.ledger.resubmission != ENVELOPE)
        service_s, sent_s, answers_s = self.channel.ledger.costs.endorse_s, proposed_s[anew], []
        for organisation, station in self.endorse.items():
            leg_s = self.channel.leg_s(f"endorse/{organisation}", sent_s)
            answers_s.append(station.pass_through(np.maximum.accumulate(sent_s + leg_s), service_s) + leg_s)
        endorsed_s, read_s = proposed_s.copy(), rows.read_s.copy()
        endorsed_s[anew] = read_s[anew] = np.sort(answers_s, axis=0)[self.channel.endorsements - 1]
        return np.maximum.accumulate(endorsed_s), read_s

    def _without_strays(self, rows: Waiting, sent_s: NDArray) -> tuple[Waiting, NDArray]:
        """All but those that a leader without a majority acknowledges; they are lost, and submitted again."""
        share = at(*self.channel.stray, sent_s)
        if not share.any():
            return rows, sent_s
        strays = self.rng.random(len(sent_s)) < share
        lost, lost_s = rows.pick(strays), sent_s[strays]
        acknowledged_s = np.where(np.isnan(lost.acknowledged_s), lost_s, lost.acknowledged_s)
        tries = replace(lost, acknowledged_s=acknowledged_s, answered_s=lost_s, attempts=lost.attempts + 1)
        self.lost += len(lost)
        self._submit_again(tries)
        return rows.pick(~strays), sent_s[~strays]

    def _taken(self, sent_s: NDArray) -> NDArray:
        if self.streams is not None:
            return self.streams.taken_s(sent_s)
        return taken_s(sent_s, self.channel.reigns, self.channel.ledger.patience)

    # ---- ordering -----------------------------------------------------------------------------------------------

    def _ordered(self, until_s: float) -> tuple[Waiting, Blocks]:
        """Blocks cut up to *until_s* under every leader there was; ``Blocks.first`` counts from 0 in what returns."""
        reigns, taken, parts, offset = self.channel.reigns, [], [], 0
        while True:
            end_s = min(until_s, float(reigns.to_s[self.reign]))
            done, blocks = self._under_one_leader(end_s)
            taken.append(done)
            parts.append(replace(blocks, first=blocks.first + offset, end=blocks.end + offset))
            offset += len(done)
            if until_s < reigns.to_s[self.reign] or self.reign + 1 == len(reigns.to_s):
                break
            self.reign += 1
            self.cutter = Cutter(taking_from_s=float(reigns.from_s[self.reign]))
        columns = {f: np.concatenate([getattr(p, f) for p in parts]) for f in Blocks.__slots__}
        return joined(taken) if len(taken) > 1 else taken[0], Blocks(**columns)

    def _under_one_leader(self, end_s: float) -> tuple[Waiting, Blocks]:
        """Blocks of the present leader up to *end_s*; what it loses is submitted again after the commit time-out."""
        reigns, costs = self.channel.reigns, self.channel.ledger.costs
        here, later = self.waiting.split("handled_s", end_s)
        sizes = np.full(len(here), costs.transaction_bytes)
        blocks, self.cutter = cut_blocks(here.handled_s, sizes, self.rules, end_s, self.cutter)
        lost_s = float(reigns.to_s[self.reign])
        over = end_s >= lost_s
        if over:  # what had left the leader is committed by the next one, the rest is gone
            survives = blocks.written_s <= lost_s
            following = np.append(reigns.from_s, np.inf)[self.reign + 1]
            committed_s = np.where(blocks.committed_s > lost_s, following, blocks.committed_s)
            kept = {f: getattr(blocks, f)[survives] for f in Blocks.__slots__}
            blocks = Blocks(**(kept | {"committed_s": committed_s[survives]}))
        count = int(blocks.end[-1]) if len(blocks.end) else 0
        rest = here.pick(slice(count, None))
        if over:
            self.lost += len(rest)
            self._submit_again(rest)
        self.waiting = later if over else joined([rest, later])
        return here.pick(slice(0, count)), blocks

    def _submit_again(self, rows: Waiting) -> None:
        """Put commands back into the outbox, for the moment at which their client stops waiting for the commit."""
        ready_s = rows.answered_s + self.channel.ledger.patience.commit_timeout_s
        rows = replace(rows, arrival_s=ready_s).pick(np.argsort(ready_s, kind="stable"))
        self.again = rows.merged(self.again)

    # ---- commit and projection ----------------------------------------------------------------------------------

    def _committed(self, ordered: Waiting, blocks: Blocks) -> Passage:
        """Blocks at the peers, in their state databases, and in the projection."""
        ledger, sizes = self.channel.ledger, blocks.end - blocks.first
        delivered_s, peer_s = self.peers.commit(np.maximum.accumulate(blocks.committed_s), sizes)
        event = list(ledger.peers).index(ledger.event_peer)
        each_s = np.repeat(peer_s[event], sizes)
        seen_s = np.minimum(ordered.original_s, np.repeat(peer_s.min(axis=0), sizes))
        impatient = seen_s > ordered.answered_s + ledger.patience.commit_timeout_s
        if ledger.resubmission != LOST and impatient.any():
            self._submit_again(replace(ordered, original_s=seen_s).pick(impatient))
        columns = {f.name: getattr(ordered, f.name) for f in fields(Passage) if f.name in Waiting.__slots__}
        return Passage(
            **columns,
            ordered_s=np.repeat(blocks.committed_s, sizes),
            delivered_s=np.repeat(delivered_s[event], sizes),
            committed_s=each_s,
            projected_s=self.project.pass_through(
                np.maximum.accumulate(each_s + self.channel.leg_s("event", each_s)), ledger.costs.project_s
            ),
            again=ordered.original_s < np.inf,
            valid=self._valid(ordered, np.repeat(self.peers.known_s(peer_s), sizes)),
            block_s=blocks.committed_s,
            block_transactions=sizes,
            peer_s=peer_s,
            lost=self.lost,
        )

    def _valid(self, ordered: Waiting, known_s: NDArray) -> NDArray[np.bool_]:
        """Which transactions read what still holds and are no second copy, by when their endorsers knew of others."""
        valid = ~(ordered.original_s < np.inf)
        if self.channel.ledger.resubmission != ENVELOPE:
            valid |= ordered.original_s <= ordered.read_s
        if self.channel.ledger.keys:
            key = self.rng.integers(0, self.channel.ledger.keys, len(known_s))
            valid &= unconflicted(key, ordered.read_s, known_s, self.written_s)
        return valid
