"""Deployments, ReplicaSets, StatefulSets and DaemonSets."""

from collections.abc import Mapping
from typing import Any

from gxsim.api.rules.metadata import matches, selector_violations
from gxsim.api.rules.pods import template_violations
from gxsim.api.syntax import dns_label, percent
from gxsim.api.violations import (
    Violations,
    each_invalid,
    forbidden,
    invalid,
    not_negative,
    not_supported,
    one_of,
    required,
)

Object = Mapping[str, Any]


def deployment_violations(item: Object) -> Violations:
    """Yield what is wrong with a Deployment."""
    spec = item.get("spec") or {}
    yield from not_negative("spec.replicas", spec.get("replicas"))
    yield from _selector_and_template_violations(spec, "deployment", strict=True)
    yield from _deployment_strategy_violations("spec.strategy", spec.get("strategy") or {})
    yield from not_negative("spec.minReadySeconds", spec.get("minReadySeconds"))
    yield from not_negative("spec.revisionHistoryLimit", spec.get("revisionHistoryLimit"))
    deadline = spec.get("progressDeadlineSeconds")
    yield from not_negative("spec.progressDeadlineSeconds", deadline)
    if deadline is not None and deadline <= (spec.get("minReadySeconds") or 0):
        yield invalid("spec.progressDeadlineSeconds", deadline, "must be greater than minReadySeconds")


def replica_set_violations(item: Object) -> Violations:
    """Yield what is wrong with a ReplicaSet."""
    spec = item.get("spec") or {}
    yield from not_negative("spec.replicas", spec.get("replicas"))
    yield from not_negative("spec.minReadySeconds", spec.get("minReadySeconds"))
    yield from _selector_and_template_violations(spec, "deployment", strict=True)


def stateful_set_violations(item: Object) -> Violations:
    """Yield what is wrong with a StatefulSet."""
    spec = item.get("spec") or {}
    policy = spec.get("podManagementPolicy")
    if policy not in ("OrderedReady", "Parallel"):
        yield invalid("spec.podManagementPolicy", policy, "must be 'OrderedReady' or 'Parallel'")
    strategy = spec.get("updateStrategy") or {}
    partition = (strategy.get("rollingUpdate") or {}).get("partition")
    if strategy.get("type") not in ("RollingUpdate", "OnDelete"):
        yield invalid("spec.updateStrategy", dict(strategy), "must be 'RollingUpdate' or 'OnDelete'")
    elif strategy["type"] == "OnDelete" and strategy.get("rollingUpdate") is not None:
        detail = "only allowed for updateStrategy 'RollingUpdate'"
        yield invalid("spec.updateStrategy.rollingUpdate", dict(strategy["rollingUpdate"]), detail)
    yield from not_negative("spec.updateStrategy.rollingUpdate.partition", partition)
    retention = spec.get("persistentVolumeClaimRetentionPolicy") or {}
    for field in ("whenDeleted", "whenScaled"):
        place = f"spec.persistentVolumeClaimRetentionPolicy.{field}"
        yield from one_of(place, retention.get(field), ("Retain", "Delete"))
    for field in ("replicas", "minReadySeconds", "revisionHistoryLimit"):
        yield from not_negative(f"spec.{field}", spec.get(field))
    yield from not_negative("spec.ordinals.start", (spec.get("ordinals") or {}).get("start"))
    if spec.get("serviceName"):
        yield from each_invalid("spec.serviceName", spec["serviceName"], dns_label(spec["serviceName"]))
    yield from _selector_and_template_violations(spec, "statefulset", strict=True)


def daemon_set_violations(item: Object) -> Violations:
    """Yield what is wrong with a DaemonSet."""
    spec = item.get("spec") or {}
    yield from _selector_and_template_violations(spec, "daemonset", strict=False)
    yield from not_negative("spec.minReadySeconds", spec.get("minReadySeconds"))
    strategy = spec.get("updateStrategy") or {}
    path = "spec.updateStrategy"
    if strategy.get("type") == "RollingUpdate":
        update = strategy.get("rollingUpdate") or {}
        yield from _daemon_rolling_violations(f"{path}.rollingUpdate", update)
    elif strategy.get("type") != "OnDelete":
        yield not_supported(path, dict(strategy), ("RollingUpdate", "OnDelete"))
    yield from not_negative("spec.revisionHistoryLimit", spec.get("revisionHistoryLimit"))


def count_or_percent_violations(path: str, value: int | str | None) -> Violations:
    """Yield what keeps a value from being a number of pods or a percentage of them."""
    if isinstance(value, str):
        yield from each_invalid(path, value, percent(value))
    else:
        yield from not_negative(path, value)


def at_most_all_violations(path: str, value: int | str | None) -> Violations:
    """Yield a violation if a percentage is above 100."""
    if isinstance(value, str) and not percent(value) and int(value[:-1]) > 100:
        yield invalid(path, value, "must not be greater than 100%")


def template_policy_violations(path: str, spec: Object, owner: str) -> Violations:
    """Yield what a pod template of a long-running workload may not say."""
    pod_spec = (spec.get("template") or {}).get("spec") or {}
    policy = pod_spec.get("restartPolicy")
    if policy != "Always":
        yield not_supported(f"{path}.spec.restartPolicy", policy, ("Always",))
    if pod_spec.get("activeDeadlineSeconds") is not None:
        detail = f"activeDeadlineSeconds in {owner} is not Supported"
        yield forbidden(f"{path}.spec.activeDeadlineSeconds", detail)


def _selector_and_template_violations(spec: Object, owner: str, *, strict: bool) -> Violations:
    """Yield what is wrong with a selector and the template it must select.

    *strict* says that a selector which cannot be parsed is a violation of its own.
    """
    selector, template = spec.get("selector"), spec.get("template") or {}
    labels = (template.get("metadata") or {}).get("labels")
    problems = list(selector_violations("spec.selector", selector))
    yield from problems
    if selector is None and strict:
        yield required("spec.selector")
    elif not any((selector or {}).get(field) for field in ("matchLabels", "matchExpressions")):
        yield invalid("spec.selector", selector, f"empty selector is invalid for {owner}")
    if problems and strict:
        yield invalid("spec.selector", selector, "" if owner == "statefulset" else "invalid label selector")
    elif not problems and selector and not matches(selector, labels or {}):
        detail = "`selector` does not match template `labels`"
        yield invalid("spec.template.metadata.labels", labels, detail)
    owners = {"deployment": "ReplicaSet", "statefulset": "StatefulSet", "daemonset": "DaemonSet"}
    yield from template_violations("spec.template", template)
    yield from template_policy_violations("spec.template", spec, owners[owner])


def _deployment_strategy_violations(path: str, strategy: Object) -> Violations:
    kind, update = strategy.get("type"), strategy.get("rollingUpdate")
    if kind == "Recreate":
        if update is not None:
            detail = "may not be specified when strategy `type` is 'Recreate'"
            yield forbidden(f"{path}.rollingUpdate", detail)
        return
    if kind != "RollingUpdate":
        yield not_supported(path, dict(strategy), ("Recreate", "RollingUpdate"))
        return
    gone, surge = (update or {}).get("maxUnavailable"), (update or {}).get("maxSurge")
    place = f"{path}.rollingUpdate"
    yield from count_or_percent_violations(f"{place}.maxUnavailable", gone)
    yield from count_or_percent_violations(f"{place}.maxSurge", surge)
    if not _amount(gone) and not _amount(surge):
        yield invalid(f"{place}.maxUnavailable", gone, "may not be 0 when `maxSurge` is 0")
    yield from at_most_all_violations(f"{place}.maxUnavailable", gone)


def _daemon_rolling_violations(path: str, update: Object) -> Violations:
    gone, surge = update.get("maxUnavailable"), update.get("maxSurge")
    if _amount(gone) and _amount(surge):
        yield invalid(f"{path}.maxSurge", surge, "may not be set when maxUnavailable is non-zero")
    if not _amount(gone) and not _amount(surge):
        yield required(f"{path}.maxUnavailable", "cannot be 0 when maxSurge is 0")
    for field, value in (("maxUnavailable", gone), ("maxSurge", surge)):
        yield from count_or_percent_violations(f"{path}.{field}", value)
        yield from at_most_all_violations(f"{path}.{field}", value)


def _amount(value: int | str | None) -> int:
    """Return the number in a count or percentage; what cannot be read is 0."""
    if isinstance(value, str):
        return 0 if percent(value) else int(value[:-1])
    return value or 0
