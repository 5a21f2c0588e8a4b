"""What a pod says of where it may run: selectors, affinity, tolerations, spreading."""

from collections.abc import Mapping, Sequence
from typing import Any

from gxsim.api.rules.metadata import label_violations, selector_violations
from gxsim.api.syntax import dns_label, dns_subdomain, label_value, qualified_name
from gxsim.api.violations import (
    Violations,
    duplicate,
    each_invalid,
    forbidden,
    invalid,
    not_supported,
    one_of,
    required,
)

Object = Mapping[str, Any]

_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
_OPERATORS = ("Equal", "Exists", "Lt", "Gt")
_UNSATISFIABLE = ("DoNotSchedule", "ScheduleAnyway")
_INCLUSION = ("Honor", "Ignore")


def scheduling_violations(path: str, spec: Object) -> Violations:
    """Yield what is wrong with the placement fields of a pod spec."""
    yield from label_violations(f"{path}.nodeSelector", spec.get("nodeSelector"))
    if spec.get("nodeName"):
        yield from each_invalid(f"{path}.nodeName", spec["nodeName"], dns_subdomain(spec["nodeName"]))
    affinity = spec.get("affinity") or {}
    yield from _node_affinity_violations(f"{path}.affinity.nodeAffinity", affinity.get("nodeAffinity") or {})
    for kind in ("podAffinity", "podAntiAffinity"):
        yield from _pod_affinity_violations(f"{path}.affinity.{kind}", affinity.get(kind) or {})
    for index, toleration in enumerate(spec.get("tolerations") or ()):
        yield from _toleration_violations(f"{path}.tolerations[{index}]", toleration)
    yield from _spread_violations(f"{path}.topologySpreadConstraints", spec.get("topologySpreadConstraints") or ())


def node_selector_violations(path: str, selector: Object) -> Violations:
    """Yield what is wrong with the required part of a node affinity."""
    terms = selector.get("nodeSelectorTerms") or []
    if not terms:
        yield required(f"{path}.nodeSelectorTerms", "must have at least one node selector term")
    for index, term in enumerate(terms):
        yield from _node_term_violations(f"{path}.nodeSelectorTerms[{index}]", term)


def _node_affinity_violations(path: str, affinity: Object) -> Violations:
    if affinity.get(_REQUIRED) is not None:
        yield from node_selector_violations(f"{path}.{_REQUIRED}", affinity[_REQUIRED])
    for index, preferred in enumerate(affinity.get(_PREFERRED) or ()):
        place = f"{path}.{_PREFERRED}[{index}]"
        yield from _weight_violations(place, preferred)
        yield from _node_term_violations(f"{place}.preference", preferred.get("preference") or {})


def _node_term_violations(path: str, term: Object) -> Violations:
    for index, expression in enumerate(term.get("matchExpressions") or ()):
        yield from _node_expression_violations(f"{path}.matchExpressions[{index}]", expression)
    for index, field in enumerate(term.get("matchFields") or ()):
        place = f"{path}.matchFields[{index}]"
        if field.get("operator") not in ("In", "NotIn"):
            yield invalid(f"{place}.operator", field.get("operator") or "", "not a valid selector operator")
        elif len(field.get("values") or ()) != 1:
            detail = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector"
            yield required(f"{place}.values", detail)
        if field.get("key") != "metadata.name":
            yield invalid(f"{place}.key", field.get("key") or "", "not a valid field selector key")


def _node_expression_violations(path: str, expression: Object) -> Violations:
    operator, values = expression.get("operator"), expression.get("values") or []
    if operator in ("In", "NotIn"):
        if not values:
            yield required(f"{path}.values", "must be specified when `operator` is 'In' or 'NotIn'")
    elif operator in ("Exists", "DoesNotExist"):
        if values:
            detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
            yield forbidden(f"{path}.values", detail)
    elif operator in ("Gt", "Lt"):
        if len(values) != 1:
            yield required(f"{path}.values", "must be specified single value when `operator` is 'Lt' or 'Gt'")
    else:
        yield invalid(f"{path}.operator", operator or "", "not a valid selector operator")
    key = expression.get("key") or ""
    yield from each_invalid(f"{path}.key", key, qualified_name(key))


def _pod_affinity_violations(path: str, affinity: Object) -> Violations:
    for index, term in enumerate(affinity.get(_REQUIRED) or ()):
        yield from _pod_term_violations(f"{path}.{_REQUIRED}[{index}]", term)
    for index, preferred in enumerate(affinity.get(_PREFERRED) or ()):
        place = f"{path}.{_PREFERRED}[{index}]"
        yield from _weight_violations(place, preferred)
        yield from _pod_term_violations(f"{place}.podAffinityTerm", preferred.get("podAffinityTerm") or {})


def _pod_term_violations(path: str, term: Object) -> Violations:
    yield from selector_violations(f"{path}.labelSelector", term.get("labelSelector"))
    yield from selector_violations(f"{path}.namespaceSelector", term.get("namespaceSelector"))
    for index, name in enumerate(term.get("namespaces") or ()):
        yield from each_invalid(f"{path}.namespaces[{index}]", name, dns_label(name))
    yield from _label_key_violations(path, term, ("matchLabelKeys", "mismatchLabelKeys"))
    key = term.get("topologyKey") or ""
    if not key:
        yield required(f"{path}.topologyKey", "can not be empty")
    yield from each_invalid(f"{path}.topologyKey", key, qualified_name(key))


def _weight_violations(path: str, preferred: Object) -> Violations:
    weight = preferred.get("weight") or 0
    if not 1 <= weight <= 100:
        yield invalid(f"{path}.weight", weight, "must be in the range 1-100")


def _label_key_violations(path: str, term: Object, fields: Sequence[str]) -> Violations:
    selector = term.get("labelSelector")
    for field in fields:
        keys = term.get(field) or ()
        if keys and selector is None:
            yield forbidden(f"{path}.{field}", "must not be specified when labelSelector is not set")
        for index, key in enumerate(keys):
            yield from each_invalid(f"{path}.{field}[{index}]", key, qualified_name(key))
            if key in ((selector or {}).get("matchLabels") or {}):
                yield invalid(f"{path}.{field}[{index}]", key, f"exists in both {field} and labelSelector")
    for index, key in enumerate(term.get("matchLabelKeys") or ()):
        if key in (term.get("mismatchLabelKeys") or ()):
            detail = "exists in both matchLabelKeys and mismatchLabelKeys"
            yield invalid(f"{path}.matchLabelKeys[{index}]", key, detail)


def _toleration_violations(path: str, toleration: Object) -> Violations:
    key, operator = toleration.get("key") or "", toleration.get("operator") or ""
    value, effect = toleration.get("value") or "", toleration.get("effect") or ""
    if key:
        yield from each_invalid(f"{path}.key", key, qualified_name(key))
    elif operator != "Exists":
        detail = 'operator must be Exists when `key` is empty, which means "match all values and all keys"'
        yield invalid(f"{path}.operator", operator, detail)
    if toleration.get("tolerationSeconds") is not None and effect != "NoExecute":
        detail = "effect must be 'NoExecute' when `tolerationSeconds` is set"
        yield invalid(f"{path}.effect", effect, detail)
    if operator in ("Equal", ""):
        problems = label_value(value)
        if problems:
            yield invalid(f"{path}.operator", value, ";".join(problems))
    elif operator == "Exists":
        if value:
            yield invalid(f"{path}.operator", dict(toleration), "value must be empty when `operator` is 'Exists'")
    else:
        # Lt and Gt are named among the supported ones but their feature gate is off.
        yield not_supported(f"{path}.operator", operator, _OPERATORS)
    if effect:
        yield from one_of(f"{path}.effect", effect, _EFFECTS)


def _spread_violations(path: str, constraints: Sequence[Object]) -> Violations:
    seen: list[tuple[Any, Any]] = [(item.get("topologyKey"), item.get("whenUnsatisfiable")) for item in constraints]
    for index, constraint in enumerate(constraints):
        place, action = f"{path}[{index}]", constraint.get("whenUnsatisfiable")
        skew, domains = constraint.get("maxSkew") or 0, constraint.get("minDomains")
        if skew <= 0:
            yield invalid(f"{place}.maxSkew", skew, "must be greater than zero")
        if not constraint.get("topologyKey"):
            yield required(f"{place}.topologyKey", "can not be empty")
        yield from one_of(f"{place}.whenUnsatisfiable", action or "", _UNSATISFIABLE)
        if seen[index] in seen[index + 1 :]:
            pair = f"{{{seen[index][0]}, {seen[index][1]}}}"
            yield duplicate(f"{place}.{{topologyKey, whenUnsatisfiable}}", pair)
        if domains is not None and domains <= 0:
            yield invalid(f"{place}.minDomains", domains, "must be greater than zero")
        elif domains is not None and action != "DoNotSchedule":
            detail = f"can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {action}"
            yield invalid(f"{place}.minDomains", domains, detail)
        for field in ("nodeAffinityPolicy", "nodeTaintsPolicy"):
            yield from one_of(f"{place}.{field}", constraint.get(field), _INCLUSION)
        yield from _label_key_violations(place, constraint, ("matchLabelKeys",))
        yield from selector_violations(f"{place}.labelSelector", constraint.get("labelSelector"))
