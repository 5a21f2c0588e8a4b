"""Which pods belong together when a pod names no spread constraints of its own."""

from gxsim.model.pod import PodTemplate
from gxsim.model.selectors import LabelSelector, Requirement
from gxsim.state import NO_OWNER, ClusterState, Owner

_HASH = "pod-template-hash"
_SELECTING = ("ReplicationController", "ReplicaSet", "StatefulSet")


def default_selector(state: ClusterState, template: PodTemplate, owner: int) -> LabelSelector | None:
    """All Services that select the pod and its controller, as one selector; None when nothing selects it."""
    requirements: list[Requirement] = []
    for service in state.cluster.services:
        selector = service.selector
        if service.namespace == template.namespace and selector is not None and selector.matches(template.labels):
            requirements += selector.requirements
    if owner != NO_OWNER:
        requirements += _of_controller(state.owners[owner], template)
    return LabelSelector(tuple(dict.fromkeys(requirements))) if requirements else None


def _of_controller(owner: Owner, template: PodTemplate) -> tuple[Requirement, ...]:
    """The controller's own selector; a Deployment's ReplicaSet adds the hash that names it."""
    if owner.kind not in _SELECTING or owner.workload.selector is None:
        return ()
    requirements = owner.workload.selector.requirements
    if owner.workload.kind == "Deployment" and _HASH in template.labels:
        return (*requirements, Requirement(_HASH, "In", (template.labels[_HASH],)))
    return requirements
