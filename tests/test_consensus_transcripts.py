"""Elections, partitions and heals told as transcripts: commands, and what the voters then say."""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from gxsim.consensus.group import Group, Moment, Timeout, symmetric
from gxsim.consensus.profiles import Profile
from gxsim.consensus.voter import NOBODY, Role, campaign

TRANSCRIPTS = sorted((Path(__file__).parent / "testdata" / "consensus").glob("*.txt"))


class Teller:
    """A group whose timeouts are written in the transcript; links of 1 ms, ticks of 100 ms, voter i's at 10 i ms.

    ``then`` is every later timeout; ``phases`` are the instants of the ticks in ms; ``loss`` is for good.
    """

    group: Group

    def told(self, command: str) -> str:
        verb, *words = command.split()
        return "\n".join(getattr(self, f"do_{verb}")(*words)) or "ok"

    def do_voters(self, count: str, *settings: str) -> Iterator[str]:
        given = dict(s.split("=") for s in settings)
        profile = Profile(
            tick_s=0.1,
            persist_s=0.0,
            pre_vote=given.get("prevote", "on") == "on",
            check_quorum=given.get("checkquorum", "on") == "on",
        )
        voters = int(count)
        phases = np.array([float(p) / 1000 for p in given["phases"].split(",")]) if "phases" in given else None
        phases = 0.01 * np.arange(voters) if phases is None else phases
        self.group = Group(profile, symmetric(0.001, voters), np.random.default_rng(0), phases_s=phases)
        timeouts = [int(t) for t in given.get("timeouts", "").split(",") if t]
        for i, timeout in enumerate(timeouts):
            self.group.voters[i] = self.group.voters[i]._replace(timeout=timeout)
            self.group._due_s[i] = np.inf
            self.group._wake(i)
        further = int(given.get("then", "15"))
        self.group._offered = Timeout(further)
        self.group._timeouts = iter(lambda: Timeout(further), None)  # every later draw
        yield from ()

    def do_campaign(self, member: str) -> Iterator[str]:
        group = self.group
        yield from map(self.line, group._become(int(member), *campaign(group.voters[int(member)], 15)))

    def do_run(self, ticks: str) -> Iterator[str]:
        group = self.group
        yield from map(self.line, group.advance(group.now_s + 0.1 * int(ticks)))

    def do_cut(self, *links: str) -> Iterator[str]:
        for link in links:
            sides = re.fullmatch(r"([\d,]+)(->|<->)([\d,]+)", link)
            assert sides, f"{link}: expected links such as 0,1<->2 or 0->1"
            ours, theirs = ([int(i) for i in side.split(",")] for side in sides.group(1, 3))
            self.group.cut((i, j) for i in ours for j in theirs)
            if sides[2] == "<->":
                self.group.cut((j, i) for i in ours for j in theirs)
        yield from ()

    def do_loss(self, percent: str) -> Iterator[str]:
        self.group.loss = float(percent) / 100
        yield from ()

    def do_heal(self) -> Iterator[str]:
        self.group.heal()
        yield from ()

    def do_crash(self, member: str) -> Iterator[str]:
        self.group.crash(int(member))
        yield from ()

    def do_restart(self, member: str) -> Iterator[str]:
        yield from map(self.line, self.group.restart(int(member)))

    def do_propose(self, member: str, count: str = "1") -> Iterator[str]:
        before = self.group.voters[int(member)].log.last_index
        yield from map(self.line, self.group.propose(int(member), int(count)))
        if self.group.voters[int(member)].log.last_index == before:
            yield f"{member} does not lead and drops it"

    def do_show(self) -> Iterator[str]:
        for voter in self.group.voters:
            leader = "nobody" if voter.leader == NOBODY else voter.leader
            state = "" if self.group.alive[voter.id] else " (down)"
            yield (
                f"{voter.id} {voter.role.name.lower()} in term {voter.term}, leader {leader}, "
                f"log {voter.log.last_index}, committed {voter.commit}{state}"
            )

    def line(self, moment: Moment) -> str:
        before, after = moment.before, moment.after
        parts = []
        if before.role is not after.role:
            parts.append(f"becomes {after.role.name.lower().replace('_', '-')}")
        if before.term != after.term:
            parts.append(f"enters term {after.term}")
        if before.leader != after.leader and after.role is not Role.LEADER:
            parts.append("knows no leader" if after.leader == NOBODY else f"follows {after.leader}")
        if before.commit != after.commit:
            parts.append(f"commits {after.commit}")
        return f"{moment.time_s * 1000:7.0f} ms  {after.id} {', '.join(parts)}"


def played(text: str) -> str:
    """The transcript with what is said now."""
    teller, told = Teller(), []
    for block in re.split(r"\n\n(?=\S)", text.strip("\n")):
        lines = block.split("\n")
        end = lines.index("----") if "----" in lines else len(lines)
        commands = [line for line in lines[:end] if not line.startswith("#")]
        if not commands:
            told.append(block)
            continue
        answers = [teller.told(command) for command in commands]
        told.append("\n".join([*lines[:end], "----", *(a for a in answers if a != "ok" or len(answers) == 1)]))
    return "\n\n".join(told) + "\n"


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda p: p.stem)
def test_the_voters_tell_the_story_of_the_transcript(path: Path, request: pytest.FixtureRequest) -> None:
    told = played(path.read_text())
    if request.config.getoption("--rewrite", default=False):
        path.write_text(told)
    assert told == path.read_text()


def test_there_are_transcripts() -> None:
    assert TRANSCRIPTS
