"""Documented figures of storage against what follows from manifests and model, with the arithmetic."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

from gxsim.controllers.disks import disk_bytes
from gxsim.model.model import Model
from gxsim.model.storage import Backup, Growth, StorageStatement, Store
from gxsim.state import ClusterState
from gxsim.storage.amounts import decimal, span
from gxsim.storage.coupling import coupled
from gxsim.storage.drivers import DAY_S, MONTH_DAYS, interval_s, series_of, writes_per_day
from gxsim.storage.places import Place, container_counts, places
from gxsim.units import human_bytes, human_duration

Range = tuple[float, float]
Verdict = Literal["holds", "contradicted", "depends"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One statement judged: what is stated, what follows instead, and how it was computed."""

    statement: StorageStatement
    stated: str
    derived: str
    arithmetic: str
    verdict: Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """What statements are judged by."""

    state: ClusterState
    model: Model
    places: Sequence[Place]


def judge(state: ClusterState, model: Model) -> list[Finding]:
    """Every statement of the model against the cluster, in the order in which they are made."""
    cluster = Cluster(state=state, model=coupled(model), places=places(state))
    return [FIGURES[statement.figure](cluster, statement) for statement in model.storage_statements]


def _growth(cluster: Cluster, said: StorageStatement) -> Finding:
    entries = _named(_entries(cluster, said))
    if not entries:
        return _absent(said)
    low, high = _ends([entry.per_day_bytes for entry in entries])
    sums = " + ".join(f"{entry.name} {span(*entry.per_day_bytes)}" for entry in entries)
    month = (low * MONTH_DAYS, high * MONTH_DAYS)
    return _about_bytes(said, month, f"({sums}) a day × {MONTH_DAYS:.2f} days = {span(*month)}")


def _relative_growth(cluster: Cluster, said: StorageStatement) -> Finding:
    low = high = 0.0
    parts = []
    for entry in _entries(cluster, said):
        volumes = sum(1 for place in cluster.places if place.grows(entry))
        times = volumes * _times(cluster, entry)
        low, high = low + times * entry.per_day_bytes[0], high + times * entry.per_day_bytes[1]
        if entry.per_day_bytes[1]:
            parts.append(f"{times} × {entry.name} {span(*entry.per_day_bytes)}")
    if not parts:
        return _absent(said)
    of = said.of_bytes or float(disk_bytes(cluster.state).sum())
    month = (low * MONTH_DAYS, high * MONTH_DAYS)
    share = (month[0] / of, month[1] / of)
    how = f"({' + '.join(parts)}) a day × {MONTH_DAYS:.2f} days = {span(*month)}; of {decimal(of)}"
    return _about_shares(said, share, how)


def _claims(cluster: Cluster, said: StorageStatement) -> Finding:
    found = _places(cluster, said)
    if _missing(found, said):
        return _absent(said)
    total = float(sum(place.size_bytes for place in found))
    return _about_bytes(said, (total, total), f"{_counted(found)} = {human_bytes(total)} = {decimal(total)}")


def _claims_share(cluster: Cluster, said: StorageStatement) -> Finding:
    found = _places(cluster, said)
    if _missing(found, said):
        return _absent(said)
    total, disks = sum(place.size_bytes for place in found), int(disk_bytes(cluster.state).sum())
    share = total / disks
    how = f"{_counted(found)} = {decimal(total)}, of {decimal(disks)} of disks"
    return _about_shares(said, (share, share), how)


def _reach(cluster: Cluster, said: StorageStatement) -> Finding:
    backup = _backup(cluster, said)
    if backup is None:
        return _absent(said)
    reach = backup.every_s * backup.keep
    how = f"{backup.keep} copies × {human_duration(backup.every_s)} = {human_duration(reach)}"
    return _about_times(said, (reach, reach), how)


def _restore(cluster: Cluster, said: StorageStatement) -> Finding:
    backup = _backup(cluster, said)
    store = _store(cluster, said)
    if backup is None or store is None or store.restore_rate_bytes is None:
        return _absent(said)
    size = _data(cluster, backup)
    slow, fast = store.restore_rate_bytes
    took = (size[0] / fast, size[1] / slow)
    how = f"{span(*size)} of data at {span(slow, fast)}/s = {human_duration(took[0])} to {human_duration(took[1])}"
    limit = (said.time_s or (0.0, 0.0))[1]
    return _at_most(said, limit, took, _times_between, how)


def _fits(cluster: Cluster, said: StorageStatement) -> Finding:
    found = _kept_copies(cluster, said) or _kept_samples(cluster, said) or _kept_growth(cluster, said)
    if found is None:
        return _absent(said)
    most, how = found
    limit = float((said.amount_bytes or (0, 0))[1])
    return _at_most(said, limit, most, span, f"{how} = {span(*most)}")


def _writes(cluster: Cluster, said: StorageStatement) -> Finding:
    entries = [entry for entry in _named(_entries(cluster, said)) if entry.per_write_bytes]
    stated = writes_per_day(cluster.model) / DAY_S
    if not entries or not stated:
        return _absent(said)
    day = _ends([entry.per_day_bytes for entry in entries])
    each = _ends([entry.per_write_bytes for entry in entries if entry.per_write_bytes])
    paid = (day[0] / each[1] / DAY_S, day[1] / each[0] / DAY_S)
    how = f"{span(*day)} a day ÷ {span(*each)} a write = {paid[0]:.2g}–{paid[1]:.2g} a second"
    grown = span(stated * DAY_S * each[0], stated * DAY_S * each[1])
    how += f"; the paths write {stated:.3g} a second, which is {grown} a day"
    return _finding(said, (stated, stated), paid, _rates_between, how)


def _kept_copies(cluster: Cluster, said: StorageStatement) -> tuple[Range, str] | None:
    backup = _backup(cluster, said)
    if backup is None:
        return None
    size, (low, high) = _data(cluster, backup), backup.size_ratio
    most = (backup.keep * low * size[0], backup.keep * high * size[1])
    return most, f"{backup.keep} copies × {low:g}–{high:g} × {span(*size)} of data"


def _kept_samples(cluster: Cluster, said: StorageStatement) -> tuple[Range, str] | None:
    monitoring = cluster.model.monitoring
    store = monitoring.store if monitoring else None
    if monitoring is None or store is None or "samples" not in said.names:
        return None
    per_s = [
        sum(one.count[end] * series_of(cluster.state, one) / interval_s(monitoring, one.job) for one in store.series)
        for end in (0, 1)
    ]
    low, high = store.sample_size_bytes
    most = (per_s[0] * low * store.retention_s, per_s[1] * high * store.retention_s)
    kept = human_duration(store.retention_s)
    return most, f"{per_s[0]:.0f}–{per_s[1]:.0f} samples/s × {low:g}–{high:g} B × {kept}"


def _kept_growth(cluster: Cluster, said: StorageStatement) -> tuple[Range, str] | None:
    entries = _named(_entries(cluster, said))
    if not entries:
        return None
    parts = [_kept(cluster, entry) for entry in entries]
    most = (sum(part[0] for part in parts), sum(part[1] for part in parts))
    return most, " + ".join(_how_kept(cluster, entry) for entry in entries)


FIGURES: dict[str, Callable[[Cluster, StorageStatement], Finding]] = {
    "growth": _growth,
    "relativeGrowth": _relative_growth,
    "claims": _claims,
    "claimsShare": _claims_share,
    "reach": _reach,
    "restore": _restore,
    "fits": _fits,
    "writes": _writes,
}


# ---- what a statement speaks of -------------------------------------------------------------------------------------


def _entries(cluster: Cluster, said: StorageStatement) -> list[Growth]:
    return [
        entry
        for entry in cluster.model.growth
        if (not said.namespaces or entry.namespace in said.namespaces) and (not said.names or entry.name in said.names)
    ]


def _named(entries: Sequence[Growth]) -> list[Growth]:
    """One entry of each name: copies of the same data count once."""
    return list({entry.name: entry for entry in reversed(entries)}.values())[::-1]


def _places(cluster: Cluster, said: StorageStatement) -> list[Place]:
    nodes = cluster.state.nodes
    return [
        place
        for place in cluster.places
        if (not said.namespaces or place.namespace in said.namespaces)
        and fnmatchcase(place.workload, said.workload)
        and said.node in ("", nodes[place.node].name)
    ]


def _missing(found: Sequence[Place], said: StorageStatement) -> bool:
    """Whether something that the statement speaks of is not there at all."""
    return not found or not {place.namespace for place in found} >= set(said.namespaces)


def _backup(cluster: Cluster, said: StorageStatement) -> Backup | None:
    return next((backup for backup in cluster.model.backups if backup.name in said.names), None)


def _store(cluster: Cluster, said: StorageStatement) -> Store | None:
    backup = _backup(cluster, said)
    matching = (
        store
        for store in cluster.model.stores
        if backup is not None
        and store.in_force
        and store.namespace == backup.namespace
        and fnmatchcase(backup.workload, store.workload)
    )
    return next(matching, None)


def _data(cluster: Cluster, backup: Backup) -> Range:
    """What one copy saves when retention has come to rest, or after a year where nothing is removed."""
    found = (
        entry
        for entry in cluster.model.growth
        if entry.namespace == backup.namespace and fnmatchcase(entry.workload, backup.workload) and entry.saved
    )
    parts = [_kept(cluster, entry) for entry in _named(list(found))]
    return (sum(part[0] for part in parts), sum(part[1] for part in parts))


# ---- arithmetic -----------------------------------------------------------------------------------------------------


def _ends(ranges: Sequence[tuple[int, int]]) -> Range:
    return (float(sum(one[0] for one in ranges)), float(sum(one[1] for one in ranges)))


def _days_kept(entry: Growth) -> float:
    """Most days of data that are there: retention and one purge; a year where nothing is removed."""
    return 365.0 if entry.retention_s is None else (entry.retention_s + entry.purge_every_s) / DAY_S


def _times(cluster: Cluster, entry: Growth) -> int:
    return int(container_counts(cluster.state).sum()) if entry.each == "container" else 1


def _kept(cluster: Cluster, entry: Growth) -> Range:
    days, times = _days_kept(entry), _times(cluster, entry)
    low, high = (
        times * (day * days + level) for day, level in zip(entry.per_day_bytes, entry.level_bytes, strict=True)
    )
    return (low, high)


def _how_kept(cluster: Cluster, entry: Growth) -> str:
    times = _times(cluster, entry)
    amount = f"{times} × {span(*entry.per_day_bytes)}" if times > 1 else span(*entry.per_day_bytes)
    parts = [f"{amount} a day × {_days_kept(entry):.0f} days"] if entry.per_day_bytes[1] else []
    parts += [span(*entry.level_bytes)] if entry.level_bytes[1] else []
    return f"{entry.name} {' + '.join(parts)}"


def _counted(found: Sequence[Place]) -> str:
    """Claims by workload and size: ``5 × 50Gi + 4 × 100Gi``."""
    sizes: dict[int, int] = {}
    for place in found:
        sizes[place.size_bytes] = sizes.get(place.size_bytes, 0) + 1
    return " + ".join(f"{count} × {human_bytes(size)}" for size, count in sorted(sizes.items(), reverse=True))


# ---- verdicts -------------------------------------------------------------------------------------------------------


def _about_bytes(said: StorageStatement, derived: Range, how: str) -> Finding:
    stated = said.amount_bytes or (0, 0)
    return _finding(said, (float(stated[0]), float(stated[1])), derived, span, how)


def _about_times(said: StorageStatement, derived: Range, how: str) -> Finding:
    return _finding(said, said.time_s or (0.0, 0.0), derived, _times_between, how)


def _about_shares(said: StorageStatement, derived: Range, how: str) -> Finding:
    return _finding(said, said.share or (0.0, 0.0), derived, _shares_between, how)


def _finding(
    said: StorageStatement, stated: Range, derived: Range, words: Callable[[float, float], str], how: str
) -> Finding:
    """Contradicted where the ranges, each rounded as it is written, do not meet; holds where stated contains derived.

    Stated figures are rounded: half a unit of the second digit counts as equal.
    """
    slack = 0.05 * max(stated)
    inside = stated[0] - slack <= derived[0] and derived[1] <= stated[1] + slack
    apart = derived[1] < stated[0] - slack or derived[0] > stated[1] + slack
    verdict: Verdict = "holds" if inside else "contradicted" if apart else "depends"
    return Finding(statement=said, stated=words(*stated), derived=words(*derived), arithmetic=how, verdict=verdict)


def _at_most(
    said: StorageStatement, limit: float, derived: Range, words: Callable[[float, float], str], how: str
) -> Finding:
    """A promise: it holds where everything derived stays within *limit*, and is contradicted where nothing does."""
    verdict: Verdict = "holds" if derived[1] <= limit else "contradicted" if derived[0] > limit else "depends"
    stated = f"≤ {words(limit, limit)}"
    return Finding(statement=said, stated=stated, derived=words(*derived), arithmetic=how, verdict=verdict)


def _absent(said: StorageStatement) -> Finding:
    return Finding(
        statement=said, stated="–", derived="–", arithmetic="not all of that is deployed or modelled", verdict="depends"
    )


def _times_between(low: float, high: float) -> str:
    return human_duration(low) if low == high else f"{human_duration(low)}–{human_duration(high)}"


def _shares_between(low: float, high: float) -> str:
    return f"{100 * low:.3g}%" if low == high else f"{100 * low:.3g}–{100 * high:.3g}%"


def _rates_between(low: float, high: float) -> str:
    return f"{low:.3g}/s" if low == high else f"{low:.2g}–{high:.2g}/s"
