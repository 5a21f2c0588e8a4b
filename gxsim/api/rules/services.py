"""Services."""

from collections.abc import Mapping, Sequence
from typing import Any

from gxsim.api.rules.containers import PROTOCOLS, target_port_violations
from gxsim.api.rules.metadata import label_violations
from gxsim.api.syntax import dns_label, dns_subdomain, is_address, network, port_number
from gxsim.api.violations import (
    Violations,
    duplicate,
    each_invalid,
    forbidden,
    invalid,
    named,
    one_of,
    required,
)

Object = Mapping[str, Any]

_TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
_TRAFFIC = ("Cluster", "Local")
_LONGEST_AFFINITY_S = 86_400
# The API server's default --service-node-port-range.
_NODE_PORTS = (30_000, 32_767)
_ADDRESS_TEXT = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
_NETWORK_TEXT = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"


def service_violations(item: Object) -> Violations:
    """Yield what is wrong with a Service, its node ports' range included."""
    spec = item.get("spec") or {}
    kind, ports = spec.get("type"), spec.get("ports") or []
    headless = spec.get("clusterIP") == "None"
    if not ports and not headless and kind != "ExternalName":
        yield required("spec.ports")
    if kind == "ExternalName":
        yield from _external_name_violations(spec)
    yield from _port_violations(ports, str(kind))
    yield from label_violations("spec.selector", spec.get("selector"))
    yield from _affinity_violations(spec)
    yield from named("spec.type", kind, _TYPES)
    yield from _address_violations(spec)
    yield from _traffic_violations(spec)
    yield from _balancer_violations(spec)


def _external_name_violations(spec: Object) -> Violations:
    for field, named_as in (
        ("clusterIP", "clusterIPs"),
        ("ipFamilies", "ipFamilies"),
        ("ipFamilyPolicy", "ipFamilyPolicy"),
    ):
        if spec.get(field):
            yield forbidden(f"spec.{named_as}", "may not be set for ExternalName services")
    name = (spec.get("externalName") or "").removesuffix(".")
    if not name:
        yield required("spec.externalName")
    else:
        yield from each_invalid("spec.externalName", name, dns_subdomain(name))


def _port_violations(ports: Sequence[Object], kind: str) -> Violations:
    names: set[str] = set()
    for index, port in enumerate(ports):
        path, name, number = f"spec.ports[{index}]", port.get("name"), port.get("port") or 0
        if not name and len(ports) > 1:
            yield required(f"{path}.name")
        elif name:
            yield from each_invalid(f"{path}.name", name, dns_label(name))
            if name in names:
                yield duplicate(f"{path}.name", name)
            names.add(name)
        yield from each_invalid(f"{path}.port", number, port_number(number))
        yield from named(f"{path}.protocol", port.get("protocol"), PROTOCOLS)
        yield from target_port_violations(f"{path}.targetPort", port.get("targetPort"))
        node_port = port.get("nodePort") or 0
        if node_port and kind == "ClusterIP":
            yield forbidden(f"{path}.nodePort", "may not be used when `type` is 'ClusterIP'")
        elif node_port and not _NODE_PORTS[0] <= node_port <= _NODE_PORTS[1]:
            span = f"{_NODE_PORTS[0]}-{_NODE_PORTS[1]}"
            detail = f"provided port is not in the valid range. The range of valid ports is {span}"
            yield invalid(f"{path}.nodePort", node_port, detail)
    yield from _repeated_port_violations(ports)


def _repeated_port_violations(ports: Sequence[Object]) -> Violations:
    fronts: set[tuple[Any, Any]] = set()
    nodes: set[tuple[Any, Any]] = set()
    for index, port in enumerate(ports):
        front = (port.get("protocol"), port.get("port"))
        if front in fronts:
            yield duplicate(f"spec.ports[{index}]", {"protocol": front[0], "port": front[1]})
        fronts.add(front)
        node = (port.get("protocol"), port.get("nodePort"))
        if node[1] and node in nodes:
            yield duplicate(f"spec.ports[{index}].nodePort", node[1])
        nodes.add(node)


def _affinity_violations(spec: Object) -> Violations:
    affinity, config = spec.get("sessionAffinity"), spec.get("sessionAffinityConfig")
    yield from named("spec.sessionAffinity", affinity, ("ClientIP", "None"))
    if affinity == "None" and config is not None:
        detail = "must not be set when session affinity is None"
        yield forbidden("spec.sessionAffinityConfig", detail)
    if affinity == "ClientIP":
        seconds = ((config or {}).get("clientIP") or {}).get("timeoutSeconds")
        if seconds is None:
            detail = "when session affinity type is ClientIP"
            yield required("spec.sessionAffinityConfig", detail)
        elif not 0 < seconds <= _LONGEST_AFFINITY_S:
            detail = f"must be greater than 0 and less than {_LONGEST_AFFINITY_S}"
            yield invalid("spec.sessionAffinityConfig.clientIP.timeoutSeconds", seconds, detail)


def _address_violations(spec: Object) -> Violations:
    kind, address = spec.get("type"), spec.get("clusterIP")
    if address == "None" and kind in ("LoadBalancer", "NodePort"):
        yield invalid("spec.clusterIPs[0]", "None", f"may not be set to 'None' for {kind} services")
    elif address and address != "None" and not is_address(address):
        yield invalid("spec.clusterIPs[0]", address, _ADDRESS_TEXT)
    for index, external in enumerate(spec.get("externalIPs") or ()):
        if not is_address(external):
            yield invalid(f"spec.externalIPs[{index}]", external, _ADDRESS_TEXT)
    policy = spec.get("ipFamilyPolicy")
    yield from one_of("spec.ipFamilyPolicy", policy, ("SingleStack", "PreferDualStack", "RequireDualStack"))
    if policy == "RequireDualStack":
        detail = "this cluster is not configured for dual-stack services"
        yield invalid("spec.ipFamilyPolicy", policy, detail)
    for index, family in enumerate(spec.get("ipFamilies") or ()):
        if family == "IPv6":
            yield invalid(f"spec.ipFamilies[{index}]", family, "not configured on this cluster")
        else:
            yield from one_of(f"spec.ipFamilies[{index}]", family, ("IPv4", "IPv6"))


def _traffic_violations(spec: Object) -> Violations:
    outside, inside = spec.get("externalTrafficPolicy"), spec.get("internalTrafficPolicy")
    exposed = spec.get("type") in ("NodePort", "LoadBalancer") or spec.get("externalIPs")
    if outside is not None and not exposed:
        detail = "may only be set for externally-accessible services"
        yield invalid("spec.externalTrafficPolicy", outside, detail)
    else:
        yield from one_of("spec.externalTrafficPolicy", outside, _TRAFFIC)
    yield from one_of("spec.internalTrafficPolicy", inside, _TRAFFIC)
    if spec.get("healthCheckNodePort") and not (spec.get("type") == "LoadBalancer" and outside == "Local"):
        detail = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"
        yield invalid("spec.healthCheckNodePort", spec["healthCheckNodePort"], detail)


def _balancer_violations(spec: Object) -> Violations:
    balanced = spec.get("type") == "LoadBalancer"
    for field in ("loadBalancerSourceRanges", "allocateLoadBalancerNodePorts", "loadBalancerClass"):
        if spec.get(field) is not None and not balanced:
            yield forbidden(f"spec.{field}", "may only be used when `type` is 'LoadBalancer'")
    for index, source in enumerate(spec.get("loadBalancerSourceRanges") or ()):
        if balanced and network(source.strip()) is None:
            yield invalid(f"spec.loadBalancerSourceRanges[{index}]", source, _NETWORK_TEXT)
