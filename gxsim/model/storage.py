"""How data grows, is copied and is lost: the storage part of ``kind: Model``."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from gxsim.model.fields import file_name, spec


def _lower_end_first(noun: Any) -> None:
    """Raise ValueError for a range of *noun* that is written the other way round."""
    for one in fields(noun):
        value = getattr(noun, one.name)
        if isinstance(value, tuple) and len(value) == 2 and not isinstance(value[0], str) and value[0] > value[1]:
            raise ValueError(f"{file_name(one.name)}: expected the lower end first, got [{value[0]:g}, {value[1]:g}]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """What a workload's volumes grow by, each; *retention* cuts off what is older.

    Entries of one name grow alike: the same ledger lies on every orderer and every peer.
    """

    name: str = spec(doc="What grows")
    namespace: str = spec(doc="Namespace of the workload")
    workload: str = spec(doc="Name of the workload; shell patterns are allowed")
    ordinal: int | None = spec(None, doc="The only pod of a StatefulSet whose volume grows; absent: each", ge=0)
    per_day_bytes: tuple[int, int] = spec(
        (0, 0), doc="Lowest and highest growth per day; absent: what perWrite makes of the traffic", ge=0
    )
    per_write_bytes: tuple[int, int] | None = spec(
        None,
        doc="Lowest and highest growth per write of the request paths; beside perDay: for forecast --traffic",
        ge=0,
    )
    distribution: str = spec(
        "uniform",
        doc="Spread of a rate over its range: even; triangular, likeliest in the middle; lognormal between P10 and P90",
        choices=("uniform", "triangular", "lognormal"),
    )
    each: str = spec(
        "volume",
        doc="What the growth is of: the volume, or every container whose logs it holds",
        choices=("volume", "container"),
    )
    per_month: tuple[float, float] = spec(
        (0.0, 0.0), doc="Lowest and highest growth of the rate itself; 0.02 is 2 %", gt=-1
    )
    level_bytes: tuple[int, int] = spec((0, 0), doc="Lowest and highest amount that is there besides, and stays", ge=0)
    age_s: float = spec(0.0, doc="How long it has grown when the clock starts", ge=0)
    saved: bool = spec(True, doc="Whether copies of the workload hold it; false: what they leave out, such as a WAL")
    retention_s: float | None = spec(None, doc="How long data is kept; absent: for ever", gt=0)
    purge_every_s: float = spec(86400.0, doc="How often data that is too old is removed", gt=0)
    source: str = spec(doc="Where the value comes from")

    def __post_init__(self) -> None:
        _lower_end_first(self)
        if self.distribution == "lognormal" and 0 in (self._rates_bytes()[0], (self.per_write_bytes or (1,))[0]):
            raise ValueError("distribution: lognormal needs rates above 0; write a lower end such as 1M")

    def _rates_bytes(self) -> tuple[int, int]:
        """Per day, or per write where nothing is stated per day."""
        return self.per_day_bytes if self.per_day_bytes[1] else self.per_write_bytes or (0, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class HostGrowth:
    """What lies on a node's disk outside volumes: images, container logs, etcd, the system. Every entry counts."""

    name: str = spec(doc="What it is")
    node_selector: Mapping[str, str] = spec(doc="Labels of the nodes; none: every node", factory=dict)
    each: str = spec(
        "node",
        doc="What the amounts are of: the node, or each container or emptyDir of its pods, and gone with it",
        choices=("node", "container", "emptyDir"),
    )
    level_bytes: tuple[int, int] = spec((0, 0), doc="Lowest and highest amount that is there", ge=0)
    unused_share: tuple[float, float] = spec(
        (0.0, 0.0), doc="Lowest and highest share that image garbage collection may remove", ge=0, le=1
    )
    per_day_bytes: tuple[int, int] = spec((0, 0), doc="Lowest and highest growth per day", ge=0)
    retention_s: float | None = spec(None, doc="How long data is kept; absent: for ever", gt=0)
    source: str = spec(doc="Where the value comes from")

    def __post_init__(self) -> None:
        _lower_end_first(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """A schedule of copies and how long it takes to bring one back."""

    name: str = spec(doc="What is saved")
    namespace: str = spec(doc="Namespace of the workload")
    workload: str = spec(doc="Name of the workload; shell patterns are allowed")
    every_s: float = spec(doc="Interval between copies", gt=0)
    keep: int = spec(doc="Copies that are kept", ge=1)
    restore_s: tuple[float, float] = spec(doc="Shortest and longest time to restore", ge=0)
    size_ratio: tuple[float, float] = spec(
        (1.0, 1.0), doc="Lowest and highest size of a copy over the size of the data", gt=0
    )
    copy_s: tuple[float, float] = spec((0.0, 0.0), doc="Shortest and longest time to make a copy", ge=0)
    replicated: bool = spec(False, doc="Whether other members hold the same data")
    off_node: bool = spec(False, doc="Whether a copy survives the loss of the volume's node")
    reserved_bytes: int | None = spec(None, doc="Space set aside for the copies; absent: none", gt=0)
    source: str = spec(doc="Where the value comes from")

    def __post_init__(self) -> None:
        _lower_end_first(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """How a workload keeps its data: what a crash costs, and who else has it. The first entry that matches counts."""

    name: str = spec(doc="Name of the variant, such as independent or streaming replica")
    namespace: str = spec(doc="Namespace of the workload")
    workload: str = spec(doc="Name of the workload; shell patterns are allowed")
    in_force: bool = spec(True, doc="false: a variant to compare with, such as a planned replication")
    persistence: str = spec(
        "log", doc="log: acknowledged writes are in a log; snapshot: in the last copy only", choices=("log", "snapshot")
    )
    process_loss_s: tuple[float, float] = spec(
        (0.0, 0.0), doc="Newest acknowledged writes that a killed process loses", ge=0
    )
    power_loss_s: tuple[float, float] = spec((0.0, 0.0), doc="Newest acknowledged writes that a lost host loses", ge=0)
    recovery_s: tuple[float, float] = spec((0.0, 0.0), doc="From the start of the process until it answers again", ge=0)
    wal_bytes: tuple[int, int] | None = spec(
        None, doc="PostgreSQL's WAL since its last checkpoint; recovery then replays it, beside recovery", ge=0
    )
    replicas: int = spec(0, doc="Further copies of the data on other nodes: standbys, or members of a group", ge=0)
    replica_lag_s: tuple[float, float] = spec((0.0, 0.0), doc="How far a replica is behind what was acknowledged", ge=0)
    failover_s: tuple[float, float] | None = spec(
        None, doc="Until a replica serves by itself; absent: nobody promotes it", ge=0
    )
    archive_lag_s: tuple[float, float] | None = spec(
        None, doc="How far a log archived off the node is behind; absent: no archive", ge=0
    )
    restore_rate_bytes: tuple[int, int] | None = spec(
        None, doc="Bytes of data per second when a copy or a member is brought back; absent: as the backup says", gt=0
    )
    source: str = spec(doc="Where the values come from")

    def __post_init__(self) -> None:
        _lower_end_first(self)


STATED_IN = {  # figure: the field that states it; what writes are held against follows from the model
    "growth": "amount_bytes",
    "relativeGrowth": "share",
    "claims": "amount_bytes",
    "claimsShare": "share",
    "reach": "time_s",
    "restore": "time_s",
    "fits": "amount_bytes",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageStatement:
    """A documented figure of storage, to hold against what follows from the manifests and the rest of the model.

    The figures: ``growth`` per month of one copy of what grows; ``relativeGrowth`` of the whole cluster per month;
    ``claims`` of volumes; ``claimsShare`` of the nodes' disks; ``reach`` of the kept copies into the past; ``restore``
    of a backup; ``fits`` the most that retention or the kept copies leave; ``writes`` per second that the growth pays
    for, against those of the request paths.
    """

    text: str = spec(doc="What is stated, in words")
    figure: str = spec(
        doc="What it is about",
        choices=(*STATED_IN, "writes"),
    )
    namespaces: tuple[str, ...] = spec((), doc="Namespaces it speaks of; none: all")
    workload: str = spec("*", doc="Workloads it speaks of; shell patterns are allowed")
    names: tuple[str, ...] = spec((), doc="Growth entries or backups it speaks of; none: all")
    node: str = spec("", doc="The only node it speaks of; none: all")
    amount_bytes: tuple[int, int] | None = spec(None, doc="Lowest and highest stated amount", ge=0)
    time_s: tuple[float, float] | None = spec(None, doc="Shortest and longest stated time", ge=0)
    share: tuple[float, float] | None = spec(None, doc="Lowest and highest stated share", ge=0)
    of_bytes: int | None = spec(None, doc="What relativeGrowth is a share of; absent: the nodes' disks", gt=0)
    source: str = spec(doc="Where it is stated")

    def __post_init__(self) -> None:
        _lower_end_first(self)
        needs = STATED_IN.get(self.figure)
        if needs and getattr(self, needs) is None:
            raise ValueError(f"the figure {self.figure} needs the field {file_name(needs)!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Time series that Prometheus stores: so many for each of something the cluster has."""

    job: str = spec(doc="Name of the job that scrapes them")
    each: str = spec("target", doc="What has these series", choices=("target", "node", "pod", "container"))
    targets: int = spec(1, doc="How many targets, where it is targets that have them", ge=1)
    count: tuple[int, int] = spec(doc="Lowest and highest number of series of each", ge=0)
    source: str = spec(doc="Where the value comes from")

    def __post_init__(self) -> None:
        _lower_end_first(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleStore:
    """The volume of Prometheus: bytes per sample times samples per second times retention."""

    namespace: str = spec(doc="Namespace of the workload")
    workload: str = spec(doc="Name of the workload")
    retention_s: float = spec(1_296_000.0, doc="How long samples are kept", gt=0)
    sample_size_bytes: tuple[float, float] = spec((1.0, 2.0), doc="Lowest and highest size of a stored sample", gt=0)
    series: tuple[Series, ...] = spec(doc="What is stored")
    source: str = spec(doc="Where the values come from")

    def __post_init__(self) -> None:
        _lower_end_first(self)
