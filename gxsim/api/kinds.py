"""The kinds an API server of Kubernetes 1.33/1.34 serves and gxsim reads: group, versions, plural, scope."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Kind:
    """How one kind is addressed."""

    name: str
    group: str
    plural: str
    versions: tuple[str, ...] = ("v1",)
    namespaced: bool = True

    @property
    def api_versions(self) -> tuple[str, ...]:
        """Return what ``apiVersion`` may say."""
        return tuple(f"{self.group}/{version}" if self.group else version for version in self.versions)

    @property
    def qualified_name(self) -> str:
        """Return the kind as in ``Deployment.apps "x" is invalid``."""
        return f"{self.name}.{self.group}" if self.group else self.name

    @property
    def qualified_plural(self) -> str:
        """Return the resource as in ``deployments.apps "x" is forbidden`` and ``count/deployments.apps``."""
        return f"{self.plural}.{self.group}" if self.group else self.plural


_RBAC = "rbac.authorization.k8s.io"
_STORAGE = "storage.k8s.io"
_NETWORKING = "networking.k8s.io"

KINDS = {
    kind.name: kind
    for kind in (
        Kind("ConfigMap", "", "configmaps"),
        Kind("LimitRange", "", "limitranges"),
        Kind("Namespace", "", "namespaces", namespaced=False),
        Kind("Node", "", "nodes", namespaced=False),
        Kind("PersistentVolume", "", "persistentvolumes", namespaced=False),
        Kind("PersistentVolumeClaim", "", "persistentvolumeclaims"),
        Kind("Pod", "", "pods"),
        Kind("ReplicationController", "", "replicationcontrollers"),
        Kind("ResourceQuota", "", "resourcequotas"),
        Kind("Secret", "", "secrets"),
        Kind("Service", "", "services"),
        Kind("ServiceAccount", "", "serviceaccounts"),
        Kind("DaemonSet", "apps", "daemonsets"),
        Kind("Deployment", "apps", "deployments"),
        Kind("ReplicaSet", "apps", "replicasets"),
        Kind("StatefulSet", "apps", "statefulsets"),
        Kind("HorizontalPodAutoscaler", "autoscaling", "horizontalpodautoscalers", ("v2", "v1")),
        Kind("CronJob", "batch", "cronjobs"),
        Kind("Job", "batch", "jobs"),
        Kind("Ingress", _NETWORKING, "ingresses"),
        Kind("IngressClass", _NETWORKING, "ingressclasses", namespaced=False),
        Kind("NetworkPolicy", _NETWORKING, "networkpolicies"),
        Kind("RuntimeClass", "node.k8s.io", "runtimeclasses", namespaced=False),
        Kind("PodDisruptionBudget", "policy", "poddisruptionbudgets"),
        Kind("ClusterRole", _RBAC, "clusterroles", namespaced=False),
        Kind("ClusterRoleBinding", _RBAC, "clusterrolebindings", namespaced=False),
        Kind("Role", _RBAC, "roles"),
        Kind("RoleBinding", _RBAC, "rolebindings"),
        Kind("PriorityClass", "scheduling.k8s.io", "priorityclasses", namespaced=False),
        Kind("StorageClass", _STORAGE, "storageclasses", namespaced=False),
    )
}

# Groups that have handed their kinds on; what still names them is refused, not taken for a stranger.
_FORMER_GROUPS = frozenset({"extensions"})


def kind_of(item: Mapping[str, Any]) -> Kind | None:
    """Return the kind of an object, whatever version it names.

    ``None`` for kinds gxsim does not know, another group's kind of the same name included. An object that names no
    ``apiVersion`` is taken at its word.
    """
    kind = KINDS.get(str(item.get("kind")))
    version = item.get("apiVersion")
    if kind is None or version is None:
        return kind
    group = str(version).rpartition("/")[0]
    return kind if group == kind.group or group in _FORMER_GROUPS else None
