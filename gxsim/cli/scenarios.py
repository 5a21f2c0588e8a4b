"""``gxsim scenarios``: what is bundled."""

from typing import Annotated

import typer


def scenarios(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List the bundled scenarios with the question each one asks."""
    from gxsim.cli.output import Format, show_grids
    from gxsim.load.scenario import questions
    from gxsim.report.grid import Column, Grid, row

    asked = questions()
    columns = (Column("Scenario"), Column("Question"))
    rows = tuple(row(name, question) for name, question in asked.items())
    grid = Grid(name="scenarios", title="Bundled scenarios", columns=columns, rows=rows)
    show_grids([grid], {"scenarios": asked}, Format.json if as_json else Format.table)
