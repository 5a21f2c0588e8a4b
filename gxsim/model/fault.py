"""What goes wrong, at what, and when: Chaos Mesh's shape on a simulated clock."""

from collections.abc import Mapping
from dataclasses import dataclass

from gxsim.model.fields import spec

DIRECTIONS = ("both", "to", "from")
MODES = ("one", "all", "fixed", "fixed-percent", "random-max-percent")


@dataclass(frozen=True, slots=True, kw_only=True)
class Expression:
    """One requirement on labels, as in a label selector."""

    key: str = spec(doc="Label key")
    operator: str = spec(doc="How the label is compared", choices=("In", "NotIn", "Exists", "DoesNotExist"))
    values: tuple[str, ...] = spec((), doc="Values the label is compared with")


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultSelector:
    """Which nodes or pods; everything given must hold. ``pods`` maps a namespace to pod names."""

    namespaces: tuple[str, ...] = spec((), doc="Namespaces of the pods")
    label_selectors: Mapping[str, str] = spec(doc="Labels of the pods", factory=dict)
    expression_selectors: tuple[Expression, ...] = spec((), doc="Requirements on the labels of the pods")
    field_selectors: Mapping[str, str] = spec(doc="metadata.name, spec.nodeName or status.phase", factory=dict)
    nodes: tuple[str, ...] = spec((), doc="Names of nodes, or of the nodes the pods run on")
    node_selectors: Mapping[str, str] = spec(doc="Labels of nodes, or of the nodes the pods run on", factory=dict)
    pods: Mapping[str, tuple[str, ...]] = spec(doc="Pod names by namespace", factory=dict)
    workloads: tuple[str, ...] = spec((), doc="Workloads as kind/name or namespace/kind/name")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that goes wrong, once or again and again.

    *When*: ``at`` and ``duration``; or ``at`` and every ``schedule``; or drawn from ``mtbf`` and ``mttr``; or a
    ``trace`` of (begin, duration) in seconds. A ``duration`` of None lasts for ever, where the kind can last.
    """

    name: str = spec("", doc="Name of the fault; names its random stream")
    kind: str = spec(
        doc="NodeChaos, ZoneChaos, PodChaos, NetworkChaos, IOChaos, StressChaos, TimeChaos, ComponentChaos, "
        "Operation or Workflow"
    )
    action: str = spec(doc="What happens, such as node-stop or pod-kill")
    mode: str = spec("all", doc="How many of the selected targets are hit", choices=MODES)
    value: str | int | float = spec("", doc="The number or percentage that the mode needs")
    selector: FaultSelector = spec(doc="Targets", factory=FaultSelector)
    target: FaultSelector | None = spec(
        None, doc="The other side of a network fault; absent: everything that is not selected, users included"
    )
    direction: str = spec(
        "both",
        doc="Packets that a network fault meets: to the target, from it, or both (Chaos Mesh's own default is to); "
        "after a partition consensus members go on hearing, or being heard, the other way",
        choices=DIRECTIONS,
    )
    at_s: float = spec(0.0, doc="When it begins", ge=0)
    duration_s: float | None = spec(None, doc="How long it lasts; absent: for ever", ge=0)
    schedule_s: float | None = spec(None, doc="Period at which it comes again", gt=0)
    mtbf_s: float | None = spec(None, doc="Mean time between failures of each target (exponential)", gt=0)
    mttr_s: float | None = spec(None, doc="Mean time to repair (exponential)", gt=0)
    trace: tuple[tuple[float, float], ...] = spec((), doc="Begin and duration of each occurrence, in seconds")
    trace_file: str = spec("", doc="A CSV file with the columns begin_s and duration_s")
    steps: tuple["Fault", ...] = spec((), doc="Faults of a Workflow, one after another (serial) or at once (parallel)")
    parameters: Mapping[str, str | int | float] = spec(
        doc="What else the action needs, such as replicas (scale), a taint's key (node-taint), or size or percent, and "
        "rate or inodes (disk-fill)",
        factory=dict,
    )
