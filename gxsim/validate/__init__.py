"""Recordings of real components replayed against gxsim; a recording is known by its content, not by its name."""

import csv
import gzip
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gxsim.errors import GxsimError, ScenarioError
from gxsim.validate import (
    api_validation,
    databases,
    defaulting,
    elections,
    etcd_events,
    etcd_failover,
    etcd_outages,
    etcd_writes,
    fabric,
    failures,
    limit_range,
    load_balancing,
    pools,
    quota,
    raft_partitions,
    rate_limit,
    scheduler,
)
from gxsim.validate.record import Check, Family

FAMILIES: tuple[Family, ...] = (
    scheduler.FAMILY,
    failures.FAMILY,
    quota.FAMILY,
    limit_range.FAMILY,
    defaulting.FAMILY,
    api_validation.FAMILY,
    elections.FAMILY,
    raft_partitions.FAMILY,
    etcd_failover.FAMILY,
    etcd_outages.FAMILY,
    etcd_events.FAMILY,
    etcd_writes.FAMILY,
    fabric.FAMILY,
    databases.FAMILY,
    rate_limit.FAMILY,
    load_balancing.FAMILY,
    pools.FAMILY,
)
_SUFFIXES = (".json", ".json.gz", ".jsonl", ".jsonl.gz", ".csv", ".csv.gz")
_SHOWN = 20  # disagreements kept per family; the first are the ones to look at


@dataclass(frozen=True, slots=True, kw_only=True)
class Disagreement:
    """A check that failed: in which recording, which one, and what differed."""

    recording: str
    check: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FamilyAgreement:
    """How well gxsim agrees with one family; ``worst`` starts with the recordings that disagree most."""

    name: str
    bound: float
    recordings: int
    checks: int
    agreed: int
    worst: tuple[Disagreement, ...] = ()
    groups: Mapping[str, tuple[int, int]] = field(default_factory=dict)  # scenario: checks that agree, and checks

    @property
    def share(self) -> float:
        """Share of checks that agree; 1 when there are none."""
        return self.agreed / self.checks if self.checks else 1.0

    @property
    def good(self) -> bool:
        return self.agreed >= self.bound * self.checks


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """What a validation found; files that no family knows are listed."""

    families: tuple[FamilyAgreement, ...]
    unrecognised: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[FamilyAgreement]:
        return iter(self.families)

    @property
    def good(self) -> bool:
        return all(family.good for family in self.families)

    def as_dict(self) -> dict[str, Any]:
        """The machine-readable form: per family its recordings, checks, agreed checks and bound."""
        return {
            "families": {
                f.name: {"recordings": f.recordings, "checks": f.checks, "agreed": f.agreed, "bound": f.bound}
                | ({"scenarios": {k: {"checks": n, "agreed": a} for k, (a, n) in f.groups.items()}} if f.groups else {})
                for f in self.families
            },
            "unrecognised": list(self.unrecognised),
        }


def validate(paths: Iterable[Path | str]) -> Agreement:
    """Replay every recording under *paths* (files, or folders with all below them).

    Families without a recording are left out. Raises ScenarioError for a path that is not there or a broken file.
    """
    replayed: dict[str, list[tuple[str, list[Check]]]] = {}
    unrecognised = []
    for path in _files(paths):
        document = _read(path)
        family = next((f for f in FAMILIES if f.recognises(document)), None)
        if family is None:
            unrecognised.append(str(path))
        else:
            for one in _readings(family):
                replayed.setdefault(one.name, []).append((str(path), _replay(one, document)))
    readings = (one for family in FAMILIES for one in _readings(family))
    families = (_agreement(f, replayed[f.name]) for f in readings if f.name in replayed)
    return Agreement(families=tuple(families), unrecognised=tuple(unrecognised))


def _readings(family: Family) -> tuple[Family, ...]:
    """The family and what is reported beside it."""
    return (family,) if family.beside is None else (family, family.beside)


def _agreement(family: Family, replayed: Sequence[tuple[str, list[Check]]]) -> FamilyAgreement:
    failed = [(path, [c for c in checks if not c.agreed]) for path, checks in replayed]
    failed.sort(key=lambda item: -len(item[1]))  # stable: files that disagree equally stay in order
    worst = [Disagreement(recording=path, check=c.name, detail=c.detail) for path, checks in failed for c in checks]
    checks = sum(len(checks) for _, checks in replayed)
    return FamilyAgreement(
        name=family.name,
        bound=family.bound,
        recordings=len(replayed),
        checks=checks,
        agreed=checks - len(worst),
        worst=tuple(worst[:_SHOWN]),
        groups=_groups([check for _, checks in replayed for check in checks]),
    )


def _groups(checks: Sequence[Check]) -> dict[str, tuple[int, int]]:
    """Agreed and all checks by the scenario letter that a check's name begins with (``a/...``)."""
    groups: dict[str, tuple[int, int]] = {}
    for check in checks:
        letter, slash, _ = check.name.partition("/")
        if slash and len(letter) == 1:
            agreed, count = groups.get(letter, (0, 0))
            groups[letter] = (agreed + check.agreed, count + 1)
    return dict(sorted(groups.items()))


def _replay(family: Family, document: Any) -> list[Check]:
    """The checks of one recording; one that gxsim cannot replay at all is one check that failed."""
    try:
        return list(family.replay(document))
    except GxsimError as error:
        return [Check(name="replay", agreed=False, detail=str(error))]


def _files(paths: Iterable[Path | str]) -> Iterator[Path]:
    for path in map(Path, paths):
        if not path.exists():
            raise ScenarioError(str(path), "no such file or folder; name recordings (.json or .csv, also .gz)")
        if path.is_file():
            yield path
        else:
            yield from sorted(p for p in path.rglob("*") if p.is_file() and p.name.endswith(_SUFFIXES))


def _read(path: Path) -> Any:
    """The parsed document: of JSON its value, of JSON lines and of CSV a list of rows; None for any other file."""
    if not path.name.endswith(_SUFFIXES):
        return None
    try:
        content = path.read_bytes()
        text = (gzip.decompress(content) if path.suffix == ".gz" else content).decode()
        if ".jsonl" in path.suffixes:
            return [json.loads(line) for line in text.splitlines()]
        return list(csv.DictReader(text.splitlines())) if ".csv" in path.suffixes else json.loads(text)
    except (OSError, EOFError, ValueError) as error:
        raise ScenarioError(str(path), f"not a readable recording: {error}") from error
