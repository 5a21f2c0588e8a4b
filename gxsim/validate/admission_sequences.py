"""Replays a recorded sequence of creates and deletes in one namespace with quotas and LimitRanges."""

import re
from typing import Any

from gxsim.api.admission import admit
from gxsim.api.context import AdmissionContext, context_of, name_of
from gxsim.api.defaulting import default
from gxsim.api.quota import Quota, add_usage, quota_of, subtract_usage
from gxsim.api.requests import Quantities, qos_class, read_resources
from gxsim.validate.record import Check

Object = dict[str, Any]

# Cluster-scoped objects present during every sequence (recorded once, in a file of its own).
_CLUSTER_OBJECTS: tuple[Object, ...] = (
    {
        "kind": "StorageClass",
        "metadata": {
            "name": "local-path",
            "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
        },
    },
    {"kind": "StorageClass", "metadata": {"name": "fast"}},
    {"kind": "StorageClass", "metadata": {"name": "slow"}},
    {"kind": "PriorityClass", "metadata": {"name": "high"}, "value": 1000},
    {"kind": "PriorityClass", "metadata": {"name": "mid"}, "value": 500},
    {"kind": "PriorityClass", "metadata": {"name": "low"}, "value": -10},
    {
        "kind": "RuntimeClass",
        "metadata": {"name": "kata"},
        "overhead": {"podFixed": {"cpu": "250m", "memory": "160Mi"}},
    },
)
_BLANK = AdmissionContext()


def is_sequence(document: Any) -> bool:
    """Whether a document is a recorded quota or LimitRange scenario."""
    return isinstance(document, dict) and {"setup", "steps", "namespace"} <= document.keys()


def replay_sequence(document: Any) -> list[Check]:
    """Return one check per step: the verdict, the message as a set of complaints, what was admitted, what is used."""
    namespace = document["namespace"]
    setup = [default(_placed(item, namespace), _BLANK) for item in (*_CLUSTER_OBJECTS, *document["setup"])]
    context = context_of(setup)
    quotas = [quota_of(item) for item in setup if item["kind"] == "ResourceQuota"]
    used = {name: read_resources(amounts) for name, amounts in (document.get("initialUsed") or {}).items()}
    stored: dict[tuple[str, str], Object] = {}
    checks: list[Check] = []
    for position, step in enumerate(document["steps"]):
        if step["op"] == "create":
            admission = admit(_placed(step["object"], namespace), context, quotas=quotas, used=used)
            item = admission.stored
            refusal = admission.refusal
            found = {"allowed": refusal is None, "message": _complaints(refusal.message if refusal else "")}
            wanted = {"allowed": step["allowed"], "message": _complaints(step.get("message", ""))}
            if refusal is None:
                stored[item["kind"], name_of(item)] = item
                used = add_usage(quotas, used, item)
                found["admitted"] = _admitted(item)
                wanted["admitted"] = step.get("admitted", found["admitted"])
        else:
            gone = stored.pop((step["kind"], step["name"]), None)
            used = subtract_usage(quotas, used, gone) if gone else used
            found, wanted = {"found": gone is not None}, {"found": step["httpStatus"] == 200}
        recorded = {name: read_resources(amounts) for name, amounts in step.get("used", {}).items()}
        found["used"], wanted["used"] = _values(used, quotas), _values(recorded, quotas)
        differing = [key for key in wanted if found.get(key) != wanted[key]]
        detail = "; ".join(f"{key}: got {found.get(key)}, recorded {wanted[key]}" for key in differing)
        name = f"{document.get('id', namespace)} step {position}"
        checks.append(Check(name=name, agreed=not differing, detail=detail))
    return checks


def _placed(item: Object, namespace: str) -> Object:
    return item | {"metadata": item["metadata"] | {"namespace": namespace}}


def _complaints(message: str) -> tuple[str, frozenset[str]]:
    """Return a message as its subject and the set of its complaints, which come in the order of a Go map."""
    subject, _, rest = message.partition("[")
    return subject, frozenset(re.sub(r"\]$", "", rest).split(", "))


def _values(used: dict[str, Quantities], quotas: list[Quota]) -> dict[str, dict[str, Any]]:
    bounded = {quota.name: quota.hard for quota in quotas}
    return {
        name: {resource: quantity.value for resource, quantity in amounts.items() if resource in bounded.get(name, {})}
        for name, amounts in used.items()
    }


def _admitted(item: Object) -> Object:
    """Return what the recorder noted of a stored object."""
    spec = item.get("spec") or {}
    if item["kind"] != "Pod":
        return {"spec": spec}
    noted: Object = {
        "containers": {one["name"]: one.get("resources") or {} for one in spec["containers"]},
        "priority": spec["priority"],
        "preemptionPolicy": spec["preemptionPolicy"],
        "qosClass": qos_class(spec),
    }
    if spec.get("initContainers"):
        noted["initContainers"] = {one["name"]: one.get("resources") or {} for one in spec["initContainers"]}
    for field in ("overhead", "priorityClassName", "resources", "runtimeClassName"):
        if spec.get(field):
            noted[field] = spec[field]
    if item["metadata"].get("annotations"):
        noted["annotations"] = item["metadata"]["annotations"]
    return noted
