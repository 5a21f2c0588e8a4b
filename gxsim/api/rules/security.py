"""Security contexts of pods and containers, as far as the API server itself judges them."""

from collections.abc import Mapping
from typing import Any

from gxsim.api.violations import Violations, forbidden, invalid, named, one_of, required

Object = Mapping[str, Any]

_LARGEST_ID = 2**31 - 1
_SECCOMP_TYPES = ("Localhost", "RuntimeDefault", "Unconfined")
_LINUX_ONLY = (
    "appArmorProfile",
    "seLinuxOptions",
    "seccompProfile",
    "fsGroup",
    "fsGroupChangePolicy",
    "sysctls",
    "shareProcessNamespace",
    "runAsUser",
    "runAsGroup",
    "supplementalGroups",
    "capabilities",
    "readOnlyRootFilesystem",
    "privileged",
    "allowPrivilegeEscalation",
    "procMount",
)


def pod_security_violations(path: str, spec: Object) -> Violations:
    """Yield what is wrong with a pod's security context."""
    context = spec.get("securityContext") or {}
    yield from _shared_violations(f"{path}.securityContext", context, spec)
    for field in ("fsGroup",):
        yield from _id_violations(f"{path}.securityContext.{field}", context.get(field))
    for index, group in enumerate(context.get("supplementalGroups") or ()):
        yield from _id_violations(f"{path}.securityContext.supplementalGroups[{index}]", group)
    change = context.get("fsGroupChangePolicy")
    yield from one_of(f"{path}.securityContext.fsGroupChangePolicy", change, ("OnRootMismatch", "Always"))
    if spec.get("hostPID") and spec.get("shareProcessNamespace"):
        yield invalid(f"{path}.shareProcessNamespace", True, "ShareProcessNamespace and HostPID cannot both be enabled")


def container_security_violations(path: str, container: Object, spec: Object) -> Violations:
    """Yield what is wrong with a container's security context; *path* is the container's."""
    context = container.get("securityContext") or {}
    place = f"{path}.securityContext"
    yield from _shared_violations(place, context, spec)
    if context.get("allowPrivilegeEscalation") is False:
        if context.get("privileged"):
            detail = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true"
            yield invalid(place, dict(context), detail)
        if "CAP_SYS_ADMIN" in ((context.get("capabilities") or {}).get("add") or ()):
            detail = "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN"
            yield invalid(place, dict(context), detail)
    yield from one_of(f"{place}.procMount", context.get("procMount"), ("Default", "Unmasked"))
    if context.get("procMount") == "Unmasked" and spec.get("hostUsers") is not False:
        yield invalid(f"{place}.procMount", "Unmasked", "`hostUsers` must be false to use `Unmasked`")


def _shared_violations(path: str, context: Object, spec: Object) -> Violations:
    for field in ("runAsUser", "runAsGroup"):
        yield from _id_violations(f"{path}.{field}", context.get(field))
    profile = context.get("seccompProfile")
    if profile is not None:
        yield from named(f"{path}.seccompProfile.type", profile.get("type"), _SECCOMP_TYPES)
        local, field = profile.get("localhostProfile"), f"{path}.seccompProfile.localhostProfile"
        if profile.get("type") == "Localhost" and not local:
            yield required(field, "must be set when seccomp type is Localhost")
        if profile.get("type") != "Localhost" and local is not None:
            yield invalid(field, local, "can only be set when seccomp type is Localhost")
    if (spec.get("os") or {}).get("name") == "windows":
        for field in _LINUX_ONLY:
            if context.get(field) is not None:
                yield forbidden(f"{path}.{field}", "cannot be set for a windows pod")


def _id_violations(path: str, value: int | None) -> Violations:
    if value is not None and not 0 <= value <= _LARGEST_ID:
        yield invalid(path, value, f"must be between 0 and {_LARGEST_ID}, inclusive")
