"""The object an API server would store: defaults filled in, admission plugins applied, quantities canonical."""

from typing import Any

from gxsim.api.context import AdmissionContext
from gxsim.api.kind_defaults import KIND_DEFAULTS
from gxsim.api.kinds import kind_of
from gxsim.api.mutation import mutate

# Maps whose values are strings: a null there is the empty string, elsewhere it means "not given".
_STRING_MAPS = frozenset({"annotations", "data", "labels", "matchLabels", "nodeSelector", "parameters"})
_WITHOUT_SPEC = frozenset(
    {
        "ClusterRole",
        "ClusterRoleBinding",
        "ConfigMap",
        "PriorityClass",
        "Role",
        "RoleBinding",
        "RuntimeClass",
        "Secret",
        "ServiceAccount",
        "StorageClass",
    }
)


def default(obj: dict[str, Any], context: AdmissionContext) -> dict[str, Any]:
    """Return *obj* as the API server completes it on creation; kinds gxsim does not know come back as they are.

    Nothing is judged here. A class that does not exist stays unresolved, an invalid value stays as it is;
    ``ValueError`` only where a quantity cannot be read at all.
    """
    item = default_fields(obj)
    if kind_of(item) is not None:
        mutate(item, context)
    return item


def default_fields(obj: dict[str, Any]) -> dict[str, Any]:
    """Return *obj* with the defaults of its kind, without what admission plugins add when it is created."""
    item: dict[str, Any] = _copy(obj, string_map=False)
    kind = kind_of(item)
    if kind is None:
        return item
    metadata = item.setdefault("metadata", {})
    if kind.namespaced and not metadata.get("namespace"):
        metadata["namespace"] = "default"
    if kind.name not in _WITHOUT_SPEC:
        item.setdefault("spec", {})
    if kind.name in KIND_DEFAULTS:
        KIND_DEFAULTS[kind.name](item)
    return item


def _copy(value: Any, *, string_map: bool) -> Any:
    """Return a deep copy of plain data without the fields that are null."""
    if isinstance(value, dict):
        return {
            key: _copy(inner, string_map=key in _STRING_MAPS)
            for key, inner in ((key, "" if inner is None and string_map else inner) for key, inner in value.items())
            if inner is not None
        }
    if isinstance(value, list):
        return [_copy(inner, string_map=False) for inner in value]
    return value
