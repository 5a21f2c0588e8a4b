"""Raft groups on the simulation's clock, for scenarios that need their messages."""

from collections.abc import Callable, Generator
from typing import Any

import simpy

from gxsim.consensus.group import Group, Moment


class RaftGroup:
    """A consensus group driven by *env*; *told* is called with each moment. Verbs act at once and wake the process."""

    def __init__(self, env: simpy.Environment, group: Group, told: Callable[[Moment], None]):
        self.env, self.group, self.told = env, group, told
        self._wake = env.event()
        env.process(self._run())

    def act(self, verb: Callable[..., Any], *arguments: Any) -> None:
        """Crash, restart, cut, heal or propose: a method of the group with its arguments."""
        for moment in self.group.advance(float(self.env.now)):
            self.told(moment)
        for moment in verb(*arguments) or ():
            self.told(moment)
        if not self._wake.triggered:
            self._wake.succeed()

    def _run(self) -> Generator[Any, Any, None]:
        """Sleep until the next message or wake-up of a voter (process)."""
        while True:
            self._wake = self.env.event()
            pause_s = self.group.next_s - float(self.env.now)
            if pause_s == float("inf"):
                yield self._wake
            else:
                yield self.env.timeout(max(0.0, pause_s)) | self._wake
            for moment in self.group.advance(float(self.env.now)):
                self.told(moment)
