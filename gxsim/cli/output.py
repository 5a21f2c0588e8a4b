"""What verbs share: option types, and printing in the format that was asked for."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gxsim.errors import ScenarioError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gxsim.report.grid import Grid


class Format(StrEnum):
    """How a table is printed."""

    table = "table"
    json = "json"
    markdown = "markdown"


Files = Annotated[
    list[Path],
    typer.Option("--filename", "-f", help="Manifests: a file, a folder, or - for standard input. Repeatable."),
]
Shapes = Annotated[
    list[str] | None,
    typer.Option(
        "--node-shape",
        help="Nodes to add, such as count=4,cpu=16,memory=64Gi. Also: pods, storage, zone, name. Repeatable.",
    ),
]
Scheduler = Annotated[
    Path | None,
    typer.Option("--scheduler-config", help="A KubeSchedulerConfiguration file, in place of the default profile."),
]
Variables = Annotated[
    list[str] | None,
    typer.Option("--set-var", help="NAME=VALUE for ${NAME} in the manifests, as envsubst does. Repeatable."),
]
Output = Annotated[Format, typer.Option("--output", "-o", help="How to print.")]
AsJson = Annotated[bool, typer.Option("--json", help="Short for -o json.")]


def variables_of(given: list[str] | None) -> dict[str, str]:
    """``NAME=VALUE`` pairs as a mapping; raises ScenarioError."""
    pairs = [text.partition("=") for text in given or ()]
    for name, equals, _ in pairs:
        if not equals or not name.isidentifier():
            raise ScenarioError("--set-var", f"expected NAME=VALUE, got {name + equals!r}")
    return {name: value for name, _, value in pairs}


def show(renderable: Any) -> None:
    """Print something rich can render; coloured on a terminal only."""
    from rich.console import Console

    Console(highlight=False).print(renderable, soft_wrap=False)


def show_grids(grids: Iterable[Grid], document: dict[str, Any], output: Format) -> None:
    """Print *grids* for people, or *document* for programs."""
    if output is Format.json:
        from gxsim.report.document import lines

        typer.echo(lines(document))
    elif output is Format.markdown:
        from gxsim.report.markdown import markdown

        typer.echo("\n\n".join(markdown(grid) for grid in grids))
    else:
        from gxsim.report.fitted import FittedGrid

        for grid in grids:
            show(FittedGrid(grid, most_rows=len(grid.rows)))
