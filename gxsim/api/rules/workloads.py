"""Deployments, ReplicaSets, StatefulSets and DaemonSets."""

from collections.abc import Mapping
from typing import Any

from gxsim.api.rules.metadata import matches, selector_violations
from gxsim.api.rules.pods import template_violations
from gxsim.api.rules.storage import claim_spec_violations
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
    yield from _replica_violations(spec, "deployment")
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
    yield from _replica_violations(spec, "deployment")


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
    for index, claim in enumerate(spec.get("volumeClaimTemplates") or ()):
        yield from claim_spec_violations(f"spec.volumeClaimTemplates[{index}].spec", claim.get("spec") or {})
    yield from _replica_violations(_with_claims(spec), "statefulset")


def daemon_set_violations(item: Object) -> Violations:
    """Yield what is wrong with a DaemonSet."""
    spec = item.get("spec") or {}
    problems = list(selector_violations("spec.selector", spec.get("selector")))
    yield from problems
    if not problems:
        yield from _mismatch_violations(spec)
    yield from _empty_selector_violations(spec.get("selector"), "daemonset")
    yield from template_violations("spec.template", spec.get("template") or {})
    yield from _long_running_violations(spec, "DaemonSet")
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


def _replica_violations(spec: Object, owner: str) -> Violations:
    """Yield what is wrong with a selector and its template; an unreadable selector hides the template."""
    selector = spec.get("selector")
    problems = list(selector_violations("spec.selector", selector))
    if selector is None:
        yield required("spec.selector")
    yield from problems
    yield from _empty_selector_violations(selector, owner)
    if problems:
        yield invalid("spec.selector", selector, "" if owner == "statefulset" else "invalid label selector")
        return
    yield from _mismatch_violations(spec)
    yield from template_violations("spec.template", spec.get("template") or {})
    yield from _long_running_violations(spec, "StatefulSet" if owner == "statefulset" else "ReplicaSet")


def _empty_selector_violations(selector: Object | None, owner: str) -> Violations:
    if selector is not None and not (selector.get("matchLabels") or selector.get("matchExpressions")):
        yield invalid("spec.selector", selector, f"empty selector is invalid for {owner}")


def _mismatch_violations(spec: Object) -> Violations:
    """Yield a violation if the selector does not select the template; no selector selects nothing."""
    selector = spec.get("selector")
    labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels")
    if selector is None or not matches(selector, labels or {}):
        detail = "`selector` does not match template `labels`"
        yield invalid("spec.template.metadata.labels", labels, detail)


def _long_running_violations(spec: Object, owner: str) -> Violations:
    """Yield what the pod template of a workload that never completes may not say."""
    pod_spec = (spec.get("template") or {}).get("spec") or {}
    if pod_spec.get("restartPolicy") != "Always":
        yield not_supported("spec.template.spec.restartPolicy", pod_spec.get("restartPolicy"), ("Always",))
    if pod_spec.get("activeDeadlineSeconds") is not None:
        detail = f"activeDeadlineSeconds in {owner} is not Supported"
        yield forbidden("spec.template.spec.activeDeadlineSeconds", detail)


def _with_claims(spec: Object) -> Object:
    """Return a StatefulSet's spec whose template has the volumes its claim templates will give each pod."""
    template = spec.get("template") or {}
    pod_spec = template.get("spec") or {}
    names = [(claim.get("metadata") or {}).get("name") for claim in spec.get("volumeClaimTemplates") or ()]
    own = [volume for volume in pod_spec.get("volumes") or () if volume.get("name") not in names]
    given = [{"name": name, "persistentVolumeClaim": {"claimName": name}} for name in names]
    return {**spec, "template": {**template, "spec": {**pod_spec, "volumes": [*own, *given]}}}


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
