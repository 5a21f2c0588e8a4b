"""A forecast of storage as tables for people and as a document for programs."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import date, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gxsim.report.document import plain
from gxsim.report.grid import Cell, Column, Grid, Tone, row
from gxsim.report.words import listed
from gxsim.storage.amounts import decimal, span
from gxsim.storage.drivers import MONTH_DAYS
from gxsim.storage.forecast import ALERT_SHARE, QUANTILES, Forecast, Purchase
from gxsim.storage.moves import COPY_RATE_BYTES, Move
from gxsim.storage.plan import Row
from gxsim.storage.protection import LOSSES, Exposure, SecondLoss
from gxsim.storage.statements import Finding
from gxsim.units import human_duration

YEAR_DAYS = 365.25
SUMS = ("node", "cluster", "away")  # kinds of rows that add up others
SOON_DAYS, YEAR_AHEAD_DAYS = 90.0, 365.0
VERDICT_TONES: dict[str, Tone] = {"holds": "good", "contradicted": "bad", "depends": "warn"}


def forecast_grids(made: Forecast, bought: Sequence[Purchase], start: date | None) -> list[Grid]:
    """The tables of a forecast: disks, volumes, what is full first and what has to be larger."""
    together = alike(made)
    disks = [same for same in together if made.rows[same[0]].kind in SUMS]
    volumes = [same for same in together if made.rows[same[0]].kind not in SUMS]
    volumes.sort(key=lambda same: _soonest(made, same[0]))
    days = made.horizon_days
    horizon = f"{days / YEAR_DAYS:.3g} years" if days >= 2 * YEAR_DAYS else f"{days} days"
    return [
        _levels(made, disks, start, "disks", f"Disks over {horizon}, {made.paths} paths", _first_full(made, start)),
        _levels(
            made,
            volumes,
            start,
            "volumes",
            "Volumes against their claims",
            "On a node's own disk a claim is a promise that nobody enforces: the disk is the limit.",
        ),
        _purchases(bought, start),
    ]


def _first_full(made: Forecast, start: date | None) -> str:
    """What fills up first by P50, a disk and a claim."""
    told = []
    for kinds, noun in ((("node",), "disk"), (("volume", "copies"), "claim")):
        first = next((i for i in made.first_full() if made.rows[i].kind in kinds), None)
        if first is not None:
            told.append(f"the {noun} of {made.rows[first].name} ({moment(made.dates[1, first, 1], start)})")
    return f"Full first: {' and '.join(told)}." if told else "Nothing is full by then in half of the paths."


def alike(made: Forecast) -> list[list[int]]:
    """Rows of the forecast, those together that have the same size and levels; nodes are always apart."""
    found: dict[tuple[object, ...], list[int]] = {}
    for i, one in enumerate(made.rows):
        apart = i if one.kind in SUMS else -1
        found.setdefault((apart, one.kind, one.size_bytes, made.levels_bytes[i].tobytes()), []).append(i)
    return list(found.values())


def statement_grid(findings: Sequence[Finding]) -> Grid:
    """Documented figures and what follows from the model instead."""
    order = {"contradicted": 0, "depends": 1, "holds": 2}
    rows = [
        row(
            one.statement.text,
            one.statement.source,
            one.stated,
            one.derived,
            Cell(one.verdict, VERDICT_TONES[one.verdict]),
            one.arithmetic,
        )
        for one in sorted(findings, key=lambda one: order[one.verdict])
    ]
    titles = ("Stated", "Where", "Figure", "Follows", "", "Arithmetic")
    columns = tuple(Column(title, title in ("Figure", "Follows"), 110 if title == "Where" else 0) for title in titles)
    note = "Depends: a range of the model decides; see its source."
    return Grid(name="statements", title="Documented figures", note=note, columns=columns, rows=tuple(rows))


def exposure_grid(found: Sequence[Exposure]) -> Grid:
    """What each kind of loss costs each stateful workload, as it is run and under its other variants."""
    groups: dict[tuple[str, str], list[Exposure]] = {}
    for one in found:
        groups.setdefault((f"{one.store.namespace}/{one.store.workload}", one.store.name), []).append(one)
    rows = []
    for (workloads, variant), members in groups.items():
        for one in (member for member in members if member.workload == members[0].workload):
            first = one.loss == LOSSES[0]
            rows.append(
                row(
                    workloads if first else "",
                    Cell(variant if first else "", "" if one.store.in_force else "quiet"),
                    one.loss,
                    Cell(_lost(one), "bad" if one.everything or one.lost_s.max() > 60 else ""),
                    _times(one.outage_s),
                    _times(one.exposed_s),
                    one.how,
                )
            )
    titles = ("Workloads", "Variant", "Loss", "Writes lost", "Out for", "One copy less for", "Why")
    least = {"One copy less for": 110, "Why": 140}
    columns = tuple(Column(title, False, least.get(title, 0)) for title in titles)
    note = (
        "P50 and, in brackets, P90 over the moment of the loss, with the data of a year ahead. Writes lost: how far "
        "back acknowledged writes are gone (RPO). Out for: until the data is served again (RTO). Dimmed: not in force."
    )
    return Grid(name="exposures", title="What a loss costs", note=note, columns=columns, rows=tuple(rows))


def second_loss_grid(losses: Sequence[SecondLoss]) -> Grid:
    """A second disk that fails before the first is restored."""
    rows = [
        row(
            f"{one.first} and {one.second}",
            human_duration(one.exposed_s),
            f"{100 * one.probability:.2g}%",
            Cell(listed(one.gone_together, most=3), "bad" if one.gone_together else ""),
            Cell(listed((*one.gone_with_first, *one.gone_with_second), most=3), "bad"),
            Cell(listed(one.quorums), "bad" if one.quorums else ""),
        )
        for one in losses
    ]
    titles = ("Disks of", "Within", "Chance", "Gone because of both", "Gone anyway", "Groups without a majority")
    columns = tuple(Column(title, title in ("Within", "Chance")) for title in titles)
    note = (
        "Within: until everything of one is restored (P90). Chance: that the other fails in that time, once one has. "
        "Gone anyway: what lay on one of them only."
    )
    title = "A second disk during the restore"
    return Grid(name="second_losses", title=title, note=note, columns=columns, rows=tuple(rows))


def forecast_document(
    made: Forecast,
    bought: Sequence[Purchase],
    moved: Sequence[Move],
    findings: Sequence[Finding],
    found: Sequence[Exposure],
    losses: Sequence[SecondLoss],
) -> dict[str, Any]:
    """Everything as plain data: bytes, days and seconds; infinity where something is not reached."""
    purchases = [
        {
            **_identity(one.row),
            "by_days": one.by_days,
            "needed_bytes": one.needed_bytes,
            "move_s": one.move.away_s if one.move else None,
        }
        for one in bought
    ]
    document = {
        "horizon_days": made.horizon_days,
        "paths": made.paths,
        "rows": [_row_document(made, i) for i in range(len(made.rows))],
        "first_full": [made.rows[i].name for i in made.first_full()],
        "purchases": purchases,
        "moves": [{**asdict(one), "away_s": one.away_s} for one in moved],
        "statements": [_statement_document(one) for one in findings],
        "exposures": [_exposure_document(one) for one in found],
        "second_losses": [asdict(one) for one in losses],
    }
    return {str(key): plain(value) for key, value in document.items()}


def _row_document(made: Forecast, i: int) -> dict[str, Any]:
    named = ("p10", "p50", "p90")
    return {
        **_identity(made.rows[i]),
        "shown_days": made.shown_days,
        "levels_bytes": dict(zip(named, made.levels_bytes[i].T, strict=True)),
        "alert_days": dict(zip(named, made.dates[0, i], strict=True)),
        "full_days": dict(zip(named, made.dates[1, i], strict=True)),
        "full_probability": made.reached[1, i],
    }


def _statement_document(one: Finding) -> dict[str, Any]:
    said = {"text": one.statement.text, "source": one.statement.source}
    judged = {"stated": one.stated, "derived": one.derived, "arithmetic": one.arithmetic, "verdict": one.verdict}
    return said | judged


def _exposure_document(one: Exposure) -> dict[str, Any]:
    return {
        "workload": f"{one.namespace}/{one.workload}",
        "variant": one.store.name,
        "in_force": one.store.in_force,
        "loss": one.loss,
        "lost_s": _quantiles(one.lost_s),
        "outage_s": _quantiles(one.outage_s),
        "exposed_s": _quantiles(one.exposed_s),
        "how": one.how,
    }


def moment(days: float, start: date | None) -> str:
    """A day ahead as a date, or in days, months or years where there is no date to start from; a dash for never."""
    if not np.isfinite(days):
        return "–"
    if start is not None:
        return (start + timedelta(days=round(days))).isoformat()
    if days < 2 * MONTH_DAYS:
        return f"{days:.0f} d"
    return f"{days / MONTH_DAYS:.0f} mo" if days < 2 * YEAR_DAYS else f"{days / YEAR_DAYS:.1f} y"


def _levels(made: Forecast, which: Sequence[list[int]], start: date | None, name: str, title: str, note: str) -> Grid:
    growth = made.first_month_bytes()
    rows = []
    for i, *others in which:
        one, levels = made.rows[i], made.levels_bytes[i]
        rows.append(
            row(
                one.name + (f" and {len(others)} alike" if others else ""),
                decimal(one.size_bytes) if np.isfinite(one.size_bytes) else "–",
                *([decimal(one.promised_bytes) if one.promised_bytes else "–"] if name == "disks" else []),
                decimal(levels[0, 1]),
                span(*_ordered(growth[i])),
                span(levels[-1, 0], levels[-1, 2]),
                Cell(_dates(made.dates[0, i], start), _tone(made.dates[0, i])),
                Cell(_dates(made.dates[1, i], start), _tone(made.dates[1, i])),
                listed(one.holds, most=5),
            )
        )
    columns = (
        Column({"disks": "Disk of", "volumes": "Claim"}[name]),
        Column("Size", True),
        *([Column("Claims", True, 80)] if name == "disks" else []),
        Column("Now", True, 150),
        Column("First month", True, 110),
        Column("At the end", True),
        Column(f"{100 * ALERT_SHARE:.0f}% reached", True, 130),
        Column("Full", True),
        Column("Holds", False, 150),
    )
    spread = "Ranges are P10 to P90; dates are P10, P50 and P90, a dash where it does not happen in time."
    return Grid(name=name, title=title, note=f"{note} {spread}", columns=columns, rows=tuple(rows))


def _purchases(bought: Sequence[Purchase], start: date | None) -> Grid:
    together: dict[tuple[object, ...], list[Purchase]] = {}
    for one in bought:
        apart = one.row.name if one.row.kind == "node" else ""
        together.setdefault((apart, one.why, one.by_days, one.needed_bytes), []).append(one)
    rows = [
        row(
            Cell(moment(one.by_days, start), _tone(np.array([one.by_days]))),
            one.row.name + (f" and {len(others)} alike" if others else ""),
            one.why,
            decimal(one.row.size_bytes),
            decimal(one.needed_bytes),
            "–" if one.move is None else _between(one.move.away_s),
        )
        for one, *others in together.values()
    ]
    columns = (
        Column("By", True),
        Column("What"),
        Column("Kind"),
        Column("Has", True),
        Column("Needs", True),
        Column("Away while moved", True),
    )
    note = (
        "By: one path in ten has reached 85 % on that day. Needs: what keeps the P90 level under 85 % to the end. A "
        "volume that cannot be expanded is copied to a new one while its pod is stopped."
    )
    return Grid(name="purchases", title="What has to be larger, and when", note=note, columns=columns, rows=tuple(rows))


def move_grid(moved: Sequence[Move]) -> Grid:
    """What more room costs in downtime where volumes cannot be expanded; those that take as long together."""
    together: dict[tuple[float, float], list[Move]] = {}
    for one in moved:
        together.setdefault((one.level_bytes, one.restart_s), []).append(one)
    rows = [
        row(
            one.claim + (f" and {len(others)} alike" if others else ""),
            decimal(one.level_bytes),
            _between(one.copy_s),
            human_duration(one.restart_s),
            _between(one.away_s),
        )
        for one, *others in together.values()
    ]
    columns = (
        Column("Claim"),
        Column("Level", True),
        Column("Copy", True, 90),
        Column("Restart", True, 90),
        Column("Away", True),
    )
    slow, fast = COPY_RATE_BYTES
    note = (
        "These volumes cannot be expanded: the pod stops, its data of a year ahead (P50) are copied to a new volume at "
        f"{span(slow, fast)}/s, and it starts on that."
    )
    return Grid(name="moves", title="What moving a volume costs", note=note, columns=columns, rows=tuple(rows))


def _between(seconds: tuple[float, float]) -> str:
    return f"{human_duration(seconds[0])}–{human_duration(seconds[1])}"


def _dates(days: NDArray, start: date | None) -> str:
    """The three dates of a limit: by month, or by day where all of them are within two months."""
    there = days[np.isfinite(days)]
    if not len(there):
        return "–"
    if start is None:
        return " · ".join(moment(one, None) for one in days)
    form = "%d %b" if len(there) == len(days) and there.max() < 2 * MONTH_DAYS else "%Y-%m"
    told = [f"{start + timedelta(days=round(one)):{form}}" if np.isfinite(one) else "–" for one in days]
    return " · ".join(told)


def _tone(days: NDArray) -> Tone:
    first = float(np.min(days))
    return "bad" if first <= SOON_DAYS else "warn" if first <= YEAR_AHEAD_DAYS else ""


def _soonest(made: Forecast, i: int) -> tuple[float, ...]:
    return (*made.dates[0, i], -float(made.levels_bytes[i, -1, 1] / made.rows[i].size_bytes))


def _ordered(three: NDArray) -> tuple[float, float]:
    return (max(0.0, float(min(three))), max(0.0, float(max(three))))


def _identity(one: Row) -> dict[str, Any]:
    return {
        "name": one.name,
        "kind": one.kind,
        "node": one.node,
        "size_bytes": one.size_bytes,
        "promised_bytes": one.promised_bytes,
        "holds": one.holds,
    }


def _quantiles(values: NDArray) -> list[float]:
    return np.quantile(values, QUANTILES, method="inverted_cdf").tolist()


def _lost(one: Exposure) -> str:
    return "everything" if one.everything else _times(one.lost_s)


def _times(seconds: NDArray) -> str:
    _, middle, late = _quantiles(seconds)
    return f"{human_duration(middle)} ({human_duration(late)})" if late else "none"
