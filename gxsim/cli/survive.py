"""``gxsim survive``: every loss of one or two nodes, and of a region."""

from typing import Annotated

import typer

from gxsim.cli.output import AsJson, Files, Format, Output, Scheduler, Shapes, Variables


def survive(
    filename: Files,
    region: Annotated[str, typer.Option(help="Node label whose values are lost as a whole.")] = "",
    duration: Annotated[str, typer.Option(help="How long nodes are gone, such as 6h; for ever unless given.")] = "",
    horizon: Annotated[str, typer.Option(help="When to look at what is left.")] = "1h",
    max_losses: Annotated[
        int, typer.Option(min=0, help="Most losses of each size, the dearest; 0: all but in very large clusters.")
    ] = 0,
    jobs: Annotated[int, typer.Option(min=0, help="Worker processes; 0: as many as pay.")] = 0,
    node_shape: Shapes = None,
    scheduler_config: Scheduler = None,
    set_var: Variables = None,
    output: Output = Format.table,
    as_json: AsJson = False,
) -> None:
    """Lose every node, every two nodes and every region on the clock, and show what is left.

    Exits with 1 if a consensus group loses its majority, or a Service its last endpoint, when a single node is lost.
    """
    from gxsim.cli.output import show_grids, variables_of
    from gxsim.cli.progress import progress_of
    from gxsim.plan.place import case_of
    from gxsim.plan.survive import span_s
    from gxsim.plan.survive import survive as run_all
    from gxsim.report.document import tables_document
    from gxsim.report.survival import survival_grids

    with progress_of("survive", 1.0) as told:
        found = run_all(
            case_of(filename, node_shape or (), variables_of(set_var), scheduler_config),
            label=region,
            horizon_s=span_s("--horizon", horizon),
            duration_s=span_s("--duration", duration) if duration else None,
            most=max_losses,
            jobs=jobs,
            progress=None if told is None else lambda done, total: told(done / total),
        )
    for warning in found.warnings:
        typer.echo(f"warning: {warning}", err=True)
    document = tables_document("SurviveResult", (found.matrix,), warnings=found.warnings)
    show_grids(survival_grids(found), document, Format.json if as_json else output)
    single = [row for row in found.matrix.rows() if row["loss"] == "1 node"]
    raise typer.Exit(1 if any(row["quorum_lost"] or row["services_lost"] for row in single) else 0)
