"""Growth by the traffic beside what is stated, as a table and as a document."""

from collections.abc import Sequence
from typing import Any

from gxsim.report.grid import Cell, Column, Grid, row
from gxsim.storage.amounts import span
from gxsim.storage.coupling import Coupling
from gxsim.storage.drivers import DAY_S


def coupling_grid(found: Sequence[Coupling], *, from_traffic: bool) -> Grid:
    """Growth as it is stated per day, and as the request rates of the model make it; nothing where no path writes."""
    rows = [
        row(
            one.growth.name,
            span(*one.growth.per_day_bytes) if one.growth.per_day_bytes[1] else "–",
            span(*one.growth.per_write_bytes or (0, 0)),
            Cell(span(*one.by_traffic_bytes), "bad" if _apart(one) else ""),
            "traffic" if from_traffic or not one.growth.per_day_bytes[1] else "stated",
        )
        for one in found
    ]
    titles = ("What grows", "Stated a day", "A write", "By the traffic a day", "Taken")
    columns = tuple(Column(title, title not in ("What grows", "Taken")) for title in titles)
    note = (
        f"The paths write {found[0].writes_per_day / DAY_S:.3g} times a second. Taken: which of both this forecast "
        "follows; --traffic follows the traffic. Marked: the two ranges do not meet."
        if found
        else ""
    )
    return Grid(name="growth_by_traffic", title="Growth by the traffic", note=note, columns=columns, rows=tuple(rows))


def _apart(one: Coupling) -> bool:
    """Whether what is stated per day and what the traffic makes have no amount in common."""
    (low, high), (least, most) = one.growth.per_day_bytes, one.by_traffic_bytes
    return high > 0 and (most < low or least > high)


def coupling_document(found: Sequence[Coupling]) -> list[dict[str, Any]]:
    """Growth per day as it is stated and by the traffic, bytes."""
    return [
        {
            "name": one.growth.name,
            "workload": f"{one.growth.namespace}/{one.growth.workload}",
            "stated_bytes": list(one.growth.per_day_bytes),
            "per_write_bytes": list(one.growth.per_write_bytes or (0, 0)),
            "writes_per_day": one.writes_per_day,
            "by_traffic_bytes": list(one.by_traffic_bytes),
        }
        for one in found
    ]
