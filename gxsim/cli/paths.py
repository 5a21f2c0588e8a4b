"""``gxsim paths``: what users feel of a scenario, request by request."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gxsim.cli.output import Format, Output
from gxsim.errors import ScenarioError

if TYPE_CHECKING:
    from gxsim.load.scenario import Case

BOTH = ("distance", "links")


def paths(
    scenario: Annotated[
        str, typer.Argument(help="A scenario file, or the name of a bundled one such as gx/node-loss.")
    ],
    delays: Annotated[
        str,
        typer.Option("--delays", help="Delays between nodes: distance, links, or both to compare; as the model says."),
    ] = "",
    sweep: Annotated[bool, typer.Option("--sweep", help="Also raise the load up to saturation.")] = False,
    plot: Annotated[Path | None, typer.Option("--plot", help="Draw into this file (.svg, .png or .pdf).")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed in place of the scenario's own.")] = None,
    output: Output = Format.table,
) -> None:
    """Follow every request of a scenario: success, latency by region and phase, bottlenecks, how much more fits."""
    from gxsim.cli.output import show_grids
    from gxsim.cli.progress import progress_of
    from gxsim.load.scenario import load
    from gxsim.observe import traffic as observed
    from gxsim.report import paths as told
    from gxsim.report.document import tables_document
    from gxsim.rng import Streams
    from gxsim.study.simulate import simulate
    from gxsim.traffic.run import run_traffic

    names, case = _names(delays), load(scenario)
    result = simulate(case, seed=seed)
    state, timeline, clock_s = result.state, result.timeline, case.scenario.clock_s
    runs = {}
    for name in names:
        model, streams = _with_delays(case, name).model, Streams(result.seed)
        with progress_of(f"{case.scenario.name} {name}", timeline.horizon_s) as watch:
            runs[name] = run_traffic(model, state, timeline, streams, clock_s=clock_s, progress=watch)
    first = runs[names[0]]
    tables = observed.tables_of(first, state)
    grids = told.path_grids({table.name: table for table in tables})
    if len(runs) > 1:
        tables.append(observed.compared_table(runs))
        grids.append(told.compared_grid(tables[-1]))
    if sweep:
        tables.append(observed.sweep(state, timeline, result.seed, first))
        grids.append(told.sweep_grid(tables[-1]))
    if plot is not None:
        from gxsim.report.paths_plot import draw

        draw(first, {table.name: table for table in tables}, plot)
    grids.append(told.assumptions_grid(first.settled))
    show_grids(grids, tables_document("PathsResult", tables, scenario=case.scenario.name), output)


def _names(delays: str) -> tuple[str, ...]:
    if delays not in ("", "both", *BOTH):
        raise typer.BadParameter(f"expected distance, links or both, got {delays!r}")
    return BOTH if delays == "both" else (delays,)


def _with_delays(case: Case, name: str) -> Case:
    """The case with delays between nodes from elsewhere; as it is where nothing is named."""
    network = case.model.network
    if not name:
        return case
    if network is None:
        raise ScenarioError("--delays", "the model has no network; leave the option out")
    model = dataclasses.replace(case.model, network=dataclasses.replace(network, delays=name))
    return dataclasses.replace(case, model=model)
