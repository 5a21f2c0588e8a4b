"""Write docs/scenario.md from the dataclasses that read the files: ``make docs``."""

import dataclasses
import inspect
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gxsim.engine.fault_kinds import ALIASES, FAULTS, PARAMETERS
from gxsim.model.expectation import MEASURES
from gxsim.model.fields import file_name, unit_of
from gxsim.model.model import Model
from gxsim.model.placement import Placement
from gxsim.model.scenario import Scenario

TARGET = Path(__file__).parent / "scenario.md"
HEAD = """# Scenario, Model and Placement files

Written by `make docs` from the dataclasses that read these files; do not edit.

Each file is one YAML or JSON document: `apiVersion: gxsim/v1alpha1`, `kind`, `metadata.name` and `spec`. An unknown
field is an error. Durations read `250ms`, `5m`, `2h`; amounts are Kubernetes quantities. Paths are relative to the
file.
"""
PLAIN = {str: "text", int: "number", float: "number", bool: "true or false", Any: "anything"}
UNITS = {"duration": "duration", "bytes": "quantity", "cpu": "cpu quantity"}


def reference() -> str:
    """The whole page."""
    parts, seen = [HEAD], set()
    for kind in (Scenario, Model, Placement):
        parts.append(f"## {kind.__name__}\n\n{prose(kind)}\n")
        waiting = [kind]
        while waiting:
            noun = waiting.pop(0)
            if noun in seen:
                continue
            seen.add(noun)
            if noun is not kind:
                parts.append(f"### {noun.__name__}\n\n{prose(noun)}\n")
            parts.append(table(noun))
            waiting += [n for n in nested(noun) if not hasattr(n, "parse")]
    parts += [faults(), measures()]
    return "\n".join(parts)


def prose(noun: type) -> str:
    return inspect.cleandoc(noun.__doc__ or "")


def table(noun: type) -> str:
    """The fields of one dataclass."""
    rows = ["| field | takes | default | meaning |", "|---|---|---|---|"]
    hints = typing.get_type_hints(noun)
    for field in dataclasses.fields(noun):
        name = file_name(field.name, field.metadata.get("name"))
        if name == "name" and noun in (Scenario, Model, Placement):
            continue
        rows.append(f"| `{name}` | {takes(hints[field.name], field)} | {default(field)} | {meaning(field)} |")
    return "\n".join(rows) + "\n"


def takes(hint: Any, field: dataclasses.Field) -> str:
    """What may stand in a field, in words."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        return " or ".join(dict.fromkeys(takes(a, field) for a in arguments if a is not type(None)))
    if origin is tuple:
        inner = takes(arguments[0], field)
        return f"list of {inner}" if arguments[-1] is Ellipsis else f"list of {len(arguments)}: {inner}"
    if origin is not None and issubclass(origin, Mapping):
        return f"mapping to {takes(arguments[1], field)}"
    if dataclasses.is_dataclass(hint):
        return "a comparison, see below" if hasattr(hint, "parse") else f"[{hint.__name__}](#{hint.__name__.lower()})"
    if field.metadata["choices"]:
        return " or ".join(f"`{choice}`" for choice in field.metadata["choices"])
    return UNITS.get(unit_of(field.name), PLAIN[hint]) if hint in (int, float) else PLAIN[hint]


def default(field: dataclasses.Field) -> str:
    if field.default is dataclasses.MISSING:
        return "required" if field.default_factory is dataclasses.MISSING else ""
    value = field.default
    if value in ("", (), None):
        return ""
    unit = "s" if unit_of(field.name) == "duration" else ""
    if isinstance(value, tuple):
        return f"`[{', '.join(one if isinstance(one, str) else f'{one:g}{unit}' for one in value)}]`"
    return f"`{value:g}{unit}`" if unit else f"`{value}`"


def meaning(field: dataclasses.Field) -> str:
    bounds = {"gt": "more than", "ge": "at least", "le": "at most"}
    limits = [f"{words} {field.metadata[key]:g}" for key, words in bounds.items() if field.metadata[key] is not None]
    return field.metadata["doc"] + (f" ({', '.join(limits)})" if limits else "")


def nested(noun: type) -> list[type]:
    """Dataclasses named by the fields of *noun*, in order."""
    found: list[type] = []

    def visit(hint: Any) -> None:
        if dataclasses.is_dataclass(hint) and isinstance(hint, type):
            found.append(hint)
        for argument in typing.get_args(hint):
            visit(argument)

    for hint in typing.get_type_hints(noun).values():
        visit(hint)
    return found


def faults() -> str:
    """Every kind and action with what it acts on, its parameters, and its names elsewhere."""
    rows = [
        "## Faults\n",
        "What `kind` and `action` of a [Fault](#fault) may be. Nodes or pods: pods where the selector says what only "
        "pods have. The last column has names of Litmus and krkn that are accepted too.\n",
    ]
    rows += ["| kind | action | acts on | parameters | also called |", "|---|---|---|---|---|"]
    whom = {"either": "nodes or pods", "owners": "workloads", "nothing": "the cluster"}
    for (kind, action), entry in FAULTS.items():
        parameters = ", ".join(f"`{name}`" for name in PARAMETERS.get(action, ()))
        names = ", ".join(f"`{name}`" for name, meant in ALIASES.items() if meant == action)
        rows.append(f"| {kind} | `{action}` | {whom.get(entry.what, entry.what)} | {parameters} | {names} |")
    rows.append("| Workflow | `serial`, `parallel`, `suspend` | its steps |  |  |")
    return "\n".join(rows) + "\n"


def measures() -> str:
    rows = [
        "## Expectations\n",
        "`MEASURE(NAME) COMPARISON VALUE`; NAME may hold shell patterns, the worst match counts.\n",
    ]
    rows += ["| measure | value | meaning |", "|---|---|---|"]
    for name, (takes_argument, unit, text) in MEASURES.items():
        rows.append(f"| `{name}{'(NAME)' if takes_argument else ''}` | {unit} | {text} |")
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    TARGET.write_text(reference(), encoding="utf-8")
