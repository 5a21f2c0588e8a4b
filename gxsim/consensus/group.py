"""A group of voters on links with delay, loss and cuts: every message an event, quiet ticks counted, not simulated."""

import heapq
import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gxsim.consensus.messages import Append, Heartbeat, Message
from gxsim.consensus.profiles import Profile
from gxsim.consensus.voter import NOBODY, Role, Voter, campaign, follow, propose, step, tick
from gxsim.errors import InvariantError
from gxsim.kernels.retransmission import MIN_RTO_S, TRIES, retransmission_s

DRAWS = 256  # election timeouts drawn at once
STALLED_S = 5.0  # rafthttp closes a connection on which nothing comes for so long (DefaultConnReadTimeout)


class Timeout(int):
    """A drawn election timeout; by identity, not by value, one tells whether a voter took it."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A voter changed its role, its term, its leader or what it knows to be committed."""

    time_s: float
    before: Voter
    after: Voter


class Group:
    """Voters 0 to n - 1; ``advance`` runs the clock and yields what changed.

    A directed link (sender, receiver) has a one-way delay, uniform between ``delays_s`` and ``delays_s + jitter_s``,
    and keeps the order of messages, as one TCP connection would. Messages under way when a link is cut still arrive.
    *loss* is the share of messages that are gone for good; in ``relink`` packets are lost, and TCP sends them again.
    """

    delays_s: list[list[float]]
    jitter_s: list[list[float]]
    packet_loss: list[list[float]]
    linked: list[list[bool]]

    def __init__(
        self,
        profile: Profile,
        delays_s: NDArray,  # (voters, voters)
        rng: np.random.Generator,
        *,
        jitter_s: float = 0.0,
        loss: float = 0.0,
        phases_s: NDArray | None = None,
    ):
        voters = len(delays_s)
        self.profile, self.rng, self.loss = profile, rng, loss
        self.now_s = 0.0
        self.relink(delays_s, jitter_s=np.full((voters, voters), jitter_s))
        self.persist_s = [profile.persist_s] * voters
        self.phases_s = list(rng.uniform(0.0, profile.tick_s, voters) if phases_s is None else phases_s)
        self._timeouts = self._drawn()
        rules = profile.rules(voters)
        self.voters = [Voter(id=i, rules=rules, timeout=next(self._timeouts)) for i in range(voters)]
        self._offered = next(self._timeouts)  # to whoever needs one next: heartbeats take none
        self.alive = [True] * voters
        self._stale: set[tuple[int, int]] = set()
        self._ticked = [0] * voters  # ticks that each voter has been told of
        self._due_s = [math.inf] * voters  # earliest wake-up in the queue
        self._arrived_s = [[-math.inf] * voters for _ in range(voters)]
        self._queue: list[tuple[float, int, int, Message | None]] = []
        self._sequence = itertools.count()
        for i in range(voters):
            self._wake(i)

    # ---- what an operator or a fault does -----------------------------------------------------------------------

    def cut(self, links: Iterable[tuple[int, int]]) -> None:
        """Nothing sent from now on passes these directed links."""
        for sender, receiver in links:
            self.linked[sender][receiver] = False

    def heal(self) -> None:
        """All links carry messages again."""
        self.linked = [[True] * len(row) for row in self.linked]

    def relink(
        self,
        delays_s: NDArray,
        *,
        jitter_s: NDArray | None = None,
        loss: NDArray | None = None,
        passes: NDArray | None = None,
    ) -> None:
        """Let links take so long and lose so many packets, or pass nothing; (voters, voters), from row to column."""
        none = np.zeros_like(delays_s, float)
        self.delays_s = np.asarray(delays_s, float).tolist()
        self.jitter_s = (none if jitter_s is None else jitter_s).tolist()
        self.packet_loss = (none if loss is None else loss).tolist()
        self.linked = (none == 0 if passes is None else passes).tolist()

    def crash(self, member: int) -> None:
        """The process is gone; what it has sent still arrives. Its streams break, as their next message finds out."""
        self.alive[member] = False
        if self.profile.stale_streams:
            others = (i for i in range(len(self.voters)) if i != member)
            self._stale.update(pair for i in others for pair in ((i, member), (member, i)))

    def restart(self, member: int) -> Iterator[Moment]:
        """The process starts again with what it had on disk; one that is alone (solo ordering) leads at once."""
        self.alive[member] = True
        self.phases_s[member] = float(self.now_s % self.profile.tick_s)
        self._ticked[member] = self._ticks_until(member, self.now_s)
        before = self.voters[member]
        yield from self._become(member, follow(before, before.term, NOBODY, self._offered))
        if len(self.voters) == 1:
            yield from self._become(member, *campaign(self.voters[member], self._offered))

    def propose(self, member: int, count: int = 1) -> Iterator[Moment]:
        """A client hands *count* entries to a member; only a leader takes them."""
        if self.alive[member]:
            yield from self._become(member, *propose(self.voters[member], count))

    # ---- the clock ----------------------------------------------------------------------------------------------

    @property
    def next_s(self) -> float:
        """Time of the next event; inf if everybody is dead."""
        return self._queue[0][0] if self._queue else math.inf

    def advance(self, until_s: float) -> Iterator[Moment]:
        """Handle every event up to *until_s*."""
        while self._queue and self._queue[0][0] <= until_s:
            self.now_s, _, member, message = heapq.heappop(self._queue)
            if not self.alive[member]:
                self._due_s[member] = math.inf
                continue
            if message is None:
                yield from self._ring(member)
            else:
                self._count_ticks(member)
                yield from self._become(member, *step(self.voters[member], message, self._offered))
        self.now_s = max(self.now_s, until_s)

    def run(self, duration_s: float) -> None:
        """Let *duration_s* pass and tell nobody."""
        for _ in self.advance(self.now_s + duration_s):
            pass

    def leap(self, duration_s: float) -> None:
        """Let a steady group pass *duration_s*, a whole number of ticks, in which only heartbeats would be sent."""
        ticks = round(duration_s / self.profile.tick_s)
        if not math.isclose(ticks * self.profile.tick_s, duration_s, rel_tol=1e-9, abs_tol=1e-9):
            raise InvariantError(f"a leap of {duration_s} s is not a whole number of ticks")
        self.now_s += duration_s
        self._queue = [(t + duration_s, number, member, message) for t, number, member, message in self._queue]
        self._ticked = [count + ticks for count in self._ticked]
        self._due_s = [time_s + duration_s for time_s in self._due_s]
        self._arrived_s = [[time_s + duration_s for time_s in row] for row in self._arrived_s]

    # ---- questions ----------------------------------------------------------------------------------------------

    @property
    def leader(self) -> int:
        """The live leader of the highest term; NOBODY without one."""
        leading = [v for v in self.voters if v.role is Role.LEADER and self.alive[v.id]]
        return max(leading, key=lambda v: v.term).id if leading else NOBODY

    @property
    def rivals(self) -> list[int]:
        """Live voters beside the leader that believe they lead, in older terms."""
        leader = self.leader
        return [v.id for v in self.voters if v.role is Role.LEADER and self.alive[v.id] and v.id != leader]

    @property
    def lossy(self) -> bool:
        """Whether chance may delay a heartbeat beyond an election timeout."""
        return self.loss > 0 or any(map(any, self.packet_loss))

    @property
    def stalling(self) -> bool:
        """Whether writes of the leader may hold its heartbeats up for about an election timeout."""
        return self.leader != NOBODY and self.persist_s[self.leader] >= self.profile.election_timeout_s / 2

    def writable(self) -> bool:
        """Whether a write handed to the leader now would be committed if nothing changed."""
        if self.leader == NOBODY:
            return False
        leader = self.voters[self.leader]
        reached = [v for v in self.voters if v.term <= leader.term and self._connected(leader.id, v.id)]
        return leader.log.term_at(leader.commit) == leader.term and len(reached) >= leader.rules.quorum

    def steady(self) -> bool:
        """Whether nothing but heartbeats and vain campaigns would happen, so that time may pass in a ``leap``.

        All that are connected with the leader follow it; of the others nobody can be elected, enter a term, or disturb
        those who follow.
        """
        if not self.writable():
            return False
        leader = self.voters[self.leader]
        following = [v for v in self.voters if self._connected(leader.id, v.id)]
        strays = [v for v in self.voters if self.alive[v.id] and not self._connected(leader.id, v.id)]
        return all(
            v.leader == leader.id and v.log == leader.log and v.commit == leader.commit and v.term == leader.term
            for v in following
        ) and all(self._at_rest(stray, following) for stray in strays)

    def _connected(self, one: int, other: int) -> bool:
        """Whether two live voters hear each other."""
        both = self.alive[one] and self.alive[other]
        return one == other or (both and self.linked[one][other] and self.linked[other][one])

    def _at_rest(self, stray: Voter, following: Sequence[Voter]) -> bool:
        """Whether a voter apart from the leader goes on as it is.

        It still hears whom it follows, or leads unchecked, or asks in vain: with PreVote it enters no term, and those
        who follow do not listen, within their lease or over a cut.
        """
        if stray.leader != NOBODY:
            led = self.voters[stray.leader]
            heard = self.alive[led.id] and self.linked[led.id][stray.id] and led.role is Role.LEADER
            return heard and (stray.role is not Role.LEADER or not stray.rules.check_quorum)
        listened = any(self.linked[stray.id][v.id] for v in following)
        return stray.rules.pre_vote and (stray.rules.check_quorum or not listened)

    # ---- inside -------------------------------------------------------------------------------------------------

    def _ring(self, member: int) -> Iterator[Moment]:
        """A wake-up: count the ticks if the voter is really due, else go on waiting."""
        self._due_s[member] = math.inf
        voter = self.voters[member]
        ticks = self._ticks_until(member, self.now_s) - self._ticked[member]
        if ticks < voter.due_ticks:
            self._wake(member)
            return
        self._ticked[member] += ticks
        yield from self._become(member, *tick(voter, self._offered, ticks))

    def _count_ticks(self, member: int) -> None:
        """Tell a voter of the quiet ticks before a message; one that is due at this very instant comes after it."""
        passed = self._ticks_until(member, self.now_s) - self._ticked[member]
        ticks = min(passed, self.voters[member].due_ticks - 1)
        if ticks > 0:
            self._ticked[member] += ticks
            self.voters[member], _ = tick(self.voters[member], 0, ticks)

    def _become(self, member: int, voter: Voter, messages: Iterable[Message] = ()) -> Iterator[Moment]:
        before = self.voters[member]
        self.voters[member] = voter
        if voter.timeout is self._offered:
            self._offered = next(self._timeouts)
        written_s = self.persist_s[member] if messages and before.durable != voter.durable else 0.0
        for message in messages:
            self._send(message, self.now_s + written_s)
        self._wake(member)
        if (before.role, before.term, before.leader, before.commit) != (
            voter.role,
            voter.term,
            voter.leader,
            voter.commit,
        ):
            yield Moment(self.now_s, before, voter)

    def _send(self, message: Message, time_s: float) -> None:
        sender, to = message.sender, message.to
        if not self.linked[sender][to] or (self.loss and self.rng.random() < self.loss):
            return
        if self._stale and (sender, to) in self._stale:
            self._stale.discard((sender, to))
            if not isinstance(message, Append | Heartbeat) and self.voters[to].role is not Role.LEADER:
                return
        delay_s = self.delays_s[sender][to]
        if self.jitter_s[sender][to]:
            delay_s += self.jitter_s[sender][to] * self.rng.random()
        if self.packet_loss[sender][to]:
            resent_s = self._resent_s(self.packet_loss[sender][to], delay_s)
            if resent_s > STALLED_S:
                return
            delay_s += resent_s
        arrives_s = max(self._leaves_s(sender, time_s) + delay_s, self._arrived_s[sender][to])
        self._arrived_s[sender][to] = arrives_s
        heapq.heappush(self._queue, (arrives_s, next(self._sequence), to, message))

    def _leaves_s(self, sender: int, time_s: float) -> float:
        """When a message leaves: a member whose disk is slow sends nothing while it writes, and always writes.

        etcd and etcdraft write and send in one loop (etcdserver/raft.go, etcdraft/node.go).
        """
        write_s = self.persist_s[sender]
        if write_s <= self.profile.persist_s:
            return time_s
        return math.ceil(time_s / write_s - 1e-9) * write_s

    def _resent_s(self, loss: float, delay_s: float) -> float:
        """What lost packets add to a message: TCP sends it again after its time-out, then after twice that."""
        lost = min(int(self.rng.geometric(1 - loss)) - 1, TRIES) if loss < 1 else TRIES
        return float(retransmission_s(np.array(lost), MIN_RTO_S + 2 * delay_s)) if lost else 0.0

    def _wake(self, member: int) -> None:
        """See to it that the voter is woken when it is due; a wake-up that comes too early does no harm."""
        tick_number = self._ticked[member] + self.voters[member].due_ticks
        due_s = self.phases_s[member] + tick_number * self.profile.tick_s
        if due_s < self._due_s[member]:
            self._due_s[member] = due_s
            heapq.heappush(self._queue, (due_s, next(self._sequence), member, None))

    def _ticks_until(self, member: int, time_s: float) -> int:
        """Ticks of a voter's clock up to *time_s*; the small term keeps a tick at its own instant, even after years."""
        return math.floor((time_s - self.phases_s[member]) / self.profile.tick_s + 1e-6)

    def _drawn(self) -> Iterator[Timeout]:
        low = self.profile.election_ticks
        while True:
            yield from map(Timeout, self.rng.integers(low, 2 * low, DRAWS).tolist())


def symmetric(delay_s: float, voters: int) -> NDArray:
    """(voters, voters) equal delays between different voters."""
    return delay_s * (1.0 - np.eye(voters))
