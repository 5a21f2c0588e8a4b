"""``gxsim diff``: two placements side by side."""

from pathlib import Path
from typing import Annotated

import typer

from gxsim.cli.output import Format, Output, Shapes

Side = Annotated[Path, typer.Argument(help="Manifests (file, folder or -), or a scenario with its starting placement.")]


def diff(old: Side, new: Side, node_shape: Shapes = None, output: Output = Format.table) -> None:
    """Show which pods lie elsewhere, which are newly Pending, and what that does to headroom.

    Exits with 1 if a pod is newly Pending.
    """
    from gxsim.cli.output import show_grids
    from gxsim.plan.diff import diff as compare
    from gxsim.plan.place import place
    from gxsim.report.document import tables_document
    from gxsim.report.planned import difference_grids

    difference = compare(*(place([side], node_shape or ()) for side in (old, new)))
    tables = (difference.moves, difference.nodes, difference.survival)
    show_grids(difference_grids(difference), tables_document("DiffResult", tables), output)
    raise typer.Exit(1 if difference.newly_pending else 0)
