"""LimitRange: the defaults it gives containers, and what it refuses with which message (plugin LimitRanger)."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from gxsim.api.requests import Part, Quantities, container_quantities, is_pod_level, read_resources
from gxsim.units import Quantity, read_quantity

Object = dict[str, Any]

_PARTS: tuple[Part, ...] = ("requests", "limits")
_ANNOTATION = "kubernetes.io/limit-ranger"


def container_defaults(limit: Mapping[str, Any]) -> dict[Part, Object]:
    """Return the requests and limits an item of type Container gives, with what the API server derives.

    A max alone becomes the default limit, any default limit the default request, and then a min alone.
    """
    limits = (limit.get("max") or {}) | (limit.get("default") or {})
    requests = (limit.get("min") or {}) | limits | (limit.get("defaultRequest") or {})
    return {"requests": requests, "limits": limits}


def apply_defaults(pod: Object, limit_ranges: Iterable[Object]) -> None:
    """Give each container of *pod* the requests and limits it does not state (fills in the dict it is given).

    Of several LimitRanges the first that says something wins. What was set is told in the same annotation as the
    real plugin writes; a later LimitRange overwrites it.
    """
    for limit_range in limit_ranges:
        notes = list(_merge(pod["spec"], limit_range))
        if notes:
            annotations = pod["metadata"].setdefault("annotations", {})
            annotations[_ANNOTATION] = f"LimitRanger plugin set: {'; '.join(notes)}"


def refusal(item: Object, limit_ranges: Iterable[Object]) -> str | None:
    """Return what the first LimitRange that refuses a Pod or a claim says; ``None`` if none does."""
    for limit_range in limit_ranges:
        complaints = dict.fromkeys(_complaints(item, limit_range))
        if complaints:
            return next(iter(complaints)) if len(complaints) == 1 else f"[{', '.join(complaints)}]"
    return None


def _merge(spec: Object, limit_range: Object) -> Iterator[str]:
    """Merge one LimitRange into a pod spec and yield a note for each thing set."""
    offers = [container_defaults(item) for item in _items(limit_range) if item.get("type") == "Container"]
    for group, word in (("containers", "container"), ("initContainers", "init container")):
        for container in spec.get(group) or ():
            resources = container.setdefault("resources", {})
            for part in _PARTS:
                stated = resources.get(part) or {}
                offered = {name: text for offer in offers for name, text in offer[part].items()}
                added = {name: str(read_quantity(text)) for name, text in offered.items() if name not in stated}
                if added:
                    resources[part] = stated | added
                    yield f"{', '.join(sorted(added))} {part.removesuffix('s')} for {word} {container.get('name')}"


def _complaints(item: Object, limit_range: Object) -> Iterator[str]:
    spec = item.get("spec") or {}
    for limit in _items(limit_range):
        kind = limit.get("type")
        if item.get("kind") == "PersistentVolumeClaim" and kind == "PersistentVolumeClaim":
            yield from _claim_complaints(limit, read_resources((spec.get("resources") or {}).get("requests")))
        elif item.get("kind") == "Pod" and kind == "Container":
            for container in (*(spec.get("containers") or ()), *(spec.get("initContainers") or ())):
                resources = container.get("resources") or {}
                stated = (read_resources(resources.get(part)) for part in _PARTS)
                yield from _bounds(limit, *stated)
        elif item.get("kind") == "Pod" and kind == "Pod":
            yield from _bounds(limit, _pod_total(spec, "requests"), _pod_total(spec, "limits"))


def _pod_total(spec: Object, part: Part) -> Quantities:
    """Return the sums of a pod; unlike quota, LimitRanger leaves the overhead out."""
    stated = read_resources((spec.get("resources") or {}).get(part))
    return container_quantities(spec, part) | {name: stated[name] for name in stated if is_pod_level(name)}


def _bounds(limit: Mapping[str, Any], requests: Quantities, limits: Quantities) -> Iterator[str]:
    kind = limit["type"]
    for name, bound in read_resources(limit.get("min")).items():
        yield from _minimum(f"minimum {name} usage per {kind} is {bound}", bound, requests.get(name), limits.get(name))
    for name, bound in read_resources(limit.get("max")).items():
        text = f"maximum {name} usage per {kind} is {bound}"
        request, limited = requests.get(name), limits.get(name)
        if limited is None:
            yield f"{text}.  No limit is specified"
        elif limited.value > bound.value:
            yield f"{text}, but limit is {limited}"
        elif request is not None and request.value > bound.value:
            yield f"{text}, but request is {request}"
    for name, bound in read_resources(limit.get("maxLimitRequestRatio")).items():
        text = f"{name} max limit to request ratio per {kind} is {bound}"
        request, limited = requests.get(name), limits.get(name)
        if request is None or not request.value:
            yield f"{text}, but no request is specified or request is 0"
        elif limited is None or not limited.value:
            yield f"{text}, but no limit is specified or limit is 0"
        elif limited.value > bound.value * request.value:
            yield f"{text}, but provided ratio is {float(limited.value / request.value):.6f}"


def _claim_complaints(limit: Mapping[str, Any], requests: Quantities) -> Iterator[str]:
    for name, bound in read_resources(limit.get("min")).items():
        text = f"minimum {name} usage per PersistentVolumeClaim is {bound}"
        yield from _minimum(text, bound, requests.get(name), None)
    for name, bound in read_resources(limit.get("max")).items():
        request = requests.get(name)
        text = f"maximum {name} usage per PersistentVolumeClaim is {bound}"
        if request is None:
            yield f"{text}.  No request is specified"
        elif request.value > bound.value:
            yield f"{text}, but request is {request}"


def _minimum(text: str, bound: Quantity, request: Quantity | None, limited: Quantity | None) -> Iterator[str]:
    if request is None:
        yield f"{text}.  No request is specified"
    elif request.value < bound.value:
        yield f"{text}, but request is {request}"
    elif limited is not None and limited.value < bound.value:
        yield f"{text}, but limit is {limited}"


def _items(limit_range: Object) -> list[Object]:
    return (limit_range.get("spec") or {}).get("limits") or []
