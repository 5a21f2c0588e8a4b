"""ResourceQuotas, LimitRanges, PriorityClasses, ConfigMaps, Secrets and RBAC objects."""

from collections.abc import Mapping
from typing import Any

from gxsim.api.context import SYSTEM_PRIORITIES
from gxsim.api.requests import read_resources
from gxsim.api.rules.resources import QUOTA_RESOURCES, amount_violations, resource_name_violations
from gxsim.api.syntax import config_key, dns_subdomain, path_segment
from gxsim.api.violations import (
    Violations,
    duplicate,
    each_invalid,
    forbidden,
    invalid,
    not_supported,
    one_of,
    required,
    too_long,
)

Object = Mapping[str, Any]

_RBAC_GROUP = "rbac.authorization.k8s.io"
_LARGEST_USER_PRIORITY = 1_000_000_000
_DATA_LIMIT_BYTES = 1024 * 1024
_EXISTS_ONLY = ("Terminating", "NotTerminating", "BestEffort", "NotBestEffort", "CrossNamespacePodAffinity")
_SCOPES = (*_EXISTS_ONLY, "PriorityClass", "VolumeAttributesClass")
_POD_COMPUTE = frozenset(
    {"pods", "count/pods", "cpu", "memory", "ephemeral-storage"}
    | {f"{part}.{name}" for part in ("requests", "limits") for name in ("cpu", "memory", "ephemeral-storage")}
)
# What a quota in this scope may bound.
_SCOPE_RESOURCES = dict.fromkeys(_SCOPES, _POD_COMPUTE) | {"BestEffort": frozenset({"pods", "count/pods"})}
_CONFLICTS = ({"BestEffort", "NotBestEffort"}, {"Terminating", "NotTerminating"})
_SECRET_KEYS = {
    "kubernetes.io/dockercfg": (".dockercfg",),
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
}
# What may not exceed what, which of the two is blamed, and how it is said.
_LIMIT_ORDER = (
    ("min", "max", "min", "min value {} is greater than max value {}"),
    ("min", "defaultRequest", "defaultRequest", "min value {} is greater than default request value {}"),
    ("defaultRequest", "max", "defaultRequest", "default request value {} is greater than max value {}"),
    ("defaultRequest", "default", "defaultRequest", "default request value {} is greater than default limit value {}"),
    ("min", "default", "default", "min value {} is greater than default value {}"),
    ("default", "max", "default", "default value {} is greater than max value {}"),
)
_LIMIT_TYPES = ("Pod", "Container", "PersistentVolumeClaim")


def quota_violations(item: Object) -> Violations:
    """Yield what is wrong with a ResourceQuota."""
    spec = item.get("spec") or {}
    hard = read_resources(spec.get("hard"))
    for name, quantity in hard.items():
        path = f"spec.hard[{name}]"
        yield from resource_name_violations(path, name)
        if "/" not in name and name not in QUOTA_RESOURCES and "hugepages-" not in name:
            yield invalid(path, name, "must be a standard resource for quota")
        yield from amount_violations(path, name, quantity)
    scopes = spec.get("scopes") or []
    yield from _scope_violations("spec.scopes", scopes, set(scopes), hard.keys())
    terms = (spec.get("scopeSelector") or {}).get("matchExpressions") or []
    path = "spec.scopeSelector.matchExpressions"
    for term in terms:
        yield from _scope_term_violations(path, term, hard.keys())
    if any(conflict <= {term.get("scopeName") for term in terms} for conflict in _CONFLICTS):
        yield invalid(path, terms, "conflicting scopes")


def _scope_violations(path: str, shown: Any, scopes: set[str], bounded: Any) -> Violations:
    for scope in sorted(scopes):
        if scope not in _SCOPES:
            yield invalid(path, shown, "unsupported scope")
        elif any(name not in _SCOPE_RESOURCES[scope] for name in bounded if _is_quota_standard(name)):
            yield invalid(path, shown, "unsupported scope applied to resource")
    if any(conflict <= scopes for conflict in _CONFLICTS):
        yield invalid(path, shown, "conflicting scopes")


def _scope_term_violations(path: str, term: Object, bounded: Any) -> Violations:
    scope, operator, values = term.get("scopeName") or "", term.get("operator"), term.get("values") or []
    if scope not in _SCOPES:
        yield invalid(f"{path}.scopeName", scope, "unsupported scope")
    elif any(name not in _SCOPE_RESOURCES[scope] for name in bounded if _is_quota_standard(name)):
        yield invalid(f"{path}.scopeName", scope, "unsupported scope applied to resource")
    if scope in _EXISTS_ONLY and operator != "Exists":
        kinds = [f"ResourceQuotaScope{name}" for name in _EXISTS_ONLY]
        detail = f"must be 'Exists' when scope is any of {', '.join(kinds[:-1])} or {kinds[-1]}"
        yield invalid(f"{path}.operator", operator, detail)
    if operator in ("In", "NotIn"):
        if not values:
            detail = "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector"
            yield required(f"{path}.values", detail)
    elif operator in ("Exists", "DoesNotExist"):
        if values:
            detail = "must be no value when `operator` is 'Exists' or 'DoesNotExist' for scope selector"
            yield invalid(f"{path}.values", values, detail)
    else:
        yield invalid(f"{path}.operator", operator, "not a valid selector operator")


def _is_quota_standard(name: str) -> bool:
    return name in QUOTA_RESOURCES or name.startswith("count/")


def limit_range_violations(item: Object) -> Violations:
    """Yield what is wrong with a LimitRange."""
    seen: set[str] = set()
    for index, limit in enumerate((item.get("spec") or {}).get("limits") or ()):
        path, kind = f"spec.limits[{index}]", limit.get("type")
        if kind not in _LIMIT_TYPES and "/" not in str(kind):
            yield invalid(f"{path}.type", kind, "must be a standard limit type or fully qualified")
        if kind in seen:
            yield duplicate(f"{path}.type", kind)
        seen.add(str(kind))
        for field in ("default", "defaultRequest"):
            if kind == "Pod" and limit.get(field):
                yield forbidden(f"{path}.{field}", "may not be specified when `type` is 'Pod'")
        if kind == "PersistentVolumeClaim" and not (limit.get("min") or limit.get("max")):
            yield required(
                f"{path}.limits", "either minimum or maximum storage value is required, but neither was provided"
            )
        yield from _ordered_violations(path, limit)


def _ordered_violations(path: str, limit: Object) -> Violations:
    amounts = {field: read_resources(limit.get(field)) for field in ("min", "defaultRequest", "default", "max")}
    for low, high, blamed, text in _LIMIT_ORDER:
        for name in sorted(amounts[low].keys() & amounts[high].keys()):
            below, above = amounts[low][name], amounts[high][name]
            if below.value > above.value:
                value = str(amounts[blamed][name])
                yield invalid(f"{path}.{blamed}[{name}]", value, text.format(below, above))
    for name, ratio in read_resources(limit.get("maxLimitRequestRatio")).items():
        if ratio.value < 1:
            detail = f"ratio {ratio} is less than 1"
            yield invalid(f"{path}.maxLimitRequestRatio[{name}]", str(ratio), detail)


def priority_class_violations(item: Object) -> Violations:
    """Yield what is wrong with a PriorityClass."""
    name, value = (item.get("metadata") or {}).get("name") or "", item.get("value") or 0
    if name.startswith("system-"):
        if SYSTEM_PRIORITIES.get(name) != value:
            said = f"value of {name} PriorityClass must be {SYSTEM_PRIORITIES.get(name)}"
            why = said if name in SYSTEM_PRIORITIES else f"{name} is not a known system priority class"
            detail = "priority class names with 'system-' prefix are reserved for system use only"
            yield forbidden("metadata.name", f"{detail}. error: {why}")
    elif value > _LARGEST_USER_PRIORITY:
        detail = f"maximum allowed value of a user defined priority is {_LARGEST_USER_PRIORITY}"
        yield forbidden("value", detail)
    yield from one_of("preemptionPolicy", item.get("preemptionPolicy"), ("PreemptLowerPriority", "Never"))


def config_map_violations(item: Object) -> Violations:
    """Yield what is wrong with a ConfigMap."""
    text, binary = item.get("data") or {}, item.get("binaryData") or {}
    for field, values in (("data", text), ("binaryData", binary)):
        for key in values:
            yield from each_invalid(f"{field}[{key}]", key, config_key(key))
            if field == "data" and key in binary:
                yield invalid(f"data[{key}]", key, "duplicate of key present in binaryData")
    if sum(len((value or "").encode()) for value in (*text.values(), *binary.values())) > _DATA_LIMIT_BYTES:
        yield too_long("", _DATA_LIMIT_BYTES)


def secret_violations(item: Object) -> Violations:
    """Yield what is wrong with a Secret."""
    data = (item.get("data") or {}) | (item.get("stringData") or {})
    for key in data:
        yield from each_invalid(f"data[{key}]", key, config_key(key))
    kind = item.get("type")
    for key in _SECRET_KEYS.get(str(kind), ()):
        if key not in data:
            yield required(f"data[{key}]")
    if kind == "kubernetes.io/basic-auth" and not data.keys() & {"username", "password"}:
        yield required("data[username]")
        yield required("data[password]")
    account = "kubernetes.io/service-account.name"
    annotations = (item.get("metadata") or {}).get("annotations") or {}
    if kind == "kubernetes.io/service-account-token" and not annotations.get(account):
        yield required(f"metadata.annotations[{account}]")


def role_violations(item: Object) -> Violations:
    """Yield what is wrong with a Role or ClusterRole."""
    for index, rule in enumerate(item.get("rules") or ()):
        path, urls = f"rules[{index}]", rule.get("nonResourceURLs") or []
        if not rule.get("verbs"):
            yield required(f"{path}.verbs", "verbs must contain at least one value")
        if urls:
            if item.get("kind") == "Role":
                detail = "namespaced rules cannot apply to non-resource URLs"
                yield invalid(f"{path}.nonResourceURLs", urls, detail)
            if any(rule.get(field) for field in ("apiGroups", "resources", "resourceNames")):
                detail = "rules cannot apply to both regular resources and non-resource URLs"
                yield invalid(f"{path}.nonResourceURLs", urls, detail)
            continue
        if not rule.get("apiGroups"):
            yield required(f"{path}.apiGroups", "resource rules must supply at least one api group")
        if not rule.get("resources"):
            yield required(f"{path}.resources", "resource rules must supply at least one resource")


def binding_violations(item: Object) -> Violations:
    """Yield what is wrong with a RoleBinding or ClusterRoleBinding."""
    cluster, role = item.get("kind") == "ClusterRoleBinding", item.get("roleRef") or {}
    if role.get("apiGroup") != _RBAC_GROUP:
        yield not_supported("roleRef.apiGroup", role.get("apiGroup") or "", (_RBAC_GROUP,))
    kinds = ("ClusterRole",) if cluster else ("Role", "ClusterRole")
    if role.get("kind") not in kinds:
        yield not_supported("roleRef.kind", role.get("kind") or "", kinds)
    if not role.get("name"):
        yield required("roleRef.name")
    else:
        yield from each_invalid("roleRef.name", role["name"], path_segment(role["name"]))
    for index, subject in enumerate(item.get("subjects") or ()):
        yield from _subject_violations(f"subjects[{index}]", subject, cluster=cluster)


def _subject_violations(path: str, subject: Object, *, cluster: bool) -> Violations:
    kind, name, group = subject.get("kind"), subject.get("name") or "", subject.get("apiGroup") or ""
    if not name:
        yield required(f"{path}.name")
    if kind == "ServiceAccount":
        if name:
            yield from each_invalid(f"{path}.name", name, dns_subdomain(name))
        if group:
            yield not_supported(f"{path}.apiGroup", group, ("",))
        if cluster and not subject.get("namespace"):
            yield required(f"{path}.namespace")
    elif kind in ("User", "Group"):
        if group != _RBAC_GROUP:
            yield not_supported(f"{path}.apiGroup", group, (_RBAC_GROUP,))
    else:
        yield not_supported(f"{path}.kind", kind or "", ("ServiceAccount", "User", "Group"))
