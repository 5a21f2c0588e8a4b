"""Schedules of CronJobs: instants against robfig/cron's own cases, and against a clock that tries every minute."""

import math
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gxsim.api.cron import Field, schedule_fields, schedule_problem
from gxsim.controllers.cron_schedule import Schedule
from gxsim.load.objects import cluster, workload
from gxsim.model.scenario import Scenario

NEW_YORK = "America/New_York"
# (from, schedule, next): daylight saving begins on 2012-03-11 at 2:00 and ends on 2012-11-04 at 2:00 (spec_test.go)
CASES = [
    ("2012-07-09T14:45:00-0400", "*/15 * * * *", "2012-07-09T15:00:00-0400"),
    ("2012-07-09T23:46:00-0400", "*/15 * * * *", "2012-07-10T00:00:00-0400"),
    ("2012-07-09T23:35:00-0400", "15/35 20-23 * * *", "2012-07-09T23:50:00-0400"),
    ("2012-07-09T23:35:00-0400", "0 0 */4 mar wed", "2013-03-01T00:00:00-0500"),
    ("2012-07-09T23:35:00-0400", "0 0 * feb mon", "2013-02-04T00:00:00-0500"),
    ("2012-07-09T23:35:00-0400", "0 0 29 feb ?", "2016-02-29T00:00:00-0500"),
    ("2012-03-11T00:00:00-0500", "30 2 11 mar ?", "2013-03-11T02:30:00-0400"),
    ("2012-03-11T00:00:00-0500", "0 * * * ?", "2012-03-11T01:00:00-0500"),
    ("2012-03-11T01:00:00-0500", "0 * * * ?", "2012-03-11T03:00:00-0400"),
    ("2012-03-11T00:00:00-0500", "0 2 * * ?", "2012-03-12T02:00:00-0400"),
    ("2012-11-04T00:00:00-0400", "30 2 04 nov ?", "2012-11-04T02:30:00-0500"),
    ("2012-11-04T01:45:00-0400", "30 1 04 nov ?", "2012-11-04T01:30:00-0500"),
    ("2012-11-04T01:00:00-0400", "0 * * * ?", "2012-11-04T01:00:00-0500"),
    ("2012-11-04T00:00:00-0400", "0 1 * * ?", "2012-11-04T01:00:00-0400"),
    ("2012-11-04T01:00:00-0400", "0 1 * * ?", "2012-11-04T01:00:00-0500"),
    ("2012-11-04T01:00:00-0500", "0 1 * * ?", "2012-11-05T01:00:00-0500"),
    ("2012-07-09T14:59:59-0400", "@hourly", "2012-07-09T15:00:00-0400"),
    ("2012-07-09T14:59:59-0400", "@weekly", "2012-07-15T00:00:00-0400"),
    ("2012-07-09T14:59:59-0400", "@every 1h30m", "2012-07-09T16:29:59-0400"),
]


def unix(text: str) -> float:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S%z").timestamp()


@pytest.mark.parametrize(("start", "schedule", "wanted"), CASES)
def test_the_next_instant_is_that_of_robfig_cron(start: str, schedule: str, wanted: str) -> None:
    assert schedule_problem(schedule) is None
    assert Schedule(schedule, NEW_YORK).after(unix(start)) == unix(wanted)


@pytest.mark.parametrize("schedule", ["0 0 30 feb ?", "0 0 31 4 *"])
def test_a_day_that_never_comes_has_no_instant(schedule: str) -> None:
    assert math.isinf(Schedule(schedule).after(0.0))
    assert Schedule(schedule).last(1e8, 0.0) == -math.inf


fields = st.tuples(
    st.sampled_from(["*", "*/7", "0", "5,35", "10-20/5", "59"]),
    st.sampled_from(["*", "*/6", "1", "2", "0-3", "23"]),
    st.sampled_from(["*", "*/2", "1", "10-12", "31"]),
    st.sampled_from(["*", "3", "11", "oct-nov"]),
    st.sampled_from(["*", "0", "mon-fri", "6"]),
)
starts = st.sampled_from(["2012-03-10T20:00:00-0500", "2012-11-03T20:00:00-0400", "2012-02-28T23:59:00-0500"])


@settings(max_examples=60, deadline=None)
@given(fields=fields, start=starts, zone=st.sampled_from([None, NEW_YORK, "Australia/Lord_Howe"]))
def test_instants_are_those_a_clock_finds_that_looks_every_minute(
    fields: tuple[str, ...], start: str, zone: str | None
) -> None:
    schedule = Schedule(" ".join(fields), zone)
    begin_s = unix(start)
    seen = [s for s in (begin_s + 60 * minute for minute in range(1, 3 * 1440)) if _matches(" ".join(fields), s, zone)]
    found, instant = [], schedule.after(begin_s)
    while instant < begin_s + 3 * 86_400:
        found.append(instant)
        instant = schedule.after(instant)
    assert found == seen
    assert schedule.last(begin_s + 3 * 86_400 - 1, begin_s) == (seen[-1] if seen else -math.inf)


def _matches(line: str, unix_s: float, zone: str | None) -> bool:
    local = datetime.fromtimestamp(unix_s, ZoneInfo(zone) if zone else UTC)
    minute, hour, day, month, weekday = schedule_fields(line)
    if local.minute not in minute.numbers or local.hour not in hour.numbers or local.month not in month.numbers:
        return False
    days = (local.day in day.numbers, local.isoweekday() % 7 in weekday.numbers)
    return all(days) if day.star or weekday.star else any(days)


def test_a_field_says_its_numbers_and_whether_it_is_open() -> None:
    assert schedule_fields("*/20 8-18/5 1,15 * sun") == (
        Field(frozenset({0, 20, 40}), False),
        Field(frozenset({8, 13, 18}), False),
        Field(frozenset({1, 15}), False),
        Field(frozenset(range(1, 13)), True),
        Field(frozenset({0}), False),
    )


def test_a_scenario_begins_on_its_day_at_its_time() -> None:
    began = datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
    assert Scenario(manifests=(), date="2026-03-29", clock="01:30").began_unix_s == began.timestamp()
    assert timedelta(seconds=Scenario(manifests=()).began_unix_s) == datetime(2026, 1, 1, tzinfo=UTC) - datetime(
        1970, 1, 1, tzinfo=UTC
    )


def test_a_day_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^date: expected a day such as 2026-01-31, got '31\.1\.2026'$"):
        Scenario(manifests=(), date="31.1.2026")


def test_a_cron_job_is_read_with_its_job() -> None:
    template = {"metadata": {"labels": {"app": "r"}}, "spec": {"containers": [{"name": "c"}], "restartPolicy": "Never"}}
    spec = {
        "schedule": "5 4 * * sun",
        "timeZone": "Europe/Berlin",
        "concurrencyPolicy": "Forbid",
        "startingDeadlineSeconds": 90,
        "failedJobsHistoryLimit": 0,
        "jobTemplate": {"spec": {"template": template, "parallelism": 2, "ttlSecondsAfterFinished": 60}},
    }
    found = workload({"kind": "CronJob", "metadata": {"name": "r", "namespace": "app"}, "spec": spec})
    assert found.cron is not None
    assert (found.cron.time_zone, found.cron.concurrency_policy, found.cron.starting_deadline_s) == (
        "Europe/Berlin",
        "Forbid",
        90.0,
    )
    assert (found.cron.successful_history, found.cron.failed_history, found.cron.suspend) == (3, 0, False)
    assert (found.completions, found.parallelism, found.ttl_s) == (None, 2, 60.0)


def test_what_a_job_says_that_is_not_followed_is_listed() -> None:
    template = {"metadata": {"labels": {"app": "r"}}, "spec": {"containers": [{"name": "c"}]}}
    spec = {"template": template, "completionMode": "Indexed", "successPolicy": {"rules": []}, "completions": 2}
    found = cluster([{"kind": "Job", "metadata": {"name": "r"}, "spec": spec}]).unmodelled
    assert [(one.kind, one.name, one.reason) for one in found] == [
        ("Job", "r", "completionMode is not modelled"),
        ("Job", "r", "successPolicy is not modelled"),
    ]
    plain = {"template": template, "completionMode": "NonIndexed"}
    assert cluster([{"kind": "Job", "metadata": {"name": "r"}, "spec": plain}]).unmodelled == ()


def test_a_job_that_was_over_when_it_was_read_is_over() -> None:
    template = {"metadata": {"labels": {"app": "r"}}, "spec": {"containers": [{"name": "c"}]}}
    status = {"conditions": [{"type": "Complete", "status": "True"}]}
    obj = {"kind": "Job", "metadata": {"name": "r"}, "spec": {"template": template}, "status": status}
    assert workload(obj).finished
    assert not workload({**obj, "status": {"active": 1}}).finished
