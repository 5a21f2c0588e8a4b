"""Volumes of a pod."""

from collections.abc import Callable, Mapping
from typing import Any

from gxsim.api.rules.containers import field_path_violations, relative_path_violations
from gxsim.api.rules.storage import claim_spec_violations, host_path_violations
from gxsim.api.syntax import dns_label
from gxsim.api.violations import (
    Violations,
    duplicate,
    each_invalid,
    forbidden,
    invalid,
    required,
)
from gxsim.units import parse_quantity

Object = Mapping[str, Any]

# In the order in which the API server looks at them; every type after the first is the one too many.
_TYPES = (
    "emptyDir",
    "hostPath",
    "gitRepo",
    "gcePersistentDisk",
    "awsElasticBlockStore",
    "secret",
    "nfs",
    "iscsi",
    "glusterfs",
    "persistentVolumeClaim",
    "rbd",
    "cinder",
    "cephfs",
    "flexVolume",
    "configMap",
    "downwardAPI",
    "fc",
    "flocker",
    "azureFile",
    "azureDisk",
    "storageos",
    "projected",
    "quobyte",
    "vsphereVolume",
    "photonPersistentDisk",
    "portworxVolume",
    "scaleIO",
    "csi",
    "ephemeral",
    "image",
)


def volumes_violations(path: str, spec: Object) -> Violations:
    """Yield what is wrong with the volumes of a pod spec."""
    names: set[str] = set()
    for index, volume in enumerate(spec.get("volumes") or ()):
        place, name = f"{path}.volumes[{index}]", volume.get("name") or ""
        given = [kind for kind in _TYPES if volume.get(kind) is not None]
        for kind in given[1:]:
            yield forbidden(f"{place}.{kind}", "may not specify more than 1 volume type")
        for kind in given[:1]:
            yield from _SOURCES.get(kind, _nothing)(f"{place}.{kind}", volume[kind])
        if not given:
            yield required(place, "must specify a volume type")
        if not name:
            yield required(f"{place}.name")
        else:
            yield from each_invalid(f"{place}.name", name, dns_label(name))
            if name in names:
                yield duplicate(f"{place}.name", name)
            names.add(name)


def _nfs(path: str, source: Object) -> Violations:
    yield from _fields("server", "path")(path, source)
    if source.get("path") and not source["path"].startswith("/"):
        yield invalid(f"{path}.path", source["path"], "must be an absolute path")


def _empty_dir(path: str, source: Object) -> Violations:
    if source.get("sizeLimit") is not None and parse_quantity(source["sizeLimit"]) < 0:
        yield forbidden(f"{path}.sizeLimit", "SizeLimit field must be a valid resource quantity")


def _fields(*names: str) -> Callable[[str, Object], Violations]:
    """Return a rule that wants these fields."""

    def rule(path: str, source: Object) -> Violations:
        for name in names:
            if not source.get(name):
                yield required(f"{path}.{name}")

    return rule


def _keyed(name: str) -> Callable[[str, Object], Violations]:
    """Return the rule of a volume made of a Secret's or ConfigMap's keys."""

    def rule(path: str, source: Object) -> Violations:
        if not source.get(name):
            yield required(f"{path}.{name}")
        yield from _mode_violations(path, source)
        for index, item in enumerate(source.get("items") or ()):
            yield from _item_violations(f"{path}.items[{index}]", item)

    return rule


def _item_violations(path: str, item: Object) -> Violations:
    if not item.get("key"):
        yield required(f"{path}.key")
    if not item.get("path"):
        yield required(f"{path}.path")
    else:
        yield from relative_path_violations(f"{path}.path", item["path"])


def _mode_violations(path: str, source: Object) -> Violations:
    mode = source.get("defaultMode")
    if mode is not None and not 0 <= mode <= 0o777:
        yield invalid(f"{path}.defaultMode", mode, "must be a number between 0 and 0777 (octal), both inclusive")


def _downward(path: str, source: Object) -> Violations:
    yield from _mode_violations(path, source)
    for index, item in enumerate(source.get("items") or ()):
        place, field = f"{path}.items[{index}]", item.get("fieldRef")
        if not item.get("path"):
            yield required(f"{place}.path")
        if field is None and item.get("resourceFieldRef") is None:
            yield required(f"{place}.fieldRef", "one of fieldRef and resourceFieldRef is required")
        elif field is not None and field.get("fieldPath") not in ("metadata.annotations", "metadata.labels"):
            yield from field_path_violations(f"{place}.fieldRef", field.get("fieldPath") or "")


def _projected(path: str, source: Object) -> Violations:
    yield from _mode_violations(path, source)
    for index, part in enumerate(source.get("sources") or ()):
        place = f"{path}.sources[{index}]"
        given = [kind for kind, value in part.items() if value is not None]
        for kind in given[1:]:
            yield forbidden(f"{place}.{kind}", "may not specify more than 1 volume type per source")
        if not given:
            yield required(place, "must specify exactly one of the volume sources")
        for kind in given[:1]:
            if kind in ("secret", "configMap"):
                yield from _keyed("name")(f"{place}.{kind}", part[kind])


def _ephemeral(path: str, source: Object) -> Violations:
    template = source.get("volumeClaimTemplate")
    if template is None:
        yield required(f"{path}.volumeClaimTemplate")
    else:
        yield from claim_spec_violations(f"{path}.volumeClaimTemplate.spec", template.get("spec") or {})


def _nothing(path: str, source: Object) -> Violations:
    yield from ()


_SOURCES: dict[str, Callable[[str, Object], Violations]] = {
    "configMap": _keyed("name"),
    "csi": _fields("driver"),
    "downwardAPI": _downward,
    "emptyDir": _empty_dir,
    "ephemeral": _ephemeral,
    "hostPath": host_path_violations,
    "nfs": _nfs,
    "persistentVolumeClaim": _fields("claimName"),
    "projected": _projected,
    "secret": _keyed("secretName"),
}
