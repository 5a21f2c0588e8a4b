"""Times of requests from CSV files: other people's recordings, used where they lie."""

import csv
import dataclasses
import hashlib
from pathlib import Path

from gxsim.errors import ScenarioError
from gxsim.load.fields import unknown_name
from gxsim.model.model import Model
from gxsim.model.users import Population, Trace


def with_request_traces(model: Model, folder: Path, digests: dict[str, str]) -> Model:
    """*model* with the times of its trace files, which are relative to *folder*, and with the rates they come to.

    Raises ScenarioError for a file or column that is not there, and for a value that is no number.
    """
    populations = tuple(
        _recorded(population, folder, f"populations[{number}].trace", digests)
        for number, population in enumerate(model.populations)
    )
    return dataclasses.replace(model, populations=populations)


def _recorded(population: Population, folder: Path, path: str, digests: dict[str, str]) -> Population:
    trace = population.trace
    if trace is None:
        return population
    if trace.file:
        trace = _read(trace, folder / trace.file, path, digests)
    span_s = (max(trace.times_s) - trace.begin_s) / trace.speed
    if span_s <= 0:
        raise ScenarioError(f"{path}.begin", f"expected less than the last time, {max(trace.times_s):g} s")
    if trace.rates:
        lasts_s = [later - earlier for earlier, later in zip(trace.times_s, trace.times_s[1:], strict=False)]
        shown = sum(rate * seconds for rate, seconds in zip(trace.rates, lasts_s, strict=False))
        rate = trace.speed * (shown / sum(lasts_s) if sum(lasts_s) else trace.rates[0])
    else:
        rate = sum(time_s >= trace.begin_s for time_s in trace.times_s) / span_s
    return dataclasses.replace(population, trace=trace, rate=rate)


def _read(trace: Trace, file: Path, path: str, digests: dict[str, str]) -> Trace:
    try:
        content = file.read_bytes()
        text = content.decode()
    except (OSError, UnicodeDecodeError) as error:
        raise ScenarioError(f"{path}.file", f"{file} is not a readable text file: {error}") from None
    digests[str(file)] = hashlib.sha256(content).hexdigest()
    rows = list(csv.DictReader(text.splitlines()))
    if not rows:
        raise ScenarioError(f"{path}.file", f"{file} has no rows under its header")
    times_s = _column(rows, trace.column, f"{path}.column", file)
    rates = _column(rows, trace.rate_column, f"{path}.rateColumn", file) if trace.rate_column else []
    if rates:
        times_s, rates = (list(column) for column in zip(*sorted(zip(times_s, rates, strict=True)), strict=True))
    return dataclasses.replace(trace, file="", times_s=tuple(times_s), rates=tuple(rates))


def _column(rows: list[dict[str, str]], name: str, path: str, file: Path) -> list[float]:
    if name not in rows[0]:
        raise ScenarioError(path, f"{file} has no column {name!r}; {unknown_name(name, list(rows[0]))}")
    values = []
    for number, row in enumerate(rows, 2):
        try:
            value = float(row[name])
        except (TypeError, ValueError):
            raise ScenarioError(path, f"{file}:{number}: expected a number, got {row[name]!r}") from None
        if value < 0:
            raise ScenarioError(path, f"{file}:{number}: expected at least 0, got {value:g}")
        values.append(value)
    return values
