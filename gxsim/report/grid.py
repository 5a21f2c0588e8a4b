"""A table for people: text in cells, and a tone where a cell is good or bad news."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

Tone = Literal["", "good", "warn", "bad", "quiet"]


class Cell(NamedTuple):
    """What a cell says, and whether that is good news."""

    text: str
    tone: Tone = ""


class Column(NamedTuple):
    """A column's title; it is left out where fewer than ``least_width`` characters are there for the table."""

    title: str
    numeric: bool = False
    least_width: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """One section: the title, what to know before reading, and rows of cells; worst news stands first.

    ``name`` is that of the result's table with the figures behind it.
    """

    name: str
    title: str
    note: str = ""
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]


def row(*values: str | Cell) -> tuple[Cell, ...]:
    """A row from plain text and cells."""
    return tuple(value if isinstance(value, Cell) else Cell(value) for value in values)


def narrowed(grid: Grid, width: int) -> tuple[list[Column], list[Sequence[Cell]]]:
    """The columns that *width* characters have room for, and the rows with only these."""
    kept = [i for i, column in enumerate(grid.columns) if column.least_width <= width]
    return [grid.columns[i] for i in kept], [[cells[i] for i in kept] for cells in grid.rows]
