"""The stages of a channel, and what they remember between two chunks of transactions."""

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from gxsim.kernels.batching import Blocks, Cutter, cut_blocks, polled
from gxsim.kernels.mvcc import unconflicted
from gxsim.kernels.uptime import ALWAYS, Windows, clock, in_turn, within, worked
from gxsim.traffic.ledger import Channel, Passage


@dataclass(slots=True)
class Station:
    """Servers that take their work in order while they are there."""

    windows: Windows
    servers: int = 1
    free_s: NDArray = field(init=False)

    def __post_init__(self) -> None:
        self.free_s = np.full(self.servers, -np.inf)

    def pass_through(self, arrival_s: NDArray, service_s: NDArray | float) -> NDArray:
        """(arrivals,) departures; inf for work that the station never gets to."""
        done = in_turn(worked(arrival_s, self.windows), service_s, servers=self.servers, free_s=self.free_s)
        return clock(np.maximum.accumulate(done), self.windows)


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """(transactions,) at the orderers and in no block yet, by arrival at the leader."""

    created_s: NDArray
    endorsed_s: NDArray
    acknowledged_s: NDArray
    arrival_s: NDArray
    attempts: NDArray

    @classmethod
    def none(cls) -> "Waiting":
        return cls(**dict.fromkeys(cls.__slots__, np.empty(0)))

    def __len__(self) -> int:
        return len(self.arrival_s)

    def pick(self, rows: NDArray | slice) -> "Waiting":
        return Waiting(**{name: getattr(self, name)[rows] for name in self.__slots__})

    def split(self, until_s: float) -> tuple["Waiting", "Waiting"]:
        """What arrives up to *until_s*, and the rest."""
        upto = int(np.searchsorted(self.arrival_s, until_s, side="right"))
        return self.pick(slice(0, upto)), self.pick(slice(upto, None))

    def merged(self, other: "Waiting") -> "Waiting":
        """Both, by arrival."""
        if not len(self):
            return other
        if not len(other):
            return self
        columns = {name: np.concatenate([getattr(self, name), getattr(other, name)]) for name in self.__slots__}
        both = Waiting(**columns)
        return both.pick(np.argsort(both.arrival_s, kind="stable"))


class Stages:
    """A channel at work; ``advance`` moves it on to a later time."""

    def __init__(self, channel: Channel, rng: np.random.Generator):
        costs = channel.costs
        self.channel, self.rng = channel, rng
        self.outbox = np.empty(0)  # created, not yet taken
        self.polls = 0  # looks at the outbox so far
        self.submit = Station(channel.submitter, costs.submitters)
        self.endorse = [Station(windows, costs.endorse_servers) for windows in channel.endorsers]
        self.travelling = Waiting.none()  # sent, not yet at a leader
        self.orderer = Station(ALWAYS)
        self.waiting = Waiting.none()
        self.reign, self.cutter = 0, Cutter()
        self.delivery = channel.delivery
        self.commit = Station(channel.event_peer)
        self.written_s = np.zeros(channel.keys)  # when each key was last written
        self.project = Station(channel.projector)

    def advance(self, created_s: NDArray, until_s: float) -> Passage:
        """Take further commands, sorted, and go on to *until_s*; returns what was committed."""
        sent = self._submitted(np.concatenate([self.outbox, created_s]), until_s)
        here, self.travelling = self.travelling.merged(sent).split(until_s)
        handled_s = self.orderer.pass_through(here.arrival_s, self.channel.costs.order_s)
        self.waiting = self.waiting.merged(replace(here, arrival_s=handled_s))
        ordered, blocks = self._ordered(until_s)
        return self._committed(ordered, blocks)

    # ---- from the outbox to the orderers ------------------------------------------------------------------------

    def _submitted(self, created_s: NDArray, until_s: float) -> Waiting:
        """What the submitters take up to *until_s*, endorsed and at the leader."""
        costs, poll_s = self.channel.costs, self.channel.ledger.poll_s
        upto = int(np.floor(until_s / poll_s))
        looks_s = np.arange(self.polls + 1, upto + 1) * poll_s
        self.polls = max(upto, self.polls)
        there = within(looks_s, self.channel.submitter) & within(looks_s, self.channel.reigns.accepting)
        taken_s = polled(created_s, looks_s, np.where(there, costs.outbox_batch, 0))
        created_s, self.outbox = created_s[: len(taken_s)], created_s[len(taken_s) :]
        proposed_s = self.submit.pass_through(taken_s, costs.submit_s) + costs.hop_s
        endorsed_s = proposed_s
        for station in self.endorse:
            endorsed_s = np.maximum(endorsed_s, station.pass_through(proposed_s, costs.endorse_s))
        sent_s = np.maximum.accumulate(endorsed_s + 2 * costs.hop_s)  # the answer to the client, then to an orderer
        arrival_s = self._accepted(sent_s + costs.hop_s)  # forwarded once: not every orderer leads
        return Waiting(
            created_s=created_s,
            endorsed_s=endorsed_s,
            acknowledged_s=arrival_s,
            arrival_s=arrival_s,
            attempts=np.ones(len(created_s), np.int64),
        ).pick(np.argsort(arrival_s, kind="stable"))

    def _accepted(self, sent_s: NDArray) -> NDArray:
        """When a leader takes what was sent: at once, or for what meets none, after time-outs and tries."""
        reigns, costs = self.channel.reigns, self.channel.costs
        reign = np.searchsorted(reigns.from_s, sent_s, side="right") - 1
        reached = (reign >= 0) & (sent_s < reigns.to_s[np.maximum(reign, 0)])
        if reached.all():
            return sent_s
        following = np.append(reigns.from_s, np.inf)[reign + 1]
        hidden = (reign >= 0) & (sent_s < reigns.noticed_s[np.maximum(reign, 0)])
        again_s = sent_s + np.where(hidden, costs.forward_timeout_s, 0.0)
        with np.errstate(invalid="ignore"):
            tries = np.maximum(np.ceil((following - again_s) / costs.retry_s), 0)
            later_s = np.where(np.isfinite(following), again_s + tries * costs.retry_s, np.inf)
        return np.where(reached, sent_s, later_s)

    # ---- ordering -----------------------------------------------------------------------------------------------

    def _ordered(self, until_s: float) -> tuple[Waiting, Blocks]:
        """Blocks cut up to *until_s* under every leader there was; ``Blocks.first`` counts from 0 in what returns."""
        reigns, taken, parts, offset = self.channel.reigns, [Waiting.none()], [], 0
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
        whole = {f: np.concatenate([getattr(w, f) for w in taken]) for f in Waiting.__slots__}
        return Waiting(**whole), Blocks(**columns)

    def _under_one_leader(self, end_s: float) -> tuple[Waiting, Blocks]:
        """Blocks of the present leader up to *end_s*; what it loses is submitted again after the commit time-out."""
        channel, reign = self.channel, self.reign
        rules = channel.cutting(reign)
        here, self.waiting = self.waiting.split(end_s)
        sizes = np.full(len(here), channel.costs.transaction_bytes)
        blocks, self.cutter = cut_blocks(here.arrival_s, sizes, rules, end_s, self.cutter)
        lost_s = float(channel.reigns.to_s[reign])
        over = end_s >= lost_s
        if over:  # what had left the leader is committed by the next one, the rest is gone
            survives = blocks.written_s <= lost_s
            following = np.append(channel.reigns.from_s, np.inf)[reign + 1]
            committed_s = np.where(blocks.committed_s > lost_s, following, blocks.committed_s)
            kept = {f: getattr(blocks, f)[survives] for f in Blocks.__slots__}
            blocks = Blocks(**(kept | {"committed_s": committed_s[survives]}))
        count = int(blocks.end[-1]) if len(blocks.end) else 0
        rest = here.pick(slice(count, None))
        if over:
            again_s = self._accepted(rest.acknowledged_s + channel.costs.commit_timeout_s)
            rest = replace(rest, arrival_s=np.maximum(again_s, lost_s), attempts=rest.attempts + 1)
            rest = rest.pick(np.argsort(rest.arrival_s, kind="stable"))
        self.waiting = self.waiting.merged(rest)
        return here.pick(slice(0, count)), blocks

    # ---- commit and projection ----------------------------------------------------------------------------------

    def _committed(self, ordered: Waiting, blocks: Blocks) -> Passage:
        """Blocks at the event peer, in its state database, and in the projection."""
        costs, sizes = self.channel.costs, blocks.end - blocks.first
        sent_s = np.maximum.accumulate(blocks.committed_s) + costs.hop_s
        delivered_s = clock(worked(sent_s, self.delivery), self.delivery)
        committed_s = self.commit.pass_through(delivered_s, costs.block_s + self.channel.commit_s * sizes)
        each_s = np.repeat(committed_s, sizes)
        projected_s = self.project.pass_through(each_s + costs.hop_s, costs.project_s)
        return Passage(
            created_s=ordered.created_s,
            acknowledged_s=ordered.acknowledged_s,
            ordered_s=np.repeat(blocks.committed_s, sizes),
            committed_s=each_s,
            projected_s=projected_s,
            attempts=ordered.attempts,
            valid=self._valid(ordered.endorsed_s, each_s),
            block_s=blocks.committed_s,
            block_transactions=sizes,
        )

    def _valid(self, endorsed_s: NDArray, committed_s: NDArray) -> NDArray[np.bool_]:
        """Which transactions read what still holds; peers are taken to commit when the event peer does."""
        if not self.channel.keys:
            return np.ones(len(endorsed_s), bool)
        key = self.rng.integers(0, self.channel.keys, len(endorsed_s))
        return unconflicted(key, endorsed_s, committed_s, self.written_s)
