"""Containers: names, images, ports, environment, mounts, probes and hooks."""

from collections.abc import Mapping, Sequence
from typing import Any

from gxsim.api.rules.resources import container_resource_violations
from gxsim.api.rules.security import container_security_violations
from gxsim.api.syntax import config_key, dns_label, port_name, port_number, variable_name
from gxsim.api.violations import (
    Violations,
    duplicate,
    each_invalid,
    forbidden,
    invalid,
    named,
    not_found,
    not_negative,
    not_supported,
    one_of,
    required,
)

Object = Mapping[str, Any]

PROTOCOLS = ("SCTP", "TCP", "UDP")
_PULL_POLICIES = ("Always", "IfNotPresent", "Never")
_RESTART_POLICIES = ("Always", "Never", "OnFailure")
_MESSAGE_POLICIES = ("FallbackToLogsOnError", "File")
_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
_HANDLERS = ("exec", "httpGet", "tcpSocket", "grpc")
_PROBE_NUMBERS = ("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold")
_VALUE_SOURCES = ("fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef")
_FIELD_PATHS = frozenset(
    {
        "metadata.name",
        "metadata.namespace",
        "metadata.uid",
        "spec.nodeName",
        "spec.serviceAccountName",
        "status.hostIP",
        "status.hostIPs",
        "status.podIP",
        "status.podIPs",
    }
)
_RESOURCE_FIELDS = tuple(
    sorted(f"{part}.{name}" for part in ("limits", "requests") for name in ("cpu", "ephemeral-storage", "memory"))
)


def containers_violations(path: str, spec: Object) -> Violations:
    """Yield what is wrong with the containers and init containers of a pod spec."""
    containers, first = spec.get("containers") or [], spec.get("initContainers") or []
    volumes = [volume.get("name") for volume in spec.get("volumes") or ()]
    claims = [claim.get("name") for claim in spec.get("resourceClaims") or ()]
    if not containers:
        yield required(f"{path}.containers")
    seen: set[str] = set()
    for index, container in enumerate(containers):
        place = f"{path}.containers[{index}]"
        yield from _container_violations(place, container, spec, volumes=volumes, claims=claims)
        yield from _name_violations(place, container.get("name") or "", seen)
    yield from _host_port_violations(f"{path}.containers", containers)
    for index, container in enumerate(first):
        place = f"{path}.initContainers[{index}]"
        yield from _container_violations(place, container, spec, volumes=volumes, claims=claims)
        yield from _name_violations(place, container.get("name") or "", seen)
        if container.get("restartPolicy") != "Always":
            for field in ("lifecycle", *_PROBES):
                if container.get(field) is not None:
                    detail = "may not be set for init containers without restartPolicy=Always"
                    yield forbidden(f"{place}.{field}", detail)


def _name_violations(path: str, name: str, seen: set[str]) -> Violations:
    if not name:
        yield required(f"{path}.name")
    elif name in seen:
        yield duplicate(f"{path}.name", name)
    else:
        yield from each_invalid(f"{path}.name", name, dns_label(name))
        seen.add(name)


def _container_violations(
    path: str, container: Object, spec: Object, *, volumes: Sequence[str], claims: list[str]
) -> Violations:
    if not container.get("image"):
        yield required(f"{path}.image")
    yield from named(f"{path}.imagePullPolicy", container.get("imagePullPolicy"), _PULL_POLICIES)
    yield from one_of(f"{path}.restartPolicy", container.get("restartPolicy"), _RESTART_POLICIES)
    yield from one_of(f"{path}.terminationMessagePolicy", container.get("terminationMessagePolicy"), _MESSAGE_POLICIES)
    yield from _port_violations(f"{path}.ports", container.get("ports") or (), host=bool(spec.get("hostNetwork")))
    for index, variable in enumerate(container.get("env") or ()):
        yield from _variable_violations(f"{path}.env[{index}]", variable)
    for index, source in enumerate(container.get("envFrom") or ()):
        yield from _bulk_source_violations(f"{path}.envFrom[{index}]", source)
    yield from _mount_violations(f"{path}.volumeMounts", container.get("volumeMounts") or (), volumes)
    for field in _PROBES:
        if container.get(field) is not None:
            yield from _probe_violations(f"{path}.{field}", container[field], field)
    for hook in ("postStart", "preStop"):
        handler = (container.get("lifecycle") or {}).get(hook)
        if handler is not None:
            yield from _handler_violations(f"{path}.lifecycle.{hook}", handler, (*_HANDLERS[:3], "sleep"))
    yield from container_resource_violations(f"{path}.resources", container.get("resources") or {}, claims)
    yield from container_security_violations(path, container, spec)


def _port_violations(path: str, ports: Sequence[Object], *, host: bool) -> Violations:
    names: set[str] = set()
    for index, port in enumerate(ports):
        place, name = f"{path}[{index}]", port.get("name")
        if name:
            problems = port_name(name)
            yield from each_invalid(f"{place}.name", name, problems)
            if not problems and name in names:
                yield duplicate(f"{place}.name", name)
            names.add(name)
        number, host_number = port.get("containerPort") or 0, port.get("hostPort") or 0
        if not number:
            yield required(f"{place}.containerPort")
        else:
            yield from each_invalid(f"{place}.containerPort", number, port_number(number))
        if host_number:
            yield from each_invalid(f"{place}.hostPort", host_number, port_number(host_number))
        # A template may leave the host port open: it is filled in when the pod is created.
        if host and host_number and number != host_number:
            detail = "must match `containerPort` when `hostNetwork` is true"
            yield invalid(f"{place}.hostPort", host_number, detail)
        yield from named(f"{place}.protocol", port.get("protocol"), PROTOCOLS)


def _host_port_violations(path: str, containers: Sequence[Object]) -> Violations:
    taken: set[str] = set()
    for index, container in enumerate(containers):
        for position, port in enumerate(container.get("ports") or ()):
            if not port.get("hostPort"):
                continue
            key = f"{port.get('protocol')}/{port.get('hostIP') or ''}/{port['hostPort']}"
            if key in taken:
                yield duplicate(f"{path}[{index}].ports[{position}].hostPort", key)
            taken.add(key)


def _variable_violations(path: str, variable: Object) -> Violations:
    name = variable.get("name") or ""
    if not name:
        yield required(f"{path}.name")
    else:
        yield from each_invalid(f"{path}.name", name, variable_name(name))
    source = variable.get("valueFrom")
    if source is None:
        return
    given = [field for field in _VALUE_SOURCES if source.get(field) is not None]
    for field in given:
        yield from _source_violations(f"{path}.valueFrom.{field}", field, source[field])
    if not given:
        expected = "`fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`"
        yield invalid(f"{path}.valueFrom", "", f"must specify one of: {expected}")
    elif variable.get("value"):
        yield invalid(f"{path}.valueFrom", "", "may not be specified when `value` is not empty")
    elif len(given) > 1:
        yield invalid(f"{path}.valueFrom", "", "may not have more than one field specified at a time")


def _source_violations(path: str, kind: str, source: Object) -> Violations:
    if kind == "fieldRef":
        yield from field_path_violations(path, source.get("fieldPath") or "")
    elif kind == "resourceFieldRef":
        resource = source.get("resource") or ""
        if not resource:
            yield required(f"{path}.resource")
        elif resource not in _RESOURCE_FIELDS and "hugepages-" not in resource:
            yield not_supported(f"{path}.resource", resource, _RESOURCE_FIELDS)
    else:
        yield from key_reference_violations(path, source)


def key_reference_violations(path: str, source: Object) -> Violations:
    """Yield what is wrong with a reference to one key of a ConfigMap or Secret."""
    if not source.get("name"):
        yield required(f"{path}.name")
    if not source.get("key"):
        yield required(f"{path}.key")
    else:
        yield from each_invalid(f"{path}.key", source["key"], config_key(source["key"]))


def field_path_violations(path: str, field: str) -> Violations:
    """Yield what is wrong with the field of a pod that a downward reference names."""
    subscripted = field.endswith("']") and field.startswith(("metadata.annotations['", "metadata.labels['"))
    if not field:
        yield required(f"{path}.fieldPath")
    elif field in ("metadata.annotations", "metadata.labels"):
        yield not_supported(f"{path}.fieldPath", field, sorted(_FIELD_PATHS))
    elif field not in _FIELD_PATHS and not subscripted:
        detail = f"error converting fieldPath: field label not supported: {field}"
        yield invalid(f"{path}.fieldPath", field, detail)


def _bulk_source_violations(path: str, source: Object) -> Violations:
    given = [field for field in ("configMapRef", "secretRef") if source.get(field) is not None]
    if source.get("prefix"):
        yield from each_invalid(f"{path}.prefix", source["prefix"], variable_name(source["prefix"]))
    for field in given:
        if not source[field].get("name"):
            yield required(f"{path}.{field}.name")
    if not given:
        yield invalid(path, "", "must specify one of: `configMapRef` or `secretRef`")
    elif len(given) > 1:
        yield invalid(path, "", "may not have more than one field specified at a time")


def _mount_violations(path: str, mounts: Sequence[Object], volumes: Sequence[str]) -> Violations:
    places: set[str] = set()
    for index, mount in enumerate(mounts):
        place, name, target = f"{path}[{index}]", mount.get("name") or "", mount.get("mountPath") or ""
        if not name:
            yield required(f"{place}.name")
        if name not in volumes:
            yield not_found(f"{place}.name", name)
        if not target:
            yield required(f"{place}.mountPath")
        if target in places:
            yield invalid(f"{place}.mountPath", target, "must be unique")
        places.add(target)
        for field in ("subPath", "subPathExpr"):
            if mount.get(field):
                yield from relative_path_violations(f"{place}.{field}", mount[field])
        if mount.get("subPath") and mount.get("subPathExpr"):
            yield invalid(
                f"{place}.subPathExpr", mount["subPathExpr"], "subPathExpr and subPath are mutually exclusive"
            )


def relative_path_violations(path: str, value: str) -> Violations:
    """Yield what keeps *value* from staying below the directory it is joined to."""
    if value.startswith("/"):
        yield invalid(path, value, "must be a relative path")
    if ".." in value.split("/"):
        yield invalid(path, value, "must not contain '..'")


def _probe_violations(path: str, probe: Object, kind: str) -> Violations:
    yield from _handler_violations(path, probe, _HANDLERS)
    for field in _PROBE_NUMBERS:
        yield from not_negative(f"{path}.{field}", probe.get(field))
    grace = probe.get("terminationGracePeriodSeconds")
    if kind == "readinessProbe":
        if grace is not None:
            yield invalid(f"{path}.terminationGracePeriodSeconds", grace, "must not be set for readinessProbes")
        return
    if grace is not None and grace <= 0:
        yield invalid(f"{path}.terminationGracePeriodSeconds", grace, "must be greater than 0")
    if probe.get("successThreshold") != 1:
        yield invalid(f"{path}.successThreshold", probe.get("successThreshold"), "must be 1")


def _handler_violations(path: str, handler: Object, kinds: Sequence[str]) -> Violations:
    given = [kind for kind in kinds if handler.get(kind) is not None]
    if not given:
        yield required(path, "must specify a handler type")
    for kind in given[1:]:
        yield forbidden(f"{path}.{kind}", "may not specify more than 1 handler type")
    for kind in given[:1]:
        place, action = f"{path}.{kind}", handler[kind]
        if kind == "exec" and not action.get("command"):
            yield required(f"{place}.command")
        if kind == "httpGet":
            if not action.get("path"):
                yield required(f"{place}.path")
            yield from named(f"{place}.scheme", action.get("scheme"), ("HTTP", "HTTPS"))
        if kind in ("httpGet", "tcpSocket", "grpc"):
            yield from target_port_violations(f"{place}.port", action.get("port"))


def target_port_violations(path: str, port: int | str | None) -> Violations:
    """Yield what is wrong with a port given as a number or as a name."""
    if isinstance(port, str):
        yield from each_invalid(path, port, port_name(port))
    else:
        yield from each_invalid(path, port or 0, port_number(port or 0))
