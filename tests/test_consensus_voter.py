"""One voter: what each message does to it, and what holds of a group whatever the network does."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gxsim.consensus.group import Group, symmetric
from gxsim.consensus.log import Log
from gxsim.consensus.messages import (
    AppendResponse,
    Heartbeat,
    Message,
    PreVote,
    PreVoteResponse,
    Vote,
    VoteResponse,
)
from gxsim.consensus.profiles import Profile
from gxsim.consensus.voter import HANDLERS, NOBODY, Role, Rules, Voter, campaign, propose, step, tick
from gxsim.errors import InvariantError

RULES = Rules(voters=3)


def voter(**changes: object) -> Voter:
    return Voter(id=0, rules=RULES, timeout=12)._replace(**changes)


def leader(term: int = 2, log: Log = Log()) -> Voter:  # noqa: B008, a frozen value
    """Voter 0 as it leads a term, its own empty entry after *log*."""
    candidate, _ = campaign(voter(term=term - 1, log=log, rules=Rules(voters=3, pre_vote=False)), 15)
    elected, _ = step(candidate, VoteResponse(1, 0, term, True), 15)
    return elected._replace(rules=RULES)


def test_every_message_has_a_handler() -> None:
    names = {kind.__name__ for kind in Message.__subclasses__()}
    assert {kind.__name__ for kind in HANDLERS} == names


def test_a_voter_campaigns_when_its_timeout_has_passed() -> None:
    waiting, sent = tick(voter(), 15, 11)
    assert (waiting.role, sent) == (Role.FOLLOWER, ())
    asking, sent = tick(waiting, 15)
    assert asking.role is Role.PRE_CANDIDATE
    assert asking.term == 0
    assert [type(m) for m in sent] == [PreVote, PreVote]
    assert {m.term for m in sent} == {1}


def test_more_ticks_than_are_due_are_refused() -> None:
    with pytest.raises(InvariantError, match="13 ticks at once, but something happens after 12"):
        tick(voter(), 15, 13)


def test_a_request_within_the_lease_is_not_even_looked_at() -> None:
    follower = voter(term=1, leader=2, elapsed=9)
    assert step(follower, Vote(1, 0, 5, 9, 9), 15) == (follower, ())
    assert step(follower, PreVote(1, 0, 5, 9, 9), 15) == (follower, ())


def test_without_check_quorum_there_is_no_lease() -> None:
    follower = voter(term=1, leader=2, elapsed=0, rules=Rules(voters=3, check_quorum=False))
    after, sent = step(follower, Vote(1, 0, 5, 9, 9), 15)
    assert (after.term, after.vote) == (5, 1)
    assert sent == (VoteResponse(0, 1, 5, True),)


def test_a_vote_is_given_once_in_a_term() -> None:
    first, sent = step(voter(), Vote(1, 0, 1, 0, 0), 15)
    assert sent == (VoteResponse(0, 1, 1, True),)
    second, sent = step(first, Vote(2, 0, 1, 0, 0), 15)
    assert sent == (VoteResponse(0, 2, 1, False),)
    assert second.vote == 1


def test_a_pre_vote_is_not_remembered() -> None:
    after, sent = step(voter(), PreVote(1, 0, 1, 0, 0), 15)
    assert after == voter()
    assert sent == (PreVoteResponse(0, 1, 1, True),)


def test_a_candidate_with_an_older_log_is_refused() -> None:
    behind = voter(log=Log(((3, 7),)), term=3)
    _, sent = step(behind, Vote(1, 0, 4, 3, 6), 15)
    assert sent == (VoteResponse(0, 1, 4, False),)


def test_an_old_leader_is_told_the_new_term() -> None:
    _, sent = step(voter(term=5), Heartbeat(1, 0, 4, 0), 15)
    assert sent == (AppendResponse(0, 1, 5, 0, True),)


def test_a_leader_steps_down_when_it_hears_of_a_higher_term() -> None:
    after, _ = step(leader(), AppendResponse(1, 0, 3, 0, True), 14)
    assert (after.role, after.term, after.timeout) == (Role.FOLLOWER, 3, 14)


def test_a_leader_that_hears_no_majority_steps_down_at_its_check() -> None:
    led = leader()
    for _ in range(9):
        led, _ = tick(led, 15)
    led, _ = tick(led, 15)
    assert led.role is Role.FOLLOWER
    assert led.leader == NOBODY


def test_an_entry_of_an_older_term_is_not_committed_by_counting() -> None:
    """Figure 8 of the Raft paper: only an entry of the leader's own term commits those before it."""
    led = leader(term=4, log=Log(((2, 2),)))._replace(commit=1)
    after, _ = step(led, AppendResponse(1, 0, 4, 2, True), 15)
    assert after.commit == 1
    after, _ = step(after, AppendResponse(1, 0, 4, 3, True), 15)
    assert after.commit == 3


def test_only_a_leader_takes_proposals() -> None:
    assert propose(voter(), 5) == (voter(), ())


@given(st.lists(st.integers(1, 5), max_size=12), st.lists(st.integers(1, 5), max_size=12), st.integers(0, 12))
def test_a_log_of_runs_is_a_list_of_terms(mine: list[int], theirs: list[int], index: int) -> None:
    """Splicing runs is Raft's rule on lists: drop what differs, keep what agrees, append the rest."""
    mine, theirs = sorted(mine), sorted(theirs)
    index = min(index, len(mine), len(theirs))
    theirs[:index] = mine[:index]
    theirs = [*theirs[:index], *(max(t, theirs[index - 1] if index else 1) for t in theirs[index:])]
    agreed = next(
        (i for i, (a, b) in enumerate(zip(mine, theirs, strict=False)) if a != b), min(len(mine), len(theirs))
    )
    wanted = mine if agreed == len(theirs) else theirs
    if agreed < len(theirs) and any(a == b for a, b in zip(mine[agreed:], theirs[agreed:], strict=False)):
        return  # no two leaders make such logs: equal term and index means equal logs up to there
    log = of(mine).spliced(index, of(theirs).after(index))
    assert terms(log) == wanted


@given(st.lists(st.integers(1, 4), max_size=10), st.integers(0, 12), st.integers(0, 5))
def test_the_last_index_before_a_term_is_found(raw: list[int], index: int, term: int) -> None:
    entries = sorted(raw)
    wanted = max((i for i, t in enumerate(entries, 1) if i <= index and t <= term), default=0)
    assert of(entries).last_before(index, term) == wanted


def of(entries: list[int]) -> Log:
    log = Log()
    for term in entries:
        log = log.append(term, 1)
    return log


def terms(log: Log) -> list[int]:
    return [log.term_at(i) for i in range(1, log.last_index + 1)]


FATES = st.lists(
    st.tuples(
        st.sampled_from(["cut", "heal", "crash", "restart", "propose", "run"]), st.integers(0, 4), st.integers(0, 4)
    ),
    min_size=5,
    max_size=40,
)


@settings(max_examples=60, deadline=None)
@given(FATES, st.integers(0, 2**32), st.booleans(), st.booleans(), st.sampled_from([3, 4, 5]))
def test_raft_stays_safe_whatever_happens(
    fates: list[tuple[str, int, int]], seed: int, pre_vote: bool, check_quorum: bool, voters: int
) -> None:
    """Election safety, log matching and leader completeness under loss, jitter, cuts and restarts."""
    profile = Profile(tick_s=0.1, pre_vote=pre_vote, check_quorum=check_quorum, stale_streams=bool(seed % 2))
    group = Group(profile, symmetric(0.03, voters), np.random.default_rng(seed), jitter_s=0.05, loss=0.05)
    leaders: dict[int, int] = {}
    committed: list[int] = []
    for verb, one, other in [*fates, ("heal", 0, 0), ("run", 4, 4)]:
        one, other = one % voters, other % voters
        moments = []
        if verb == "cut" and one != other:
            group.cut([(one, other)])
        elif verb == "heal":
            group.heal()
        elif verb == "crash":
            group.crash(one)
        elif verb == "restart" and not group.alive[one]:
            moments = list(group.restart(one))
        elif verb == "propose":
            moments = [m for v in range(voters) for m in group.propose(v, 1 + other)]
        moments += list(group.advance(group.now_s + 0.4 * (1 + other)))
        for moment in moments:
            moment.after.check()
            if moment.after.role is Role.LEADER:
                assert leaders.setdefault(moment.after.term, moment.after.id) == moment.after.id
            if moment.after.commit > moment.before.commit:
                entries = terms(moment.after.log)[: moment.after.commit]
                assert entries[: len(committed)] == committed[: len(entries)]
                committed = max(committed, entries, key=len)
