"""What an API server knows of the rest of the cluster when it admits one object."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

Object = dict[str, Any]

# Created by every API server before anything else; a user cannot define them.
SYSTEM_PRIORITIES = {"system-cluster-critical": 2_000_000_000, "system-node-critical": 2_000_001_000}


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmissionContext:
    """The classes and policies that default or refuse an object.

    The toleration seconds are the API server's ``--default-not-ready-toleration-seconds`` and
    ``--default-unreachable-toleration-seconds``.
    """

    storage_classes: tuple[Object, ...] = ()
    priority_classes: tuple[Object, ...] = ()
    runtime_classes: tuple[Object, ...] = ()
    ingress_classes: tuple[Object, ...] = ()
    limit_ranges: tuple[Object, ...] = ()
    # (namespace, name); None: not known, so none is missed.
    service_accounts: frozenset[tuple[str, str]] | None = None
    not_ready_toleration_s: int = 300
    unreachable_toleration_s: int = 300

    def limit_ranges_in(self, namespace: str) -> list[Object]:
        """Return the LimitRanges of a namespace, in the order of their names."""
        found = [item for item in self.limit_ranges if namespace_of(item) == namespace]
        return sorted(found, key=name_of)

    def priority_class(self, name: str) -> Object | None:
        """Return the PriorityClass with this name; without a name the global default, of several the lowest."""
        if name:
            if name in SYSTEM_PRIORITIES:
                return {"metadata": {"name": name}, "value": SYSTEM_PRIORITIES[name]}
            return _named(self.priority_classes, name)
        defaults = [item for item in self.priority_classes if item.get("globalDefault")]
        return min(defaults, key=lambda item: int(item.get("value", 0)), default=None)

    def runtime_class(self, name: str) -> Object | None:
        """Return the RuntimeClass with this name."""
        return _named(self.runtime_classes, name)

    def default_storage_class(self) -> str | None:
        """Return the name of the default StorageClass; of several the newest, then the first by name."""
        return _default_class(self.storage_classes, "storageclass.kubernetes.io/is-default-class")

    def default_ingress_class(self) -> str | None:
        """Return the name of the default IngressClass."""
        return _default_class(self.ingress_classes, "ingressclass.kubernetes.io/is-default-class")


def context_of(objects: Iterable[Object]) -> AdmissionContext:
    """Return the context a set of objects makes, with the API server's default settings."""
    by_kind: dict[str, list[Object]] = {}
    for item in objects:
        by_kind.setdefault(str(item.get("kind")), []).append(item)
    return AdmissionContext(
        storage_classes=tuple(by_kind.get("StorageClass", ())),
        priority_classes=tuple(by_kind.get("PriorityClass", ())),
        runtime_classes=tuple(by_kind.get("RuntimeClass", ())),
        ingress_classes=tuple(by_kind.get("IngressClass", ())),
        limit_ranges=tuple(by_kind.get("LimitRange", ())),
    )


def name_of(item: Mapping[str, Any]) -> str:
    """Return the object's name; empty where it has none yet."""
    return str((item.get("metadata") or {}).get("name") or "")


def namespace_of(item: Mapping[str, Any]) -> str:
    """Return the object's namespace, ``default`` where it names none."""
    return str((item.get("metadata") or {}).get("namespace") or "default")


def _named(items: Iterable[Object], name: str) -> Object | None:
    return next((item for item in items if name_of(item) == name), None)


def _default_class(items: Iterable[Object], annotation: str) -> str | None:
    marked = [
        item for item in items if ((item.get("metadata") or {}).get("annotations") or {}).get(annotation) == "true"
    ]
    # Two stable sorts: the newest first, equals by name.
    marked.sort(key=name_of)
    marked.sort(key=lambda item: str(item["metadata"].get("creationTimestamp") or ""), reverse=True)
    return name_of(marked[0]) if marked else None
