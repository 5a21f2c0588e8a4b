"""``gxsim ledger``: the channels of a scenario, transaction by transaction."""

from __future__ import annotations

import dataclasses
from typing import Annotated

import typer

from gxsim.cli.output import Format, Output
from gxsim.errors import ScenarioError


def ledger(
    scenario: Annotated[
        str, typer.Argument(help="A scenario file, or the name of a bundled one such as gx/node-loss.")
    ],
    rate: Annotated[
        list[float] | None,
        typer.Option("--rate", min=0.001, help="Try this rate of commands instead of a search; may be repeated."),
    ] = None,
    resubmission: Annotated[
        str, typer.Option("--resubmission", help="What clients send again: lost, envelope or anew; as the model says.")
    ] = "",
    broadcast: Annotated[
        str, typer.Option("--broadcast", help="Streams to orderers: gateway or persistent; as the model says.")
    ] = "",
    seed: Annotated[int | None, typer.Option(min=0, help="Seed in place of the scenario's own.")] = None,
    output: Output = Format.table,
) -> None:
    """Follow every write of a scenario to its projection: stalls, latencies, peers, clients, saturation by sweep."""
    from gxsim.cli.output import show_grids
    from gxsim.load.scenario import load
    from gxsim.model.ledger import ANEW, ENVELOPE, GATEWAY, LOST, PERSISTENT
    from gxsim.observe.saturation import saturation_sweep
    from gxsim.observe.table import Table
    from gxsim.report.document import tables_document
    from gxsim.report.ledger import ledger_grids, saturation
    from gxsim.study.simulate import simulate

    case = load(scenario)
    if not case.model.ledgers:
        raise ScenarioError(scenario, "its model has no ledger; describe a channel under spec.ledgers of the model")
    _check("--resubmission", resubmission, (LOST, ENVELOPE, ANEW))
    _check("--broadcast", broadcast, (GATEWAY, PERSISTENT))
    ledgers = tuple(
        dataclasses.replace(one, resubmission=resubmission or one.resubmission, broadcast=broadcast or one.broadcast)
        for one in case.model.ledgers
    )
    played = tuple(dict.fromkeys((*case.scenario.data_plane, "ledger")))
    scenario_of = dataclasses.replace(case.scenario, data_plane=played)
    case = dataclasses.replace(case, scenario=scenario_of, model=dataclasses.replace(case.model, ledgers=ledgers))
    result = simulate(case, seed=seed)
    if not result.ledgers:
        raise ScenarioError(scenario, "no orderer of its ledgers is in the manifests; add the manifests of Fabric")
    tables = {name: table for name, table in result.tables.items() if name.startswith("ledger")}
    if rate:
        tables["ledger_saturation"] = Table.stacked([saturation_sweep(one.channel, rate) for one in result.ledgers])
    grids = [*ledger_grids(result), saturation(tables["ledger_saturation"])]
    show_grids(grids, tables_document("LedgerResult", tables.values(), scenario=case.scenario.name), output)


def _check(option: str, value: str, choices: tuple[str, ...]) -> None:
    if value and value not in choices:
        raise typer.BadParameter(
            f"expected {', '.join(choices[:-1])} or {choices[-1]}, got {value!r}", param_hint=option
        )
