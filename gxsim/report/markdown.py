"""A Grid as GitHub's markdown, for a comment on a change."""

from collections.abc import Sequence

from gxsim.report.grid import Grid

SIGNS = {"bad": "❌ ", "warn": "⚠️ "}


def markdown(grid: Grid) -> str:
    """Heading, note and table; what is bad news carries a sign, as colours do not survive."""
    lines = [f"### {grid.title}"]
    if grid.note:
        lines += ["", grid.note]
    lines += ["", _line([column.title for column in grid.columns])]
    lines.append(_line(["---:" if column.numeric else "---" for column in grid.columns]))
    lines += [_line([f"{SIGNS.get(cell.tone, '')}{_escaped(cell.text)}" for cell in cells]) for cells in grid.rows]
    return "\n".join(lines)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")
