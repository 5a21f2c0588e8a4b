"""``gxsim whatif``: a change tried out before it is made."""

from pathlib import Path
from typing import Annotated

import typer

from gxsim.cli.output import Files, Format, Output, Scheduler, Shapes, Variables

Texts = list[str] | None


def whatif(
    filename: Files,
    apply: Annotated[list[Path] | None, typer.Option(help="Manifests to apply on top. Repeatable.")] = None,
    sets: Annotated[
        Texts,
        typer.Option("--set", help="A field, such as deploy/web:spec.template.spec.priority=5. Repeatable."),
    ] = None,
    scale: Annotated[Texts, typer.Option(help="Replicas of a workload, such as deploy/web=5. Repeatable.")] = None,
    add_node: Annotated[
        Texts, typer.Option(help="Nodes by shape (cpu=16,memory=64Gi,…), or like=NAME[,count=2]. Repeatable.")
    ] = None,
    remove_node: Annotated[Texts, typer.Option(help="A node that goes. Repeatable.")] = None,
    node_shape: Shapes = None,
    scheduler_config: Scheduler = None,
    set_var: Variables = None,
    output: Output = Format.table,
) -> None:
    """Show figures before and after changes, what each one moves, and which nodes could then be emptied.

    Changes are made one after the other: files, fields, replicas, new nodes, nodes that go. What is unchanged stays
    where it lies. Exits with 1 if a pod is newly Pending or refused.
    """
    from gxsim.cli.output import show_grids, variables_of
    from gxsim.plan.edits import edits
    from gxsim.plan.whatif import whatif as ask
    from gxsim.report.changes import whatif_grids
    from gxsim.report.document import tables_document

    changes = edits(
        apply=apply or (), sets=sets or (), scale=scale or (), add_node=add_node or (), remove_node=remove_node or ()
    )
    variables = variables_of(set_var)
    answer = ask(filename, changes, node_shape or (), scheduler=scheduler_config, variables=variables)
    difference = answer.difference
    tables = (answer.figures, answer.steps, difference.moves, difference.nodes, difference.survival, answer.emptying)
    show_grids(whatif_grids(answer), tables_document("WhatIfResult", tables), output)
    raise typer.Exit(1 if answer.after.waiting > answer.before.waiting else 0)
