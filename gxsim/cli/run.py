"""``gxsim run``: one scenario from its start to its horizon."""

from pathlib import Path
from typing import Annotated

import typer


def run(
    scenario: Annotated[str, typer.Argument(help="A scenario file, or the name of a bundled one such as gx/node-loss.")],
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for report.html, result.json and tables/ [default: out/NAME].")
    ] = None,
    report: Annotated[bool, typer.Option("--report/--no-report", help="Whether to draw the page report.html.")] = True,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print result.json and nothing else; files only where --out says.")
    ] = False,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed in place of the scenario's own.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print the verdict only.")] = False,
) -> None:
    """Run a scenario: what is lost, who notices when, what it means.

    Exits with 1 if an expectation of the scenario fails.
    """
    from gxsim.cli.output import show
    from gxsim.cli.progress import progress_of
    from gxsim.load.scenario import load
    from gxsim.report import files
    from gxsim.study.simulate import simulate

    case = load(scenario)
    with progress_of(case.scenario.name, case.scenario.horizon_s) as told:
        result = simulate(case, seed=seed, progress=told)
    if out is not None or not as_json:
        folder = out or Path("out", case.scenario.name)
        written = files.write(result, folder, page=report)
    if as_json:
        from gxsim.report.document import text

        typer.echo(text(result), nl=False)
    elif quiet:
        from gxsim.report.story import verdict

        typer.echo(verdict(result))
    else:
        from gxsim.report.terminal import story

        show(story(result))
        typer.echo(f"Written: {files.summary(written, folder)}")
    raise typer.Exit(0 if result.passed else 1)
