"""Recordings of API defaulting: objects as sent, and as a kube-apiserver returned them from a dry-run create."""

import re
from collections.abc import Iterator
from typing import Any

from gxsim.api.admission import admit
from gxsim.api.context import AdmissionContext, context_of
from gxsim.api.defaulting import default
from gxsim.api.kinds import kind_of
from gxsim.api.requests import qos_class
from gxsim.validate.record import Check, Family

Object = dict[str, Any]

_NAMESPACE = "defs"
# Everything a server returns is compared but this: what it allots, stamps or notes for its own use.
_NOT_MODELLED = re.compile(
    r"""^(
        status(\..*)?                                                       # reported, not asked for
        | metadata\.(creationTimestamp|uid|resourceVersion|generation|managedFields|selfLink|finalizers)
        | spec\.finalizers                                                  # of a Namespace
        | spec\.(clusterIP|clusterIPs|ipFamilies|ipFamilyPolicy|healthCheckNodePort)(\[\d+\])?
        | spec\.ports\[\d+\]\.nodePort
        | spec\.(dataSource\.apiGroup|dataSourceRef)                        # two spellings of one reference
        | spec\.volumeClaimTemplates\[\d+\]\.status
    )$""",
    re.VERBOSE,
)
_MASKED = re.compile(r"<(allocated|rand|uid)>")
_TOKEN_VOLUME = "kube-api-access-"
# What each of the recorder's other conditions did to the cluster, by a part of its description.
_GLOBAL_DEFAULT = {
    "kind": "PriorityClass",
    "metadata": {"name": "gd"},
    "value": 7,
    "globalDefault": True,
    "preemptionPolicy": "Never",
}
_NEWER_DEFAULT = {
    "kind": "StorageClass",
    "metadata": {
        "name": "newer",
        "creationTimestamp": "9999-01-01T00:00:00Z",
        "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
    },
}


def _recognises(document: Any) -> bool:
    return isinstance(document, dict) and {"clusterObjects", "cases"} <= document.keys()


def _replay(document: Any) -> list[Check]:
    """Return one check per object, and one per pod for its quality-of-service class."""
    checks: list[Check] = []
    for case in (*document["cases"], *document.get("extras", ())):
        context = _context(document["clusterObjects"], case.get("condition", ""))
        sent = _placed(case["sent"])
        if "returned" not in case:
            refusal = admit(sent, context).refusal
            said = refusal.message if refusal else "accepted"
            checks.append(_check(case["id"], [said] if said != case["message"] else []))
            continue
        differences = list(_differences(default(sent, context), _without_token(case["returned"]), sent, ""))
        checks.append(_check(case["id"], differences))
        if case["returned"].get("kind") == "Pod":
            found, wanted = qos_class(default(sent, context)["spec"]), case["returned"]["status"]["qosClass"]
            checks.append(_check(f"{case['id']}: qosClass", [f"{found} for {wanted}"] if found != wanted else []))
    return checks


def _check(name: str, differences: list[str]) -> Check:
    return Check(name=name, agreed=not differences, detail="; ".join(differences))


def _context(objects: list[Object], condition: str) -> AdmissionContext:
    if "PriorityClass gd" in condition:
        objects = [*objects, _GLOBAL_DEFAULT]
    if "newer" in condition:
        objects = [*objects, _NEWER_DEFAULT]
    if condition == "no default StorageClass":
        objects = [item for item in objects if item["kind"] != "StorageClass"]
    return context_of(objects)


def _placed(sent: Object) -> Object:
    kind = kind_of(sent)
    if kind is None or not kind.namespaced:
        return sent
    return sent | {"metadata": {"namespace": _NAMESPACE} | (sent.get("metadata") or {})}


def _without_token(value: Any) -> Any:
    """Return a returned object without the service account's token volume and its mounts."""
    if isinstance(value, dict):
        kept = {key: _without_token(inner) for key, inner in value.items()}
        return {
            key: inner
            for key, inner in kept.items()
            if not (key in ("volumes", "volumeMounts") and not inner and value[key])
        }
    if isinstance(value, list):
        return [
            _without_token(inner)
            for inner in value
            if not (isinstance(inner, dict) and str(inner.get("name", "")).startswith(_TOKEN_VOLUME))
        ]
    return value


def _differences(found: Any, returned: Any, sent: Any, path: str) -> Iterator[str]:
    """Yield where two objects differ; Go drops zero values that were sent, and adds empty metadata."""
    if _NOT_MODELLED.match(path) or (isinstance(returned, str) and _MASKED.search(returned)):
        return
    if isinstance(found, dict) and isinstance(returned, dict):
        before = sent if isinstance(sent, dict) else {}
        for key in sorted(found.keys() | returned.keys()):
            place = f"{path}.{key}" if path else key
            if key not in returned and not found[key] and before.get(key) == found[key]:
                continue
            if key == "metadata" and returned.get(key) == {} and key not in found:
                continue
            yield from _differences(found.get(key), returned.get(key), before.get(key), place)
    elif isinstance(found, list) and isinstance(returned, list) and len(found) == len(returned):
        before_items = sent if isinstance(sent, list) and len(sent) == len(found) else [None] * len(found)
        for index, parts in enumerate(zip(found, returned, before_items, strict=True)):
            yield from _differences(*parts, f"{path}[{index}]")
    elif found != returned:
        yield f"{path}: got {found!r}, recorded {returned!r}"


FAMILY = Family(name="defaulting", bound=1.0, recognises=_recognises, replay=_replay)
