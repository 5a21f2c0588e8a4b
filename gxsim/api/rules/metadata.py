"""Names, labels, annotations and label selectors."""

from collections.abc import Callable, Mapping
from typing import Any

from gxsim.api.syntax import dns_label, dns_subdomain, label_value, path_segment, qualified_name
from gxsim.api.violations import Violation, Violations, each_invalid, forbidden, invalid, required, too_long

Object = Mapping[str, Any]

_ANNOTATIONS_LIMIT_BYTES = 256 * 1024
# A Job made by a CronJob appends eleven characters to its name.
_CRON_JOB_NAME_LIMIT = 52

_NAME_SYNTAX: dict[str, Callable[[str], list[str]]] = {
    "ClusterRole": path_segment,
    "ClusterRoleBinding": path_segment,
    "Namespace": dns_label,
    "Role": path_segment,
    "RoleBinding": path_segment,
    "Service": dns_label,
    "StatefulSet": dns_label,
}


def metadata_violations(item: Object) -> Violations:
    """Yield what is wrong with an object's name, labels and annotations."""
    metadata = item.get("metadata") or {}
    kind, name = str(item.get("kind")), metadata.get("name") or ""
    if name:
        problems = _NAME_SYNTAX.get(kind, dns_subdomain)(name)
        if kind == "CronJob" and len(name) > _CRON_JOB_NAME_LIMIT:
            problems.append(f"must be no more than {_CRON_JOB_NAME_LIMIT} characters")
        yield from each_invalid("metadata.name", name, problems)
    elif not metadata.get("generateName"):
        yield required("metadata.name", "name or generateName is required")
    yield from label_violations("metadata.labels", metadata.get("labels"))
    yield from annotation_violations("metadata.annotations", metadata.get("annotations"))


def label_violations(path: str, labels: Object | None) -> Violations:
    """Yield what is wrong with a map of labels; every violation names the map."""
    for key, value in (labels or {}).items():
        yield from each_invalid(path, key, qualified_name(key))
        yield from each_invalid(path, value, label_value(value or ""))


def annotation_violations(path: str, annotations: Object | None) -> Violations:
    """Yield what is wrong with a map of annotations."""
    for key in annotations or {}:
        yield from each_invalid(path, key, qualified_name(key.lower()))
    if sum(len(key) + len(value or "") for key, value in (annotations or {}).items()) > _ANNOTATIONS_LIMIT_BYTES:
        yield too_long(path, _ANNOTATIONS_LIMIT_BYTES)


def selector_violations(path: str, selector: Object | None) -> Violations:
    """Yield what is wrong with a label selector."""
    if not selector:
        return
    yield from label_violations(f"{path}.matchLabels", selector.get("matchLabels"))
    for index, term in enumerate(selector.get("matchExpressions") or ()):
        yield from _expression_violations(f"{path}.matchExpressions[{index}]", term)


def _expression_violations(path: str, term: Object) -> Violations:
    operator, values = term.get("operator"), term.get("values") or []
    if operator in ("In", "NotIn"):
        if not values:
            yield required(f"{path}.values", "must be specified when `operator` is 'In' or 'NotIn'")
    elif operator in ("Exists", "DoesNotExist"):
        if values:
            yield forbidden(f"{path}.values", "may not be specified when `operator` is 'Exists' or 'DoesNotExist'")
    else:
        yield invalid(f"{path}.operator", operator or "", "not a valid selector operator")
    key = term.get("key") or ""
    yield from each_invalid(f"{path}.key", key, qualified_name(key))
    for index, value in enumerate(values):
        yield from each_invalid(f"{path}.values[{index}]", value, label_value(value))


def matches(selector: Object, labels: Object) -> bool:
    """Whether a label selector selects these labels; one that cannot be parsed selects nothing."""
    if any(labels.get(key) != value for key, value in (selector.get("matchLabels") or {}).items()):
        return False
    tests: dict[str, Callable[[str, list[str]], bool]] = {
        "In": lambda key, values: labels.get(key) in values if key in labels else False,
        "NotIn": lambda key, values: key not in labels or labels[key] not in values,
        "Exists": lambda key, values: key in labels,
        "DoesNotExist": lambda key, values: key not in labels,
    }
    return all(
        term.get("operator") in tests and tests[term["operator"]](term.get("key") or "", term.get("values") or [])
        for term in selector.get("matchExpressions") or ()
    )


def subdomain_violations(path: str, value: str | None) -> list[Violation]:
    """Return what keeps a name that is given from being an RFC 1123 subdomain."""
    return list(each_invalid(path, value, dns_subdomain(value))) if value else []
