"""Replays a recorded sequence of creates and deletes in one namespace with quotas and LimitRanges."""

import re
from typing import Any

from gxsim.api.admission import Admission, admit
from gxsim.api.context import context_of, name_of
from gxsim.api.quota import add_usage, demands, quota_of, subtract_usage
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


def is_sequence(document: Any) -> bool:
    """Whether a document is a recorded quota or LimitRange scenario."""
    return isinstance(document, dict) and {"setup", "steps", "namespace"} <= document.keys()


def has_limit_range(document: Any) -> bool:
    """Whether a scenario starts in a namespace that holds a LimitRange."""
    return any(item.get("kind") == "LimitRange" for item in document["setup"])


def replay_sequence(document: Any) -> list[Check]:
    """Return one check per step: the verdict with its message, what was admitted, what is used afterwards."""
    namespace = document["namespace"]
    setup = [_placed(item, namespace) for item in (*_CLUSTER_OBJECTS, *document["setup"])]
    quotas = [quota_of(item) for item in setup if item["kind"] == "ResourceQuota"]
    context = context_of(setup)
    used = {name: read_resources(amounts) for name, amounts in (document.get("initialUsed") or {}).items()}
    stored: dict[tuple[str, str], Object] = {}
    checks: list[Check] = []
    for position, step in enumerate(document["steps"]):
        if step["op"] == "create":
            admission = admit(_placed(step["object"], namespace), context, quotas=quotas, used=used)
            found, wanted = _outcome(admission, step)
            if admission.refusal is None:
                item = admission.stored
                stored[item["kind"], name_of(item)] = item
                used = add_usage(used, demands(quotas, item))
        else:
            gone = stored.pop((step["kind"], step["name"]), None)
            used = subtract_usage(used, demands(quotas, gone)) if gone else used
            found, wanted = {"exists": gone is not None}, {"exists": step["httpStatus"] == 200}
        recorded = {name: read_resources(amounts) for name, amounts in step.get("used", {}).items()}
        found["used"], wanted["used"] = _values(used), _values(recorded)
        checks.append(_check(f"{document.get('id', namespace)} step {position}", found, wanted))
    return checks


def _outcome(admission: Admission, step: Object) -> tuple[Object, Object]:
    """Return verdict, message and admitted object as gxsim has them and as they were recorded."""
    refusal = admission.refusal
    found = {"allowed": refusal is None, "message": _complaints(refusal.message if refusal else "")}
    wanted = {"allowed": step["allowed"], "message": _complaints(step.get("message", ""))}
    # The recorder noted the stored form of pods, claims and quotas only.
    if refusal is None and "admitted" in step:
        found["admitted"], wanted["admitted"] = _admitted(admission.stored), step["admitted"]
    return found, wanted


def _check(name: str, found: Object, wanted: Object) -> Check:
    differing = [key for key in wanted if found.get(key) != wanted[key]]
    detail = "; ".join(f"{key}: got {found.get(key)}, recorded {wanted[key]}" for key in differing)
    return Check(name=name, agreed=not differing, detail=detail)


def _placed(item: Object, namespace: str) -> Object:
    return item | {"metadata": item["metadata"] | {"namespace": namespace}}


def _complaints(message: str) -> tuple[str, frozenset[str]]:
    """Return a message as its subject and the set of its complaints, which come in the order of a Go map."""
    subject, _, rest = message.partition("[")
    return subject, frozenset(re.sub(r"\]$", "", rest).split(", "))


def _values(used: dict[str, Quantities]) -> dict[str, dict[str, Any]]:
    return {name: {one: quantity.value for one, quantity in amounts.items()} for name, amounts in used.items()}


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
