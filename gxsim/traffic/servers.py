"""Servers of one stage that take their work in order while they are there."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gxsim.kernels.uptime import Windows, clock, in_turn, worked


@dataclass(slots=True)
class Servers:
    """They take turns; ``free_s`` (servers,) is when each is free, in time that they are there."""

    windows: Windows
    servers: int = 1
    free_s: NDArray = field(init=False)

    def __post_init__(self) -> None:
        self.free_s = np.full(self.servers, -np.inf)

    def pass_through(self, arrival_s: NDArray, service_s: NDArray | float) -> NDArray:
        """(arrivals,) departures; inf for work that they never get to."""
        done = in_turn(worked(arrival_s, self.windows), service_s, servers=self.servers, free_s=self.free_s)
        return clock(np.maximum.accumulate(done), self.windows)
