"""The defaults of every kind but Pod, one function per kind, as in ``pkg/apis/*/v1/defaults.go``.

These functions fill in the dict they are given: it is the private copy ``defaulting.default`` has made.
"""

import uuid
from collections.abc import Callable
from typing import Any

from gxsim.api.context import name_of, namespace_of
from gxsim.api.limit_range import container_defaults
from gxsim.api.pod_defaults import canonical, default_claim_spec, default_pod, default_pod_spec, fill

Object = dict[str, Any]


_GENERATION = {"deprecated.daemonset.template.generation": "1"}
JOB_LABELS = ("batch.kubernetes.io/controller-uid", "batch.kubernetes.io/job-name", "controller-uid", "job-name")


def _deployment(item: Object) -> None:
    spec = item["spec"]
    _template(spec)
    spec.setdefault("replicas", 1)
    strategy = spec.setdefault("strategy", {})
    fill(strategy, "type", "RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        _fill_all(strategy.setdefault("rollingUpdate", {}), {"maxUnavailable": "25%", "maxSurge": "25%"})
    _fill_all(spec, {"revisionHistoryLimit": 10, "progressDeadlineSeconds": 600})


def _stateful_set(item: Object) -> None:
    spec = item["spec"]
    _template(spec)
    fill(spec, "podManagementPolicy", "OrderedReady")
    strategy = spec.setdefault("updateStrategy", {})
    fill(strategy, "type", "RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        _fill_all(strategy.setdefault("rollingUpdate", {}), {"partition": 0})
    retention = spec.setdefault("persistentVolumeClaimRetentionPolicy", {})
    fill(retention, "whenDeleted", "Retain")
    fill(retention, "whenScaled", "Retain")
    _fill_all(spec, {"replicas": 1, "revisionHistoryLimit": 10, "serviceName": ""})
    for claim in spec.get("volumeClaimTemplates") or ():
        claim |= {"apiVersion": "v1", "kind": "PersistentVolumeClaim"}
        default_claim_spec(claim["spec"])


def _daemon_set(item: Object) -> None:
    spec = item["spec"]
    _template(spec)
    strategy = spec.setdefault("updateStrategy", {})
    fill(strategy, "type", "RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        _fill_all(strategy.setdefault("rollingUpdate", {}), {"maxUnavailable": 1, "maxSurge": 0})
    spec.setdefault("revisionHistoryLimit", 10)
    item["metadata"]["annotations"] = _GENERATION | (item["metadata"].get("annotations") or {})


def _replica_set(item: Object) -> None:
    _template(item["spec"])
    item["spec"].setdefault("replicas", 1)


def _replication_controller(item: Object) -> None:
    spec = item["spec"]
    _template(spec)
    spec.setdefault("replicas", 1)
    labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels")
    if labels:
        fill(spec, "selector", dict(labels))
        fill(item["metadata"], "labels", dict(labels))


def _job(item: Object) -> None:
    spec = item["spec"]
    _template(spec)
    if spec.get("completions") is None and spec.get("parallelism") is None:
        spec["completions"] = 1
    spec.setdefault("parallelism", 1)
    spec.setdefault("backoffLimit", 6 if spec.get("backoffLimitPerIndex") is None else 2**31 - 1)
    replacement = "Failed" if spec.get("podFailurePolicy") else "TerminatingOrFailed"
    defaults = {"completionMode": "NonIndexed", "suspend": False, "manualSelector": False}
    _fill_all(spec, defaults | {"podReplacementPolicy": replacement})
    for rule in (spec.get("podFailurePolicy") or {}).get("rules") or ():
        for pattern in rule.get("onPodConditions") or ():
            fill(pattern, "status", "True")
    if not spec["manualSelector"]:
        _job_selector(item)


def _job_selector(item: Object) -> None:
    """Label the pods of a Job with its name and uid, and select them by the uid.

    An object from a file has no uid yet: it gets one derived from its name, the same in every run.
    """
    name, metadata, template = name_of(item), item["metadata"], item["spec"]["template"]
    stated = (template.get("metadata") or {}).get("labels") or {}
    derived = uuid.uuid5(uuid.NAMESPACE_URL, f"{namespace_of(item)}/jobs/{name}")
    uid = metadata.get("uid") or stated.get(JOB_LABELS[0]) or str(derived)
    own = dict(zip(JOB_LABELS, (uid, name, uid, name), strict=True))
    template["metadata"] = (template.get("metadata") or {}) | {"labels": stated | own}
    # In Go the Job without labels shares the map of its template, and so gets these labels too.
    if stated:
        fill(metadata, "labels", stated | own)
    selector = item["spec"].setdefault("selector", {})
    selector["matchLabels"] = (selector.get("matchLabels") or {}) | {JOB_LABELS[0]: uid}


def _cron_job(item: Object) -> None:
    spec = item["spec"]
    fill(spec, "concurrencyPolicy", "Allow")
    _fill_all(spec, {"suspend": False, "successfulJobsHistoryLimit": 3, "failedJobsHistoryLimit": 1})
    # The Job inside is defaulted when it is created, its pod template already now.
    _template(spec.setdefault("jobTemplate", {}).setdefault("spec", {}))


def _autoscaler(item: Object) -> None:
    spec = item["spec"]
    spec.setdefault("minReplicas", 1)
    if str(item.get("apiVersion")).endswith("/v1"):
        if spec.get("targetCPUUtilizationPercentage") is None:
            spec["targetCPUUtilizationPercentage"] = 80
        return
    target = {"type": "Utilization", "averageUtilization": 80}
    fill(spec, "metrics", [{"type": "Resource", "resource": {"name": "cpu", "target": target}}])
    if spec.get("behavior") is not None:
        percent = {"type": "Percent", "value": 100, "periodSeconds": 15}
        up = spec["behavior"].setdefault("scaleUp", {})
        _fill_all(up, {"stabilizationWindowSeconds": 0, "selectPolicy": "Max"})
        up.setdefault("policies", [{"type": "Pods", "value": 4, "periodSeconds": 15}, percent])
        down = spec["behavior"].setdefault("scaleDown", {})
        down.setdefault("selectPolicy", "Max")
        down.setdefault("policies", [dict(percent)])


def _service(item: Object) -> None:
    spec = item["spec"]
    fill(spec, "sessionAffinity", "None")
    if spec["sessionAffinity"] == "ClientIP":
        client = spec.setdefault("sessionAffinityConfig", {}).setdefault("clientIP", {})
        client.setdefault("timeoutSeconds", 10_800)
    fill(spec, "type", "ClusterIP")
    for port in spec.get("ports") or ():
        fill(port, "protocol", "TCP")
        fill(port, "targetPort", port.get("port"))
    if spec["type"] in ("NodePort", "LoadBalancer") or spec.get("externalIPs"):
        fill(spec, "externalTrafficPolicy", "Cluster")
    if spec["type"] != "ExternalName":
        fill(spec, "internalTrafficPolicy", "Cluster")
    if spec["type"] == "LoadBalancer":
        spec.setdefault("allocateLoadBalancerNodePorts", True)


def _claim(item: Object) -> None:
    default_claim_spec(item["spec"])


def _volume(item: Object) -> None:
    spec = item["spec"]
    fill(spec, "persistentVolumeReclaimPolicy", "Retain")
    fill(spec, "volumeMode", "Filesystem")
    canonical(spec, "capacity")
    if spec.get("hostPath"):
        spec["hostPath"].setdefault("type", "")


def _storage_class(item: Object) -> None:
    fill(item, "reclaimPolicy", "Delete")
    fill(item, "volumeBindingMode", "Immediate")


def _priority_class(item: Object) -> None:
    fill(item, "preemptionPolicy", "PreemptLowerPriority")


def _namespace(item: Object) -> None:
    item["metadata"]["labels"] = (item["metadata"].get("labels") or {}) | {"kubernetes.io/metadata.name": name_of(item)}


def _network_policy(item: Object) -> None:
    spec = item["spec"]
    spec.setdefault("podSelector", {})
    if not spec.get("policyTypes"):
        spec["policyTypes"] = ["Ingress", *(["Egress"] if spec.get("egress") else [])]
    for rule in (*(spec.get("ingress") or ()), *(spec.get("egress") or ())):
        for port in rule.get("ports") or ():
            fill(port, "protocol", "TCP")


def _limit_range(item: Object) -> None:
    for limit in item["spec"].get("limits") or ():
        for field in ("max", "min", "default", "defaultRequest", "maxLimitRequestRatio"):
            canonical(limit, field)
        if limit.get("type") != "Container":
            continue
        offered = container_defaults(limit)
        if offered["limits"]:
            limit["default"] = offered["limits"]
        if offered["requests"]:
            limit["defaultRequest"] = offered["requests"]


def _resource_quota(item: Object) -> None:
    canonical(item["spec"], "hard")


def _node(item: Object) -> None:
    status = item.setdefault("status", {})
    if status.get("capacity") and not status.get("allocatable"):
        status["allocatable"] = dict(status["capacity"])
    canonical(status, "capacity")
    canonical(status, "allocatable")


def _secret(item: Object) -> None:
    fill(item, "type", "Opaque")


def _binding(item: Object) -> None:
    if item.get("roleRef"):
        fill(item["roleRef"], "apiGroup", "rbac.authorization.k8s.io")
    for subject in item.get("subjects") or ():
        if subject.get("kind") in ("User", "Group"):
            fill(subject, "apiGroup", "rbac.authorization.k8s.io")


def _template(spec: Object) -> None:
    default_pod_spec(spec.setdefault("template", {}).setdefault("spec", {}))


def _fill_all(target: Object, defaults: Object) -> None:
    for field, value in defaults.items():
        target.setdefault(field, value)


KIND_DEFAULTS: dict[str, Callable[[Object], None]] = {
    "ClusterRoleBinding": _binding,
    "CronJob": _cron_job,
    "DaemonSet": _daemon_set,
    "Deployment": _deployment,
    "HorizontalPodAutoscaler": _autoscaler,
    "Job": _job,
    "LimitRange": _limit_range,
    "Namespace": _namespace,
    "NetworkPolicy": _network_policy,
    "Node": _node,
    "PersistentVolume": _volume,
    "PersistentVolumeClaim": _claim,
    "Pod": default_pod,
    "PriorityClass": _priority_class,
    "ReplicaSet": _replica_set,
    "ReplicationController": _replication_controller,
    "ResourceQuota": _resource_quota,
    "RoleBinding": _binding,
    "Secret": _secret,
    "Service": _service,
    "StatefulSet": _stateful_set,
    "StorageClass": _storage_class,
}
