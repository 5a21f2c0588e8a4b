"""How full a node's disk was during a run: straight lines between the change-points of a Timeline."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gxsim.timeline import Timeline


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskLevels:
    """One disk: from ``times_s[i]`` on ``used_bytes[i]`` lie on it, and grow by ``rate_bytes[i]`` a second until full.

    All are (change-points,); the last time is the horizon.
    """

    times_s: NDArray
    used_bytes: NDArray
    rate_bytes: NDArray
    disk_bytes: float

    @property
    def until_bytes(self) -> NDArray:
        """(change-points,) what lies there at the end of each stretch; at the horizon itself for the last."""
        grown = self.used_bytes + self.rate_bytes * np.diff(self.times_s, append=self.times_s[-1])
        return np.minimum(grown, self.disk_bytes)

    def reaches_s(self, bytes_: float) -> float:
        """When so much was there for the first time; inf if never."""
        for time_s, used, rate, until in zip(
            self.times_s, self.used_bytes, self.rate_bytes, self.until_bytes, strict=True
        ):
            if used >= bytes_:
                return float(time_s)
            if until >= bytes_:
                return float(time_s + (bytes_ - used) / rate)
        return np.inf

    @property
    def most_bytes(self) -> float:
        """The most that was there."""
        return float(max(self.used_bytes.max(), self.until_bytes.max()))


def disk_levels(timeline: Timeline, node: str, disk_bytes: float) -> DiskLevels | None:
    """The disk of *node* over the run; None where nothing is known of it."""
    known_s, amounts = timeline.levels(f"disk_used/{node}")
    turned_s, rates = timeline.levels(f"disk_rate/{node}")
    if len(known_s) == 0:
        return None
    times_s = np.unique(np.concatenate([known_s, turned_s, [timeline.horizon_s]]))
    rate = _at(times_s, turned_s, rates)
    written = np.concatenate([[0.0], np.cumsum(rate[:-1] * np.diff(times_s))])
    last = np.searchsorted(known_s, times_s, side="right") - 1
    used = amounts[last] + written - written[np.searchsorted(times_s, known_s)][last]
    return DiskLevels(times_s=times_s, used_bytes=np.minimum(used, disk_bytes), rate_bytes=rate, disk_bytes=disk_bytes)


def _at(times_s: NDArray, changed_s: NDArray, values: NDArray) -> NDArray:
    """Values of a level at *times_s*, 0 before its first."""
    return np.append(values, 0.0)[np.searchsorted(changed_s, times_s, side="right") - 1]
