"""What a run gives: tables, series for plots, verdicts, and everything needed to produce it again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gxsim.errors import ScenarioError
from gxsim.load.fields import unknown_name

if TYPE_CHECKING:
    import pandas

    from gxsim.load.scenario import Case
    from gxsim.observe.expectations import Verdict
    from gxsim.observe.ledger import LedgerSeries
    from gxsim.observe.quorum import QuorumSeries
    from gxsim.observe.services import ServiceSeries
    from gxsim.observe.table import Table
    from gxsim.state import ClusterState
    from gxsim.timeline import Timeline

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One run. ``tables`` by name; ``state`` is the cluster at the horizon; ``assumptions`` say what is approximate."""

    case: Case
    seed: int
    state: ClusterState
    timeline: Timeline
    tables: Mapping[str, Table]
    services: tuple[ServiceSeries, ...]
    quorum: tuple[QuorumSeries, ...]
    ledgers: tuple[LedgerSeries, ...] = ()
    verdicts: tuple[Verdict, ...]
    assumptions: tuple[str, ...]
    provenance: Mapping[str, Any] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Whether every expectation of the scenario holds."""
        return all(verdict.holds for verdict in self.verdicts)

    def table(self, name: str) -> pandas.DataFrame:
        """The table *name* as a DataFrame; raises ScenarioError with the nearest name."""
        if name not in self.tables:
            raise ScenarioError("table", f"there is no table {name!r}; {unknown_name(name, list(self.tables))}")
        return self.tables[name].frame()

    def __repr__(self) -> str:
        kept = sum(verdict.holds for verdict in self.verdicts)
        outcomes = self.tables["pods"].columns["outcome"]
        told = ", ".join(f"{outcomes.count(o)} {o}" for o in sorted(set(outcomes))) or "no pod lost"
        return (
            f"<Result of {self.case.scenario.name!r}, seed {self.seed}: {told}; "
            f"{kept} of {len(self.verdicts)} expectations hold; tables: {', '.join(self.tables)}>"
        )
