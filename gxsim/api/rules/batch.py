"""Jobs and CronJobs."""

from collections.abc import Mapping
from typing import Any

from gxsim.api.cron import schedule_problem, time_zone_problem
from gxsim.api.kind_defaults import JOB_LABELS
from gxsim.api.rules.metadata import matches
from gxsim.api.rules.pods import template_violations
from gxsim.api.violations import (
    Violations,
    invalid,
    named,
    not_negative,
    not_supported,
    one_of,
    required,
)

Object = Mapping[str, Any]

_COUNTS = (
    "parallelism",
    "completions",
    "activeDeadlineSeconds",
    "backoffLimit",
    "ttlSecondsAfterFinished",
    "backoffLimitPerIndex",
    "maxFailedIndexes",
)
_MOST_INDEXES = 100_000
_ACTIONS = ("Count", "FailIndex", "FailJob", "Ignore")


def job_violations(item: Object) -> Violations:
    """Yield what is wrong with a Job."""
    spec = item.get("spec") or {}
    labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels") or {}
    if spec.get("manualSelector"):
        if spec.get("selector") is None:
            yield required("spec.selector")
    elif spec.get("selector") and not matches(spec["selector"], _own_labels(labels)):
        yield invalid("spec.selector", spec["selector"], "`selector` not auto-generated")
    yield from _job_spec_violations("spec", spec)


def _own_labels(labels: Object) -> Object:
    return {key: value for key, value in labels.items() if key in JOB_LABELS}


def cron_job_violations(item: Object) -> Violations:
    """Yield what is wrong with a CronJob."""
    spec = item.get("spec") or {}
    schedule, zone = spec.get("schedule") or "", spec.get("timeZone")
    problem = schedule_problem(schedule)
    if not schedule:
        yield required("spec.schedule")
    elif "TZ" in schedule:
        detail = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"
        yield invalid("spec.schedule", schedule, detail)
    elif problem:
        yield invalid("spec.schedule", schedule, problem)
    if zone is not None:
        problem = time_zone_problem(zone)
        if problem:
            yield invalid("spec.timeZone", zone, problem)
    yield from not_negative("spec.startingDeadlineSeconds", spec.get("startingDeadlineSeconds"))
    yield from named("spec.concurrencyPolicy", spec.get("concurrencyPolicy"), ("Allow", "Forbid", "Replace"))
    for field in ("successfulJobsHistoryLimit", "failedJobsHistoryLimit"):
        yield from not_negative(f"spec.{field}", spec.get(field))
    job_spec = (spec.get("jobTemplate") or {}).get("spec") or {}
    if job_spec.get("manualSelector"):
        yield not_supported("spec.jobTemplate.spec.manualSelector", True, ("nil", "false"))
    yield from _job_spec_violations("spec.jobTemplate.spec", job_spec)


def _job_spec_violations(path: str, spec: Object) -> Violations:
    for field in _COUNTS:
        yield from not_negative(f"{path}.{field}", spec.get(field))
    yield from _index_violations(path, spec)
    policy = spec.get("podFailurePolicy")
    if policy is not None:
        for index, rule in enumerate(policy.get("rules") or ()):
            yield from _failure_rule_violations(f"{path}.podFailurePolicy.rules[{index}]", rule)
    replacement = spec.get("podReplacementPolicy")
    place = f"{path}.podReplacementPolicy"
    if policy is not None:
        yield from one_of(place, replacement, ("Failed",))
    else:
        yield from one_of(place, replacement, ("Failed", "TerminatingOrFailed"))
    template = spec.get("template") or {}
    yield from template_violations(f"{path}.template", template)
    restart, place = (template.get("spec") or {}).get("restartPolicy"), f"{path}.template.spec.restartPolicy"
    if restart == "Always":
        yield required(place, 'valid values: "OnFailure", "Never"')
    elif restart not in ("OnFailure", "Never"):
        yield not_supported(place, restart, ("OnFailure", "Never"))
    if policy is not None and restart != "Never":
        yield invalid(place, restart, 'only "Never" is supported when podFailurePolicy is specified')


def _index_violations(path: str, spec: Object) -> Violations:
    mode = spec.get("completionMode")
    yield from one_of(f"{path}.completionMode", mode, ("NonIndexed", "Indexed"))
    if mode == "Indexed":
        if spec.get("completions") is None:
            yield required(f"{path}.completions", "when completion mode is Indexed")
        if (spec.get("parallelism") or 0) > _MOST_INDEXES:
            detail = f"must be less than or equal to {_MOST_INDEXES} when completion mode is Indexed"
            yield invalid(f"{path}.parallelism", spec["parallelism"], detail)
    elif mode == "NonIndexed":
        for field in ("backoffLimitPerIndex", "maxFailedIndexes"):
            if spec.get(field) is not None:
                yield invalid(f"{path}.{field}", spec[field], "requires indexed completion mode")
    if mode != "Indexed" and spec.get("successPolicy") is not None:
        yield invalid(f"{path}.successPolicy", spec["successPolicy"], "requires indexed completion mode")
    if spec.get("maxFailedIndexes") is not None and spec.get("backoffLimitPerIndex") is None:
        yield required(f"{path}.backoffLimitPerIndex", "when maxFailedIndexes is specified")


def _failure_rule_violations(path: str, rule: Object) -> Violations:
    yield from named(f"{path}.action", rule.get("action"), _ACTIONS)
    codes, conditions = rule.get("onExitCodes"), rule.get("onPodConditions")
    if codes is not None:
        yield from named(f"{path}.onExitCodes.operator", codes.get("operator"), ("In", "NotIn"))
        if not codes.get("values"):
            yield invalid(f"{path}.onExitCodes.values", codes.get("values"), "at least one value is required")
        if codes.get("operator") == "In" and 0 in (codes.get("values") or ()):
            detail = "must not be 0 for the In operator"
            yield invalid(f"{path}.onExitCodes.values[{codes['values'].index(0)}]", 0, detail)
    if codes is not None and conditions:
        yield invalid(path, "", "specifying both OnExitCodes and OnPodConditions is not supported")
    elif codes is None and not conditions:
        yield invalid(path, "", "specifying one of OnExitCodes and OnPodConditions is required")
