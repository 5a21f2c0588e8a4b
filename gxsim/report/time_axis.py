"""Which part of a run a picture shows, and the marks of its time axis as times of day."""

import math
from typing import NamedTuple

from gxsim.report.words import DAY_S
from gxsim.study.result import Result

STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, DAY_S, 2 * DAY_S)
LEAD_S, CLOSE_S = 30.0, 600.0
LETTER = 0.0135  # width of a letter in widths of a panel


class Span(NamedTuple):
    """A stretch of the run in seconds, and its name."""

    title: str
    from_s: float
    to_s: float


def spans(result: Result) -> list[Span]:
    """The first ten minutes after the first loss and the whole run; only the latter when it is about as short."""
    horizon_s = result.timeline.horizon_s
    whole = Span("The whole run", 0.0, horizon_s)
    first_s = first_loss_s(result)
    if first_s is None or horizon_s < 2 * CLOSE_S:
        return [whole]
    end_s = min(first_s + CLOSE_S, horizon_s)
    return [Span("The first ten minutes", max(0.0, first_s - LEAD_S), end_s), whole]


def first_loss_s(result: Result) -> float | None:
    """When the first node or pod was lost; None when nothing was."""
    lost = [*result.tables["node_losses"].columns["lost_s"], *result.tables["pods"].columns["lost_s"]]
    return min(lost, default=None)


def ticks(span: Span, start_s: float, most: int = 6) -> tuple[list[float], list[str]]:
    """Positions in seconds of the run and their times of day, at round times, at most *most* of them."""
    length_s = span.to_s - span.from_s
    step_s = next((step for step in STEPS_S if length_s / step <= most), math.ceil(length_s / (most * DAY_S)) * DAY_S)
    first = math.ceil((span.from_s + start_s) / step_s)
    last = math.floor((span.to_s + start_s) / step_s)
    on_wall = [step_s * i for i in range(first, last + 1)]
    days = [0, *(second // DAY_S for second in on_wall)]
    labels = [_label(second, step_s, day != second // DAY_S) for day, second in zip(days, on_wall, strict=False)]
    return [second - start_s for second in on_wall], labels


def _label(second: int, step_s: int, new_day: bool) -> str:
    """A time of day, with the day where it is another than that of the mark before."""
    day, rest = divmod(second, DAY_S)
    clock = f"{rest // 3600:02d}:{rest % 3600 // 60:02d}" + (f":{rest % 60:02d}" if step_s < 60 else "")
    return f"day {day + 1}" if step_s >= DAY_S else f"{clock} +{day}d" if new_day else clock


def marks(result: Result, span: Span) -> list[tuple[float, str]]:
    """Moments worth a line: a node lost, noticed, its pods evicted, back; of those too close together the first."""
    losses = list(result.tables["node_losses"].rows())
    moments = [(row[f"{name}_s"], name) for row in losses for name in ("lost", "noticed", "back")]
    evicted = [second for second in result.tables["pods"].columns["evicted_s"] if second is not None]
    moments += [(min(evicted), "evicted")] if evicted else []
    shown: list[tuple[float, str]] = []
    for second, name in sorted((m for m in moments if m[0] is not None), key=lambda moment: moment[0]):
        room_s = LETTER * (len(shown[-1][1]) + 1) * (span.to_s - span.from_s) if shown else 0.0
        if span.from_s <= second <= span.to_s and (not shown or second - shown[-1][0] >= room_s):
            shown.append((second, name))
    return shown
