"""Pod specs and pod templates as a whole."""

from collections.abc import Mapping
from typing import Any

from gxsim.api.rules.containers import containers_violations
from gxsim.api.rules.metadata import annotation_violations, label_violations, subdomain_violations
from gxsim.api.rules.resources import pod_resource_violations
from gxsim.api.rules.scheduling import scheduling_violations
from gxsim.api.rules.security import pod_security_violations
from gxsim.api.rules.volumes import volumes_violations
from gxsim.api.syntax import dns_label, is_address, qualified_name
from gxsim.api.violations import (
    Violations,
    duplicate,
    each_invalid,
    invalid,
    named,
    not_negative,
    one_of,
    required,
)

Object = Mapping[str, Any]

_RESTART = ("Always", "OnFailure", "Never")
_DNS = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
_LONGEST_DEADLINE_S = 2**31 - 1


def pod_violations(item: Object) -> Violations:
    """Yield what is wrong with a Pod."""
    yield from pod_spec_violations("spec", item.get("spec") or {})


def template_violations(path: str, template: Object) -> Violations:
    """Yield what is wrong with a pod template."""
    metadata = template.get("metadata") or {}
    # The API server leaves "metadata" out of these two paths.
    yield from label_violations(f"{path}.labels", metadata.get("labels"))
    yield from annotation_violations(f"{path}.annotations", metadata.get("annotations"))
    yield from pod_spec_violations(f"{path}.spec", template.get("spec") or {})


def pod_spec_violations(path: str, spec: Object) -> Violations:
    """Yield what is wrong with a pod spec."""
    yield from volumes_violations(path, spec)
    yield from containers_violations(path, spec)
    if spec.get("resources"):
        yield from pod_resource_violations(f"{path}.resources", spec)
    yield from named(f"{path}.restartPolicy", spec.get("restartPolicy"), _RESTART)
    yield from _dns_violations(path, spec)
    yield from scheduling_violations(path, spec)
    yield from pod_security_violations(path, spec)
    yield from _naming_violations(path, spec)
    yield from not_negative(f"{path}.terminationGracePeriodSeconds", spec.get("terminationGracePeriodSeconds"))
    deadline = spec.get("activeDeadlineSeconds")
    if deadline is not None and not 1 <= deadline <= _LONGEST_DEADLINE_S:
        detail = f"must be between 1 and {_LONGEST_DEADLINE_S}, inclusive"
        yield invalid(f"{path}.activeDeadlineSeconds", deadline, detail)
    yield from one_of(f"{path}.preemptionPolicy", spec.get("preemptionPolicy"), ("PreemptLowerPriority", "Never"))
    if spec.get("os") is not None:
        yield from named(f"{path}.os.name", spec["os"].get("name"), ("linux", "windows"))
    yield from _gate_violations(path, spec)


def _dns_violations(path: str, spec: Object) -> Violations:
    policy = spec.get("dnsPolicy")
    yield from named(f"{path}.dnsPolicy", policy, _DNS)
    config = spec.get("dnsConfig")
    if policy == "None":
        if config is None:
            yield required(f"{path}.dnsConfig", "must provide `dnsConfig` when `dnsPolicy` is None")
        elif not config.get("nameservers"):
            detail = "must provide at least one DNS nameserver when `dnsPolicy` is None"
            yield required(f"{path}.dnsConfig.nameservers", detail)


def _naming_violations(path: str, spec: Object) -> Violations:
    for field in ("hostname", "subdomain"):
        if spec.get(field):
            yield from each_invalid(f"{path}.{field}", spec[field], dns_label(spec[field]))
    for field in ("serviceAccountName", "runtimeClassName", "priorityClassName"):
        yield from subdomain_violations(f"{path}.{field}", spec.get(field))
    if spec.get("schedulerName"):
        yield from each_invalid(f"{path}.schedulerName", spec["schedulerName"], qualified_name(spec["schedulerName"]))
    for index, alias in enumerate(spec.get("hostAliases") or ()):
        place = f"{path}.hostAliases[{index}]"
        if not is_address(alias.get("ip") or ""):
            detail = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
            yield invalid(f"{place}.ip", alias.get("ip") or "", detail)


def _gate_violations(path: str, spec: Object) -> Violations:
    seen: set[str] = set()
    for index, gate in enumerate(spec.get("schedulingGates") or ()):
        name = gate.get("name") or ""
        yield from each_invalid(f"{path}.schedulingGates[{index}].name", name, qualified_name(name))
        if name in seen:
            yield duplicate(f"{path}.schedulingGates[{index}]", name)
        seen.add(name)
