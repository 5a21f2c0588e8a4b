"""Declaring a field once: default, unit, bound and prose belong together."""

from collections.abc import Sequence
from dataclasses import MISSING, field
from typing import Any

SUFFIXES = {"_s": "duration", "_bytes": "bytes", "_milli": "cpu"}  # of a Python name; the file's name goes without


def spec(
    default: Any = MISSING,
    *,
    doc: str,
    factory: Any = MISSING,
    gt: float | None = None,
    ge: float | None = None,
    le: float | None = None,
    choices: Sequence[str] | None = None,
    name: str | None = None,
) -> Any:
    """A dataclass field with its meaning.

    ``gt``, ``ge`` and ``le`` bound the number, ``choices`` the text; *name* is the name in the file where it is not the
    Python name in camelCase without its unit (``start_delay_s`` reads ``startDelay: 2s``).
    """
    metadata = {"doc": doc, "gt": gt, "ge": ge, "le": le, "choices": choices, "name": name}
    if factory is not MISSING:
        return field(default_factory=factory, metadata=metadata)
    return field(default=default, metadata=metadata)


def file_name(python_name: str, given: str | None = None) -> str:
    """The field's name in a file: camelCase, without the unit suffix."""
    if given:
        return given
    for suffix in SUFFIXES:
        python_name = python_name.removesuffix(suffix)
    first, *rest = python_name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def unit_of(python_name: str) -> str:
    """``duration``, ``bytes``, ``cpu`` or nothing, by the suffix of the Python name."""
    return next((unit for suffix, unit in SUFFIXES.items() if python_name.endswith(suffix)), "")
