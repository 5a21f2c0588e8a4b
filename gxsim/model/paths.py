"""The way of a request: steps, and what a visit costs at each."""

from collections.abc import Mapping
from dataclasses import dataclass

from gxsim.kernels.disruption import FINISHED, LOST, RESTARTED, RESUMED
from gxsim.kernels.service_times import DISTRIBUTIONS
from gxsim.kernels.upstream import NEXT, POLICIES
from gxsim.model.fields import spec


@dataclass(frozen=True, slots=True, kw_only=True)
class Parallel:
    """Steps of a path that one caller calls at the same time."""

    steps: tuple[str, ...] = spec(doc="Steps that follow each other in the path; the caller of the first calls all")
    wait_for: int = spec(0, doc="Answers that are enough: 1 is any; 0: all of them", ge=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """A request path: steps in order; a step is ``namespace/service`` or an edge such as ``nginx``."""

    name: str = spec(doc="Name of the path")
    route: str = spec("", doc="URL prefix at the edge")
    node_port: int = spec(0, doc="NodePort the edge forwards to", ge=0, le=65535)
    steps: tuple[str, ...] = spec(doc="The services a request visits, in order")
    callers: Mapping[str, str] = spec(doc="Who calls a step, where it is not the step before", factory=dict)
    parallel: tuple[Parallel, ...] = spec((), doc="Steps that are not called one after the other")
    connect_timeout_s: float = spec(60.0, doc="How long a caller waits for a dead endpoint; nginx's default", gt=0)
    answer_timeout_s: float = spec(60.0, doc="How long a caller waits for an answer of a pod that hangs", gt=0)
    retries: int = spec(0, doc="Further endpoints a caller tries, each picked anew", ge=0)
    patience_s: float | None = spec(None, doc="A later answer is a failure to the user; absent: any will do", gt=0)
    share: float = spec(doc="Share of all requests that take this path", ge=0, le=1)
    writes: bool = spec(False, doc="Whether the request ends in the outbox")
    source: str = spec(doc="Where the value comes from")


@dataclass(frozen=True, slots=True, kw_only=True)
class StationChange:
    """Something that happens to the pods of a station: a pause, another number of servers, or a crash."""

    pods: str = spec("*", doc="The pods, or hosts of an edge, it happens to; shell patterns are allowed")
    at_s: float = spec(doc="When, from the start of the run", ge=0)
    every_s: float | None = spec(None, doc="Period at which it comes again, each pod at its own phase", gt=0)
    duration_s: float = spec(0.0, doc="How long nothing is begun from then on", ge=0)
    servers: int | None = spec(None, doc="Servers of each pod from then on; absent: as before", ge=0)
    work: str = spec(
        FINISHED,
        doc="What becomes of visits in service: finished; resumed or restarted after the pause; or lost",
        choices=(FINISHED, RESUMED, RESTARTED, LOST),
    )
    keeps_queue: bool = spec(True, doc="Whether those who wait still do after work has been lost")
    source: str = spec(doc="Where the values come from")


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """Callers balance over pods and try others as an nginx ``upstream`` does; each calling node is one instance.

    Defaults are nginx's own. Weights of an endpoint are those of its node.
    """

    policy: str = spec("roundRobin", doc="How a request finds its pod", choices=POLICIES)
    weights: Mapping[str, int] = spec(doc="Weight of pods by node; 1 where none is given", factory=dict)
    max_fails: int = spec(1, doc="Failures after which a pod rests; 0: it never does", ge=0)
    fail_timeout_s: float = spec(10.0, doc="How long it rests, and how long failures count, in whole seconds", ge=0)
    next_upstream: tuple[str, ...] = spec(("error", "timeout"), doc="When another pod is tried", choices=NEXT)
    tries: int = spec(0, doc="Pods that are tried at most; 0: each once", ge=0)
    try_for_s: float = spec(0.0, doc="No other pod is tried after so long; 0: no limit", ge=0)
    read_timeout_s: float = spec(60.0, doc="How long a caller waits for the answer of a pod", gt=0)
    source: str = spec(doc="Where the values come from")


@dataclass(frozen=True, slots=True, kw_only=True)
class Station:
    """What one visit costs at the pods behind a step of a path."""

    step: str = spec(doc="The step: namespace/service or an edge; shell patterns are allowed")
    service_time_s: float = spec(doc="Mean service time of one visit", gt=0)
    scv: float = spec(1.0, doc="Squared coefficient of variation of the service time", ge=0)
    distribution: str = spec("auto", doc="auto: the usual one of that variability", choices=DISTRIBUTIONS)
    samples_s: tuple[float, ...] = spec((), doc="Measured service times to draw from, for empirical", gt=0)
    hit_ratio: float = spec(0.0, doc="Share of visits after which the steps that follow are left out", ge=0, le=1)
    passed_over: bool = spec(False, doc="Whether a failed visit is a miss: the caller goes on to the next step")
    servers: int = spec(1, doc="Visits that one pod serves at a time: threads or connections", ge=1)
    holds: bool = spec(False, doc="Whether a server stays taken until all that the visit calls has been answered")
    places: int | None = spec(None, doc="Visits one pod holds, those in service included; absent: any number", ge=1)
    cpu_bound: bool = spec(False, doc="Whether serving is computing: all visits of a pod share its CPU")
    pool: int = spec(0, doc="Connections that each calling pod has; a call takes one until its answer; 0: any", ge=0)
    balancing: str = spec(
        "random",
        doc="How a connection finds its pod: kube-proxy's iptables, or IPVS, where each calling node takes turns",
        choices=("random", "roundRobin"),
    )
    upstream: Upstream | None = spec(None, doc="Callers balance themselves, as nginx does; absent: kube-proxy does")
    connections: int = spec(0, doc="Connections that each calling node keeps open; 0: each visit picks a pod", ge=0)
    request_bytes: int = spec(1_000, doc="Size of a request, for faults that limit the bandwidth", ge=0)
    answer_bytes: int = spec(10_000, doc="Size of an answer, for faults that limit the bandwidth", ge=0)
    changes: tuple[StationChange, ...] = spec((), doc="Pauses, other numbers of servers, and crashes of its pods")
    source: str = spec(doc="Where the values come from")

    def __post_init__(self) -> None:
        if self.places is not None and self.places < self.servers:
            raise ValueError(f"places: {self.places} are fewer than the {self.servers} servers; write at least as many")
        if self.cpu_bound and self.places is not None:
            raise ValueError("cpuBound: visits that share the CPU are not counted; leave places out")
        if self.distribution == "empirical" and not self.samples_s:
            raise ValueError("samples: an empirical distribution needs the measured times; list them")
        self._check_kinds()

    def _check_kinds(self) -> None:
        """The kinds of queue that there is one exact method for."""
        kinds = {
            "cpuBound": self.cpu_bound,
            "holds": self.holds,
            "changes": bool(self.changes),
            "upstream": self.upstream is not None,
        }
        given = [name for name, is_given in kinds.items() if is_given]
        if len(given) > 1:
            raise ValueError(f"{given[1]}: is not modelled together with {given[0]}; leave one of them out")
        if self.places is not None and (self.holds or self.changes):
            raise ValueError(f"places: are not modelled together with {given[0]}; leave one of them out")
        if self.upstream is not None and (self.connections or self.balancing != "random"):
            raise ValueError("upstream: balances itself; leave balancing and connections out")
