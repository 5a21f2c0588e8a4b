"""Who sends requests: users by region, when they send, what they do about a failure, and how their name is answered."""

from dataclasses import dataclass

from gxsim.model.fields import spec

FAILURES = (
    "edgeDown",
    "rateLimited",
    "noEndpoint",
    "refused",
    "noConnection",
    "noAnswer",
    "full",
    "readOnly",
    "lost",
    "timedOut",
    "tooLate",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dns:
    """How the public name follows failures.

    Either ``change`` says how long it takes in all, or it is the sum of detection, decision and publication. Detection
    is the last of ``failures`` checks in a row that fail, one every ``checkInterval`` from the start of the run on.
    """

    name: str = spec(doc="The public name")
    ttl_s: float = spec(doc="How long resolvers keep an answer", ge=0)
    change_s: float | None = spec(None, doc="From a failure to a changed answer; absent: as the fields below say", ge=0)
    check_interval_s: float | None = spec(None, doc="Period of the health checks; absent: there are none", gt=0)
    failures: int = spec(1, doc="Checks in a row that must fail, or succeed again", ge=1)
    operator_s: float = spec(0.0, doc="Until a person has decided; 0: nobody is asked", ge=0)
    publish_s: float = spec(0.0, doc="Until name servers give the new answer", ge=0)
    overstaying: float = spec(0.0, doc="Share of clients behind caches that keep an answer too long", ge=0, le=1)
    overstay_s: float = spec(0.0, doc="How long those keep it", ge=0)
    source: str = spec(doc="Where the values come from")

    def __post_init__(self) -> None:
        if self.change_s is not None and (self.check_interval_s is not None or self.operator_s or self.publish_s):
            raise ValueError("change: is the whole time; leave out checkInterval, operator and publish, or change")


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """A reverse proxy on some nodes, outside Kubernetes, that forwards to NodePorts of its own node."""

    name: str = spec(doc="Name by which paths mention it")
    nodes: tuple[str, ...] = spec(doc="Nodes it runs on")
    rate_limit: float | None = spec(None, doc="Requests per second and client address; absent: no limit", gt=0)
    burst: int = spec(0, doc="Requests above the rate that may wait, as in nginx's limit_req", ge=0)
    delay: int = spec(0, doc="Requests of the burst that pass at once; all of them: nginx's nodelay", ge=0)
    source: str = spec(doc="Where the values come from")


@dataclass(frozen=True, slots=True, kw_only=True)
class RateChange:
    """From this time of day on, every day, the rate is the average times the factor."""

    at_s: float = spec(doc="Time since midnight", ge=0)
    factor: float = spec(doc="Factor of the average rate", ge=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Burst:
    """For some time of the run the rate is the factor times what it would be."""

    at_s: float = spec(doc="When it begins, from the start of the run", ge=0)
    duration_s: float = spec(doc="How long it lasts", gt=0)
    factor: float = spec(doc="Factor of the rate", ge=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """When requests were really sent, from a CSV file with a header or as lists: each time, or a rate from each on."""

    file: str = spec("", doc="A CSV file, relative to the model's")
    column: str = spec("time_s", doc="Its column of times in seconds, in any order")
    rate_column: str = spec("", doc="Its column of rates per second from each time on; none: each time is one request")
    begin_s: float = spec(0.0, doc="Time of the trace at which the run starts", ge=0)
    speed: float = spec(1.0, doc="How many times faster than recorded it is played", gt=0)
    times_s: tuple[float, ...] = spec((), doc="The times, where there is no file", ge=0)
    rates: tuple[float, ...] = spec((), doc="The rates, where there is no file", ge=0)

    def __post_init__(self) -> None:
        if bool(self.file) == bool(self.times_s):
            raise ValueError("file: a trace has a file or times; write one of them")
        if self.rates and len(self.rates) != len(self.times_s):
            raise ValueError(f"rates: {len(self.rates)} rates for {len(self.times_s)} times; write one for each")


@dataclass(frozen=True, slots=True, kw_only=True)
class Retries:
    """What a user, or the program that acts for one, does about a failed request: waits and sends it again.

    The n-th pause is ``backoff * factor ** (n - 1)``, less a share drawn up to ``jitter``. Whoever has a path's
    ``patience`` gives up an attempt when it ends; the servers work on it nevertheless.
    """

    attempts: int = spec(doc="Times a failed request is sent again", ge=1, le=14)
    backoff_s: float = spec(1.0, doc="Pause before the first of them", gt=0)
    factor: float = spec(2.0, doc="How many times longer each pause is than the one before", ge=1)
    jitter: float = spec(0.0, doc="Share of a pause that chance may take away", ge=0, le=1)
    connect_timeout_s: float = spec(10.0, doc="How long a client waits for an address that is dead", gt=0)
    failures: tuple[str, ...] = spec((), doc="Failures after which it is sent again; none: any", choices=FAILURES)
    source: str = spec(doc="Where the values come from")


@dataclass(frozen=True, slots=True, kw_only=True)
class Population:
    """Users of one region and the edge that DNS gives them."""

    name: str = spec(doc="Name of the population")
    latitude: float = spec(doc="Degrees north", ge=-90, le=90)
    longitude: float = spec(doc="Degrees east", ge=-180, le=180)
    edge: str = spec(doc="Node whose address DNS answers")
    rate: float = spec(0.0, doc="Requests per second on average; its trace's where there is one", ge=0)
    clients: int = spec(1, doc="Client addresses the requests come from", ge=1)
    skew: float = spec(0.0, doc="Zipf exponent of the rates of the addresses; 0: all equal", ge=0)
    profile: tuple[RateChange, ...] = spec((), doc="How the rate changes over the day; none: not at all")
    bursts: tuple[Burst, ...] = spec((), doc="Times at which there are more requests, or fewer")
    trace: Trace | None = spec(None, doc="Recorded requests in place of the rate; profile and bursts do not apply")
    retries: Retries | None = spec(None, doc="What users do about a failure; absent: nothing")
    source: str = spec(doc="Where the value comes from")

    def __post_init__(self) -> None:
        if self.trace is not None and (self.profile or self.bursts):
            raise ValueError("trace: has its own course over time; leave out profile and bursts")
