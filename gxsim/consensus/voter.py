"""One Raft voter as a pure state machine, with the rules of etcd-io/raft 3.6 (raft/raft.go).

A function takes a voter and returns the voter that follows and the messages it wants sent. It has no clock and draws
nothing: the caller counts ticks and offers the election timeout that is used if the rules ask for a new one.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from gxsim.consensus.log import Log
from gxsim.consensus.messages import (
    Append,
    AppendResponse,
    Heartbeat,
    HeartbeatResponse,
    Message,
    PreVote,
    PreVoteResponse,
    Vote,
    VoteResponse,
)
from gxsim.errors import InvariantError

NOBODY = -1


class Role(IntEnum):
    """What a voter believes it is."""

    FOLLOWER = 0
    PRE_CANDIDATE = 1
    CANDIDATE = 2
    LEADER = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What all voters of a group share; an election timeout is drawn from {E, ..., 2E - 1} ticks."""

    voters: int
    election_ticks: int = 10
    heartbeat_ticks: int = 1
    pre_vote: bool = True
    check_quorum: bool = True

    @property
    def quorum(self) -> int:
        return self.voters // 2 + 1


class Progress(NamedTuple):
    """What a leader knows of one voter; ``heard`` is since the last check of the quorum.

    While it is ``probing`` for the place where the logs agree, one append at a time is under way: ``paused``.
    """

    match: int = 0
    next: int = 1
    heard: bool = False
    probing: bool = True
    paused: bool = False


class Voter(NamedTuple):
    """One member. Ticks are counted since the last reset; ``timeout`` is this voter's drawn election timeout.

    A tuple, because each message makes a new one, and that costs a fifth of a frozen dataclass's replacement.
    """

    id: int
    rules: Rules
    timeout: int
    term: int = 0
    vote: int = NOBODY
    role: Role = Role.FOLLOWER
    leader: int = NOBODY
    elapsed: int = 0
    since_heartbeat: int = 0
    granted: frozenset[int] = frozenset()
    refused: frozenset[int] = frozenset()
    log: Log = Log()
    commit: int = 0
    progress: tuple[Progress, ...] = ()  # of every voter while this one leads

    @property
    def in_lease(self) -> bool:
        """Whether a leader was heard so recently that requests for votes are not even looked at."""
        return self.rules.check_quorum and self.leader != NOBODY and self.elapsed < self.rules.election_ticks

    @property
    def due_ticks(self) -> int:
        """Ticks until something happens by itself."""
        if self.role is not Role.LEADER:
            return max(1, self.timeout - self.elapsed)
        to_heartbeat = self.rules.heartbeat_ticks - self.since_heartbeat
        return max(1, min(to_heartbeat, self.rules.election_ticks - self.elapsed))

    @property
    def durable(self) -> tuple[int, int, Log]:
        """What must be on disk before the messages of a step may leave."""
        return self.term, self.vote, self.log

    def check(self) -> None:
        """Raise InvariantError unless what must hold of one voter holds."""
        if self.commit > self.log.last_index:
            raise InvariantError(f"voter {self.id} committed {self.commit} of {self.log.last_index} entries")
        if (self.role is Role.LEADER) != bool(self.progress):
            raise InvariantError(f"voter {self.id} is {self.role.name} with {len(self.progress)} progresses")
        if self.role in (Role.CANDIDATE, Role.LEADER) and self.vote != self.id:
            raise InvariantError(f"voter {self.id} is {self.role.name} but voted for {self.vote}")


Outcome = tuple[Voter, tuple[Message, ...]]


def tick(voter: Voter, timeout: int, ticks: int = 1) -> Outcome:
    """Let *ticks* pass, at most ``due_ticks``; *timeout* is the next election timeout if one is needed."""
    if ticks > voter.due_ticks:
        raise InvariantError(f"{ticks} ticks at once, but something happens after {voter.due_ticks}")
    elapsed = voter.elapsed + ticks
    if voter.role is Role.LEADER:
        return _tick_leader(voter, elapsed, voter.since_heartbeat + ticks, timeout)
    if elapsed < voter.timeout:
        return voter._replace(elapsed=elapsed), ()
    return campaign(voter._replace(elapsed=0), timeout)


def step(voter: Voter, message: Message, timeout: int) -> Outcome:
    """Return the voter after *message*, and the messages it wants sent."""
    if message.term < voter.term:
        return voter, _answer_to_the_past(voter, message)
    if message.term > voter.term:
        if isinstance(message, PreVote | Vote) and voter.in_lease:
            return voter, ()
        if not _speaks_of_the_future(message):
            leader = message.sender if isinstance(message, Append | Heartbeat) else NOBODY
            voter = follow(voter, message.term, leader, timeout)
    return HANDLERS[type(message)](voter, message, timeout)


def campaign(voter: Voter, timeout: int) -> Outcome:
    """Ask for votes, or with PreVote first whether votes would be given."""
    if voter.role is Role.LEADER:
        return voter, ()
    if not voter.rules.pre_vote:
        return _stand(voter, timeout)
    voter = voter._replace(role=Role.PRE_CANDIDATE, leader=NOBODY, granted=frozenset((voter.id,)), refused=frozenset())
    if voter.rules.quorum == 1:
        return _stand(voter, timeout)
    return voter, _to_others(voter, PreVote, voter.term + 1, voter.log.last_term, voter.log.last_index)


def propose(voter: Voter, count: int = 1) -> Outcome:
    """Append *count* entries at a leader; anybody else drops them."""
    if voter.role is not Role.LEADER:
        return voter, ()
    voter = voter._replace(log=voter.log.append(voter.term, count))
    return _replicate(_advance_commit(_acknowledge(voter, voter.id, voter.log.last_index)))


def follow(voter: Voter, term: int, leader: int, timeout: int) -> Voter:
    """The voter as a follower in *term* with a fresh election timeout; a new term forgets the vote."""
    return voter._replace(
        term=term,
        vote=voter.vote if term == voter.term else NOBODY,
        role=Role.FOLLOWER,
        leader=leader,
        elapsed=0,
        since_heartbeat=0,
        timeout=timeout,
        granted=frozenset(),
        refused=frozenset(),
        progress=(),
    )


# ---- campaigns ------------------------------------------------------------------------------------------------------


def _stand(voter: Voter, timeout: int) -> Outcome:
    """Enter the next term as a candidate and ask everybody for the vote."""
    voter = follow(voter, voter.term + 1, NOBODY, timeout)._replace(
        vote=voter.id,
        role=Role.CANDIDATE,
        granted=frozenset((voter.id,)),
    )
    if voter.rules.quorum == 1:
        return _lead(voter, timeout)
    return voter, _to_others(voter, Vote, voter.term, voter.log.last_term, voter.log.last_index)


def _lead(voter: Voter, timeout: int) -> Outcome:
    """Become leader and append the empty entry of the new term."""
    last = voter.log.last_index
    progress = tuple(
        Progress(match=last if i == voter.id else 0, next=last + 1, heard=i == voter.id)
        for i in range(voter.rules.voters)
    )
    voter = follow(voter, voter.term, voter.id, timeout)._replace(vote=voter.id, role=Role.LEADER, progress=progress)
    return propose(voter)


def _on_request(voter: Voter, message: PreVote | Vote, timeout: int) -> Outcome:
    """Grant a vote to whoever comes first with a log that is as up to date; PreVotes are not remembered."""
    real = isinstance(message, Vote)
    free = voter.vote == message.sender or (voter.vote == NOBODY and voter.leader == NOBODY)
    willing = free or (not real and message.term > voter.term)
    granted = willing and voter.log.at_least(message.last_term, message.last_index)
    response = VoteResponse if real else PreVoteResponse
    term = message.term if granted else voter.term
    if granted and real:
        voter = voter._replace(elapsed=0, vote=message.sender)
    return voter, (response(voter.id, message.sender, term, granted),)


def _on_response(voter: Voter, message: PreVoteResponse | VoteResponse, timeout: int) -> Outcome:
    """Count a vote while the campaign it belongs to lasts; a majority decides either way."""
    asked = Role.CANDIDATE if isinstance(message, VoteResponse) else Role.PRE_CANDIDATE
    if voter.role is not asked:
        return voter, ()
    if message.sender not in voter.granted | voter.refused:
        if message.granted:
            voter = voter._replace(granted=voter.granted | {message.sender})
        else:
            voter = voter._replace(refused=voter.refused | {message.sender})
    if len(voter.granted) >= voter.rules.quorum:
        return _stand(voter, timeout) if asked is Role.PRE_CANDIDATE else _lead(voter, timeout)
    if len(voter.refused) > voter.rules.voters - voter.rules.quorum:
        return follow(voter, voter.term, NOBODY, timeout), ()
    return voter, ()


def _speaks_of_the_future(message: Message) -> bool:
    """PreVotes and their grants name a term that nobody has entered; they change nobody's term."""
    return isinstance(message, PreVote) or (isinstance(message, PreVoteResponse) and message.granted)


def _answer_to_the_past(voter: Voter, message: Message) -> tuple[Message, ...]:
    """Tell a leader or pre-candidate of an older term that it is behind."""
    if isinstance(message, Append | Heartbeat) and (voter.rules.check_quorum or voter.rules.pre_vote):
        return (AppendResponse(voter.id, message.sender, voter.term, 0, True),)
    if isinstance(message, PreVote):
        return (PreVoteResponse(voter.id, message.sender, voter.term, False),)
    return ()


# ---- replication ----------------------------------------------------------------------------------------------------


def _on_append(voter: Voter, message: Append, timeout: int) -> Outcome:
    """Follow the sender; take over its entries if the log agrees with it before them."""
    voter = _heed(voter, message, timeout)
    log = voter.log
    if log.term_at(message.previous_index) != message.previous_term:
        hint = log.last_before(min(message.previous_index, log.last_index), message.previous_term)
        refusal = AppendResponse(voter.id, message.sender, voter.term, hint, False, log.term_at(hint))
        return voter, (refusal,)
    last = message.runs[-1][1] if message.runs else message.previous_index
    log = log.spliced(message.previous_index, message.runs)
    voter = voter._replace(log=log, commit=max(voter.commit, min(message.commit, last)))
    return voter, (AppendResponse(voter.id, message.sender, voter.term, max(last, voter.commit), True),)


def _on_heartbeat(voter: Voter, message: Heartbeat, timeout: int) -> Outcome:
    voter = _heed(voter, message, timeout)
    voter = voter._replace(commit=max(voter.commit, message.commit))
    return voter, (HeartbeatResponse(voter.id, message.sender, voter.term),)


def _on_append_response(voter: Voter, message: AppendResponse, timeout: int) -> Outcome:
    """Advance what the follower has and with it the commit index; or look further back for where the logs agree."""
    if voter.role is not Role.LEADER:
        return voter, ()
    if not message.accepted:
        agreed = voter.log.last_before(message.index, message.hint_term)
        known = voter.progress[message.sender]
        probing = Progress(match=known.match, next=max(known.match, agreed) + 1, heard=True)
        return _replicate(_with_progress(voter, message.sender, probing), only=message.sender)
    paused = voter.progress[message.sender].paused
    advanced = _advance_commit(_acknowledge(voter, message.sender, message.index))
    if advanced.commit > voter.commit:
        return _replicate(advanced)
    return _replicate(advanced, only=message.sender) if paused else (advanced, ())


def _on_heartbeat_response(voter: Voter, message: HeartbeatResponse, timeout: int) -> Outcome:
    """A follower is there; send what it lacks."""
    if voter.role is not Role.LEADER:
        return voter, ()
    known = voter.progress[message.sender]
    if known.paused or not known.heard:
        voter = _with_progress(voter, message.sender, known._replace(heard=True, paused=False))
    if known.match < voter.log.last_index:
        return _replicate(voter, only=message.sender)
    return voter, ()


def _heed(voter: Voter, message: Message, timeout: int) -> Voter:
    """The voter as follower of the sender, which leads this term; only a change of role draws a new timeout."""
    if voter.role is Role.FOLLOWER:
        return voter._replace(elapsed=0, leader=message.sender)
    return follow(voter, message.term, message.sender, timeout)


def _tick_leader(voter: Voter, elapsed: int, since_heartbeat: int, timeout: int) -> Outcome:
    """Check the quorum every election timeout, and send heartbeats."""
    if elapsed >= voter.rules.election_ticks:
        elapsed = 0
        if voter.rules.check_quorum:
            if sum(p.heard for p in voter.progress) < voter.rules.quorum:
                return follow(voter, voter.term, NOBODY, timeout), ()
            progress = tuple(p._replace(heard=i == voter.id) for i, p in enumerate(voter.progress))
            voter = voter._replace(progress=progress)
    if since_heartbeat < voter.rules.heartbeat_ticks:
        return voter._replace(elapsed=elapsed, since_heartbeat=since_heartbeat), ()
    voter = voter._replace(elapsed=elapsed, since_heartbeat=0)
    beats = (Heartbeat(voter.id, to, voter.term, min(p.match, voter.commit)) for to, p in _others(voter))
    return voter, tuple(beats)


def _replicate(voter: Voter, only: int | None = None) -> Outcome:
    """Send everybody, or *only* one, what follows the last entry sent, and expect it to arrive unless probing."""
    log, sent = voter.log, []
    for to, known in _others(voter):
        if known.paused or (only is not None and to != only):
            continue
        previous = known.next - 1 if only is None or known.next <= log.last_index else known.match
        sent.append(
            Append(voter.id, to, voter.term, previous, log.term_at(previous), log.after(previous), voter.commit)
        )
    progress = list(voter.progress)
    for message in sent:
        known = progress[message.to]
        if known.probing:
            progress[message.to] = known._replace(paused=bool(message.runs))
        else:
            progress[message.to] = known._replace(next=log.last_index + 1)
    return voter._replace(progress=tuple(progress)), tuple(sent)


def _acknowledge(voter: Voter, sender: int, index: int) -> Voter:
    known = voter.progress[sender]
    match = max(known.match, index)
    return _with_progress(
        voter, sender, Progress(match=match, next=max(known.next, match + 1), heard=True, probing=False)
    )


def _advance_commit(voter: Voter) -> Voter:
    """Commit what a majority has, if it is of this term."""
    matches = sorted((p.match for p in voter.progress), reverse=True)
    index = matches[voter.rules.quorum - 1]
    if index > voter.commit and voter.log.term_at(index) == voter.term:
        return voter._replace(commit=index)
    return voter


def _with_progress(voter: Voter, of: int, known: Progress) -> Voter:
    return voter._replace(progress=(*voter.progress[:of], known, *voter.progress[of + 1 :]))


def _others(voter: Voter) -> Sequence[tuple[int, Progress]]:
    return [(i, p) for i, p in enumerate(voter.progress) if i != voter.id]


def _to_others(voter: Voter, kind: type[PreVote] | type[Vote], term: int, *rest: int) -> tuple[Message, ...]:
    return tuple(kind(voter.id, to, term, *rest) for to in range(voter.rules.voters) if to != voter.id)


HANDLERS: dict[type[Message], Callable[..., Outcome]] = {
    PreVote: _on_request,
    Vote: _on_request,
    PreVoteResponse: _on_response,
    VoteResponse: _on_response,
    Append: _on_append,
    AppendResponse: _on_append_response,
    Heartbeat: _on_heartbeat,
    HeartbeatResponse: _on_heartbeat_response,
}
