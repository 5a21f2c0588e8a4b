"""Raft elections of many groups at once, message by message, with the rules of etcd-io/raft.

The same rules as ``consensus/voter.py`` for the time between the loss of a leader and the next leader, when there are
no entries and no heartbeats. Times are integer microseconds, so that ticks fall where they fall. A row of the arrays
is one group ("lane"); each step handles the earliest event of every lane. A lane knows per voter what the voter knows,
and per directed link the one message of each kind that may be under way: a campaign lasts at least an election timeout,
which the link delay must stay below.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

FOLLOWER, PRE_CANDIDATE, CANDIDATE = 0, 1, 2
NEVER = np.iinfo(np.int64).max // 4
NOBODY = -1
KINDS = 4  # PreVote, Vote, and their responses
LANES = 8192  # groups in hand at once: the arrays stay in cache, and few calls do much


@dataclass(frozen=True, slots=True, kw_only=True)
class Contest:
    """What one election is fought with; ``delays_us`` is (survivors, survivors), one way, from row to column.

    With a first axis (trials, ...) every trial has links of its own.
    ``voters`` counts the dead too. ``persist_us`` delays what may only leave after a write to disk. ``stale`` marks
    links whose first message is lost. An election that takes longer than ``give_up_ticks`` has no result.
    """

    voters: int
    tick_us: int
    delays_us: NDArray
    jitter_us: int = 0
    loss: float = 0.0
    persist_us: int = 0
    election_ticks: int = 10
    pre_vote: bool = True
    check_quorum: bool = True
    stale: NDArray | None = None
    give_up_ticks: int = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class Elections:
    """(trials,) what came out; times since the crash. Without a result: NEVER and NOBODY.

    ``campaigns`` counts campaigns begun by anyone up to the win, PreVote rounds where those are used.
    """

    first_campaign_us: NDArray
    new_leader_us: NDArray
    leader: NDArray
    terms: NDArray
    campaigns: NDArray


def elections(contest: Contest, heard_us: NDArray, phases_us: NDArray, rng: np.random.Generator) -> Elections:
    """Fight one election per row of *heard_us*: when each survivor last heard the leader; (trials, survivors).

    *phases_us* are the instants, modulo a tick, at which each survivor's clock ticks.
    """
    trials = len(heard_us)
    times = np.full((3, trials), NEVER)
    counts = np.full((2, trials), 0, np.int64)
    for start in range(0, trials, LANES):
        rows = slice(start, min(start + LANES, trials))
        own = contest if contest.delays_us.ndim == 2 else replace(contest, delays_us=contest.delays_us[rows])
        _Lanes(own, heard_us[rows], phases_us[rows], rng).run(times[:, rows], counts[:, rows])
    leader = np.where(times[1] < NEVER, times[2], NOBODY)
    return Elections(
        first_campaign_us=times[0], new_leader_us=times[1], leader=leader, terms=counts[0], campaigns=counts[1]
    )


def last_heard(
    delays_us: NDArray,
    *,
    tick_us: int,
    trials: int,
    rng: np.random.Generator,
    heartbeat_ticks: int = 1,
    jitter_us: int = 0,
    loss: float = 0.0,
    proposals_per_tick: int = 0,
    persist_us: int = 0,
) -> NDArray:
    """(trials, survivors) arrival of the last message from a leader that crashes at 0 in steady state.

    *delays_us* is (survivors,) from the leader, or (trials, survivors). An idle leader sends heartbeats only. One with
    a steady load, whose links are the same in every trial, sends each proposal after its own write to disk, and again
    when a majority has it; *persist_us* is per write.
    """
    interval = tick_us // proposals_per_tick if proposals_per_tick else tick_us * heartbeat_ticks
    back = 1 + (int(delays_us.max()) + jitter_us + persist_us) // interval + (20 if loss else 0)
    sent = -rng.integers(0, interval, (trials, 1)) - interval * np.arange(back)  # (trials, back), latest first
    if proposals_per_tick:
        round_trip = np.sort(2 * delays_us + 2 * persist_us)[max(0, (len(delays_us) + 1) // 2 - 1)]
        offsets = np.array([persist_us, round_trip])  # a proposal leaves, and its commit is announced
        proposed = -rng.integers(0, interval, (trials, 1)) - interval * np.arange(back + 1 + round_trip // interval)
        sent = (proposed[..., None] + offsets).reshape(trials, -1)
        sent = -np.sort(-np.where(sent < 0, sent, -NEVER), axis=1)
    arrives = np.empty((trials, delays_us.shape[-1]), np.int64)
    for survivor in range(delays_us.shape[-1]):
        arrival = sent + delays_us[..., survivor, None]
        if jitter_us:
            arrival = arrival + rng.integers(0, jitter_us + 1, sent.shape)
        if loss:
            arrival = np.where(rng.random(sent.shape) < loss, -NEVER, arrival)
        arrives[:, survivor] = arrival.max(axis=1)  # links keep order: the last one never overtakes
    return arrives


class _Lanes:
    """Groups in hand; arrays are (lanes, survivors) or (lanes, links), flattened where rows are picked."""

    def __init__(self, contest: Contest, heard_us: NDArray, phases_us: NDArray, rng: np.random.Generator):
        self.contest, self.rng = contest, rng
        lanes, self.size = heard_us.shape
        shape = lanes * self.size
        self.links = self.size**2
        self.columns = KINDS * self.links + self.size
        self.quorum = contest.voters // 2 + 1
        self.lost_votes = contest.voters - self.quorum  # more refusals than this decide against a campaign
        self.delays = contest.delays_us.astype(np.int64).ravel()
        self.own_links = self.links if contest.delays_us.ndim == 3 else 0  # delays that each lane has for itself
        self.phase = phases_us.astype(np.int64).ravel()
        self.reset_tick = (heard_us.ravel() - self.phase) // contest.tick_us
        self.term = np.zeros(shape, np.int64)
        self.vote = np.full(shape, self.size, np.int64)  # all voted for the leader that is gone
        self.role = np.zeros(shape, np.int8)
        self.leaderless = np.zeros(shape, bool)
        self.timeout = self._drawn(shape)
        self.granted, self.refused = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
        self.asked = np.zeros(lanes * KINDS * self.links, np.int64)  # term of the message under way
        self.yes = np.zeros(lanes * KINDS * self.links, bool)
        self.arrived = np.full(lanes * self.links, -NEVER)
        stale = np.zeros((self.size, self.size), bool) if contest.stale is None else contest.stale
        self.stale = np.tile(stale.ravel(), lanes)
        self.when = np.full((lanes, self.columns), NEVER)
        self.campaigns = np.zeros(lanes, np.int64)
        self.lane = np.arange(lanes)
        everyone = np.arange(shape)
        self._set_due(everyone // self.size, everyone % self.size)

    def run(self, times: NDArray, counts: NDArray) -> None:
        """Handle events until every lane has a leader or has given up; fill the results of the lanes."""
        give_up = self.contest.give_up_ticks * self.contest.tick_us
        times[0] = self.when.min(axis=1)
        lanes = np.arange(len(self.when))
        while len(lanes):
            column = self.when[lanes].argmin(axis=1)
            now = self.when[lanes, column]
            self.when[lanes, column] = NEVER
            won, node = self._handle(lanes, column, now)
            times[1, won], times[2, won] = self.now_won, node
            counts[0, won], counts[1, won] = self.term[won * self.size + node], self.campaigns[won]
            self.when[won] = NEVER
            open_ = now < give_up
            open_[np.isin(lanes, won, assume_unique=True)] = False
            lanes = lanes[open_]

    def _handle(self, lanes: NDArray, column: NDArray, now: NDArray) -> tuple[NDArray, NDArray]:
        """One event per lane; returns the lanes that have a leader now, and who it is."""
        kind, link = np.divmod(column, self.links)
        sender, to = np.divmod(link, self.size)
        due = np.flatnonzero(kind == KINDS)
        self._campaign(lanes[due], link[due], now[due])
        asks = np.flatnonzero(kind < 2)
        self._request(lanes[asks], sender[asks], to[asks], kind[asks] == 1, now[asks])
        answers = np.flatnonzero((kind == 2) | (kind == 3))
        won = self._response(lanes[answers], sender[answers], to[answers], kind[answers] == 3, now[answers])
        self.now_won = now[answers][won]
        return lanes[answers][won], to[answers][won]

    # ---- what voters do -----------------------------------------------------------------------------------------

    def _campaign(self, lanes: NDArray, node: NDArray, now: NDArray) -> None:
        """An election timeout has passed."""
        self.campaigns[lanes] += 1
        if not self.contest.pre_vote:
            self._stand(lanes, node, now)
            return
        at = lanes * self.size + node
        self.reset_tick[at] = self._tick(at, now)
        self.role[at] = PRE_CANDIDATE
        self.leaderless[at] = True
        self.granted[at], self.refused[at] = 1 << node, 0
        self._set_due(lanes, node)
        self._ask(lanes, node, 0, self.term[at] + 1, now)

    def _stand(self, lanes: NDArray, node: NDArray, now: NDArray) -> None:
        """Enter the next term as a candidate and ask for votes."""
        at = lanes * self.size + node
        self.term[at] += 1
        self._reset(lanes, node, now)
        self.role[at], self.vote[at] = CANDIDATE, node
        self.granted[at] = 1 << node
        self._ask(lanes, node, 1, self.term[at], now + self.contest.persist_us)

    def _request(self, lanes: NDArray, sender: NDArray, to: NDArray, real: NDArray, now: NDArray) -> None:
        """Somebody asks for a vote; a voter within its lease does not even look."""
        at = lanes * self.size + to
        asked = self.asked[(lanes * KINDS + real) * self.links + sender * self.size + to]
        ahead = asked > self.term[at]
        if self.contest.check_quorum:
            elapsed = self._tick(at, now) - self.reset_tick[at]
            leased = ~self.leaderless[at] & (elapsed < self.contest.election_ticks)
            heard = np.flatnonzero(~(ahead & leased) & ((asked >= self.term[at]) | ~real))
        else:
            heard = np.flatnonzero((asked >= self.term[at]) | ~real)
        lanes, sender, to, real, now = (a[heard] for a in (lanes, sender, to, real, now))
        at, asked, ahead = at[heard], asked[heard], ahead[heard]
        newer = np.flatnonzero(ahead & real)
        self.term[at[newer]] = asked[newer]
        self.vote[at[newer]] = NOBODY
        self._reset(lanes[newer], to[newer], now[newer])
        term, vote = self.term[at], self.vote[at]
        free = (vote == sender) | ((vote == NOBODY) & self.leaderless[at])
        granted = (free & (asked == term)) | (~real & ahead)
        cast = np.flatnonzero(granted & real)
        self.vote[at[cast]] = sender[cast]
        self.reset_tick[at[cast]] = self._tick(at[cast], now[cast])
        self._set_due(lanes[cast], to[cast])
        leaves = now + np.where(granted & real, self.contest.persist_us, 0)
        self._send(lanes, to, sender, 2 + real, np.where(granted, asked, term), granted, leaves)

    def _response(self, lanes: NDArray, sender: NDArray, to: NDArray, real: NDArray, now: NDArray) -> NDArray:
        """Count an answer; returns the positions of those that make a leader."""
        at = lanes * self.size + to
        slot = (lanes * KINDS + 2 + real) * self.links + sender * self.size + to
        asked, yes = self.asked[slot], self.yes[slot]
        newer = np.flatnonzero((asked > self.term[at]) & (real | ~yes))
        self.term[at[newer]], self.vote[at[newer]] = asked[newer], NOBODY
        self._reset(lanes[newer], to[newer], now[newer])
        counts = (asked >= self.term[at]) & (self.role[at] == np.where(real, CANDIDATE, PRE_CANDIDATE))
        bit = np.where(counts & ((self.granted[at] | self.refused[at]) >> sender & 1 == 0), 1 << sender, 0)
        self.granted[at] |= np.where(yes, bit, 0)
        self.refused[at] |= np.where(yes, 0, bit)
        majority = counts & (np.bitwise_count(self.granted[at]) >= self.quorum)
        stand = np.flatnonzero(majority & ~real)
        self._stand(lanes[stand], to[stand], now[stand])
        beaten = np.flatnonzero(counts & (np.bitwise_count(self.refused[at]) > self.lost_votes))
        self._reset(lanes[beaten], to[beaten], now[beaten])
        return np.flatnonzero(majority & real)

    # ---- bookkeeping --------------------------------------------------------------------------------------------

    def _reset(self, lanes: NDArray, node: NDArray, now: NDArray) -> None:
        """A follower without a leader, with a fresh election timeout."""
        at = lanes * self.size + node
        self.role[at] = FOLLOWER
        self.leaderless[at] = True
        self.granted[at] = self.refused[at] = 0
        self.reset_tick[at] = self._tick(at, now)
        self.timeout[at] = self._drawn(len(at))
        self._set_due(lanes, node)

    def _set_due(self, lanes: NDArray, node: NDArray) -> None:
        at = lanes * self.size + node
        due = self.phase[at] + (self.reset_tick[at] + self.timeout[at]) * self.contest.tick_us
        self.when[lanes, KINDS * self.links + node] = due

    def _tick(self, at: NDArray, now: NDArray) -> NDArray:
        """Number of the voter's latest tick."""
        return (now - self.phase[at]) // self.contest.tick_us

    def _drawn(self, count: int) -> NDArray:
        return self.rng.integers(self.contest.election_ticks, 2 * self.contest.election_ticks, count)

    def _ask(self, lanes: NDArray, node: NDArray, kind: int, term: NDArray, leaves: NDArray) -> None:
        """Send a request to every other survivor."""
        for to in range(self.size):
            others = np.flatnonzero(node != to)
            receiver = np.full(len(others), to)
            no = np.zeros(len(others), bool)
            kinds = np.full(len(others), kind)
            self._send(lanes[others], node[others], receiver, kinds, term[others], no, leaves[others])

    def _send(
        self, lanes: NDArray, sender: NDArray, to: NDArray, kind: NDArray, term: NDArray, yes: NDArray, leaves: NDArray
    ) -> None:
        """Put messages on their links; a link keeps the order of its messages."""
        link = sender * self.size + to
        arrives = leaves + self.delays[lanes * self.own_links + link]
        if self.contest.jitter_us:
            arrives += self.rng.integers(0, self.contest.jitter_us + 1, len(arrives))
        if self.contest.jitter_us or self.contest.persist_us:
            arrives = np.maximum(arrives, self.arrived[lanes * self.links + link])
            self.arrived[lanes * self.links + link] = arrives
        if self.contest.loss:
            arrives = np.where(self.rng.random(len(arrives)) < self.contest.loss, NEVER, arrives)
        if self.contest.stale is not None:
            at = lanes * self.links + link
            arrives = np.where(self.stale[at], NEVER, arrives)
            self.stale[at] = False
        slot = (lanes * KINDS + kind) * self.links + link
        self.asked[slot], self.yes[slot] = term, yes
        self.when[lanes, kind * self.links + link] = arrives
