"""What a pod asks of a node: one number per resource from containers, sidecars, init containers, overhead.

The functions take a pod ``spec`` as it stands and default nothing. Sums are exact and rounded up once, at the end:
cpu to millicores, every other resource to whole units (bytes, counts). The rules are those of Kubernetes' own
``component-helpers/resource``.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

from gxsim.units import Quantity, read_quantity

Amounts = dict[str, int]
Quantities = dict[str, Quantity]
Part = Literal["requests", "limits"]

# The scheduler's stand-ins for a container without a request (schedutil.GetNonzeroRequests).
_UNSTATED = {"cpu": read_quantity("100m"), "memory": read_quantity("200Mi")}


def effective_requests(pod_spec: Mapping[str, Any]) -> Amounts:
    """Return what the scheduler's filter, a node's accounting and quota count for a pod."""
    return in_units(pod_quantities(pod_spec, "requests"))


def effective_limits(pod_spec: Mapping[str, Any]) -> Amounts:
    """Return the limits of a pod as a whole, as quota counts them."""
    return in_units(pod_quantities(pod_spec, "limits"))


def scored_requests(pod_spec: Mapping[str, Any]) -> tuple[int, int]:
    """Return (cpu_milli, memory_bytes) as LeastAllocated sees them.

    Each container, init containers included, that lacks a request counts as 100m and 200Mi; pod-level resources
    are ignored.
    """
    total = _container_sum(pod_spec, lambda container: _UNSTATED | _stated(container, "requests"))
    amounts = in_units(add(total, _overhead(pod_spec)))
    return amounts.get("cpu", 0), amounts.get("memory", 0)


def qos_class(pod_spec: Mapping[str, Any]) -> str:
    """Return Guaranteed, Burstable or BestEffort; cpu and memory decide, pod-level resources alone if stated."""
    stated = [pod_spec] if pod_spec.get("resources") else list(containers(pod_spec))
    parts = {part: [_positive(item, part) for item in stated] for part in ("requests", "limits")}
    if not any(parts["requests"]) and not any(parts["limits"]):
        return "BestEffort"
    limited = all(limits.keys() == {"cpu", "memory"} for limits in parts["limits"])
    return "Guaranteed" if limited and parts["requests"] == parts["limits"] else "Burstable"


def pod_quantities(pod_spec: Mapping[str, Any], part: Part) -> Quantities:
    """Return the requests or the limits of a pod as a whole.

    Pod-level resources replace the sums; overhead comes last, and onto limits only where one is set.
    """
    total = container_quantities(pod_spec, part) | _pod_level(pod_spec, part)
    overhead = _overhead(pod_spec)
    if part == "limits":
        overhead = {name: value for name, value in overhead.items() if name in total}
    return add(total, overhead)


def container_quantities(pod_spec: Mapping[str, Any], part: Part) -> Quantities:
    """Return the requests or limits of the containers together, without pod-level resources and overhead."""
    return _container_sum(pod_spec, lambda container: _stated(container, part))


def read_resources(quantities: Mapping[str, Any] | None) -> Quantities:
    """Return a resource list as exact quantities."""
    return {name: read_quantity(text) for name, text in (quantities or {}).items()}


def in_units(quantities: Mapping[str, Quantity]) -> Amounts:
    """Return integers, rounded up: millicores for cpu (also ``requests.cpu``, ``limits.cpu``), else whole units."""
    return {
        name: math.ceil(quantity.value * (1000 if name.rpartition(".")[2] == "cpu" else 1))
        for name, quantity in quantities.items()
    }


def containers(pod_spec: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the init containers and the containers of a pod spec."""
    yield from pod_spec.get("initContainers") or ()
    yield from pod_spec.get("containers") or ()


def is_pod_level(resource: str) -> bool:
    """Whether a pod may state this resource as a whole."""
    return resource in ("cpu", "memory") or resource.startswith("hugepages-")


def is_extended(resource: str) -> bool:
    """Whether a resource is a device plug-in's: fully qualified and not Kubernetes' own."""
    return "/" in resource and "kubernetes.io/" not in resource and not resource.startswith("requests.")


def _container_sum(pod_spec: Mapping[str, Any], ask: Callable[[Mapping[str, Any]], Quantities]) -> Quantities:
    """Combine what *ask* says of each container, by the order in which they run.

    Containers and sidecars run together. An ordinary init container runs beside the sidecars declared before
    it, and the largest such moment counts if it exceeds the steady state.
    """
    steady: Quantities = {}
    for container in pod_spec.get("containers") or ():
        steady = add(steady, ask(container))
    sidecars: Quantities = {}
    peak: Quantities = {}
    for container in pod_spec.get("initContainers") or ():
        moment = add(sidecars, ask(container))
        if container.get("restartPolicy") == "Always":
            sidecars = moment
        peak = _largest(peak, moment)
    return _largest(add(steady, sidecars), peak)


def _stated(container: Mapping[str, Any], part: Part) -> Quantities:
    return read_resources((container.get("resources") or {}).get(part))


def _pod_level(pod_spec: Mapping[str, Any], part: Part) -> Quantities:
    return {name: value for name, value in _stated(pod_spec, part).items() if is_pod_level(name)}


def _overhead(pod_spec: Mapping[str, Any]) -> Quantities:
    return read_resources(pod_spec.get("overhead"))


def _positive(item: Mapping[str, Any], part: Part) -> dict[str, Any]:
    return {
        name: quantity.value
        for name, quantity in _stated(item, part).items()
        if name in ("cpu", "memory") and quantity.value > 0
    }


def add(left: Quantities, right: Quantities) -> Quantities:
    """Return the sum, resource by resource."""
    return left | {name: left[name] + value if name in left else value for name, value in right.items()}


def _largest(left: Quantities, right: Quantities) -> Quantities:
    larger = {name: value for name, value in right.items() if name not in left or value.value > left[name].value}
    return left | larger
