"""``result.json``: one run as data for programs, the same bytes for the same input and seed.

Numbers are in base units, named at the end of the key (``_s``, ``_bytes``, ``_milli``, ``_percent``). JSON has no
infinity and no NaN: infinity is the string ``"inf"`` or ``"-inf"``; what does not exist, NaN included, is ``null``.
"""

import dataclasses
import json
import math
from collections.abc import Iterable, Mapping
from typing import Any

import gxsim
from gxsim.observe.expectations import Verdict
from gxsim.observe.table import Table
from gxsim.report.story import headline
from gxsim.study.result import SCHEMA_VERSION, Result

API_VERSION, KIND = "gxsim/v1alpha1", "Result"


def document(result: Result) -> dict[str, Any]:
    """The result as plain dicts, lists, strings and numbers that JSON can hold."""
    case = result.case
    return plain(
        {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "schemaVersion": SCHEMA_VERSION,
            "metadata": {"name": case.scenario.name},
            "provenance": {**result.provenance, "seed": result.seed, "digests": dict(sorted(case.digests.items()))},
            "headline": headline(result),
            "passed": result.passed,
            "scenario": dataclasses.asdict(case.scenario),
            "verdicts": [_verdict(one) for one in result.verdicts],
            "assumptions": result.assumptions,
            "notModelled": [dataclasses.asdict(one) for one in sorted(case.cluster.unmodelled, key=_place)],
            "tables": {name: _table(table) for name, table in sorted(result.tables.items())},
        }
    )


def tables_document(kind: str, tables: Iterable[Table], **said: Any) -> dict[str, Any]:
    """Tables of another answer than a run's, in the same form."""
    head = {"apiVersion": API_VERSION, "kind": kind, "schemaVersion": SCHEMA_VERSION, "gxsim": gxsim.__version__}
    return plain({**head, **said, "tables": {table.name: _table(table) for table in tables}})


def text(result: Result) -> str:
    """The document as JSON text, one table column per line."""
    return lines(document(result)) + "\n"


def lines(value: Any, depth: int = 0) -> str:
    """JSON that can be read and compared: mappings are opened, lists of scalars stay on one line."""
    pad, end = "  " * (depth + 1), "  " * depth
    if isinstance(value, dict) and value:
        inner = ",\n".join(f"{pad}{json.dumps(key)}: {lines(one, depth + 1)}" for key, one in value.items())
        return f"{{\n{inner}\n{end}}}"
    if isinstance(value, list) and any(isinstance(one, dict | list) for one in value):
        inner = ",\n".join(f"{pad}{lines(one, depth + 1)}" for one in value)
        return f"[\n{inner}\n{end}]"
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def plain(value: Any) -> Any:
    """*value* with numpy's numbers, tuples and what JSON lacks replaced."""
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if hasattr(value, "tolist"):  # a numpy scalar or array
        return plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    return value


def _verdict(verdict: Verdict) -> dict[str, Any]:
    return {"expectation": verdict.expectation.text, "observed": verdict.observed, "holds": verdict.holds}


def _table(table: Table) -> dict[str, Any]:
    return {"about": table.about, "rows": len(table), "columns": dict(table.columns)}


def _place(one: Any) -> tuple[str, str, str]:
    return one.kind, one.name, one.source
