"""PersistentVolumeClaims, PersistentVolumes and StorageClasses."""

from collections.abc import Mapping
from typing import Any

from gxsim.api.requests import read_resources
from gxsim.api.rules.metadata import selector_violations, subdomain_violations
from gxsim.api.rules.scheduling import node_selector_violations
from gxsim.api.syntax import qualified_name
from gxsim.api.violations import (
    Violations,
    each_invalid,
    forbidden,
    invalid,
    named,
    not_supported,
    one_of,
    required,
)

Object = Mapping[str, Any]

_ACCESS_MODES = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")
_VOLUME_MODES = ("Block", "Filesystem")
_BINDING_MODES = ("Immediate", "WaitForFirstConsumer")
_SINGLE_POD = "ReadWriteOncePod"
_HOST_PATH_TYPES = (
    "",
    "BlockDevice",
    "CharDevice",
    "Directory",
    "DirectoryOrCreate",
    "File",
    "FileOrCreate",
    "Socket",
)
# Fields of a PersistentVolume's spec that are not the volume itself.
_NOT_A_SOURCE = frozenset(
    {
        "accessModes",
        "capacity",
        "claimRef",
        "mountOptions",
        "nodeAffinity",
        "persistentVolumeReclaimPolicy",
        "storageClassName",
        "volumeAttributesClassName",
        "volumeMode",
    }
)


def claim_violations(item: Object) -> Violations:
    """Yield what is wrong with a PersistentVolumeClaim."""
    yield from claim_spec_violations("spec", item.get("spec") or {})


def claim_spec_violations(path: str, spec: Object) -> Violations:
    """Yield what is wrong with the spec of a claim or of a claim template."""
    if not spec.get("accessModes"):
        yield required(f"{path}.accessModes", "at least 1 access mode is required")
    yield from selector_violations(f"{path}.selector", spec.get("selector"))
    yield from _access_mode_violations(path, spec)
    storage = read_resources((spec.get("resources") or {}).get("requests")).get("storage")
    if storage is None:
        yield required(f"{path}.resources[storage]")
    elif storage.value <= 0:
        yield invalid(f"{path}.resources[storage]", str(storage), "must be greater than zero")
    yield from subdomain_violations(f"{path}.storageClassName", spec.get("storageClassName"))
    yield from one_of(f"{path}.volumeMode", spec.get("volumeMode"), _VOLUME_MODES)


def volume_violations(item: Object) -> Violations:
    """Yield what is wrong with a PersistentVolume."""
    spec = item.get("spec") or {}
    if not spec.get("accessModes"):
        yield required("spec.accessModes")
    yield from _access_mode_violations("spec", spec)
    capacity = read_resources(spec.get("capacity"))
    if not capacity:
        yield required("spec.capacity")
    elif capacity.keys() != {"storage"}:
        yield not_supported("spec.capacity", sorted(capacity), ("storage",))
    for name, quantity in capacity.items():
        if quantity.value <= 0:
            yield invalid(f"spec.capacity[{name}]", str(quantity), "must be greater than zero")
    yield from one_of(
        "spec.persistentVolumeReclaimPolicy",
        spec.get("persistentVolumeReclaimPolicy"),
        ("Delete", "Recycle", "Retain"),
    )
    sources = [field for field, value in spec.items() if field not in _NOT_A_SOURCE and value is not None]
    if not sources:
        yield required("spec", "must specify a volume type")
    for extra in sources[1:]:
        yield forbidden(f"spec.{extra}", "may not specify more than 1 volume type")
    yield from _source_violations(spec)
    yield from subdomain_violations("spec.storageClassName", spec.get("storageClassName"))
    yield from one_of("spec.volumeMode", spec.get("volumeMode"), _VOLUME_MODES)
    wanted = (spec.get("nodeAffinity") or {}).get("required")
    if wanted is not None:
        yield from node_selector_violations("spec.nodeAffinity.required", wanted)


def host_path_violations(path: str, source: Object) -> Violations:
    """Yield what is wrong with a hostPath."""
    value = source.get("path") or ""
    if not value:
        yield required(f"{path}.path")
    elif ".." in value.split("/"):
        yield invalid(f"{path}.path", value, "must not contain '..'")
    yield from one_of(f"{path}.type", source.get("type"), _HOST_PATH_TYPES)


def storage_class_violations(item: Object) -> Violations:
    """Yield what is wrong with a StorageClass."""
    provisioner = item.get("provisioner") or ""
    if not provisioner:
        yield required("provisioner")
    else:
        yield from each_invalid("provisioner", provisioner, qualified_name(provisioner.lower()))
    for key in item.get("parameters") or {}:
        if not key:
            yield invalid("parameters", key, "field can not be empty.")
    yield from one_of("reclaimPolicy", item.get("reclaimPolicy"), ("Delete", "Retain"))
    yield from named("volumeBindingMode", item.get("volumeBindingMode"), _BINDING_MODES)


def _access_mode_violations(path: str, spec: Object) -> Violations:
    modes = spec.get("accessModes") or []
    for mode in modes:
        if mode not in _ACCESS_MODES:
            yield not_supported(f"{path}.accessModes", mode, _ACCESS_MODES)
    if _SINGLE_POD in modes and len(modes) > 1:
        yield forbidden(f"{path}.accessModes", "may not use ReadWriteOncePod with other access modes")


def _source_violations(spec: Object) -> Violations:
    host_path, local = spec.get("hostPath"), spec.get("local")
    if host_path is not None:
        yield from host_path_violations("spec.hostPath", host_path)
    if local is not None:
        if not local.get("path"):
            yield required("spec.local.path")
        if not (spec.get("nodeAffinity") or {}).get("required"):
            yield required("spec.nodeAffinity", "Local volume requires node affinity")
