"""What-if as grids for people."""

from typing import Any

from gxsim.plan.quality import FIGURES, HIGHER, LOWER
from gxsim.plan.whatif import WhatIf
from gxsim.report.grid import Cell, Column, Grid, Tone, row
from gxsim.report.planned import difference_grids

MOST_STEPS = 4
_BETTER = {title: better for better, title in FIGURES.values()}


def whatif_grids(answer: WhatIf) -> list[Grid]:
    """Figures before and after, what each change moved, the pods and nodes, nodes that can be emptied."""
    return [_figures(answer), _steps(answer), *difference_grids(answer.difference), _emptying(answer)]


def _figures(answer: WhatIf) -> Grid:
    """Only what differs, and quorum; every step where they are few, else the first and the last."""
    names = list(answer.names)
    kept = range(len(names)) if len(names) <= MOST_STEPS + 1 else (0, len(names) - 1)
    rows = []
    for one in answer.figures.rows():
        values = [one[name] for name in names]
        if len(set(values)) == 1 and not one["figure"].startswith("nodes "):
            continue
        better = _BETTER.get(one["figure"], HIGHER)
        cells = [_value(values[i], values[0], better) for i in kept]
        rows.append(row(one["figure"], *cells))
    titles = ["Before", *(f"{i}" for i in list(kept)[1:-1]), "After"][: len(kept)]
    columns = (Column("Figure"), *(Column(title, True) for title in titles))
    note = f"{answer.figures.about}. Figures that stay the same are left out."
    return Grid(name="figures", title="Before and after", note=note, columns=columns, rows=tuple(rows))


def _value(value: float | None, first: float | None, better: str) -> Cell:
    if value is None:
        return Cell("–")
    text = f"{value:.1f}".rstrip("0").rstrip(".") if value % 1 else f"{value:.0f}"
    if first is None or value == first or better not in (LOWER, HIGHER):
        return Cell(text)
    tone: Tone = "good" if (value > first) == (better == HIGHER) else "warn"
    return Cell(text, tone)


def _steps(answer: WhatIf) -> Grid:
    rows = tuple(
        row(
            f"{number}. {one['change']}",
            str(one["moved"]),
            str(one["new"]),
            str(one["gone"]),
            Cell(str(one["newly_pending"]), "bad" if one["newly_pending"] else ""),
        )
        for number, one in enumerate(answer.steps.rows(), 1)
    )
    columns = tuple(Column(t, i > 0) for i, t in enumerate(("Change", "Moved", "New", "Gone", "Newly Pending")))
    return Grid(name="steps", title="Changes, one after the other", columns=columns, rows=rows)


def _emptying(answer: WhatIf) -> Grid:
    rows = tuple(row(one["node"], str(one["pods"]), str(one["to_move"]), *_can(one)) for one in answer.emptying.rows())
    columns = (Column("Node"), Column("Pods", True), Column("To move", True), Column("Can be emptied"), Column("Why"))
    note = "Whether a node's pods fit on the others; DaemonSet pods end with it."
    return Grid(name="emptying", title="Nodes to empty, after the changes", note=note, columns=columns, rows=rows)


def _can(one: dict[str, Any]) -> tuple[Cell, Cell]:
    why = [
        f"{one[name]} {words}"
        for name, words in (
            ("on_volumes", "on volumes of the node"),
            ("bare", "without a controller"),
            ("pending", "for which no other node has room"),
            ("held_by_budgets", "held by disruption budgets for now"),
        )
        if one[name]
    ]
    yes = "yes, with the others marked so" if one["together"] else "yes, alone"
    return (Cell(yes, "good") if one["can"] else Cell("no", "warn")), Cell(", ".join(why) or "–")
