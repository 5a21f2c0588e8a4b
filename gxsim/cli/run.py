"""``gxsim run``: one scenario from its start to its horizon."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from gxsim.study.result import Result


def run(
    scenario: Annotated[
        str, typer.Argument(help="A scenario file, or the name of a bundled one such as gx/node-loss.")
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Folder for report.html, result.json and tables/; out/NAME if not given."),
    ] = None,
    report: Annotated[bool, typer.Option("--report/--no-report", help="Whether to draw the page report.html.")] = True,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print result.json and nothing else; files only where --out says.")
    ] = False,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed in place of the scenario's own.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print the verdict only.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Print every section in full.")] = False,
) -> None:
    """Run a scenario: what is lost, who notices when, what it means.

    Exits with 1 if an expectation of the scenario fails.
    """
    from gxsim.cli.progress import progress_of
    from gxsim.load.scenario import load
    from gxsim.report import files
    from gxsim.study.simulate import simulate

    case = load(scenario)
    with progress_of(case.scenario.name, case.scenario.horizon_s) as told:
        result = simulate(case, seed=seed, progress=told)
    folder = out if out is not None or as_json else Path("out", case.scenario.name)
    written = files.write(result, folder, page=report) if folder is not None else []
    _say(result, as_json=as_json, quiet=quiet, verbose=verbose)
    if folder is not None and not (as_json or quiet):
        typer.echo(f"Written: {files.summary(written, folder)}")
    raise typer.Exit(0 if result.passed else 1)


def _say(result: Result, *, as_json: bool, quiet: bool, verbose: bool) -> None:
    if as_json:
        from gxsim.report.document import text

        typer.echo(text(result), nl=False)
    elif quiet:
        from gxsim.report.story import verdict

        typer.echo(verdict(result))
    else:
        from gxsim.cli.output import show
        from gxsim.report.terminal import story

        show(story(result, full=verbose))
