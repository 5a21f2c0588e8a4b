"""What the name of a recorded configuration of real etcd says: ``e35_n5_hb100_pv``; see the recordings' README."""

import re
from dataclasses import dataclass

ELECTION_MS = {50: 300, 100: 1000, 500: 5000}  # by heartbeat interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Members and timers of a configuration."""

    members: int
    heartbeat_ms: int
    election_ms: int
    pre_vote: bool

    @property
    def election_ticks(self) -> int:
        return self.election_ms // self.heartbeat_ms


def settings_of(name: str) -> Settings:
    """The settings in a configuration's name; etcd's defaults where it is silent."""
    members, heartbeat = re.search(r"_n(\d+)", name), re.search(r"_hb(\d+)", name)
    heartbeat_ms = int(heartbeat[1]) if heartbeat else 100
    return Settings(
        members=int(members[1]) if members else 3,
        heartbeat_ms=heartbeat_ms,
        election_ms=ELECTION_MS.get(heartbeat_ms, 10 * heartbeat_ms),
        pre_vote="_pv" in name,
    )
