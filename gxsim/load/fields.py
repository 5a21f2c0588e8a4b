"""A strict reader from documents to declared dataclasses: unknown fields are refused with the nearest name."""

import dataclasses
import types
import typing
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from gxsim.errors import ScenarioError
from gxsim.load.documents import Document
from gxsim.model.fields import file_name, unit_of
from gxsim.units import cpu_milli, duration_s, whole

Path = tuple[str | int, ...]
_UNITS = {
    "duration": (duration_s, "a duration such as 250ms, 5m or 2h"),
    "bytes": (whole, "a quantity such as 512Mi or 20G"),
    "cpu": (cpu_milli, "a cpu quantity such as 500m or 2"),
}
_PLAIN = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}


def read_fields(cls: type, document: Document, path: Path = ()) -> Any:
    """The object of dataclass *cls* that stands at *path* of *document*; everything it leaves out has its default.

    Raises ScenarioError (file, line, path) for an unknown or missing field and for a value of the wrong kind.
    """
    return _read_object(cls, _value_at(document, path), document, path)


def unknown_name(name: object, known: Sequence[str]) -> str:
    """What to say of a *name* that is not among *known*: the nearest one, or all of them."""
    close = get_close_matches(str(name), known, n=1, cutoff=0.6)
    return f"did you mean {close[0]!r}?" if close else f"expected one of {', '.join(known)}"


def _value_at(document: Document, path: Path) -> Any:
    value = document.value
    for step in path:
        value = value[step]
    return value


def _read_object(cls: type, value: Any, document: Document, path: Path) -> Any:
    if not isinstance(value, dict):
        raise document.error(path, f"expected fields of {cls.__name__}, got {_quoted(value)}")
    hints = typing.get_type_hints(cls)
    declared = {file_name(f.name, f.metadata.get("name")): f for f in dataclasses.fields(cls)}
    for name in value:
        if name not in declared:
            raise document.error((*path, name), f"unknown field; {unknown_name(name, list(declared))}")
    given = {}
    for name, field in declared.items():
        if name in value:
            given[field.name] = _read_value(hints[field.name], value[name], field, document, (*path, name))
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise document.error(
                path, f"the field {name!r} is missing: {field.metadata['doc'][0].lower()}{field.metadata['doc'][1:]}"
            )
    try:
        return cls(**given)
    except ValueError as error:
        raise document.error(path, str(error)) from None


def _read_value(hint: Any, value: Any, field: dataclasses.Field, document: Document, path: Path) -> Any:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        if value is None and type(None) in arguments:
            return None
        return _read_union([a for a in arguments if a is not type(None)], value, field, document, path)
    if origin is tuple:
        return _read_tuple(arguments, value, field, document, path)
    if origin is not None and issubclass(origin, Mapping):
        if not isinstance(value, dict):
            raise document.error(path, f"expected a mapping, got {_quoted(value)}")
        return {str(k): _read_value(arguments[1], v, field, document, (*path, k)) for k, v in value.items()}
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        if isinstance(value, str) and hasattr(hint, "parse"):
            return _read_text(hint, value, document, path)
        return _read_object(hint, value, document, path)
    if hint is Any:
        return value
    return _read_scalar(hint, value, field, document, path)


def _read_text(hint: Any, value: str, document: Document, path: Path) -> Any:
    """A noun that has a notation of its own."""
    try:
        return hint.parse(value)
    except ValueError as error:
        raise document.error(path, str(error)) from None


def _read_union(hints: list[Any], value: Any, field: dataclasses.Field, document: Document, path: Path) -> Any:
    for hint in hints[:-1]:
        try:
            return _read_value(hint, value, field, document, path)
        except ScenarioError:
            continue
    return _read_value(hints[-1], value, field, document, path)


def _read_tuple(hints: tuple[Any, ...], value: Any, field: dataclasses.Field, document: Document, path: Path) -> Any:
    if not isinstance(value, list):
        raise document.error(path, f"expected a list, got {_quoted(value)}")
    if len(hints) == 2 and hints[1] is Ellipsis:
        return tuple(_read_value(hints[0], v, field, document, (*path, i)) for i, v in enumerate(value))
    if len(value) != len(hints):
        raise document.error(path, f"expected {len(hints)} values, got {len(value)}")
    return tuple(
        _read_value(h, v, field, document, (*path, i)) for i, (h, v) in enumerate(zip(hints, value, strict=True))
    )


def _read_scalar(hint: Any, value: Any, field: dataclasses.Field, document: Document, path: Path) -> Any:
    unit = unit_of(field.name)
    if unit and hint in (int, float):
        convert, expected = _UNITS[unit]
        if unit == "duration" and isinstance(value, (int, float)) and value != 0:
            raise document.error(path, f"expected {expected}, got {_quoted(value)}")
        try:
            result: Any = hint(convert(value))
        except (ValueError, TypeError):
            raise document.error(path, f"expected {expected}, got {_quoted(value)}") from None
    else:
        fits = isinstance(value, hint) or (hint is float and isinstance(value, int))
        if not fits or (isinstance(value, bool) and hint is not bool):
            raise document.error(path, f"expected {_PLAIN[hint]}, got {_quoted(value)}")
        result = hint(value)
    _check_bounds(result, field, document, path)
    return result


def _check_bounds(value: Any, field: dataclasses.Field, document: Document, path: Path) -> None:
    declared = field.metadata
    choices = declared.get("choices")
    if choices and value not in choices:
        raise document.error(path, f"unknown value {value!r}; {unknown_name(value, choices)}")
    if isinstance(value, str):
        return
    for bound, fits, words in (
        ("gt", lambda limit: value > limit, "more than"),
        ("ge", lambda limit: value >= limit, "at least"),
        ("le", lambda limit: value <= limit, "at most"),
    ):
        limit = declared.get(bound)
        if limit is not None and not fits(limit):
            raise document.error(path, f"expected {words} {limit:g}, got {value:g}")


def _quoted(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
