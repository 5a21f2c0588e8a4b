"""HorizontalPodAutoscalers and PodDisruptionBudgets."""

from collections.abc import Mapping
from typing import Any

from gxsim.api.rules.metadata import selector_violations
from gxsim.api.rules.workloads import at_most_all_violations, count_or_percent_violations
from gxsim.api.violations import Violations, forbidden, invalid, one_of, required
from gxsim.units import parse_quantity

Object = Mapping[str, Any]

# Metric type -> the field that describes it, in the order in which they are looked at.
_METRIC_FIELDS = {
    "Object": "object",
    "External": "external",
    "Pods": "pods",
    "Resource": "resource",
    "ContainerResource": "containerResource",
}
_LONGEST_WINDOW_S = 3600
_LONGEST_PERIOD_S = 1800


def autoscaler_violations(item: Object) -> Violations:
    """Yield what is wrong with a HorizontalPodAutoscaler."""
    spec = item.get("spec") or {}
    least, most = spec.get("minReplicas"), spec.get("maxReplicas") or 0
    if least is not None and least < 1:
        yield invalid("spec.minReplicas", least, "must be greater than or equal to 1")
    if most < 1:
        yield invalid("spec.maxReplicas", most, "must be greater than 0")
    if least is not None and most < least:
        yield invalid("spec.maxReplicas", most, "must be greater than or equal to `minReplicas`")
    target = spec.get("scaleTargetRef") or {}
    for field in ("kind", "name"):
        if not target.get(field):
            yield required(f"spec.scaleTargetRef.{field}")
    usage = spec.get("targetCPUUtilizationPercentage")
    if usage is not None and usage < 1:
        # autoscaling/v1 is judged as the metric it stands for.
        path = "spec.metrics[0].resource.target.averageUtilization"
        yield invalid(path, usage, "must be greater than 0")
    for index, metric in enumerate(spec.get("metrics") or ()):
        yield from _metric_violations(f"spec.metrics[{index}]", metric)
    for direction in ("scaleUp", "scaleDown"):
        rules = (spec.get("behavior") or {}).get(direction)
        if rules is not None:
            yield from _scaling_violations(f"spec.behavior.{direction}", rules)


def budget_violations(item: Object) -> Violations:
    """Yield what is wrong with a PodDisruptionBudget."""
    spec = item.get("spec") or {}
    least, most = spec.get("minAvailable"), spec.get("maxUnavailable")
    if least is not None and most is not None:
        yield invalid("spec", dict(spec), "minAvailable and maxUnavailable cannot be both set")
    for field, value in (("minAvailable", least), ("maxUnavailable", most)):
        yield from count_or_percent_violations(f"spec.{field}", value)
        yield from at_most_all_violations(f"spec.{field}", value)
    yield from selector_violations("spec.selector", spec.get("selector"))
    eviction = spec.get("unhealthyPodEvictionPolicy")
    yield from one_of("spec.unhealthyPodEvictionPolicy", eviction, ("AlwaysAllow", "IfHealthyBudget"))


def _metric_violations(path: str, metric: Object) -> Violations:
    kind = metric.get("type") or ""
    if not kind:
        yield required(f"{path}.type", "must specify a metric source type")
    yield from one_of(f"{path}.type", kind, sorted(_METRIC_FIELDS))
    given = [other for other, field in _METRIC_FIELDS.items() if metric.get(field) is not None]
    for first in given[:1]:
        field = _METRIC_FIELDS[first]
        yield from _source_violations(f"{path}.{field}", first, metric[field])
    if kind in _METRIC_FIELDS and kind not in given:
        detail = "must populate information for the given metric source"
        yield required(f"{path}.{_METRIC_FIELDS[kind]}", detail)
    if len(given) > 1:
        for other in given:
            if other != kind:
                detail = "must populate the given metric source only"
                yield forbidden(f"{path}.{_METRIC_FIELDS[other]}", detail)


def _source_violations(path: str, kind: str, source: Object) -> Violations:
    target = source.get("target") or {}
    usage, average, value = (target.get(field) for field in ("averageUtilization", "averageValue", "value"))
    yield from _target_violations(f"{path}.target", target)
    if kind in ("Resource", "ContainerResource"):
        if not source.get("name"):
            yield required(f"{path}.name", "must specify a resource name")
        if kind == "ContainerResource" and not source.get("container"):
            yield required(f"{path}.container", "must specify a container")
        if usage is None and average is None:
            detail = "must set either a target raw value or a target utilization"
            yield required(f"{path}.target.averageUtilization", detail)
        if usage is not None and average is not None:
            detail = "may not set both a target raw value and a target utilization"
            yield forbidden(f"{path}.target.averageValue", detail)
        return
    if not (source.get("metric") or {}).get("name"):
        yield required(f"{path}.metric.name", "must specify a metric name")
    if kind == "Pods" and average is None:
        yield required(f"{path}.target.averageValue", "must specify a positive target averageValue")
    elif kind == "Object" and value is None and average is None:
        yield required(f"{path}.target.averageValue", "must set either a target value or averageValue")
    elif kind == "External" and value is None and average is None:
        detail = "must set either a target value for metric or a per-pod target"
        yield required(f"{path}.target.averageValue", detail)
    elif kind == "External" and value is not None and average is not None:
        detail = "may not set both a target value for metric and a per-pod target"
        yield forbidden(f"{path}.target.value", detail)


def _target_violations(path: str, target: Object) -> Violations:
    kind, usage = target.get("type") or "", target.get("averageUtilization")
    if not kind:
        yield required(f"{path}.type", "must specify a metric target type")
    if kind not in ("Utilization", "Value", "AverageValue"):
        yield invalid(f"{path}.type", kind, "must be either Utilization, Value, or AverageValue")
    for field in ("value", "averageValue"):
        if target.get(field) is not None and parse_quantity(target[field]) <= 0:
            yield invalid(f"{path}.{field}", str(target[field]), "must be positive")
    if usage is not None and usage < 1:
        yield invalid(f"{path}.averageUtilization", usage, "must be greater than 0")


def _scaling_violations(path: str, rules: Object) -> Violations:
    window = rules.get("stabilizationWindowSeconds")
    if window is not None and window < 0:
        yield invalid(f"{path}.stabilizationWindowSeconds", window, "must be greater than or equal to zero")
    if window is not None and window > _LONGEST_WINDOW_S:
        detail = f"must be less than or equal to {_LONGEST_WINDOW_S}"
        yield invalid(f"{path}.stabilizationWindowSeconds", window, detail)
    yield from one_of(f"{path}.selectPolicy", rules.get("selectPolicy"), ("Disabled", "Max", "Min"))
    if not rules.get("policies"):
        yield required(f"{path}.policies", "must specify at least one Policy")
    for index, policy in enumerate(rules.get("policies") or ()):
        place = f"{path}.policies[{index}]"
        yield from one_of(f"{place}.type", policy.get("type") or "", ("Percent", "Pods"))
        for field in ("value", "periodSeconds"):
            if (policy.get(field) or 0) <= 0:
                yield invalid(f"{place}.{field}", policy.get(field) or 0, "must be greater than zero")
        if (policy.get("periodSeconds") or 0) > _LONGEST_PERIOD_S:
            detail = f"must be less than or equal to {_LONGEST_PERIOD_S}"
            yield invalid(f"{place}.periodSeconds", policy["periodSeconds"], detail)
