"""``gxsim drain``: an orderly drain, planned."""

from typing import Annotated

import typer

from gxsim.cli.output import AsJson, Files, Format, Output, Scheduler, Shapes, Variables


def drain(
    nodes: Annotated[list[str], typer.Argument(help="Nodes to drain.")],
    filename: Files,
    timeout: Annotated[str, typer.Option(help="Longest wait for one node, as of kubectl drain.")] = "30m",
    node_shape: Shapes = None,
    scheduler_config: Scheduler = None,
    set_var: Variables = None,
    output: Output = Format.table,
    as_json: AsJson = False,
) -> None:
    """Plan to drain nodes one after the other: in which order, what is in the way, how long it takes.

    Exits with 1 if a drain does not end within the time-out.
    """
    from gxsim.cli.output import show_grids, variables_of
    from gxsim.plan.drain import drain as plan_drain
    from gxsim.plan.place import case_of
    from gxsim.plan.survive import span_s
    from gxsim.report.document import tables_document
    from gxsim.report.survival import drain_grids

    case = case_of(filename, node_shape or (), variables_of(set_var), scheduler_config)
    plan = plan_drain(case, nodes, timeout_s=span_s("--timeout", timeout))
    tables = (plan.nodes, plan.obstacles, plan.pods, plan.services)
    document = tables_document("DrainResult", tables, duration_s=plan.duration_s, helped_s=plan.helped_s)
    show_grids(drain_grids(plan), document, Format.json if as_json else output)
    raise typer.Exit(0 if plan.done else 1)
