"""The consensus groups of a model on the clock: voters whose messages are events, among a run's faults."""

import math
from collections.abc import Callable, Generator, Iterable, Sequence
from typing import Any

import numpy as np
import simpy
from numpy.typing import NDArray

from gxsim.consensus.conditions import Conditions, conditions
from gxsim.consensus.group import Group, Moment
from gxsim.consensus.history import LeaderHistory, Record
from gxsim.consensus.members import Members, members
from gxsim.consensus.profiles import profile_of
from gxsim.consensus.voter import NOBODY
from gxsim.kernels.quorum import has_quorum
from gxsim.model.model import ConsensusGroup
from gxsim.rng import Streams
from gxsim.state import ClusterState
from gxsim.timeline import Timeline

WARM_UP_TRIES = 100  # waits of E ticks for a first leader
QUIET_TIMEOUTS = 20  # election timeouts without a leader after which one is like another
Told = Callable[[Iterable[Moment]], None]


class RaftGroup:
    """A consensus group driven by *env*; *told* is called with the moments of each step.

    Every message and every timeout is an event. While only heartbeats would be sent the process sleeps, and the group
    leaps over them when somebody acts. The group's own clock is ahead by what its warm-up took.
    """

    def __init__(self, env: simpy.Environment, group: Group, told: Told):
        self.env, self.group, self.told = env, group, told
        self.ahead_s = group.now_s - float(env.now)
        self._asleep = False
        self._acted_s = -math.inf
        self._led_s = group.now_s  # when there last was a leader, or somebody acted
        self._wake = env.event()
        env.process(self._run())

    @property
    def now_s(self) -> float:
        """The time by the group's clock."""
        return float(self.env.now) + self.ahead_s

    def act(self, verb: Callable[..., Iterable[Moment] | None], *arguments: Any) -> None:
        """Crash, restart, cut, relink or propose: a method of the group with its arguments."""
        self._catch_up()
        self.told(verb(*arguments) or ())
        self._led_s = self._acted_s = self.group.now_s
        if not self._wake.triggered:
            self._wake.succeed()

    def _run(self) -> Generator[Any, Any, None]:
        """Go from message to message, or sleep while nothing can come of them (process)."""
        looks_s = self.group.now_s
        while True:
            self._wake = self.env.event()
            if self.group.now_s >= looks_s:
                self._asleep = self._quiet()
                looks_s = self.group.now_s + self.group.profile.election_timeout_s
            pause_s = math.inf if self._asleep else max(0.0, self.group.next_s - self.now_s)
            yield self._wake if math.isinf(pause_s) else self.env.timeout(pause_s) | self._wake
            self._catch_up()

    def _quiet(self) -> bool:
        """Whether one election timeout is like the next: nothing is left on its way of what somebody did."""
        group, timeout_s = self.group, self.group.profile.election_timeout_s
        if group.leader != NOBODY:
            self._led_s = group.now_s
        vain = group.profile.pre_vote and group.now_s - self._led_s > QUIET_TIMEOUTS * timeout_s
        restless = group.lossy or group.stalling
        return vain or (group.now_s - self._acted_s >= timeout_s and group.steady() and not restless)

    def _catch_up(self) -> None:
        """Leap over the sleep in whole election timeouts, the period of a leader's checks, and see to the rest."""
        if self._asleep:
            timeout_s = self.group.profile.election_timeout_s
            self.group.leap(max(0, int((self.now_s - self.group.now_s) / timeout_s) - 1) * timeout_s)
            self._asleep = False
        self.told(self.group.advance(self.now_s))


def leader_histories(
    state: ClusterState,
    timeline: Timeline,
    groups: Sequence[ConsensusGroup],
    delays_s: NDArray,  # (nodes, nodes), one way
    streams: Streams,
) -> list[LeaderHistory]:
    """Play every group through the run; one that matches nothing is left out."""
    histories = []
    for group in groups:
        found = members(state, timeline, group)
        if found.names:
            meets = conditions(found, delays_s, timeline.degradations)
            rng = streams.take(f"consensus/{group.name}")
            histories.append(leader_history(found, meets, timeline.horizon_s, rng))
    return histories


def leader_history(
    members: Members, meets: Sequence[Conditions], horizon_s: float, rng: np.random.Generator
) -> LeaderHistory:
    """Play the group of *members* through what it *meets*, oldest first, to *horizon_s*.

    A group that starts with a majority has a leader at 0.
    """
    group = Group(profile_of(members.group), meets[0].delays_s, rng)
    _set(group, meets[0])
    for member in np.flatnonzero(~meets[0].running):
        group.crash(int(member))
    _warm_up(group, bool(has_quorum(meets[0].running)))
    env, record = simpy.Environment(), Record(group)
    story = Story(env, group, record, meets)
    env.process(story.unfold())
    env.run(until=horizon_s)
    return record.history(members)


class Story:
    """What one group meets, told to it at its time; and what it then does, written down."""

    def __init__(self, env: simpy.Environment, group: Group, record: Record, meets: Sequence[Conditions]):
        self.env, self.record, self.meets, self.now = env, record, meets, meets[0]
        self.raft = RaftGroup(env, group, self.write)
        record.note(0.0, self.now)

    def unfold(self) -> Generator[Any, Any, None]:
        """Let one change after another come (process)."""
        for then in self.meets[1:]:
            yield self.env.timeout(then.time_s - float(self.env.now))
            self.raft.act(self._change, then)
            self.record.note(float(self.env.now), self.now)

    def write(self, moments: Iterable[Moment]) -> None:
        for moment in moments:
            self.record.note(moment.time_s - self.raft.ahead_s, self.now)

    def _change(self, then: Conditions) -> Iterable[Moment]:
        before, self.now = self.now, then
        group = self.raft.group
        _set(group, then)
        for member in np.flatnonzero(before.running & ~then.running):
            group.crash(int(member))
        for member in np.flatnonzero(~before.running & then.running):
            yield from group.restart(int(member))


def _set(group: Group, now: Conditions) -> None:
    """Let the links and disks of *group* be as they are *now*."""
    group.relink(now.delays_s, jitter_s=now.jitter_s, loss=now.loss, passes=now.passes)
    group.persist_s = now.persist_s.tolist()


def _warm_up(group: Group, quorum: bool) -> None:
    """Let the group find its first leader and forget how; without a quorum, or on links too slow for it, just try."""
    timeout_s = group.profile.election_timeout_s
    for _ in range(WARM_UP_TRIES):
        group.run(timeout_s)
        if not quorum:
            return
        if group.steady():
            group.run(timeout_s * group.rng.uniform(2.0, 3.0))
            if group.steady():
                return
