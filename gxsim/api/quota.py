"""ResourceQuota: what an object is charged, which quotas see it, and the refusal (plugin ResourceQuota).

For many pods of one template, ask once what it fails to state (``unstated``) and what it demands of each quota
(``demands``; ``in_units`` makes integers); then only amounts are left to compare (``exceeded``).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from gxsim.api.context import name_of
from gxsim.api.kinds import kind_of
from gxsim.api.requests import (
    Quantities,
    add,
    containers,
    is_extended,
    is_pod_level,
    pod_quantities,
    qos_class,
    read_resources,
)
from gxsim.units import Quantity

Object = dict[str, Any]
Used = Mapping[str, Quantities]

_ZERO, _ONE = Quantity(Fraction(0)), Quantity(Fraction(1))
# Counted under their plain plural as well as under count/<plural>.
_PLAIN_COUNTS = frozenset(
    {"ConfigMap", "PersistentVolumeClaim", "ReplicationController", "ResourceQuota", "Secret", "Service"}
)
# A quota on one of these wants it stated by every container.
_REQUIRED = frozenset({"cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory"})
_NATIVE = ("cpu", "memory", "ephemeral-storage")
_STORAGE_CLASS = ".storageclass.storage.k8s.io/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """A ResourceQuota: its bounds, and the scopes a pod must be in to be seen by it."""

    name: str
    hard: Quantities
    scopes: tuple[Object, ...] = ()


def quota_of(item: Object) -> Quota:
    """Return the quota a ResourceQuota object declares."""
    spec = item.get("spec") or {}
    plain = tuple({"scopeName": name, "operator": "Exists"} for name in spec.get("scopes") or ())
    selected = tuple((spec.get("scopeSelector") or {}).get("matchExpressions") or ())
    return Quota(name=name_of(item), hard=read_resources(spec.get("hard")), scopes=plain + selected)


def charged(item: Object) -> Quantities:
    """Return what a quota without scopes would count for this object, under every name it can go by."""
    kind = kind_of(item)
    if kind is None:
        return {}
    counted: Quantities = {f"count/{kind.qualified_plural}": _ONE}
    if kind.name in _PLAIN_COUNTS:
        counted[kind.plural] = _ONE
    spec = item.get("spec") or {}
    if kind.name == "Pod":
        counted["pods"] = _ONE
        counted |= _compute(pod_quantities(spec, "requests"), pod_quantities(spec, "limits"))
    elif kind.name == "PersistentVolumeClaim":
        counted |= _storage(item)
    elif kind.name == "Service":
        counted |= _service(spec)
    return counted


def demand(quota: Quota, item: Object) -> Quantities:
    """Return the part of an object's charge that *quota* bounds; empty if the quota does not see the object."""
    if not _sees(quota, item):
        return {}
    return {name: value for name, value in charged(item).items() if name in quota.hard}


def demands(quotas: Iterable[Quota], item: Object) -> dict[str, Quantities]:
    """Return the demand on each quota, by the quota's name."""
    return {quota.name: demand(quota, item) for quota in quotas}


def refusal(quotas: Sequence[Quota], used: Used, item: Object) -> str | None:
    """Return why the quotas of its namespace refuse an object; ``None`` if they admit it.

    A container that does not state what a quota bounds is refused before any amount is compared.
    """
    return unstated(quotas, item) or exceeded(quotas, used, demands(quotas, item))


def unstated(quotas: Iterable[Quota], item: Object) -> str | None:
    """Return which bounded resources the containers of a pod fail to state, for the first quota by name.

    A pod that states resources as a whole need not.
    """
    spec = item.get("spec") or {}
    if item.get("kind") != "Pod" or _states_pod_level(spec):
        return None
    for quota in sorted(quotas, key=_by_name):
        missing = _missing(quota, item)
        if missing:
            said = "; ".join(f"{name} for: {','.join(sorted(missing[name]))}" for name in sorted(missing))
            return f"failed quota: {quota.name}: must specify {said}"
    return None


def exceeded(quotas: Iterable[Quota], used: Used, wanted: Used) -> str | None:
    """Return which bounds of the first quota, by name, *wanted* would break on top of *used*."""
    for quota in sorted(quotas, key=_by_name):
        asked, taken = wanted.get(quota.name, {}), used.get(quota.name, {})
        total = add(taken, asked)
        over = sorted(name for name in asked if total[name].value > quota.hard[name].value)
        if over:
            columns = (asked, {name: taken.get(name, _ZERO) for name in over}, quota.hard)
            listed = (",".join(f"{name}={column[name]}" for name in over) for column in columns)
            requested, before, limited = listed
            return f"exceeded quota: {quota.name}, requested: {requested}, used: {before}, limited: {limited}"
    return None


def add_usage(used: Used, wanted: Used) -> dict[str, Quantities]:
    """Return what is used once an object with these demands is stored."""
    return {name: add(used.get(name, {}), wanted.get(name, {})) for name in used.keys() | wanted.keys()}


def subtract_usage(used: Used, released: Used) -> dict[str, Quantities]:
    """Return what is used once an object with these demands is deleted."""
    return {
        name: {resource: value - released.get(name, {}).get(resource, _ZERO) for resource, value in amounts.items()}
        for name, amounts in used.items()
    }


def _compute(requests: Quantities, limits: Quantities) -> Quantities:
    counted: Quantities = {}
    for name, value in requests.items():
        if name in _NATIVE or name.startswith("hugepages-"):
            counted |= {name: value, f"requests.{name}": value}
        elif is_extended(name):
            counted[f"requests.{name}"] = value
    return counted | {f"limits.{name}": value for name, value in limits.items() if name in _NATIVE}


def _storage(claim: Object) -> Quantities:
    spec = claim.get("spec") or {}
    request = read_resources((spec.get("resources") or {}).get("requests")).get("storage")
    counted: Quantities = {} if request is None else {"requests.storage": request}
    annotations = (claim.get("metadata") or {}).get("annotations") or {}
    storage_class = annotations.get("volume.beta.kubernetes.io/storage-class") or spec.get("storageClassName")
    if storage_class:
        counted[f"{storage_class}{_STORAGE_CLASS}persistentvolumeclaims"] = _ONE
        if request is not None:
            counted[f"{storage_class}{_STORAGE_CLASS}requests.storage"] = request
    return counted


def _service(spec: Object) -> Quantities:
    ports = spec.get("ports") or []
    if spec.get("type") == "NodePort":
        return {"services.nodeports": Quantity(Fraction(len(ports)))}
    if spec.get("type") == "LoadBalancer":
        if spec.get("allocateLoadBalancerNodePorts") is False:
            ports = [port for port in ports if port.get("nodePort")]
        return {"services.nodeports": Quantity(Fraction(len(ports))), "services.loadbalancers": _ONE}
    return {}


def _missing(quota: Quota, item: Object) -> dict[str, set[str]]:
    """Return resource → names of the containers that do not state it; empty for a quota that does not see the pod."""
    required = quota.hard.keys() & _REQUIRED
    missing: dict[str, set[str]] = {}
    if required and _sees(quota, item):
        for container in containers(item.get("spec") or {}):
            resources = container.get("resources") or {}
            stated = _compute(*(read_resources(resources.get(part)) for part in ("requests", "limits")))
            for name in required - stated.keys():
                missing.setdefault(name, set()).add(str(container.get("name")))
    return missing


def _sees(quota: Quota, item: Object) -> bool:
    return all(_in_scope(scope, item) for scope in quota.scopes)


def _by_name(quota: Quota) -> str:
    return quota.name


def _states_pod_level(spec: Object) -> bool:
    stated = spec.get("resources") or {}
    return any(is_pod_level(name) for part in ("requests", "limits") for name in stated.get(part) or ())


def _in_scope(scope: Object, item: Object) -> bool:
    """Whether an object is in a scope; only pods can be."""
    test = _SCOPES.get(str(scope.get("scopeName")))
    return item.get("kind") == "Pod" and test is not None and test(scope, item.get("spec") or {})


def _priority_class(scope: Object, spec: Object) -> bool:
    name, operator = spec.get("priorityClassName"), scope.get("operator")
    if operator == "In":
        return bool(name) and name in (scope.get("values") or ())
    if operator == "NotIn":
        return not name or name not in (scope.get("values") or ())
    return bool(name) == (operator == "Exists")


def _crosses_namespaces(spec: Object) -> bool:
    for kind in ("podAffinity", "podAntiAffinity"):
        affinity = (spec.get("affinity") or {}).get(kind) or {}
        terms = [*(affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or ())]
        for weighted in affinity.get("preferredDuringSchedulingIgnoredDuringExecution") or ():
            terms.append(weighted.get("podAffinityTerm") or {})
        if any(term.get("namespaces") or term.get("namespaceSelector") is not None for term in terms):
            return True
    return False


_SCOPES: dict[str, Callable[[Object, Object], bool]] = {
    "BestEffort": lambda scope, spec: qos_class(spec) == "BestEffort",
    "NotBestEffort": lambda scope, spec: qos_class(spec) != "BestEffort",
    "Terminating": lambda scope, spec: spec.get("activeDeadlineSeconds") is not None,
    "NotTerminating": lambda scope, spec: spec.get("activeDeadlineSeconds") is None,
    "PriorityClass": _priority_class,
    "CrossNamespacePodAffinity": lambda scope, spec: _crosses_namespaces(spec),
}
