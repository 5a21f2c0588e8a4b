"""``gxsim place``: where every pod goes."""

from typing import Annotated

import typer

from gxsim.cli.output import Files, Format, Output, Scheduler, Shapes, Variables


def place(
    filename: Files,
    node_shape: Shapes = None,
    scheduler_config: Scheduler = None,
    set_var: Variables = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Break ties at random, as the real scheduler does; else by node name.")
    ] = None,
    output: Output = Format.table,
) -> None:
    """Place every pod as kube-scheduler would, from manifests alone.

    Exits with 1 if a pod stays Pending or is refused.
    """
    from gxsim.cli.output import show_grids, variables_of
    from gxsim.plan.place import place as place_pods
    from gxsim.report.document import tables_document
    from gxsim.report.planned import placed_grids

    variables = variables_of(set_var)
    placed = place_pods(filename, node_shape or (), scheduler=scheduler_config, variables=variables, seed=seed)
    tables = (placed.pods(), placed.nodes(), placed.refused())
    show_grids(placed_grids(placed), tables_document("PlaceResult", tables), output)
    raise typer.Exit(1 if placed.waiting else 0)
