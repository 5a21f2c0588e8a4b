"""Reading a document into its kind: unknown fields, wrong types, unreadable quantities (HTTP 400)."""

import base64
import binascii
import difflib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any

from gxsim.api.kinds import kind_of
from gxsim.api.schema import structs
from gxsim.api.violations import UNDECODABLE, Violation
from gxsim.units import read_quantity

_QUANTITY_TEXT = r"quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
# What the API server takes for a number with some suffix, before it looks the suffix up.
_QUANTITY_SHAPE = r"[+-]?(\d+\.?\d*|\.\d+)[eEinumkKMGTP]*[-+]?\d*"
_GO_TYPES = {"intOrString": "intstr.IntOrString", "time": "v1.Time", "base64": "[]uint8"}
_BOUNDS = {"int32": 2**31, "int64": 2**63}


def undecodable(obj: Mapping[str, Any], repeated: Sequence[str] = ()) -> list[Violation]:
    """Return why an API server cannot read this document into the kind it claims; empty if it can.

    *repeated* are the fields the text gives twice (``read_json``), as a dict no longer shows them. Kinds gxsim does
    not know are not judged. As in the real decoder, the first wrong type hides everything after it, and unknown and
    repeated fields are reported together, only if all else could be read.
    """
    kind = kind_of(obj)
    if kind is None:
        return []
    version = str(obj.get("apiVersion") or "")
    if version not in kind.api_versions:
        return [
            _refused(f'no kind "{kind.name}" is registered for version "{version}"', "apiVersion", kind.api_versions)
        ]
    prefix = f'{kind.name} in version "{version.rpartition("/")[2]}" cannot be handled as a {kind.name}: '
    found = list(_struct_problems(obj, kind.name, "", ""))
    fatal = [problem for problem in found if problem.reason == UNDECODABLE]
    if fatal:
        return [Violation(fatal[0].path, prefix + fatal[0].message, UNDECODABLE)]
    found += [Violation(field, f'duplicate field "{field}"', "") for field in repeated]
    if not found:
        return []
    told = ", ".join(problem.message for problem in found)
    hints = "; ".join(problem.hint for problem in found if problem.hint)
    return [Violation(found[0].path, f"{prefix}strict decoding error: {told}", UNDECODABLE, hints)]


def _refused(message: str, path: str, instead: tuple[str, ...]) -> Violation:
    return Violation(path, message, UNDECODABLE, f"expected {' or '.join(instead)}")


def _struct_problems(value: Mapping[str, Any], struct: str, path: str, plain: str) -> Iterator[Violation]:
    """Yield the problems of one struct; *path* has indexes, *plain* has none (Go's two ways to name a field)."""
    fields = structs()[struct]
    for key, inner in value.items():
        here, bare = _join(path, str(key)), _join(plain, str(key))
        if key not in fields:
            near = difflib.get_close_matches(str(key), fields, n=1)
            hint = f"did you mean '{near[0]}'?" if near else ""
            yield Violation(here, f'unknown field "{here}"', "", hint)
        elif inner is not None:
            yield from _value_problems(inner, fields[key], here, f"{struct}.{bare}")


def _value_problems(value: Any, kind: str, path: str, place: str) -> Iterator[Violation]:
    """Yield the problems of one value; *place* is ``Struct.path`` for the message."""
    if kind == "any":
        return
    if kind.startswith("["):
        if not isinstance(value, list):
            yield _mismatch(value, kind, path, place)
            return
        for index, inner in enumerate(value):
            if inner is not None:
                yield from _value_problems(inner, kind[1:-1], f"{path}[{index}]", place)
    elif kind.startswith("{"):
        if not isinstance(value, dict):
            yield _mismatch(value, kind, path, place)
            return
        for key, inner in value.items():
            if inner is not None:
                yield from _value_problems(inner, kind[1:-1], f"{path}[{key}]", place)
    elif kind in structs():
        if not isinstance(value, dict):
            yield _mismatch(value, kind, path, place)
            return
        yield from _struct_problems(value, kind, path, place.partition(".")[2])
    else:
        yield from _scalar_problems(value, kind, path, place)


def _scalar_problems(value: Any, kind: str, path: str, place: str) -> Iterator[Violation]:
    number = isinstance(value, int) and not isinstance(value, bool)
    if kind == "quantity":
        problem = quantity_problem(value)
        if problem:
            yield Violation(path, problem, UNDECODABLE)
    elif kind == "base64":
        if not isinstance(value, str):
            yield _mismatch(value, kind, path, place)
        elif not _is_base64(value):
            yield Violation(path, f"illegal base64 data at input byte {_first_illegal(value)}", UNDECODABLE)
    elif kind in _BOUNDS:
        if not number or not -_BOUNDS[kind] <= value < _BOUNDS[kind]:
            yield _mismatch(value, kind, path, place)
    elif (
        (kind == "bool" and not isinstance(value, bool))
        or (kind == "intOrString" and not (number or isinstance(value, str)))
        or (kind == "string" and not isinstance(value, str))
        # A YAML reader may have made a date of it already.
        or (kind == "time" and not isinstance(value, str | date))
    ):
        yield _mismatch(value, kind, path, place)


def quantity_problem(value: Any) -> str | None:
    """Return why a value is no quantity, in the API server's words; ``None`` if it is one."""
    try:
        read_quantity(value.strip() if isinstance(value, str) else value)
    except ValueError:
        shaped = isinstance(value, str) and re.fullmatch(_QUANTITY_SHAPE, value.strip(), re.ASCII)
        return "unable to parse quantity's suffix" if shaped else _QUANTITY_TEXT
    return None


def _is_base64(text: str) -> bool:
    try:
        base64.b64decode(text, validate=True)
    except binascii.Error:
        return False
    return True


def _first_illegal(text: str) -> int:
    """Return where Go's decoder stops: at the first foreign character, else where the last full group ends."""
    foreign = re.search(r"[^A-Za-z0-9+/=\r\n]", text)
    return foreign.start() if foreign else len(text) - len(text) % 4


def read_json(text: str) -> tuple[Any, list[str]]:
    """Return the value of a JSON text, and the paths of fields it gives more than once.

    Raises ``ValueError`` where it is not JSON.
    """
    repeated: list[str] = []
    return _plain(json.loads(text, object_pairs_hook=_Pairs), "", repeated), repeated


class _Pairs(list[tuple[str, Any]]):
    """The fields of one JSON object as they stand in the text."""


def _plain(value: Any, path: str, repeated: list[str]) -> Any:
    if isinstance(value, _Pairs):
        fields: dict[str, Any] = {}
        for key, inner in value:
            place = _join(path, key)
            if key in fields:
                repeated.append(place)
            fields[key] = _plain(inner, place, repeated)
        return fields
    if isinstance(value, list):
        return [_plain(inner, f"{path}[{index}]", repeated) for index, inner in enumerate(value)]
    return value


def _mismatch(value: Any, kind: str, path: str, place: str) -> Violation:
    message = f"json: cannot unmarshal {_json_kind(value)} into Go struct field {place} of type {_go_type(kind)}"
    return Violation(path, message, UNDECODABLE)


def _json_kind(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, float):
        return f"number {value}"
    kinds = {int: "number", str: "string", list: "array", dict: "object"}
    return kinds.get(type(value), "object")


def _go_type(kind: str) -> str:
    if kind.startswith("["):
        return f"[]{_go_type(kind[1:-1])}"
    if kind.startswith("{"):
        return f"map[string]{_go_type(kind[1:-1])}"
    return f"v1.{kind}" if kind in structs() else _GO_TYPES.get(kind, kind)


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key
