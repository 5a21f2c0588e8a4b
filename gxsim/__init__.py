"""A flight simulator for a Kubernetes cluster: placement, failure and recovery from plain manifests, on a clock.

``load`` a scenario, ``simulate`` it, look at the ``Result``: its tables as DataFrames, a ``figure``, files on disk
through ``write``. ``place`` answers where pods go when nothing fails, ``allocation`` who then takes what, ``headroom``
how many more fit, and ``survive`` what every loss of nodes leaves. ``ScenarioError`` says what is wrong with the input.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gxsim.errors import InvariantError, ScenarioError
    from gxsim.load.scenario import Case
    from gxsim.plan.allocation import allocation
    from gxsim.plan.headroom import headroom
    from gxsim.plan.place import place
    from gxsim.plan.survive import survive
    from gxsim.report.files import write
    from gxsim.report.plots import figure
    from gxsim.study.result import Result
    from gxsim.study.simulate import simulate

__version__ = "0.1.0"

__all__ = [
    "Case",
    "InvariantError",
    "Result",
    "ScenarioError",
    "__version__",
    "allocation",
    "figure",
    "headroom",
    "load",
    "place",
    "simulate",
    "survive",
    "write",
]

_HOMES = {
    "Case": "gxsim.load.scenario",
    "InvariantError": "gxsim.errors",
    "Result": "gxsim.study.result",
    "ScenarioError": "gxsim.errors",
    "allocation": "gxsim.plan.allocation",
    "figure": "gxsim.report.plots",
    "headroom": "gxsim.plan.headroom",
    "place": "gxsim.plan.place",
    "simulate": "gxsim.study.simulate",
    "survive": "gxsim.plan.survive",
    "write": "gxsim.report.files",
}

# The room gxsim/load has the name of the function below. Imported first, it cannot take the name back later.
importlib.import_module("gxsim.load")


def load(path: str | Path) -> Case:
    """The scenario at *path* (a file, or a bundled name such as ``gx/node-loss``) with everything it names.

    Raises ScenarioError with file, line and path of what is wrong.
    """
    return importlib.import_module("gxsim.load.scenario").load(path)


def __getattr__(name: str) -> Any:
    """A public name, imported when it is first asked for: ``import gxsim`` alone costs nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(importlib.import_module(_HOMES[name]), name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
