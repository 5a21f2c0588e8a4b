"""When a CronJob's schedule comes round: instants in seconds since 1970, as ``robfig/cron`` finds them."""

import math
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from gxsim.api.cron import schedule_fields
from gxsim.units import duration_s

EVERY = "@every "
FARTHEST = timedelta(days=5 * 366)  # a schedule that finds no day in so long has none, as 30 February


class Schedule:
    """A schedule in a time zone; local times that a change of clocks skips never come, those it repeats come twice."""

    def __init__(self, schedule: str, time_zone: str | None = None):
        """Raises ValueError for a time zone that this computer does not know."""
        self.zone = UTC if time_zone is None else ZoneInfo(time_zone)
        self.every_s = 0.0
        if schedule.startswith(EVERY):
            self.every_s = max(1.0, float(math.floor(duration_s(schedule.removeprefix(EVERY)))))
            return
        self.minutes, self.hours, self.days, self.months, self.weekdays = schedule_fields(schedule)
        self._instants = lru_cache(maxsize=64)(self._instants_of)

    def after(self, unix_s: float) -> float:
        """The first instant later than *unix_s*; inf if there is none."""
        if self.every_s:
            return math.floor(unix_s) + self.every_s
        day = self._day(unix_s)
        for _ in range(FARTHEST.days):
            found = next((instant for instant in self._instants(day) if instant > unix_s), None)
            if found is not None:
                return found
            day += timedelta(days=1)
        return math.inf

    def last(self, unix_s: float, since_s: float) -> float:
        """The last instant up to *unix_s* and later than *since_s*; -inf if there is none."""
        if self.every_s:
            rounds = math.floor((unix_s - math.floor(since_s)) / self.every_s)
            return math.floor(since_s) + rounds * self.every_s if rounds > 0 else -math.inf
        day, first = self._day(unix_s), self._day(since_s)
        while day >= first:
            found = [instant for instant in self._instants(day) if since_s < instant <= unix_s]
            if found:
                return found[-1]
            day -= timedelta(days=1)
        return -math.inf

    def _day(self, unix_s: float) -> date:
        return datetime.fromtimestamp(unix_s, self.zone).date()

    def _instants_of(self, day: date) -> tuple[float, ...]:
        """All instants of one local day, in order."""
        if not self._takes(day):
            return ()
        return tuple(sorted({instant for hour in self.hours.numbers for instant in self._of_hour(day, hour)}))

    def _takes(self, day: date) -> bool:
        """Whether the day counts: by both day fields if one of them is open, else by either."""
        if day.month not in self.months.numbers:
            return False
        by_month, by_week = day.day in self.days.numbers, day.isoweekday() % 7 in self.weekdays.numbers
        return by_month and by_week if self.days.star or self.weekdays.star else by_month or by_week

    def _of_hour(self, day: date, hour: int) -> list[float]:
        found = []
        for minute in self.minutes.numbers:
            for fold in (0, 1):  # the second one where clocks go back over this time
                local = datetime(day.year, day.month, day.day, hour, minute, tzinfo=self.zone, fold=fold)
                instant = local.timestamp()
                if datetime.fromtimestamp(instant, self.zone).replace(tzinfo=None) == local.replace(tzinfo=None):
                    found.append(instant)
        return found
