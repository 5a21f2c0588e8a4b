"""``gxsim bench``: the placement regression benchmark, for CI."""

from pathlib import Path
from typing import Annotated

import typer

from gxsim.cli.output import Format, Output


def bench(
    suite: Annotated[Path, typer.Argument(help="A BenchSuite file.")],
    baseline: Annotated[Path | None, typer.Option(help="The figures to compare with.")] = None,
    update: Annotated[bool, typer.Option("--update", help="Write the figures of this run as the baseline.")] = False,
    junit: Annotated[Path | None, typer.Option(help="Write the comparison as JUnit XML.")] = None,
    markdown: Annotated[
        Path | None, typer.Option(help="Append the comparison as markdown, as to a job summary.")
    ] = None,
    only: Annotated[list[str] | None, typer.Option(help="A case to run; all unless given. Repeatable.")] = None,
    speed: Annotated[bool, typer.Option("--speed/--no-speed", help="Whether to measure speed.")] = True,
    output: Output = Format.table,
) -> None:
    """Place and measure the cases of a suite, and compare every figure with a baseline.

    Exits with 1 if a figure is worse than the baseline by more than the suite tolerates.
    """
    from gxsim.cli.output import show_grids
    from gxsim.errors import ScenarioError
    from gxsim.plan.bench import compare, failed, left_out, read_baseline, run_suite, write_baseline
    from gxsim.report.document import tables_document
    from gxsim.report.gate import gate_grids, gate_tables
    from gxsim.report.gate import junit as as_junit
    from gxsim.report.markdown import markdown as as_markdown

    if update and (baseline is None or only):
        raise ScenarioError("--update", "needs --baseline FILE, and every case of the suite")
    before = read_baseline(baseline) if baseline is not None and not update else None
    found, measured = run_suite(suite, only=only or (), speed=speed)
    for name, missing in left_out(found, suite).items():
        typer.echo(f"Left out: {name}, as {missing} is not there.", err=True)
    if update and baseline is not None:
        write_baseline(baseline, found, measured)
    findings = compare(found, before, measured) if before is not None else None
    grids = gate_grids(measured, findings)
    show_grids(grids, tables_document("BenchResult", gate_tables(measured, findings), suite=found.name), output)
    if junit is not None:
        junit.write_text(as_junit(found.name, findings or ()), encoding="utf-8")
    if markdown is not None:
        with markdown.open("a", encoding="utf-8") as text:
            text.write("\n\n".join(as_markdown(grid) for grid in grids) + "\n")
    raise typer.Exit(1 if findings is not None and failed(findings) else 0)
