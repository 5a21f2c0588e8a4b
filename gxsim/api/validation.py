"""Everything an API server finds wrong with an object that is about to be created."""

from collections.abc import Callable, Mapping
from typing import Any

from gxsim.api.decoding import undecodable
from gxsim.api.kinds import kind_of
from gxsim.api.rules.batch import cron_job_violations, job_violations
from gxsim.api.rules.metadata import metadata_violations
from gxsim.api.rules.network import ingress_violations, network_policy_violations
from gxsim.api.rules.pods import pod_violations
from gxsim.api.rules.policy import (
    binding_violations,
    config_map_violations,
    limit_range_violations,
    priority_class_violations,
    quota_violations,
    role_violations,
    secret_violations,
)
from gxsim.api.rules.scaling import autoscaler_violations, budget_violations
from gxsim.api.rules.services import service_violations
from gxsim.api.rules.storage import claim_violations, storage_class_violations, volume_violations
from gxsim.api.rules.workloads import (
    daemon_set_violations,
    deployment_violations,
    replica_set_violations,
    stateful_set_violations,
)
from gxsim.api.violations import Violation, Violations

_RULES: dict[str, Callable[[Mapping[str, Any]], Violations]] = {
    "ClusterRole": role_violations,
    "ClusterRoleBinding": binding_violations,
    "ConfigMap": config_map_violations,
    "CronJob": cron_job_violations,
    "DaemonSet": daemon_set_violations,
    "Deployment": deployment_violations,
    "HorizontalPodAutoscaler": autoscaler_violations,
    "Ingress": ingress_violations,
    "Job": job_violations,
    "LimitRange": limit_range_violations,
    "NetworkPolicy": network_policy_violations,
    "PersistentVolume": volume_violations,
    "PersistentVolumeClaim": claim_violations,
    "Pod": pod_violations,
    "PodDisruptionBudget": budget_violations,
    "PriorityClass": priority_class_violations,
    "ReplicaSet": replica_set_violations,
    "ResourceQuota": quota_violations,
    "Role": role_violations,
    "RoleBinding": binding_violations,
    "Secret": secret_violations,
    "Service": service_violations,
    "StatefulSet": stateful_set_violations,
    "StorageClass": storage_class_violations,
}


def violations(obj: Mapping[str, Any]) -> list[Violation]:
    """Return what is wrong with an object that ``defaulting.default`` has completed; empty if it is accepted.

    What cannot be decoded (unknown fields, wrong types, unreadable quantities) is all that is returned where there
    is any, as such a document never reaches the rules. Kinds gxsim does not know are accepted.
    """
    undecoded = undecodable(obj)
    if undecoded:
        return undecoded
    kind = kind_of(obj)
    if kind is None:
        return []
    rules = _RULES.get(kind.name)
    found = list(metadata_violations(obj))
    return found if rules is None else [*found, *rules(obj)]
