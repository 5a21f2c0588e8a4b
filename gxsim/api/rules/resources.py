"""Resource requirements of containers and of pods as a whole."""

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from gxsim.api.requests import Quantities, container_quantities, is_extended, is_pod_level, read_resources
from gxsim.api.syntax import qualified_name
from gxsim.api.violations import Violations, each_invalid, forbidden, invalid, not_found, not_supported, required
from gxsim.units import Quantity, parse_quantity

Object = Mapping[str, Any]

_COMPUTE = ("cpu", "memory", "ephemeral-storage")
_COUNTED = (
    "pods",
    "services",
    "replicationcontrollers",
    "resourcequotas",
    "secrets",
    "configmaps",
    "persistentvolumeclaims",
    "services.nodeports",
    "services.loadbalancers",
)
QUOTA_RESOURCES = frozenset(
    {*_COMPUTE, *_COUNTED, "requests.storage"}
    | {f"{part}.{name}" for part in ("requests", "limits") for name in _COMPUTE}
)
_STANDARD = QUOTA_RESOURCES | {"storage"}
_HUGE_PAGES = "hugepages-"


def container_resource_violations(path: str, resources: Object, claims: list[str]) -> Violations:
    """Yield what is wrong with a container's resources; *claims* are the pod's resource claims."""
    limits, requests = (read_resources(resources.get(part)) for part in ("limits", "requests"))
    for part, amounts in (("limits", limits), ("requests", requests)):
        for name, quantity in amounts.items():
            yield from _name_violations(f"{path}.{part}[{name}]", name)
            yield from amount_violations(f"{path}.{part}[{name}]", name, quantity)
            if part == "requests":
                yield from _request_violations(path, name, quantity, limits)
    yield from _huge_page_violations(path, limits, requests)
    for index, claim in enumerate(resources.get("claims") or ()):
        if claim.get("name") not in claims:
            known = " which is empty" if not claims else ""
            detail = f"must be one of the names in pod.spec.resourceClaims{known}"
            yield not_found(f"{path}.claims[{index}]", claim.get("name"), detail)


def pod_resource_violations(path: str, pod_spec: Object) -> Violations:
    """Yield what is wrong with the resources a pod states as a whole."""
    stated = pod_spec.get("resources") or {}
    limits, requests = (read_resources(stated.get(part)) for part in ("limits", "requests"))
    for part, amounts in (("limits", limits), ("requests", requests)):
        for name, quantity in amounts.items():
            if not is_pod_level(name):
                yield not_supported(f"{path}.{part}[{name}]", name, ("cpu", _HUGE_PAGES, "memory"))
            yield from amount_violations(f"{path}.{part}[{name}]", name, quantity)
            if part == "requests":
                yield from _request_violations(path, name, quantity, limits)
    for name, total in container_quantities(pod_spec, "requests").items():
        if name in requests and requests[name].value < total.value:
            detail = f"must be greater than or equal to aggregate container requests of {total}"
            yield invalid(f"{path}.requests[{name}]", str(requests[name]), detail)
    for group in ("containers", "initContainers"):
        for index, container in enumerate(pod_spec.get(group) or ()):
            for name, limit in read_resources((container.get("resources") or {}).get("limits")).items():
                if name in limits and limit.value > limits[name].value:
                    detail = f"must be less than or equal to pod limits of {limits[name]}"
                    yield invalid(f"{path}.{group}[{index}][{name}].limits", str(limit), detail)


def amount_violations(path: str, name: str, quantity: Quantity) -> Violations:
    """Yield what is wrong with an amount: below zero, or a fraction of something countable."""
    if quantity.value < 0:
        yield invalid(path, str(quantity), "must be greater than or equal to 0")
    if _is_counted(name) and (quantity.value * 1000) % 1000:
        yield invalid(path, str(quantity), "must be an integer")


def resource_name_violations(path: str, name: str) -> Violations:
    """Yield what keeps *name* from being a resource at all."""
    yield from each_invalid(path, name, qualified_name(name))
    if "/" not in name and name not in _STANDARD and not name.startswith((_HUGE_PAGES, f"requests.{_HUGE_PAGES}")):
        yield invalid(path, name, "must be a standard resource type or fully qualified")


def _name_violations(path: str, name: str) -> Violations:
    yield from resource_name_violations(path, name)
    if "/" not in name and name not in _COMPUTE and not name.startswith(_HUGE_PAGES):
        yield invalid(path, name, "must be a standard resource for containers")


def _request_violations(path: str, name: str, request: Quantity, limits: Quantities) -> Violations:
    limit = limits.get(name)
    if limit is None:
        if not _may_overcommit(name):
            yield required(f"{path}.limits", "Limit must be set for non overcommitable resources")
    elif not _may_overcommit(name):
        if request.value != limit.value:
            yield invalid(f"{path}.requests", str(request), f"must be equal to {name} limit of {limit}")
    elif request.value > limit.value:
        yield invalid(f"{path}.requests", str(request), f"must be less than or equal to {name} limit of {limit}")


def _huge_page_violations(path: str, limits: Quantities, requests: Quantities) -> Violations:
    names = limits.keys() | requests.keys()
    if any(name.startswith(_HUGE_PAGES) for name in names) and not names & {"cpu", "memory"}:
        yield forbidden(path, "HugePages require cpu or memory")
    for part, amounts in (("limits", limits), ("requests", requests)):
        for name, quantity in amounts.items():
            if name.startswith(_HUGE_PAGES) and not _whole_pages(name, quantity.value):
                detail = f"{quantity} is not positive integer multiple of {name}"
                yield invalid(f"{path}.{part}[{name}]", str(quantity), detail)


def _whole_pages(name: str, amount_bytes: Fraction) -> bool:
    try:
        page_bytes = parse_quantity(name.removeprefix(_HUGE_PAGES))
    except ValueError:
        return False
    return page_bytes > 0 and amount_bytes % page_bytes == 0


def _is_counted(name: str) -> bool:
    return name in _COUNTED or name.startswith("count/") or is_extended(name)


def _may_overcommit(name: str) -> bool:
    return not is_extended(name) and not name.startswith(_HUGE_PAGES)
