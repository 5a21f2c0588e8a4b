"""``gxsim forecast``: when volumes and disks are full, what a loss costs, and whether documented figures agree."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from gxsim.cli.output import Format, Output


def forecast(
    scenario: Annotated[
        str, typer.Argument(help="A scenario file, or the name of a bundled one such as gx/node-loss.")
    ],
    horizon: Annotated[str, typer.Option("--horizon", help="How far to look, such as 90d, 52w or 3y.")] = "3y",
    start: Annotated[
        datetime | None, typer.Option("--start", formats=["%Y-%m-%d"], help="Date of day 0; absent: times are ahead.")
    ] = None,
    traffic: Annotated[
        bool,
        typer.Option("--traffic", help="Take growth per write, where it is given, in place of that per day."),
    ] = False,
    paths: Annotated[int, typer.Option(min=100, help="Draws of the ranges in the model.")] = 10_000,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed in place of the scenario's own.")] = None,
    plot: Annotated[
        Path | None, typer.Option("--plot", help="Draw the levels into this file (.svg, .png or .pdf).")
    ] = None,
    output: Output = Format.table,
) -> None:
    """Say when volumes and disks are full, what to buy when, what a loss of data costs, and what contradicts itself."""
    from gxsim.cli.output import show_grids
    from gxsim.load.scenario import load
    from gxsim.report import forecast as told
    from gxsim.report.coupling import coupling_document, coupling_grid
    from gxsim.rng import Streams
    from gxsim.storage import forecast as storage
    from gxsim.storage.coupling import couplings
    from gxsim.storage.drivers import Draws
    from gxsim.storage.moves import restarts_s
    from gxsim.storage.protection import exposures, second_losses
    from gxsim.storage.statements import judge
    from gxsim.study.start import started

    case = load(scenario)
    streams = Streams(case.scenario.seed if seed is None else seed)
    state, _ = started(case, case.placement)
    made = storage.forecast(state, case.model, streams, horizon_days=_days(horizon), paths=paths, from_traffic=traffic)
    restarts = restarts_s(state, case.model)
    bought, moved, findings = storage.purchases(made, restarts), storage.moves(made, restarts), judge(state, case.model)
    found = exposures(state, case.model, Draws(streams, paths), made.claim_levels_bytes())
    losses = second_losses(state, case.model, found)
    if plot is not None:
        from gxsim.report.forecast_plot import draw

        draw(made, plot, start.date() if start else None)
    grids = told.forecast_grids(made, bought, start.date() if start else None)
    grids += [coupling_grid(couplings(case.model), from_traffic=traffic), told.move_grid(moved)]
    grids += [told.exposure_grid(found), told.second_loss_grid(losses), told.statement_grid(findings)]
    document = told.forecast_document(made, bought, moved, findings, found, losses)
    document["growth_by_traffic"] = coupling_document(couplings(case.model))
    show_grids([grid for grid in grids if grid.rows], document, output)


def _days(text: str) -> int:
    from gxsim.units import duration_s

    try:
        days = 365.25 * float(text[:-1]) if text.endswith("y") else duration_s(text) / 86_400
    except ValueError:
        raise typer.BadParameter(f"expected a duration such as 90d, 52w or 3y, got {text!r}") from None
    if not 1 <= days <= 36_525:
        raise typer.BadParameter(f"expected a day to a hundred years, got {text!r}")
    return round(days)
