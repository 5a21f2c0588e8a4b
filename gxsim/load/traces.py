"""Times of faults from CSV files with the columns ``begin_s`` and ``duration_s``."""

import csv
import dataclasses
import hashlib
from collections.abc import Iterator
from pathlib import Path

from gxsim.errors import ScenarioError
from gxsim.model.fault import Fault

COLUMNS = ["begin_s", "duration_s"]


def with_traces(faults: tuple[Fault, ...], folder: Path, digests: dict[str, str]) -> tuple[Fault, ...]:
    """*faults* with the times of their trace files, which are relative to *folder*; raises ScenarioError."""
    return tuple(
        dataclasses.replace(fault, trace=_trace(folder / fault.trace_file, f"faults[{i}].traceFile", digests))
        if fault.trace_file
        else fault
        for i, fault in enumerate(faults)
    )


def _trace(file: Path, path: str, digests: dict[str, str]) -> tuple[tuple[float, float], ...]:
    try:
        content = file.read_bytes()
        text = content.decode()
    except (OSError, UnicodeDecodeError) as error:
        raise ScenarioError(path, f"{file} is not a readable text file: {error}") from None
    digests[str(file)] = hashlib.sha256(content).hexdigest()
    rows = csv.DictReader(text.splitlines())
    if list(rows.fieldnames or ()) != COLUMNS:
        raise ScenarioError(path, f"{file}: expected the columns {','.join(COLUMNS)}, got {rows.fieldnames}")
    return tuple(_times(rows, file, path))


def _times(rows: csv.DictReader, file: Path, path: str) -> Iterator[tuple[float, float]]:
    for row in rows:
        try:
            begin_s, duration_s = (float(row[name]) for name in COLUMNS)
        except (TypeError, ValueError):
            raise ScenarioError(path, f"{file}:{rows.line_num}: expected two numbers of seconds") from None
        if begin_s < 0 or duration_s < 0:
            raise ScenarioError(path, f"{file}:{rows.line_num}: times are not negative")
        yield begin_s, duration_s
