"""The section of a run's report on what was slowed down, or cut."""

from gxsim.report.grid import Column, Grid, row
from gxsim.report.words import listed, percent, time_of_day
from gxsim.study.result import Result
from gxsim.units import human_bytes, human_cpu, human_duration

MOST_ROWS = 12
ARROWS = {"to": "to", "from": "from", "both": "to and from", "": ""}


def degradations(result: Result) -> Grid:
    """One row per degradation, the first ``MOST_ROWS``."""
    table, start_s = result.tables.get("degradations"), result.case.scenario.clock_s
    found = [] if table is None else list(table.rows())
    rows = [
        row(
            f"{one['action']} {amount_text(one['amount'], one['unit'])}".strip(),
            listed(one["at"].split(", "), most=2),
            f"{ARROWS[one['direction']]} {listed(one['towards'].split(', '), most=2)}" if one["towards"] else "–",
            time_of_day(one["from_s"], start_s),
            time_of_day(one["to_s"], start_s),
        )
        for one in found[:MOST_ROWS]
    ]
    more = f" {len(found) - MOST_ROWS} more are in the table degradations." if len(found) > MOST_ROWS else ""
    note = f"Faults that slow something down rather than stop it; several at one target add up.{more}"
    columns = (Column("Fault"), Column("At"), Column("Link"), Column("From", True), Column("To", True))
    return Grid(name="degradations", title="Slowed down", note=note, columns=columns, rows=tuple(rows))


def amount_text(amount: float | None, unit: str) -> str:
    """An amount of the table degradations for people."""
    if amount is None:
        return ""
    return {
        "s": human_duration,
        "share": lambda share: percent(100 * share),
        "bytes/s": lambda rate: f"{human_bytes(rate)}/s",
        "cores": lambda cores: f"{human_cpu(1000 * cores)} cores",
    }[unit](amount)
