"""The syntax of a CronJob's schedule and time zone, judged and read as ``robfig/cron`` does."""

import re
import zoneinfo
from typing import NamedTuple

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
# (lowest, highest, names, number of the first name)
_FIELDS: tuple[tuple[int, int, tuple[str, ...], int], ...] = (
    (0, 59, (), 0),
    (0, 23, (), 0),
    (1, 31, (), 0),
    (1, 12, _MONTHS, 1),
    (0, 6, _DAYS, 0),
)
_DESCRIPTORS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}


class Field(NamedTuple):
    """The numbers a field of a cron line allows; *star* if it was left open (``*``, ``?`` or ``*/1``)."""

    numbers: frozenset[int]
    star: bool


def schedule_fields(schedule: str) -> tuple[Field, ...]:
    """Minute, hour, day of month, month and day of week (0 is Sunday) of a schedule without a problem."""
    line = _DESCRIPTORS.get(schedule, schedule)
    return tuple(_field(text, bounds) for text, bounds in zip(line.split(), _FIELDS, strict=True))


def _field(text: str, bounds: tuple[int, int, tuple[str, ...], int]) -> Field:
    numbers: set[int] = set()
    star = False
    for part in text.split(","):
        span, _, step_text = part.partition("/")
        is_open = span in ("*", "?")
        step = int(step_text or 1)
        start, end = bounds[:2] if is_open else _ends(span, bounds)
        if step_text and "-" not in span:
            end = bounds[1]
        star |= is_open and step == 1
        numbers |= set(range(start, end + 1, step))
    return Field(frozenset(numbers), star)


def _ends(span: str, bounds: tuple[int, int, tuple[str, ...], int]) -> tuple[int, int]:
    """The numbers of ``5``, ``1-5`` or ``mon-fri``."""
    _, _, names, first = bounds
    ends = [names.index(e.lower()) + first if e.lower() in names else int(e) for e in span.split("-")]
    return ends[0], ends[-1]


def schedule_problem(schedule: str) -> str | None:
    """Return why *schedule* is no five-field cron line or descriptor; ``None`` if it is one."""
    if schedule.startswith("@every "):
        return None
    if schedule.startswith("@"):
        return None if schedule in _DESCRIPTORS else f"unrecognized descriptor: {schedule}"
    fields = schedule.split()
    if len(fields) != 5:
        return f"expected exactly 5 fields, found {len(fields)}: [{' '.join(fields)}]"
    for field, bounds in zip(fields, _FIELDS, strict=True):
        for part in field.split(","):
            problem = _range_problem(part, bounds)
            if problem:
                return problem
    return None


def time_zone_problem(name: str) -> str | None:
    """Return why *name* is no time zone; ``None`` if it is one, or if this computer knows none at all."""
    if not name:
        return "timeZone must be nil or non-empty string"
    if name.casefold() == "local":
        return "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones"
    known = zoneinfo.available_timezones()
    return f"unknown time zone {name}" if known and name not in known else None


def _range_problem(part: str, bounds: tuple[int, int, tuple[str, ...], int]) -> str | None:
    lowest, highest, names, first = bounds
    span, *steps = part.split("/")
    ends = span.split("-")
    if len(ends) > 2:
        return f"too many hyphens: {part}"
    if len(steps) > 1:
        return f"too many slashes: {part}"
    numbers: list[int] = []
    for text in [] if span in ("*", "?") else [*ends]:
        if text.lower() in names:
            numbers.append(names.index(text.lower()) + first)
        elif re.fullmatch(r"\d+", text):
            numbers.append(int(text))
        else:
            return f'failed to parse int from {text}: strconv.Atoi: parsing "{text}": invalid syntax'
    start, end = (numbers[0], numbers[-1]) if numbers else (lowest, highest)
    if steps:
        if not re.fullmatch(r"\d+", steps[0]):
            return f'failed to parse int from {steps[0]}: strconv.Atoi: parsing "{steps[0]}": invalid syntax'
        end = highest if len(ends) == 1 else end
    if start < lowest:
        return f"beginning of range ({start}) below minimum ({lowest}): {part}"
    if end > highest:
        return f"end of range ({end}) above maximum ({highest}): {part}"
    if start > end:
        return f"beginning of range ({start}) beyond end of range ({end}): {part}"
    if steps and int(steps[0]) == 0:
        return f"step of range should be a positive number: {part}"
    return None
