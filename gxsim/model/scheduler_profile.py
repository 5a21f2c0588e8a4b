"""A scheduler profile: which plugins run, with which weights and arguments."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from gxsim.model.pod import PreferredNodeTerm, TopologySpreadConstraint
from gxsim.model.selectors import NodeSelector

# The order in which kube-scheduler v1.34 runs them; it decides who is named as the first to refuse.
FILTERS = (
    "NodeUnschedulable",
    "NodeName",
    "TaintToleration",
    "NodeAffinity",
    "NodePorts",
    "NodeResourcesFit",
    "VolumeRestrictions",
    "NodeVolumeLimits",
    "VolumeBinding",
    "VolumeZone",
    "PodTopologySpread",
    "InterPodAffinity",
)
SCORE_WEIGHTS = {
    "TaintToleration": 3,
    "NodeAffinity": 2,
    "NodeResourcesFit": 1,
    "PodTopologySpread": 2,
    "InterPodAffinity": 2,
    "NodeResourcesBalancedAllocation": 1,
    "ImageLocality": 1,
}
SYSTEM_SPREAD = (
    TopologySpreadConstraint("kubernetes.io/hostname", 3, "ScheduleAnyway", None),
    TopologySpreadConstraint("topology.kubernetes.io/zone", 5, "ScheduleAnyway", None),
)
CPU_AND_MEMORY = {"cpu": 1, "memory": 1}
StrategyType = Literal["LeastAllocated", "MostAllocated", "RequestedToCapacityRatio"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoringStrategy:
    """How NodeResourcesFit scores; ``shape`` is (utilisation %, score 0..10) for RequestedToCapacityRatio."""

    type: StrategyType = "LeastAllocated"
    resources: Mapping[str, int] = field(default_factory=lambda: dict(CPU_AND_MEMORY))
    shape: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """The default profile of kube-scheduler v1.34 unless said otherwise.

    ``filters`` are names from ``FILTERS`` in the order they run; ``scores`` maps plugins to weights. ``added_affinity``
    binds every pod as if it were its own. ``ignored_resources`` are left out of the fit.
    """

    scheduler_name: str = "default-scheduler"
    filters: tuple[str, ...] = FILTERS
    scores: Mapping[str, int] = field(default_factory=lambda: dict(SCORE_WEIGHTS))
    scheduling_gates: bool = True
    preemption: bool = True
    scoring_strategy: ScoringStrategy = ScoringStrategy()
    balanced_resources: tuple[str, ...] = ("cpu", "memory")
    ignored_resources: frozenset[str] = frozenset()
    ignored_resource_groups: frozenset[str] = frozenset()
    added_affinity: NodeSelector | None = None
    added_preferences: tuple[PreferredNodeTerm, ...] = ()
    default_spread: tuple[TopologySpreadConstraint, ...] = SYSTEM_SPREAD
    system_spread: bool = True
    hard_pod_affinity_weight: int = 1
    ignore_preferred_terms_of_existing_pods: bool = False


DEFAULT_PROFILE = Profile()
