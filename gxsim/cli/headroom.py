"""``gxsim headroom``: how many more fit."""

from pathlib import Path
from typing import Annotated

import typer

from gxsim.cli.output import Files, Format, Output, Scheduler, Shapes, Variables


def headroom(
    filename: Files,
    podspec: Annotated[Path | None, typer.Option(help="A Pod or workload whose pod is asked for.")] = None,
    workload: Annotated[str, typer.Option(help="A workload of the input, as [namespace/][kind/]name.")] = "",
    mix: Annotated[list[Path] | None, typer.Option(help="Manifests of a tenant, all of it a copy. Repeatable.")] = None,
    by: Annotated[str, typer.Option(help="Node label to tell domains apart by.")] = "",
    max_limit: Annotated[int, typer.Option(min=1, help="Most copies to try of what is not a plain pod.")] = 1000,
    ignore_quota: Annotated[bool, typer.Option(help="Leave ResourceQuotas out.")] = False,
    node_shape: Shapes = None,
    scheduler_config: Scheduler = None,
    set_var: Variables = None,
    output: Output = Format.table,
) -> None:
    """Say how many more pods, replicas or tenants fit: now, at peak, without any one node, without any two.

    Without --podspec, --workload or --mix, a pod of the cluster's median size is asked for.
    """
    from gxsim.cli.output import show_grids, variables_of
    from gxsim.plan.headroom import headroom as ask
    from gxsim.report.capacity import headroom_grids
    from gxsim.report.document import tables_document

    found = ask(
        filename,
        podspec=podspec,
        workload=workload,
        mix=mix or (),
        by=by,
        max_limit=max_limit,
        ignore_quota=ignore_quota,
        node_shapes=node_shape or (),
        scheduler=scheduler_config,
        variables=variables_of(set_var),
    )
    tables = (found.fits, found.nodes, found.domains, found.shapes)
    show_grids(headroom_grids(found), tables_document("HeadroomResult", tables, increment=found.name), output)
