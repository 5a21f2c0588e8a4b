"""Pods and pod templates of the API's own shape into nouns. Nothing is defaulted here: absent stays absent."""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from gxsim.api.requests import effective_limits, effective_requests, in_units, read_resources, scored_requests
from gxsim.load.selectors import label_selector, node_selector, node_selector_term
from gxsim.model.pod import (
    Container,
    HostPort,
    OwnerReference,
    Pod,
    PodAffinity,
    PodAffinityTerm,
    PodTemplate,
    PreferredNodeTerm,
    Probe,
    Toleration,
    TopologySpreadConstraint,
)

Object = Mapping[str, Any]
_SLEEP = re.compile(r"\bsleep\s+(\d+(?:\.\d+)?)\s*$")


def pod(obj: Object, source: str = "") -> Pod:
    """A Pod object, bare or bound."""
    metadata, spec, status = obj["metadata"], obj.get("spec") or {}, obj.get("status") or {}
    ready = any(c.get("type") == "Ready" and c.get("status") == "True" for c in status.get("conditions") or ())
    return Pod(
        name=metadata["name"],
        template=pod_template(metadata.get("namespace") or "default", metadata, spec),
        uid=metadata.get("uid", ""),
        node_name=spec.get("nodeName") or "",
        owner=owner_reference(metadata),
        phase=status.get("phase") or "Pending",
        ready=ready,
        terminating="deletionTimestamp" in metadata,
        start_s=epoch_s(status.get("startTime")),
        nominated_node_name=status.get("nominatedNodeName") or "",
        source=source,
    )


def pod_template(namespace: str, metadata: Object, spec: Object) -> PodTemplate:
    """What all pods of *metadata* and *spec* share."""
    affinity = spec.get("affinity") or {}
    node_affinity = affinity.get("nodeAffinity") or {}
    containers = spec.get("containers") or ()
    init_containers = spec.get("initContainers") or ()
    return PodTemplate(
        namespace=namespace,
        manifest={"apiVersion": "v1", "kind": "Pod", "metadata": {**metadata, "namespace": namespace}, "spec": spec},
        labels=_strings(metadata.get("labels")),
        annotations=_strings(metadata.get("annotations")),
        containers=tuple(_container(c) for c in containers),
        init_containers=tuple(_container(c) for c in init_containers),
        requests=effective_requests(spec),
        limits=effective_limits(spec),
        scored_requests=scored_requests(spec),
        node_selector=_strings(spec.get("nodeSelector")),
        node_affinity=node_selector(node_affinity.get("requiredDuringSchedulingIgnoredDuringExecution")),
        preferred_node_terms=tuple(
            PreferredNodeTerm(p["weight"], node_selector_term(p["preference"]))
            for p in node_affinity.get("preferredDuringSchedulingIgnoredDuringExecution") or ()
        ),
        pod_affinity=_pod_affinity(namespace, affinity.get("podAffinity")),
        pod_anti_affinity=_pod_affinity(namespace, affinity.get("podAntiAffinity")),
        tolerations=tuple(_toleration(t) for t in spec.get("tolerations") or ()),
        topology_spread_constraints=tuple(
            topology_spread_constraint(c) for c in spec.get("topologySpreadConstraints") or ()
        ),
        priority=spec.get("priority") or 0,
        priority_class_name=spec.get("priorityClassName") or "",
        preemption_policy=spec.get("preemptionPolicy") or "PreemptLowerPriority",
        host_ports=tuple(_host_ports(containers, init_containers)),
        claims=tuple(
            v["persistentVolumeClaim"]["claimName"] for v in spec.get("volumes") or () if v.get("persistentVolumeClaim")
        ),
        volumes=tuple(spec.get("volumes") or ()),
        scheduling_gates=tuple(gate["name"] for gate in spec.get("schedulingGates") or ()),
        termination_grace_period_s=_or(spec.get("terminationGracePeriodSeconds"), 30.0),
        restart_policy=spec.get("restartPolicy") or "Always",
        scheduler_name=spec.get("schedulerName") or "default-scheduler",
        host_network=bool(spec.get("hostNetwork")),
    )


def owner_reference(metadata: Object) -> OwnerReference | None:
    """The controlling owner of an object, if it has one."""
    for reference in metadata.get("ownerReferences") or ():
        if reference.get("controller"):
            return OwnerReference(kind=reference["kind"], name=reference["name"], uid=reference.get("uid", ""))
    return None


def amounts(quantities: Object | None) -> dict[str, int]:
    """A map of quantities with cpu in milli and everything else in whole units."""
    return in_units(read_resources(quantities))


def epoch_s(timestamp: str | None) -> float | None:
    """An RFC 3339 time as seconds since the epoch."""
    return None if timestamp is None else datetime.fromisoformat(timestamp).timestamp()


def _strings(mapping: Object | None) -> dict[str, str]:
    return {key: "" if value is None else str(value) for key, value in (mapping or {}).items()}


def _or(value: float | None, default: float) -> float:
    return default if value is None else float(value)


def _container(container: Object) -> Container:
    resources = container.get("resources") or {}
    return Container(
        name=container.get("name", ""),
        image=container.get("image") or "",
        requests=amounts(resources.get("requests")),
        limits=amounts(resources.get("limits")),
        restart_policy=container.get("restartPolicy") or "",
        image_pull_policy=container.get("imagePullPolicy") or "IfNotPresent",
        pre_stop_s=_pre_stop_s((container.get("lifecycle") or {}).get("preStop") or {}),
        startup_probe=_probe(container.get("startupProbe")),
        readiness_probe=_probe(container.get("readinessProbe")),
        liveness_probe=_probe(container.get("livenessProbe")),
    )


def _probe(probe: Object | None) -> Probe | None:
    if probe is None:
        return None
    return Probe(
        initial_delay_s=_or(probe.get("initialDelaySeconds"), 0.0),
        period_s=_or(probe.get("periodSeconds"), 10.0),
        timeout_s=_or(probe.get("timeoutSeconds"), 1.0),
        success_threshold=probe.get("successThreshold") or 1,
        failure_threshold=probe.get("failureThreshold") or 3,
        termination_grace_period_s=probe.get("terminationGracePeriodSeconds"),
    )


def _pre_stop_s(hook: Object) -> float:
    """What a preStop hook takes: a sleep, by itself or as the last word of a command; anything else is over at once."""
    if "sleep" in hook:
        return float(hook["sleep"]["seconds"])
    command = " ".join((hook.get("exec") or {}).get("command") or ())
    slept = _SLEEP.search(command)
    return float(slept[1]) if slept else 0.0


def _toleration(toleration: Object) -> Toleration:
    seconds = toleration.get("tolerationSeconds")
    return Toleration(
        key=toleration.get("key") or "",
        operator=toleration.get("operator") or "Equal",
        value=str(toleration.get("value") or ""),
        effect=toleration.get("effect") or "",
        toleration_s=None if seconds is None else float(seconds),
    )


def _pod_affinity(namespace: str, affinity: Object | None) -> PodAffinity:
    affinity = affinity or {}
    return PodAffinity(
        required=tuple(
            _affinity_term(namespace, term)
            for term in affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or ()
        ),
        preferred=tuple(
            _affinity_term(namespace, p["podAffinityTerm"], p["weight"])
            for p in affinity.get("preferredDuringSchedulingIgnoredDuringExecution") or ()
        ),
    )


def _affinity_term(namespace: str, term: Object, weight: int = 0) -> PodAffinityTerm:
    namespaces = tuple(term.get("namespaces") or ())
    namespace_selector = label_selector(term.get("namespaceSelector"))
    if not namespaces and namespace_selector is None:
        namespaces = (namespace,)
    return PodAffinityTerm(
        topology_key=term.get("topologyKey") or "",
        selector=label_selector(term.get("labelSelector")),
        namespaces=namespaces,
        namespace_selector=namespace_selector,
        weight=weight,
    )


def topology_spread_constraint(constraint: Object) -> TopologySpreadConstraint:
    """One constraint as it stands; ``matchLabelKeys`` is left to the scheduler."""
    return TopologySpreadConstraint(
        topology_key=constraint["topologyKey"],
        max_skew=constraint["maxSkew"],
        when_unsatisfiable=constraint.get("whenUnsatisfiable") or "DoNotSchedule",
        selector=label_selector(constraint.get("labelSelector")),
        min_domains=constraint.get("minDomains"),
        node_affinity_policy=constraint.get("nodeAffinityPolicy") or "Honor",
        node_taints_policy=constraint.get("nodeTaintsPolicy") or "Ignore",
        match_label_keys=tuple(constraint.get("matchLabelKeys") or ()),
    )


def _host_ports(containers: Sequence[Object], init_containers: Sequence[Object]) -> Iterator[HostPort]:
    """Ports taken on the node, by containers and by restartable init containers."""
    sidecars = [c for c in init_containers if c.get("restartPolicy") == "Always"]
    for container in (*containers, *sidecars):
        for port in container.get("ports") or ():
            if port.get("hostPort"):
                yield HostPort(port.get("hostIP") or "0.0.0.0", port.get("protocol") or "TCP", port["hostPort"])
