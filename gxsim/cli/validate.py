"""``gxsim validate``: gxsim against recordings of real components."""

from pathlib import Path
from typing import Annotated

import typer


def validate(
    paths: Annotated[list[Path], typer.Argument(help="Recordings: files or folders.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Replay recordings of real components and say how well gxsim agrees with them.

    Exits with 1 if a family of recordings agrees less than its bound.
    """
    from gxsim.cli.output import Format, show_grids
    from gxsim.report.agreement import agreement_grid
    from gxsim.validate import validate as replay

    agreement = replay(paths)
    output = Format.json if as_json else Format.table
    show_grids([agreement_grid(agreement)], agreement.as_dict(), output)
    raise typer.Exit(0 if agreement.good else 1)
