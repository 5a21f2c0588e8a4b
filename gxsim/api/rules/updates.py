"""What may not change in an object that exists."""

from collections.abc import Callable, Mapping
from typing import Any

from gxsim.api.violations import Violations, forbidden, invalid, shown

Object = Mapping[str, Any]

_STATEFUL_SET_MUTABLE = (
    "replicas",
    "ordinals",
    "template",
    "updateStrategy",
    "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
)
_POD_TEXT = (
    "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)
_CLAIM_TEXT = (
    "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"
)
_JOB_IMMUTABLE = ("completions", "completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy", "selector")
# A suspended Job's template may still be told where its pods go.
_JOB_PLACEMENT = ("nodeSelector", "affinity", "tolerations", "schedulingGates")
_IMMUTABLE = "field is immutable"


def update_violations(old: Object, new: Object) -> Violations:
    """Yield what *new* may not change of *old*; both have been completed by ``defaulting.default``."""
    rule = _RULES.get(str(new.get("kind")))
    if rule is not None:
        yield from rule(old, new)


def _selector(old: Object, new: Object) -> Violations:
    yield from _unchanged(old["spec"], new["spec"], "spec.", "selector")


def _stateful_set(old: Object, new: Object) -> Violations:
    if _without(old["spec"], _STATEFUL_SET_MUTABLE) != _without(new["spec"], _STATEFUL_SET_MUTABLE):
        quoted = [f"'{name}'" for name in _STATEFUL_SET_MUTABLE]
        listed = f"{', '.join(quoted[:-1])} and {quoted[-1]}"
        yield forbidden("spec", f"updates to statefulset spec for fields other than {listed} are forbidden")


def _job(old: Object, new: Object) -> Violations:
    before, after = old["spec"], new["spec"]
    yield from _unchanged(before, after, "spec.", *_JOB_IMMUTABLE)
    movable = _JOB_PLACEMENT if before.get("suspend") else ()
    specs = [_without((spec.get("template") or {}).get("spec") or {}, movable) for spec in (before, after)]
    if specs[0] != specs[1]:
        yield invalid("spec.template.spec", specs[1], _IMMUTABLE)


def _service(old: Object, new: Object) -> Violations:
    before, after = old["spec"], new["spec"]
    if "ExternalName" in (before.get("type"), after.get("type")):
        return
    # The server gave the old Service an address; gxsim's copy may not know it, but "None" it would know.
    if after.get("clusterIP") and after.get("clusterIP") != before.get("clusterIP"):
        addresses = after.get("clusterIPs") or [after["clusterIP"]]
        yield invalid("spec.clusterIPs[0]", addresses, "may not change once set")


def _claim(old: Object, new: Object) -> Violations:
    if old["spec"] != new["spec"]:
        bound = (old.get("status") or {}).get("phase") == "Bound"
        free = ("resources", "volumeAttributesClassName") if bound else ()
        if _without(old["spec"], free) != _without(new["spec"], free):
            yield forbidden("spec", _CLAIM_TEXT)


def _pod(old: Object, new: Object) -> Violations:
    before, after = old["spec"], new["spec"]
    resized = [
        group
        for group in ("containers", "initContainers")
        if len(before.get(group) or ()) != len(after.get(group) or ())
    ]
    for group in resized:
        yield forbidden(f"spec.{group}", "pod updates may not add or remove containers")
    if resized:
        return
    deadlines = before.get("activeDeadlineSeconds"), after.get("activeDeadlineSeconds")
    if deadlines[0] is not None and deadlines[1] is None:
        detail = "must not update from a positive integer to nil value"
        yield invalid("spec.activeDeadlineSeconds", None, detail)
    elif deadlines[0] is not None and deadlines[1] > deadlines[0]:
        detail = "must be less than or equal to previous value"
        yield invalid("spec.activeDeadlineSeconds", deadlines[1], detail)
    kept = [_without(toleration, ("tolerationSeconds",)) for toleration in after.get("tolerations") or ()]
    if any(_without(one, ("tolerationSeconds",)) not in kept for one in before.get("tolerations") or ()):
        detail = "existing toleration can not be modified except its tolerationSeconds"
        yield forbidden("spec.tolerations", detail)
    if _fixed_part(before) != _fixed_part(after):
        yield forbidden("spec", _POD_TEXT)


def _fixed_part(spec: Object) -> Object:
    """Return a pod spec without what may change in a running pod."""
    fixed = _without(spec, ("activeDeadlineSeconds", "tolerations"))
    for group in ("containers", "initContainers"):
        fixed[group] = [_without(container, ("image",)) for container in spec.get(group) or ()]
    return fixed


def _priority_class(old: Object, new: Object) -> Violations:
    if (old.get("value") or 0) != (new.get("value") or 0):
        yield forbidden("value", "may not be changed in an update.")
    yield from _unchanged(old, new, "", "preemptionPolicy")


def _storage_class(old: Object, new: Object) -> Violations:
    yield from _unchanged(old, new, "", "parameters", "provisioner", "reclaimPolicy", "volumeBindingMode")


def _binding(old: Object, new: Object) -> Violations:
    if old.get("roleRef") != new.get("roleRef"):
        yield invalid("roleRef", new.get("roleRef"), "cannot change roleRef")


def _data(old: Object, new: Object) -> Violations:
    if new.get("kind") == "Secret":
        yield from _unchanged(old, new, "", "type")
    if not old.get("immutable"):
        return
    detail = "field is immutable when `immutable` is set"
    if not new.get("immutable"):
        yield forbidden("immutable", detail)
    for field in ("data", "binaryData", "stringData"):
        if old.get(field) != new.get(field):
            yield forbidden(field, detail)


def _volume(old: Object, new: Object) -> Violations:
    movable = ("accessModes", "capacity", "claimRef", "mountOptions", "persistentVolumeReclaimPolicy")
    also = ("nodeAffinity", "storageClassName", "volumeAttributesClassName", "volumeMode")
    if _without(old["spec"], (*movable, *also)) != _without(new["spec"], (*movable, *also)):
        detail = "spec.persistentvolumesource is immutable after creation"
        yield forbidden("spec.persistentvolumesource", detail)
    yield from _unchanged(old["spec"], new["spec"], "spec.", "volumeMode")


def _quota(old: Object, new: Object) -> Violations:
    yield from _unchanged(old["spec"], new["spec"], "spec.", "scopes")


def _unchanged(old: Object, new: Object, prefix: str, *fields: str) -> Violations:
    for field in fields:
        if shown(old.get(field)) != shown(new.get(field)):
            yield invalid(f"{prefix}{field}", new.get(field), _IMMUTABLE)


def _without(item: Object, fields: tuple[str, ...]) -> dict[str, Any]:
    return {name: value for name, value in item.items() if name not in fields}


_RULES: dict[str, Callable[[Object, Object], Violations]] = {
    "ClusterRoleBinding": _binding,
    "ConfigMap": _data,
    "DaemonSet": _selector,
    "Deployment": _selector,
    "Job": _job,
    "PersistentVolume": _volume,
    "PersistentVolumeClaim": _claim,
    "Pod": _pod,
    "PriorityClass": _priority_class,
    "ReplicaSet": _selector,
    "ResourceQuota": _quota,
    "RoleBinding": _binding,
    "Secret": _data,
    "Service": _service,
    "StatefulSet": _stateful_set,
    "StorageClass": _storage_class,
}
