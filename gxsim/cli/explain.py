"""``gxsim explain``: why a pod goes where it goes."""

from typing import Annotated

import typer

from gxsim.cli.output import Files, Format, Output, Shapes


def explain(
    pod: Annotated[str, typer.Argument(help="A pod or a workload, with or without its namespace/.")],
    filename: Files,
    node: Annotated[str, typer.Argument(help="Ask about this node only.")] = "",
    node_shape: Shapes = None,
    output: Output = Format.table,
) -> None:
    """Say what the scheduler thinks of each node for one pod, with all others in place.

    Exits with 1 if no node can take it, or if NODE cannot.
    """
    from gxsim.cli.output import show_grids
    from gxsim.plan.explain import explain as explain_pod
    from gxsim.plan.place import place
    from gxsim.report.document import tables_document
    from gxsim.report.planned import explained_grid

    explained = explain_pod(place(filename, node_shape or ()), pod, node)
    document = tables_document("ExplainResult", [explained.table], pod=explained.pod, chosen=explained.chosen)
    show_grids([explained_grid(explained)], document, output)
    raise typer.Exit(0 if any(explained.table.columns["fits"]) else 1)
