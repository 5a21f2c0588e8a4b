"""Times, amounts and counts in the words an operator uses."""

import re
from collections.abc import Sequence

from gxsim.errors import ScenarioError
from gxsim.units import human_duration, human_time

DAY_S = 86_400
_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)(?::([0-5]\d))?", re.ASCII)


def clock_s(clock: str) -> int:
    """Seconds since midnight of a time of day such as ``09:30``."""
    found = _CLOCK.fullmatch(clock)
    if found is None:
        raise ScenarioError("clock", f"expected a time of day such as 09:30, got {clock!r}")
    hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return 3600 * hours + 60 * minutes + seconds


def time_of_day(time_s: float | None, clock: str) -> str:
    """A moment of the run on the wall: ``09:05:50``, ``03:00:00 +1d``; a dash for one that never came."""
    if time_s is None:
        return "–"
    day, second = divmod(round(clock_s(clock) + time_s), DAY_S)
    return human_time(second) + (f" +{day}d" if day else "")


def duration(seconds: float | None) -> str:
    """A duration, or a dash where there is none."""
    return "–" if seconds is None else human_duration(seconds)


def some(seconds: float) -> str:
    """A duration, or a dash for zero: what did not happen should not look like a figure."""
    return human_duration(seconds) if seconds else "–"


def counted(count: int, noun: str) -> str:
    """``1 pod``, ``3 pods``, ``no pod``."""
    return f"{count or 'no'} {noun}{'s' if count > 1 else ''}"


def listed(names: Sequence[str], most: int = 4) -> str:
    """``a``, ``a and b``, ``a, b and 5 more``."""
    if len(names) > most:
        names = [*names[: most - 1], f"{len(names) - most + 1} more"]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}" if names else "none"


def percent(share: float) -> str:
    """A share in percent without digits that nobody reads: ``45%``, ``0.4%``."""
    return f"{share:.1f}%" if 0 < share < 0.95 else f"{share:.0f}%"
