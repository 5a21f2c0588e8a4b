"""One thing an API server finds wrong with an object, worded as it words it (``field.Error``)."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

INVALID = "FieldValueInvalid"
REQUIRED = "FieldValueRequired"
DUPLICATE = "FieldValueDuplicate"
FORBIDDEN = "FieldValueForbidden"
NOT_FOUND = "FieldValueNotFound"
NOT_SUPPORTED = "FieldValueNotSupported"
TOO_LONG = "FieldValueTooLong"
# A document that cannot be read into its kind at all: HTTP 400, not 422.
UNDECODABLE = "BadRequest"


@dataclass(frozen=True, slots=True)
class Violation:
    """Where, what and of which sort; *hint* is gxsim's own addition, such as the nearest field name."""

    path: str
    message: str
    reason: str
    hint: str = ""

    def __str__(self) -> str:
        text = f"{self.path}: {self.message}" if self.path else self.message
        return f"{text}; {self.hint}" if self.hint else text


Violations = Iterator[Violation]


def invalid(path: str, value: Any, detail: str) -> Violation:
    """Return that a value breaks a rule."""
    return Violation(path, _worded(f"Invalid value: {shown(value)}", detail), INVALID)


def required(path: str, detail: str = "") -> Violation:
    """Return that a value is missing."""
    return Violation(path, _worded("Required value", detail), REQUIRED)


def forbidden(path: str, detail: str) -> Violation:
    """Return that a field may not be set here."""
    return Violation(path, _worded("Forbidden", detail), FORBIDDEN)


def duplicate(path: str, value: Any) -> Violation:
    """Return that a value occurs twice."""
    return Violation(path, f"Duplicate value: {shown(value)}", DUPLICATE)


def not_found(path: str, value: Any, detail: str = "") -> Violation:
    """Return that a name refers to nothing."""
    return Violation(path, _worded(f"Not found: {shown(value)}", detail), NOT_FOUND)


def not_supported(path: str, value: Any, supported: Iterable[str]) -> Violation:
    """Return that a value is none of those known."""
    known = ", ".join(shown(name) for name in supported)
    return Violation(path, f"Unsupported value: {shown(value)}: supported values: {known}", NOT_SUPPORTED)


def too_long(path: str, limit: int) -> Violation:
    """Return that a value has more bytes than allowed."""
    return Violation(path, f"Too long: may not be more than {limit} bytes", TOO_LONG)


def each_invalid(path: str, value: Any, details: Iterable[str]) -> Violations:
    """Yield one violation per broken rule of syntax."""
    for detail in details:
        yield invalid(path, value, detail)


def one_of(path: str, value: Any, supported: Iterable[str]) -> Violations:
    """Yield a violation if a value that is given is none of those known."""
    names = tuple(supported)
    if value is not None and value not in names:
        yield not_supported(path, value, names)


def named(path: str, value: Any, supported: Iterable[str]) -> Violations:
    """Yield a violation if a value is missing or none of those known."""
    if not value:
        yield required(path)
    else:
        yield from one_of(path, value, supported)


def not_negative(path: str, value: int | None) -> Violations:
    """Yield a violation if a number is below zero."""
    if value is not None and value < 0:
        yield invalid(path, value, "must be greater than or equal to 0")


def shown(value: Any) -> str:
    """Return a value as the API server prints it: strings quoted, objects as compact JSON."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, sort_keys=False)


def _worded(start: str, detail: str) -> str:
    return f"{start}: {detail}" if detail else start
