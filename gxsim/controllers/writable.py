"""When a node's disk took writes, read from a Timeline."""

import numpy as np

from gxsim.kernels.uptime import ALWAYS, Windows, windows_of
from gxsim.timeline import Timeline


def writable(timeline: Timeline, node: str) -> Windows:
    """When something could be written on the disk of *node*, its local volumes included; always without a record."""
    times_s, values = timeline.levels(f"writable/{node}")
    if len(times_s) == 0:
        return ALWAYS
    return windows_of(np.append(0.0, times_s), np.append(1.0, values) > 0)
