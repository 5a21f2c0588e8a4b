"""A scenario: which cluster, what goes wrong, for how long, and what is expected."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime

from gxsim.model.expectation import Expectation
from gxsim.model.fault import Fault
from gxsim.model.fields import spec

_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)(?::([0-5]\d))?", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """``kind: Scenario`` of a scenario file; paths in it are relative to the file."""

    name: str = spec(doc="Name of the scenario", default="scenario")
    question: str = spec("", doc="What the scenario asks, in one sentence")
    manifests: tuple[str, ...] = spec(doc="Files and folders of Kubernetes manifests")
    overlays: tuple[str, ...] = spec((), doc="Further manifests that this scenario switches on")
    model: str = spec("", doc="The model file: what manifests cannot say")
    placement: str = spec("", doc="A Placement file to start from; absent: the scheduler places every pod")
    scheduler: str = spec("", doc="A KubeSchedulerConfiguration file; absent: kube-scheduler's default profile")
    ties: str = spec("random", doc="How the scheduler chooses among equally good nodes", choices=("random", "name"))
    data_plane: tuple[str, ...] = spec((), doc="What is played as well as pods", choices=("traffic", "ledger"))
    horizon_s: float = spec(86400.0, doc="How long the clock runs", gt=0)
    date: str = spec("2026-01-01", doc="Day of the start; CronJobs go by it")
    clock: str = spec("00:00", doc="Time of day at the start, UTC")
    seed: int = spec(1, doc="Seed of every random stream", ge=0)
    faults: tuple[Fault, ...] = spec((), doc="What goes wrong, and when")
    expect: tuple[Expectation, ...] = spec((), doc="What must hold, such as 'quorum(orderers) == kept'")

    def __post_init__(self) -> None:
        if not _CLOCK.fullmatch(self.clock):
            raise ValueError(f"clock: expected a time of day such as 09:30, got {self.clock!r}")
        try:
            date.fromisoformat(self.date)
        except ValueError:
            raise ValueError(f"date: expected a day such as 2026-01-31, got {self.date!r}") from None

    @property
    def clock_s(self) -> int:
        """Seconds from midnight to the start."""
        hours, minutes, seconds = (int(part) for part in f"{self.clock}:00".split(":")[:3])
        return 3600 * hours + 60 * minutes + seconds

    @property
    def began_unix_s(self) -> float:
        """The start in seconds since 1970."""
        day = date.fromisoformat(self.date)
        return datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() + self.clock_s
