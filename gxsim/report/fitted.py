"""A grid as a rich renderable that fits the terminal it is printed on."""

from collections.abc import Sequence

from rich import box
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from gxsim.report.grid import Cell, Column, Grid, Tone, narrowed

STYLES: dict[Tone, str] = {"": "", "good": "green", "warn": "yellow", "bad": "bold red", "quiet": "dim"}
MOST_ROWS = 30
LEAST_TEXT = 12  # characters a text column keeps before its cells are folded
LEAST_WIDTH = 64  # below it a row becomes a record


class FittedGrid:
    """A Grid as a rich table; columns that the console has no room for are left out."""

    def __init__(self, grid: Grid, most_rows: int = MOST_ROWS):
        self.grid, self.most_rows = grid, most_rows

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        grid = self.grid
        columns, rows = narrowed(grid, options.max_width)
        yield Text(grid.title, style="bold underline")
        if grid.note:
            yield Text(grid.note, style="dim")
        shown = rows[: self.most_rows]
        yield _table(columns, shown) if options.max_width >= LEAST_WIDTH else _records(columns, shown)
        if len(rows) > self.most_rows:
            yield Text(f"… and {len(rows) - self.most_rows} more", style="dim")
        yield Text("")


def _table(columns: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1), header_style="bold")
    for position, column in enumerate(columns):
        longest = max((len(cells[position].text) for cells in rows), default=0)
        table.add_column(
            Text(column.title.replace(" ", "\n", 1) if column.numeric else column.title),
            justify="right" if column.numeric else "left",
            no_wrap=column.numeric,
            min_width=min(LEAST_TEXT, longest),
            overflow="fold",
        )
    for cells in rows:
        table.add_row(*(_text(cell) for cell in cells))
    return table


def _records(columns: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> RenderableType:
    """Each row as a line of its own with the other cells below it, for terminals that no table fits."""
    lines: list[Text] = []
    for first, *others in rows:
        lines += [_text(first)] if first.text else []
        told = [(column.title, cell) for column, cell in zip(columns[1:], others, strict=True) if cell.text]
        lines += [Text(f"  {title}: ", style="dim").append_text(_text(cell)) for title, cell in told]
    return Group(*lines)


def _text(cell: Cell) -> Text:
    return Text(cell.text, style=STYLES[cell.tone])
