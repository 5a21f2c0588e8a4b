"""A table of a result: named columns of equal length, a DataFrame when somebody asks for one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True, slots=True)
class Table:
    """Columns by name, units at the end of the name; *about* says in one sentence what a row is."""

    name: str
    about: str
    columns: Mapping[str, Sequence[Any]] = field(repr=False)

    @classmethod
    def of(cls, name: str, about: str, names: Sequence[str], rows: Iterable[Sequence[Any]]) -> Table:
        """A table from rows."""
        listed = list(rows)
        return cls(name, about, {column: [row[i] for row in listed] for i, column in enumerate(names)})

    @classmethod
    def stacked(cls, tables: Sequence[Table]) -> Table:
        """Tables of one shape below one another."""
        first = tables[0]
        names = first.columns
        return cls(first.name, first.about, {name: [v for t in tables for v in t.columns[name]] for name in names})

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))

    def rows(self) -> Iterator[dict[str, Any]]:
        """Each row as a mapping, in order."""
        for values in zip(*self.columns.values(), strict=True):
            yield dict(zip(self.columns, values, strict=True))

    def frame(self) -> pandas.DataFrame:
        """The table as a DataFrame."""
        import pandas

        return pandas.DataFrame(dict(self.columns))

    def _repr_html_(self) -> str:
        return self.frame().to_html(index=False, border=0)
