"""What the mutating admission plugins of a default API server write into an object, in their order.

LimitRanger, ServiceAccount, Priority, DefaultTolerationSeconds, DefaultStorageClass, RuntimeClass,
DefaultIngressClass; then what the Pod registry does before storing (matchLabelKeys). These functions fill in the
dict they are given: it is the private copy ``defaulting.default`` has made.
"""

from collections.abc import Iterator
from typing import Any

from gxsim.api.context import AdmissionContext, namespace_of
from gxsim.api.limit_range import apply_defaults
from gxsim.api.pod_defaults import canonical

Object = dict[str, Any]

_NOT_READY = "node.kubernetes.io/not-ready"
_UNREACHABLE = "node.kubernetes.io/unreachable"


def mutate(item: Object, context: AdmissionContext) -> None:
    """Apply the plugins that concern this kind."""
    spec = item.get("spec") or {}
    if item.get("kind") == "Pod":
        apply_defaults(item, context.limit_ranges_in(namespace_of(item)))
        _service_account(spec)
        _priority(spec, context)
        _toleration_seconds(spec, context)
        _runtime_class(spec, context)
        _match_label_keys(item)
    elif item.get("kind") == "PersistentVolumeClaim":
        name = context.default_storage_class()
        if name and spec.get("storageClassName") is None and not _beta_class(item):
            spec["storageClassName"] = name
    elif item.get("kind") == "Ingress":
        name = context.default_ingress_class()
        annotated = (item["metadata"].get("annotations") or {}).get("kubernetes.io/ingress.class")
        if name and spec.get("ingressClassName") is None and annotated is None:
            spec["ingressClassName"] = name


def _beta_class(item: Object) -> bool:
    annotations = (item.get("metadata") or {}).get("annotations") or {}
    return "volume.beta.kubernetes.io/storage-class" in annotations


def _service_account(spec: Object) -> None:
    spec["serviceAccountName"] = spec.get("serviceAccountName") or "default"
    spec["serviceAccount"] = spec["serviceAccountName"]


def _priority(spec: Object, context: AdmissionContext) -> None:
    """Resolve the class; an unknown one resolves to nothing, and ``admission`` refuses the pod."""
    named = spec.get("priorityClassName") or ""
    found = context.priority_class(named)
    if found is None and named:
        return
    if found is not None:
        spec["priorityClassName"] = found["metadata"]["name"]
    spec["priority"] = int((found or {}).get("value", 0))
    spec["preemptionPolicy"] = (found or {}).get("preemptionPolicy") or "PreemptLowerPriority"


def _toleration_seconds(spec: Object, context: AdmissionContext) -> None:
    tolerations = spec.get("tolerations") or []
    for key, seconds in (
        (_NOT_READY, context.not_ready_toleration_s),
        (_UNREACHABLE, context.unreachable_toleration_s),
    ):
        if not any(
            (item.get("key") or key) == key and (item.get("effect") or "NoExecute") == "NoExecute"
            for item in tolerations
        ):
            added = {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": seconds}
            tolerations = [*tolerations, added]
    spec["tolerations"] = tolerations


def _runtime_class(spec: Object, context: AdmissionContext) -> None:
    found = context.runtime_class(spec.get("runtimeClassName") or "")
    if found is None:
        return
    if (found.get("overhead") or {}).get("podFixed"):
        spec["overhead"] = dict(found["overhead"]["podFixed"])
        canonical(spec, "overhead")
    scheduling = found.get("scheduling") or {}
    if scheduling.get("nodeSelector"):
        spec["nodeSelector"] = (spec.get("nodeSelector") or {}) | scheduling["nodeSelector"]
    new = [item for item in scheduling.get("tolerations") or () if item not in spec["tolerations"]]
    spec["tolerations"] = [*spec["tolerations"], *new]


def _match_label_keys(pod: Object) -> None:
    """Write matchLabelKeys and mismatchLabelKeys into the selectors they refine, from the pod's own labels.

    What stands there already is not repeated: a pod read from a running cluster has been through this.
    """
    labels = (pod.get("metadata") or {}).get("labels") or {}
    for term in _selecting_terms(pod["spec"]):
        selector = term.get("labelSelector")
        if selector is None:
            continue
        for field, operator in (("matchLabelKeys", "In"), ("mismatchLabelKeys", "NotIn")):
            for key in term.get(field) or ():
                expressions = selector.get("matchExpressions") or []
                if key in labels:
                    added = {"key": key, "operator": operator, "values": [labels[key]]}
                    selector["matchExpressions"] = expressions + [added] * (added not in expressions)


def _selecting_terms(spec: Object) -> Iterator[Object]:
    for kind in ("podAffinity", "podAntiAffinity"):
        affinity = (spec.get("affinity") or {}).get(kind) or {}
        yield from affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or ()
        for weighted in affinity.get("preferredDuringSchedulingIgnoredDuringExecution") or ():
            yield weighted["podAffinityTerm"]
    yield from spec.get("topologySpreadConstraints") or ()
