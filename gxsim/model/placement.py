"""A given starting placement: which pod lies on which node when the clock starts."""

from dataclasses import dataclass

from gxsim.model.fields import spec


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedPods:
    """One pod of a StatefulSet (or a bare one) by name with its node, or a Deployment with one node per replica."""

    namespace: str = spec(doc="Namespace of the pods")
    pod: str = spec("", doc="Name of one pod")
    node: str = spec("", doc="The pod's node")
    deployment: str = spec("", doc="Name of a Deployment")
    nodes: tuple[str, ...] = spec((), doc="One node per replica of the Deployment")

    def __post_init__(self) -> None:
        if bool(self.pod) == bool(self.deployment) or bool(self.pod) != bool(self.node):
            raise ValueError("expected either pod and node, or deployment and nodes")


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """``kind: Placement``: pods it does not name are placed by the scheduler."""

    name: str = spec("placement", doc="Name of the placement")
    pods: tuple[PlacedPods, ...] = spec((), doc="Where pods lie")
