"""A result as files: the page, the document, and a tidy CSV file per table."""

import csv
import io
import os
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from gxsim.errors import ScenarioError
from gxsim.observe.table import Table
from gxsim.report import document
from gxsim.study.result import Result

PAGE, DOCUMENT, TABLES = "report.html", "result.json", "tables"


def write(result: Result, folder: str | Path, *, page: bool = True) -> list[Path]:
    """Write *result* into *folder* and return the files: ``result.json``, ``tables/*.csv``, with *page* the report.

    Every file is complete before the first one is put in place. Without *page* the page of an earlier run is removed,
    so that the folder tells of one run. Raises ScenarioError where the folder cannot be written.
    """
    texts = {DOCUMENT: document.text(result)}
    texts |= {f"{TABLES}/{name}.csv": tidy(table) for name, table in result.tables.items()}
    if page:
        from gxsim.report.html import render

        texts[PAGE] = render(result)
    folder = Path(folder)
    try:
        written = _put(texts.items(), folder)
        if not page:
            (folder / PAGE).unlink(missing_ok=True)
    except OSError as error:
        raise ScenarioError(str(folder), f"cannot be written: {error.strerror}") from None
    return written


def summary(written: list[Path], folder: Path) -> str:
    """Where the files of a run are, in one line."""
    inside = [path.relative_to(folder).as_posix() for path in written]
    tables = [name for name in inside if name.startswith(f"{TABLES}/")]
    named = [name for name in inside if name not in tables]
    return f"{folder}/ ({', '.join(named)}, {TABLES}/ with {len(tables)} CSV files)"


def tidy(table: Table) -> str:
    """The table as CSV: one row per observation, base units, an empty field for what does not exist."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(table.columns)
    writer.writerows(zip(*(map(_field, values) for values in table.columns.values()), strict=True))
    return text.getvalue()


def _field(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value != value else value  # NaN is not equal to itself; None is written empty by csv


def _put(texts: Iterable[tuple[str, str]], folder: Path) -> list[Path]:
    """Write all texts beside their places, then move each into its place."""
    (folder / TABLES).mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=".writing-", dir=folder))
    try:
        pairs = []
        for number, (name, text) in enumerate(texts):
            (aside / str(number)).write_text(text, encoding="utf-8")
            pairs.append((aside / str(number), folder / name))
        for ready, place in pairs:
            os.replace(ready, place)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return sorted(place for _, place in pairs)
