"""``gxsim explain``: why a pod goes where it goes."""

from typing import Annotated

import typer

from gxsim.cli.output import Files, Format, Output, Scheduler, Shapes, Variables


def explain(
    pod: Annotated[str, typer.Argument(help="A pod or a workload, with or without its namespace/.")],
    filename: Files,
    node: Annotated[str, typer.Argument(help="Ask about this node only.")] = "",
    node_shape: Shapes = None,
    scheduler_config: Scheduler = None,
    set_var: Variables = None,
    output: Output = Format.table,
) -> None:
    """Say what the scheduler thinks of each node for one pod, with all others in place.

    Exits with 1 if no node can take it, or if NODE cannot.
    """
    from gxsim.cli.output import show_grids, variables_of
    from gxsim.plan.explain import explain as explain_pod
    from gxsim.plan.place import place
    from gxsim.report.document import tables_document
    from gxsim.report.planned import explained_grid

    placed = place(filename, node_shape or (), scheduler=scheduler_config, variables=variables_of(set_var))
    explained = explain_pod(placed, pod, node)
    document = tables_document("ExplainResult", [explained.table], pod=explained.pod, chosen=explained.chosen)
    show_grids([explained_grid(explained)], document, output)
    raise typer.Exit(0 if any(explained.table.columns["fits"]) else 1)
