"""The defaults of a pod spec, as in ``pkg/apis/core/v1/defaults.go``.

These functions fill in the dict they are given: it is the private copy ``defaulting.default`` has made.
"""

import math
from fractions import Fraction
from typing import Any

from gxsim.api.requests import container_quantities, containers, is_pod_level
from gxsim.units import format_quantity, read_quantity

_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
# 0 means unset for these: they are plain integers in Go.
_PROBE_DEFAULTS = {"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3}
_POD_SPEC_DEFAULTS = {
    "restartPolicy": "Always",
    "dnsPolicy": "ClusterFirst",
    "schedulerName": "default-scheduler",
}
_FILE_MODE = 0o644
_VOLUME_DEFAULTS: dict[str, dict[str, Any]] = {
    "secret": {"defaultMode": _FILE_MODE},
    "configMap": {"defaultMode": _FILE_MODE},
    "downwardAPI": {"defaultMode": _FILE_MODE},
    "projected": {"defaultMode": _FILE_MODE},
    "hostPath": {"type": ""},
    "iscsi": {"iscsiInterface": "default"},
}


def default_pod(pod: dict[str, Any]) -> None:
    """Fill in a Pod: what a template has, and what only a Pod itself gets."""
    spec = pod["spec"]
    default_pod_spec(spec)
    spec.setdefault("enableServiceLinks", True)
    for container in containers(spec):
        _requests_from_limits(container)
        if spec.get("hostNetwork"):
            for port in container.get("ports") or ():
                port["hostPort"] = port.get("hostPort") or port.get("containerPort", 0)
    _pod_level_requests(spec)


def default_pod_spec(spec: dict[str, Any]) -> None:
    """Fill in the spec of a Pod or of a pod template."""
    for field, value in _POD_SPEC_DEFAULTS.items():
        fill(spec, field, value)
    spec.setdefault("terminationGracePeriodSeconds", 30)
    spec.setdefault("securityContext", {})
    # The deprecated spelling follows the current one, or stands in for it.
    account = spec.get("serviceAccountName") or spec.get("serviceAccount")
    if account:
        spec |= {"serviceAccountName": account, "serviceAccount": account}
    for container in containers(spec):
        _default_container(container)
    for volume in spec.get("volumes") or ():
        _default_volume(volume)
    for part in ("requests", "limits"):
        canonical(spec.get("resources"), part)
    canonical(spec, "overhead")


def fill(target: dict[str, Any], field: str, value: Any) -> None:
    """Set a field whose Go type has no pointer: its zero value is the same as its absence.

    Fields behind a pointer, where 0 and false are values, take ``setdefault``.
    """
    if not target.get(field):
        target[field] = value


def canonical(target: dict[str, Any] | None, field: str) -> None:
    """Rewrite the quantities of a resource list canonically; amounts finer than a thousandth round up."""
    if target and target.get(field):
        target[field] = {name: _canonical(text) for name, text in target[field].items()}


def _canonical(text: Any) -> str:
    quantity = read_quantity(text)
    return format_quantity(Fraction(math.ceil(quantity.value * 1000), 1000), quantity.family)


def _default_container(container: dict[str, Any]) -> None:
    fill(container, "imagePullPolicy", "Always" if _is_latest(container.get("image") or "") else "IfNotPresent")
    fill(container, "terminationMessagePath", "/dev/termination-log")
    fill(container, "terminationMessagePolicy", "File")
    resources = container.setdefault("resources", {})
    canonical(resources, "requests")
    canonical(resources, "limits")
    for port in container.get("ports") or ():
        fill(port, "protocol", "TCP")
    for probe in (container[name] for name in _PROBES if container.get(name) is not None):
        for field, value in _PROBE_DEFAULTS.items():
            fill(probe, field, value)
        if probe.get("grpc") is not None:
            probe["grpc"].setdefault("service", "")
        _default_http_get(probe)
    for hook in (container.get("lifecycle") or {}).values():
        if isinstance(hook, dict):
            _default_http_get(hook)
    for variable in container.get("env") or ():
        _default_field_source(variable.get("valueFrom") or {})


def _is_latest(image: str) -> bool:
    """Whether an image reference means ``:latest``: that tag, or neither tag nor digest."""
    name, _, digest = image.partition("@")
    _, colon, tag = name.rpartition("/")[2].partition(":")
    return tag == "latest" or not (colon or digest)


def _default_http_get(handler: dict[str, Any]) -> None:
    if handler.get("httpGet") is not None:
        fill(handler["httpGet"], "path", "/")
        fill(handler["httpGet"], "scheme", "HTTP")


def _default_field_source(source: dict[str, Any]) -> None:
    if source.get("fieldRef"):
        fill(source["fieldRef"], "apiVersion", "v1")
    if source.get("resourceFieldRef"):
        source["resourceFieldRef"]["divisor"] = str(source["resourceFieldRef"].get("divisor", "0"))


def _default_volume(volume: dict[str, Any]) -> None:
    if not any(value is not None for field, value in volume.items() if field != "name"):
        volume["emptyDir"] = {}
    for kind, defaults in _VOLUME_DEFAULTS.items():
        for field, value in defaults.items():
            if volume.get(kind) is not None:
                volume[kind].setdefault(field, value)
    if (volume.get("emptyDir") or {}).get("sizeLimit") is not None:
        volume["emptyDir"]["sizeLimit"] = str(volume["emptyDir"]["sizeLimit"])
    sources = [volume, *((volume.get("projected") or {}).get("sources") or ())]
    for source in sources:
        for item in (source.get("downwardAPI") or {}).get("items") or ():
            _default_field_source(item)
        if source.get("serviceAccountToken"):
            source["serviceAccountToken"].setdefault("expirationSeconds", 3600)
    template = (volume.get("ephemeral") or {}).get("volumeClaimTemplate")
    if template:
        default_claim_spec(template["spec"])


def default_claim_spec(spec: dict[str, Any]) -> None:
    """Fill in the spec of a PersistentVolumeClaim or of a claim template."""
    fill(spec, "volumeMode", "Filesystem")
    canonical(spec.get("resources"), "requests")
    canonical(spec.get("resources"), "limits")


def _requests_from_limits(container: dict[str, Any]) -> None:
    resources = container.get("resources") or {}
    missing = {
        name: text
        for name, text in (resources.get("limits") or {}).items()
        if name not in (resources.get("requests") or {})
    }
    if missing:
        resources["requests"] = (resources.get("requests") or {}) | missing


def _pod_level_requests(spec: dict[str, Any]) -> None:
    """Fill in pod-level requests from the containers' requests, else from the pod-level limits.

    A pod that states pod-level requests only is left alone.
    """
    resources = spec.get("resources") or {}
    limits = resources.get("limits")
    if not limits:
        return
    requests = dict(resources.get("requests") or {})
    for name, quantity in container_quantities(spec, "requests").items():
        if is_pod_level(name):
            requests.setdefault(name, str(quantity))
    for name, text in limits.items():
        if is_pod_level(name):
            requests.setdefault(name, text)
    resources["requests"] = requests
