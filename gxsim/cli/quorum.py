"""``gxsim quorum``: what the consensus groups of a scenario survive, and how fast they are."""

from typing import Annotated

import typer

from gxsim.cli.output import Format, Output


def quorum(
    scenario: Annotated[
        str, typer.Argument(help="A scenario file, or the name of a bundled one such as gx/node-loss.")
    ],
    members: Annotated[bool, typer.Option("--members", help="Also list every subset of the members.")] = False,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed in place of the scenario's own.")] = None,
    output: Output = Format.table,
) -> None:
    """Say what each consensus group may lose, how long a failover takes by its timers, and what distance costs a write.

    Groups are those of the scenario's model, as placed when its clock starts; nothing goes wrong yet.
    """
    from gxsim.cli.output import show_grids
    from gxsim.load.scenario import load
    from gxsim.report.document import tables_document
    from gxsim.report.quorum import failover_grid, groups_grid, round_trip_grid, subsets_grid
    from gxsim.study.quorum import quorum_tables

    case = load(scenario)
    listed = quorum_tables(case, seed)
    tables = {table.name: table for table in listed}
    losses = ("nodes", "members") if members else ("nodes",)
    grids = [groups_grid(tables), *(subsets_grid(tables, losing) for losing in losses)]
    grids += [failover_grid(tables), round_trip_grid(tables)]
    document = tables_document("QuorumResult", listed, scenario=case.scenario.name)
    show_grids([grid for grid in grids if grid.rows], document, output)
