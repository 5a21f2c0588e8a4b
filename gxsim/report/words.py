"""Times, amounts and counts in the words an operator uses."""

from gxsim.units import counted as counted
from gxsim.units import human_duration, human_time
from gxsim.units import listed as listed

DAY_S = 86_400


def time_of_day(time_s: float | None, start_s: float) -> str:
    """A moment of a run that starts at *start_s*: ``09:05:50``, ``03:00:00 +1d``; a dash for one that never came."""
    if time_s is None:
        return "–"
    day, second = divmod(round(start_s + time_s), DAY_S)
    return human_time(second) + (f" +{day}d" if day else "")


def duration(seconds: float | None) -> str:
    """A duration, or a dash where there is none."""
    return "–" if seconds is None else human_duration(seconds)


def latency(seconds: float) -> str:
    """Milliseconds in three figures, what an operator compares with a ping: ``92.5ms``; ``never`` for infinity."""
    return "never" if seconds == float("inf") else f"{1000 * seconds:.3g}ms"


def percent(share: float) -> str:
    """A share in percent without digits that nobody reads: ``45%``, ``0.4%``."""
    return f"{share:.1f}%" if 0 < share < 0.95 else f"{share:.0f}%"
