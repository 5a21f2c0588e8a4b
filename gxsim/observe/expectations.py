"""Expectations of a scenario held against its run."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from gxsim.errors import ScenarioError
from gxsim.model.expectation import MEASURES, Expectation
from gxsim.observe.table import Table
from gxsim.units import human_duration

Tables = Mapping[str, Table]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One expectation, what was observed, and whether it holds."""

    expectation: Expectation
    observed: float | str
    holds: bool

    @property
    def observed_text(self) -> str:
        """The observed value in the measure's unit."""
        unit = MEASURES[self.expectation.measure][1]
        if isinstance(self.observed, str):
            return self.observed
        return {"duration": human_duration, "percent": "{:.1f}%".format}.get(unit, "{:g}".format)(self.observed)


def judge(expectations: tuple[Expectation, ...], tables: Tables) -> tuple[Verdict, ...]:
    """A verdict on each expectation, from the run's tables; ScenarioError for one that names nothing there is."""
    verdicts = []
    for position, expectation in enumerate(expectations):
        try:
            observed = MEASURERS[expectation.measure](tables, expectation)
        except LookupError as error:
            raise ScenarioError(f"expect[{position}]", f"{expectation.text}: {error.args[0]}") from None
        verdicts.append(Verdict(expectation=expectation, observed=observed, holds=expectation.holds(observed)))
    return tuple(verdicts)


def _matching(table: Table, column: str, expectation: Expectation) -> list[dict[str, Any]]:
    """Rows whose *column* matches the expectation's pattern; LookupError, the scenario's fault, if none does."""
    rows = [row for row in table.rows() if fnmatchcase(str(row[column]), expectation.argument)]
    if not rows:
        known = sorted({str(value) for value in table.columns[column]})
        listed = ", ".join(known[:8]) + (", ..." if len(known) > 8 else "")
        raise LookupError(f"no {column} matches; there are: {listed or 'none'}")
    return rows


def _worst(table: str, by: str, column: str, worst: Callable = max) -> Callable[[Tables, Expectation], float]:
    """A measure: the worst value of *column* among rows of *table* whose *by* matches."""

    def measure(tables: Tables, expectation: Expectation) -> float:
        return float(worst(row[column] for row in _matching(tables[table], by, expectation)))

    return measure


def _outcomes(*names: str) -> Callable[[Tables, Expectation], float]:
    def measure(tables: Tables, _: Expectation) -> float:
        return float(sum(outcome in names for outcome in tables["pods"].columns["outcome"]))

    return measure


def _quorum_lost(tables: Tables, expectation: Expectation) -> float:
    rows = _matching(tables["quorum"], "group", expectation)
    lost: dict[str, float] = {}
    for row in rows:
        lost[row["group"]] = lost.get(row["group"], 0.0) + (0.0 if row["quorum"] else row["to_s"] - row["from_s"])
    return max(lost.values())


def _quorum(tables: Tables, expectation: Expectation) -> str:
    return "kept" if _quorum_lost(tables, expectation) == 0 else "lost"


def _write_gap(tables: Tables, expectation: Expectation) -> float:
    _matching(tables["leaders"], "group", expectation)
    gaps = [row for row in tables["write_gaps"].rows() if fnmatchcase(row["group"], expectation.argument)]
    return max((row["gap_s"] for row in gaps), default=0.0)


def _commit(tables: Tables, expectation: Expectation) -> float:
    rows = _matching(tables["leaders"], "group", expectation)
    return max((row["slowest_commit_s"] for row in rows if row["slowest_commit_s"] is not None), default=float("inf"))


def _elections(tables: Tables, expectation: Expectation) -> float:
    """The most of any group: reigns after the first."""
    reigns = [row["group"] for row in _matching(tables["leaders"], "group", expectation) if row["leader"]]
    return float(max((reigns.count(group) - 1 for group in set(reigns)), default=0))


def _without(tables: Tables, expectation: Expectation) -> float:
    rows = [r for r in tables["pods"].rows() if fnmatchcase(r["workload"], expectation.argument)]
    if not rows:
        _matching(tables["workloads"], "workload", expectation)
    return max((float(row["without_s"]) for row in rows), default=0.0)


def _detected(tables: Tables, expectation: Expectation) -> float:
    rows = _matching(tables["node_losses"], "node", expectation)
    return max(float("inf") if r["noticed_s"] is None else r["noticed_s"] - r["lost_s"] for r in rows)


def _p99(tables: Tables, expectation: Expectation) -> float:
    path, _, population = expectation.argument.partition("/")
    felt = list(_played(tables, "paths", "traffic").rows())
    rows = [r for r in felt if r["path"] == path and fnmatchcase(r["population"], population or "*")]
    if not rows:
        known = sorted({f"{r['path']}/{r['population']}" for r in felt})
        raise LookupError(f"no path/users matches; there are: {', '.join(known[:8])}")
    return max((float(r["p99_s"]) for r in rows if r["p99_s"] is not None), default=float("nan"))


def _requests(tables: Tables, expectation: Expectation) -> float:
    resource = expectation.argument
    amounts = {"cpu": "requests_cpu_milli", "memory": "requests_memory_bytes", "disk": "volumes_bytes"}
    offers = {"cpu": "allocatable_cpu_milli", "memory": "allocatable_memory_bytes", "disk": "allocatable_disk_bytes"}
    if resource not in amounts:
        raise LookupError(f"unknown resource {resource!r}; expected cpu, memory or disk")
    rows = [row for row in tables["nodes"].rows() if row[offers[resource]]]
    return max((100.0 * row[amounts[resource]] / row[offers[resource]] for row in rows), default=0.0)


def _full(tables: Tables, expectation: Expectation) -> float:
    _matching(tables["nodes"], "node", expectation)
    spans = {
        (row["node"], row["from_s"], float("inf") if row["to_s"] is None else row["to_s"])
        for row in tables["full_disks"].rows()
        if fnmatchcase(row["node"], expectation.argument)
    }
    spent: dict[str, float] = {}
    for node, from_s, to_s in spans:
        spent[node] = spent.get(node, 0.0) + to_s - from_s
    return max(spent.values(), default=0.0)


def _answered(tables: Tables, expectation: Expectation) -> float:
    sums: dict[str, tuple[float, float]] = {}
    rows = _matching(_played(tables, "paths", "traffic"), "path", expectation)
    several = len({row["population"] for row in rows}) > 1
    for row in rows:
        if several and row["population"] != "all":
            continue  # a part of the sum
        answered, sent = sums.get(row["path"], (0.0, 0.0))
        sums[row["path"]] = answered + row["answered"], sent + row["sent"]
    return min((100.0 * answered / sent for answered, sent in sums.values() if sent), default=100.0)


def _attempts(tables: Tables, expectation: Expectation) -> float:
    rows = _matching(_played(tables, "paths", "traffic"), "population", expectation)
    return max(
        (row["attempts"] / row["sent"] for row in rows if row["attempts"] is not None and row["sent"]), default=0.0
    )


def _stood_still(tables: Tables, expectation: Expectation) -> float:
    still: dict[str, float] = {}
    times_s: dict[str, float] = {}
    for row in _matching(_played(tables, "ledger", "ledger"), "channel", expectation):
        channel, begun_s = row["channel"], times_s.get(row["channel"], 0.0)
        still[channel] = still.get(channel, 0.0) + (0.0 if row["committed"] else row["time_s"] - begun_s)
        times_s[channel] = row["time_s"]
    return max(still.values())


def _commit_p99(tables: Tables, expectation: Expectation) -> float:
    rows = _matching(_played(tables, "ledger_latency", "ledger"), "channel", expectation)
    found = [row["p99_s"] for row in rows if row["latency"] == "submitted_to_committed"]
    return max(float("inf") if value is None else value for value in found)


def _of_channel(table: str, column: str) -> Callable[[Tables, Expectation], float]:
    """A measure: the worst value of *column* of a ledger's *table*."""

    def measure(tables: Tables, expectation: Expectation) -> float:
        _played(tables, table, "ledger")
        return _worst(table, "channel", column)(tables, expectation)

    return measure


def _played(tables: Tables, name: str, plane: str) -> Table:
    """A table of the data plane; LookupError, the scenario's fault, if that was not asked for."""
    if name not in tables:
        raise LookupError(f"needs dataPlane: [{plane}]")
    return tables[name]


MEASURERS: dict[str, Callable[[Tables, Expectation], Any]] = {
    "quorum": _quorum,
    "quorum_lost": _quorum_lost,
    "tolerates_members": _worst("quorum", "group", "tolerates_members", min),
    "tolerates_nodes": _worst("quorum", "group", "tolerates_nodes", min),
    "write_gap": _write_gap,
    "commit": _commit,
    "elections": _elections,
    "unavailable": _worst("services", "service", "none_s"),
    "degraded": _worst("services", "service", "degraded_s"),
    "undetected": _worst("services", "service", "undetected_s"),
    "fewest": _worst("services", "service", "fewest_answering", min),
    "p99": _p99,
    "detected": _detected,
    "without": _without,
    "moved": _outcomes("moved"),
    "in_place": _outcomes("back in place", "recreated in place"),
    "stuck": _outcomes("stuck", "Pending", "not ready yet"),
    "pending": lambda tables, _: float(sum(tables["workloads"].columns["pending"])),
    "missing": lambda tables, _: float(sum(tables["workloads"].columns["missing"])),
    "full": _full,
    "answered": _answered,
    "attempts": _attempts,
    "stood_still": _stood_still,
    "outbox": _of_channel("ledger", "outbox"),
    "projector_lag": _of_channel("ledger", "projector_lag_s"),
    "commit_p99": _commit_p99,
    "applied_twice": _of_channel("ledger_clients", "applied_twice"),
    "volumes_lost": lambda tables, _: float(sum(tables["volumes"].columns["lost"])),
    "volumes_unreachable": lambda tables, _: float(sum(s > 0 for s in tables["volumes"].columns["unreachable_s"])),
    "requests": _requests,
}
