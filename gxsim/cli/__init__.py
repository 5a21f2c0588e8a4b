"""The command line: one small file per verb. Nothing heavy is imported before a verb runs."""

import sys
from typing import Annotated

import typer

import gxsim
from gxsim.cli.bench import bench
from gxsim.cli.diff import diff
from gxsim.cli.drain import drain
from gxsim.cli.explain import explain
from gxsim.cli.forecast import forecast
from gxsim.cli.headroom import headroom
from gxsim.cli.ledger import ledger
from gxsim.cli.paths import paths
from gxsim.cli.place import place
from gxsim.cli.quorum import quorum
from gxsim.cli.run import run
from gxsim.cli.scenarios import scenarios
from gxsim.cli.survive import survive
from gxsim.cli.validate import validate
from gxsim.cli.whatif import whatif
from gxsim.errors import GxsimError, InvariantError

BAD_INPUT, OWN_FAULT = 2, 70  # 70 is EX_SOFTWARE of sysexits.h

app = typer.Typer(
    name="gxsim",
    help="A flight simulator for a Kubernetes cluster: placement, failure and recovery from plain manifests.",
    epilog="Exit codes: 0 good; 1 an expectation, a placement or a bound failed; 2 wrong usage or input; "
    "70 gxsim's own fault.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for verb in (
    run,
    scenarios,
    place,
    explain,
    diff,
    headroom,
    whatif,
    survive,
    drain,
    bench,
    forecast,
    paths,
    ledger,
    quorum,
    validate,
):
    app.command()(verb)


def _say_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"gxsim {gxsim.__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_say_version, is_eager=True, help="Say the version and exit.")
    ] = False,
) -> None:
    """Options before the verb."""


def main() -> None:
    """Run the command line; what is wrong with the input is one line on standard error."""
    try:
        app()
    except InvariantError as error:
        typer.echo(
            f"error: {error}\nThis is a fault of gxsim {gxsim.__version__}; please report it with the input.", err=True
        )
        sys.exit(OWN_FAULT)
    except GxsimError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(BAD_INPUT)
