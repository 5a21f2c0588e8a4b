"""NetworkPolicies and Ingresses."""

import ipaddress
from collections.abc import Mapping, Sequence
from typing import Any

from gxsim.api.rules.containers import target_port_violations
from gxsim.api.rules.metadata import selector_violations, subdomain_violations
from gxsim.api.syntax import (
    dns_label,
    dns_subdomain,
    is_address,
    network,
    port_name,
    port_number,
    wildcard_subdomain,
)
from gxsim.api.violations import (
    Violations,
    each_invalid,
    forbidden,
    invalid,
    not_supported,
    one_of,
    required,
)

Object = Mapping[str, Any]

_PROTOCOLS = ("TCP", "UDP", "SCTP")
_POLICY_TYPES = ("Ingress", "Egress")
_PATH_TYPES = ("Exact", "ImplementationSpecific", "Prefix")
_PATH_SEQUENCES = ("//", "/./", "/../", "%2f", "%2F")
_PATH_ENDINGS = ("/..", "/.")
_NETWORK_TEXT = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"


def network_policy_violations(item: Object) -> Violations:
    """Yield what is wrong with a NetworkPolicy."""
    spec = item.get("spec") or {}
    yield from selector_violations("spec.podSelector", spec.get("podSelector"))
    for direction, peers in (("ingress", "from"), ("egress", "to")):
        for index, rule in enumerate(spec.get(direction) or ()):
            path = f"spec.{direction}[{index}]"
            for position, port in enumerate(rule.get("ports") or ()):
                yield from _policy_port_violations(f"{path}.ports[{position}]", port)
            for position, peer in enumerate(rule.get(peers) or ()):
                yield from _peer_violations(f"{path}.{peers}[{position}]", peer)
    types = spec.get("policyTypes") or []
    if len(types) > len(_POLICY_TYPES):
        yield invalid("spec.policyTypes", types, "may not specify more than two policyTypes")
        return
    for index, name in enumerate(types):
        yield from one_of(f"spec.policyTypes[{index}]", name, _POLICY_TYPES)


def ingress_violations(item: Object) -> Violations:
    """Yield what is wrong with an Ingress."""
    spec = item.get("spec") or {}
    backend, rules = spec.get("defaultBackend"), spec.get("rules") or []
    if not rules and backend is None:
        yield invalid("spec", rules, "either `defaultBackend` or `rules` must be specified")
    if backend is not None:
        yield from _backend_violations("spec.defaultBackend", backend)
    for index, rule in enumerate(rules):
        yield from _host_violations(f"spec.rules[{index}].host", rule.get("host") or "")
        if rule.get("http") is not None:
            yield from _paths_violations(f"spec.rules[{index}].http.paths", rule["http"].get("paths") or ())
    for index, entry in enumerate(spec.get("tls") or ()):
        for position, host in enumerate(entry.get("hosts") or ()):
            rule = wildcard_subdomain if "*" in host else dns_subdomain
            yield from each_invalid(f"spec.tls[{index}].hosts[{position}]", host, rule(host))
        yield from subdomain_violations(f"spec.tls[{index}].secretName", entry.get("secretName"))
    yield from subdomain_violations("spec.ingressClassName", spec.get("ingressClassName"))


def _policy_port_violations(path: str, port: Object) -> Violations:
    yield from one_of(f"{path}.protocol", port.get("protocol"), _PROTOCOLS)
    number, end = port.get("port"), port.get("endPort")
    if number is not None:
        yield from target_port_violations(f"{path}.port", number)
    if end is None:
        return
    if number is None:
        yield invalid(f"{path}.endPort", end, "may not be specified when `port` is not specified")
    elif isinstance(number, str):
        yield invalid(f"{path}.endPort", end, "may not be specified when `port` is non-numeric")
    else:
        if end < number:
            yield invalid(f"{path}.endPort", number, "must be greater than or equal to `port`")
        yield from each_invalid(f"{path}.endPort", end, port_number(end))


def _peer_violations(path: str, peer: Object) -> Violations:
    selected = [field for field in ("podSelector", "namespaceSelector") if peer.get(field) is not None]
    for field in selected:
        yield from selector_violations(f"{path}.{field}", peer[field])
    block = peer.get("ipBlock")
    if block is not None:
        yield from _block_violations(f"{path}.ipBlock", block)
    if block is None and not selected:
        yield required(path, "must specify a peer")
    elif block is not None and selected:
        yield forbidden(path, "may not specify both ipBlock and another peer")


def _block_violations(path: str, block: Object) -> Violations:
    text = block.get("cidr") or ""
    if not text:
        yield required(f"{path}.cidr")
        return
    outer = network(text)
    if outer is None:
        yield invalid(f"{path}.cidr", text, _NETWORK_TEXT)
        return
    for index, part in enumerate(block.get("except") or ()):
        inner = network(part)
        if inner is None:
            yield invalid(f"{path}.except[{index}]", part, _NETWORK_TEXT)
        elif not _strictly_inside(inner, outer):
            yield invalid(f"{path}.except[{index}]", part, "must be a strict subset of `cidr`")


def _strictly_inside(
    inner: ipaddress.IPv4Network | ipaddress.IPv6Network, outer: ipaddress.IPv4Network | ipaddress.IPv6Network
) -> bool:
    return inner.version == outer.version and inner.prefixlen > outer.prefixlen and inner.network_address in outer


def _host_violations(path: str, host: str) -> Violations:
    if not host:
        return
    if is_address(host):
        yield invalid(path, host, "must be a DNS name, not an IP address")
    elif "*" in host:
        yield from each_invalid(path, host, wildcard_subdomain(host))
    else:
        yield from each_invalid(path, host, dns_subdomain(host))


def _paths_violations(path: str, entries: Sequence[Object]) -> Violations:
    if not entries:
        yield required(path)
    for index, entry in enumerate(entries):
        place, value, kind = f"{path}[{index}]", entry.get("path") or "", entry.get("pathType")
        if kind is None:
            yield required(f"{place}.pathType", "pathType must be specified")
        elif kind not in _PATH_TYPES:
            yield not_supported(f"{place}.pathType", kind, _PATH_TYPES)
        elif kind == "ImplementationSpecific":
            if value and not value.startswith("/"):
                yield invalid(f"{place}.path", value, "must be an absolute path")
        else:
            yield from _path_violations(f"{place}.path", value)
        yield from _backend_violations(f"{place}.backend", entry.get("backend") or {})


def _path_violations(path: str, value: str) -> Violations:
    if not value.startswith("/"):
        yield invalid(path, value, "must be an absolute path")
    for sequence in _PATH_SEQUENCES:
        if sequence in value:
            yield invalid(path, value, f"must not contain '{sequence}'")
    for ending in _PATH_ENDINGS:
        if value.endswith(ending):
            yield invalid(path, value, f"cannot end with '{ending}'")


def _backend_violations(path: str, backend: Object) -> Violations:
    service, resource = backend.get("service"), backend.get("resource")
    if service is not None and resource is not None:
        yield invalid(path, "", "cannot set both resource and service backends")
    elif service is not None:
        if not service.get("name"):
            yield required(f"{path}.service.name")
        else:
            yield from each_invalid(f"{path}.service.name", service["name"], dns_label(service["name"]))
        yield from _backend_port_violations(path, service.get("port") or {})
    elif resource is None:
        yield invalid(path, "", "resource or service backend is required")


def _backend_port_violations(path: str, port: Object) -> Violations:
    name, number = port.get("name"), port.get("number")
    if name and number:
        yield invalid(path, "", "cannot set both port name & port number")
    elif name:
        yield from each_invalid(f"{path}.service.port.name", name, port_name(name))
    elif number:
        yield from each_invalid(f"{path}.service.port.number", number, port_number(number))
    else:
        yield required(path, "port name or number is required")
