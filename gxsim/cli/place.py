"""``gxsim place``: where every pod goes."""

import typer

from gxsim.cli.output import Files, Format, Output, Shapes


def place(filename: Files, node_shape: Shapes = None, output: Output = Format.table) -> None:
    """Place every pod as kube-scheduler would, from manifests alone.

    Exits with 1 if a pod stays Pending or is refused.
    """
    from gxsim.cli.output import show_grids
    from gxsim.plan.place import place as place_pods
    from gxsim.report.document import tables_document
    from gxsim.report.planned import placed_grids

    placed = place_pods(filename, node_shape or ())
    tables = (placed.pods(), placed.nodes(), placed.refused())
    show_grids(placed_grids(placed), tables_document("PlaceResult", tables), output)
    raise typer.Exit(1 if placed.waiting else 0)
