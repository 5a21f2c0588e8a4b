"""A KubeSchedulerConfiguration file as scheduler profiles.

Every node is filtered and scored, whatever ``percentageOfNodesToScore`` says: 0 and 100 are taken as they are, and any
other value is listed as not modelled. So are extenders, and settings of plugins that change no placement here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, cast, get_args

from gxsim.errors import ScenarioError
from gxsim.load.documents import Document, read_one
from gxsim.load.fields import unknown_name
from gxsim.load.pods import topology_spread_constraint
from gxsim.load.selectors import node_selector, node_selector_term
from gxsim.model.cluster import Unmodelled
from gxsim.model.pod import PreferredNodeTerm
from gxsim.model.scheduler_profile import (
    FILTERS,
    SCORE_WEIGHTS,
    SYSTEM_SPREAD,
    Profile,
    ScoringStrategy,
    StrategyType,
)

Steps = tuple[str | int, ...]

_VERSION = "kubescheduler.config.k8s.io/v1"
_IGNORED = (
    "apiVersion kind parallelism leaderElection clientConnection enableProfiling enableContentionProfiling "
    "delayCacheUntilActive podInitialBackoffSeconds podMaxBackoffSeconds"
).split()
_POINTS = (
    "multiPoint preEnqueue queueSort preFilter filter postFilter preScore score reserve permit preBind bind postBind"
).split()
_DECIDING = ("preEnqueue", "filter", "postFilter", "score")  # the points gxsim's profile can tell apart
_GATES, _PREEMPTION = "SchedulingGates", "DefaultPreemption"
_OTHERS = (_GATES, "PrioritySort", _PREEMPTION, "DefaultBinder", "DynamicResources")
_AT: dict[str, tuple[str, ...]] = {
    "preEnqueue": (_GATES,),
    "filter": FILTERS,
    "postFilter": (_PREEMPTION,),
    "score": tuple(SCORE_WEIGHTS),
}
_KNOWN = tuple(dict.fromkeys((*FILTERS, *SCORE_WEIGHTS, *_OTHERS)))


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerConfiguration:
    """The profiles of a file, and what in it changes nothing here."""

    profiles: tuple[Profile, ...]
    unmodelled: tuple[Unmodelled, ...] = ()

    def profile(self, scheduler_name: str = "default-scheduler") -> Profile:
        """The profile that pods with this ``schedulerName`` are placed by."""
        for profile in self.profiles:
            if profile.scheduler_name == scheduler_name:
                return profile
        names = [profile.scheduler_name for profile in self.profiles]
        raise ScenarioError(
            "profiles", f"no profile is called {scheduler_name!r}; {unknown_name(scheduler_name, names)}"
        )


def read_scheduler_configuration(path: str | Path, digests: dict[str, str] | None = None) -> SchedulerConfiguration:
    """The profiles a KubeSchedulerConfiguration file describes.

    Raises ScenarioError (file, line, path) for unknown fields, plugins and values.
    """
    return _Reader(read_one(path, digests)).configuration()


class _Reader:
    def __init__(self, document: Document):
        self._document = document
        self._unmodelled: list[Unmodelled] = []

    def configuration(self) -> SchedulerConfiguration:
        value = self._mapping((), self._document.value)
        if value.get("kind") != "KubeSchedulerConfiguration" or value.get("apiVersion") != _VERSION:
            found = f"{value.get('apiVersion')} {value.get('kind')}"
            raise self._document.error((), f"expected a KubeSchedulerConfiguration of {_VERSION}, got {found}")
        self._only((), value, (*_IGNORED, "percentageOfNodesToScore", "profiles", "extenders"))
        self._percentage(("percentageOfNodesToScore",), value.get("percentageOfNodesToScore"))
        if value.get("extenders"):
            self._list_unmodelled(("extenders",), "extenders are not asked")
        given = value.get("profiles") or [{}]
        profiles = tuple(self._profile(("profiles", i), p or {}) for i, p in enumerate(given))
        names = [p.scheduler_name for p in profiles]
        for index, name in enumerate(names):
            if name in names[:index]:
                raise self._document.error(
                    ("profiles", index, "schedulerName"), f"the scheduler name {name!r} is given twice; use each once"
                )
        return SchedulerConfiguration(profiles=profiles, unmodelled=tuple(self._unmodelled))

    def _profile(self, path: Steps, value: Any) -> Profile:
        profile = self._mapping(path, value)
        self._only(path, profile, ("schedulerName", "percentageOfNodesToScore", "plugins", "pluginConfig"))
        self._percentage((*path, "percentageOfNodesToScore"), profile.get("percentageOfNodesToScore"))
        active = self._active((*path, "plugins"), profile.get("plugins") or {})
        result = Profile(
            scheduler_name=profile.get("schedulerName") or "default-scheduler",
            filters=tuple(active["filter"]),
            scores=active["score"],
            scheduling_gates=_GATES in active["preEnqueue"],
            preemption=_PREEMPTION in active["postFilter"],
        )
        for i, entry in enumerate(profile.get("pluginConfig") or ()):
            result = self._configured((*path, "pluginConfig", i), entry, result)
        return result

    # ---- which plugins run -------------------------------------------------------------------------------------

    def _active(self, path: Steps, value: Any) -> dict[str, dict[str, int]]:
        """Point → the plugins that run there with their weights, in order."""
        plugins = self._mapping(path, value)
        self._only(path, plugins, _POINTS)
        for point in plugins:
            if point not in ("multiPoint", *_DECIDING, "queueSort", "bind"):
                self._list_unmodelled((*path, point), "follows the plugin's filter or score")
        sets = {point: self._set((*path, point), plugins.get(point) or {}) for point in _POINTS}
        everywhere, dropped = sets["multiPoint"]
        active = {}
        for point in _DECIDING:
            own, without = sets[point]
            here = _AT[point]
            default = {n: SCORE_WEIGHTS.get(n, 1) for n in here if not dropped & {n, "*"} or n in everywhere}
            default |= {n: weight for n, weight in everywhere.items() if n in here}
            kept = {n: w for n, w in default.items() if not without & {n, "*"} and n not in own}
            added = {n: w for n, w in own.items() if n in here}
            # As in the real one: a default that is enabled anew keeps its place, any other comes first.
            active[point] = {n: w for n, w in added.items() if n not in default} | {
                n: added.get(n, w) for n, w in default.items() if n in kept or n in added
            }
        return active

    def _set(self, path: Steps, value: Any) -> tuple[dict[str, int], set[str]]:
        """The enabled plugins with their weights, and the disabled ones; ``*`` stands for all."""
        plugins = self._mapping(path, value)
        self._only(path, plugins, ("enabled", "disabled"))
        enabled: dict[str, int] = {}
        for i, entry in enumerate(plugins.get("enabled") or ()):
            name = self._plugin((*path, "enabled", i), entry, ("name", "weight"))
            weight = entry.get("weight") or 1
            if not isinstance(weight, int) or not 0 < weight <= 2**31 // 100:
                raise self._document.error((*path, "enabled", i, "weight"), f"expected a whole weight, got {weight!r}")
            enabled[name] = weight
        disabled = {
            entry["name"] if entry.get("name") == "*" else self._plugin((*path, "disabled", i), entry, ("name",))
            for i, entry in enumerate(plugins.get("disabled") or ())
        }
        return enabled, disabled

    def _plugin(self, path: Steps, value: Any, fields: tuple[str, ...]) -> str:
        entry = self._mapping(path, value)
        self._only(path, entry, fields)
        name = entry.get("name")
        if name not in _KNOWN:
            raise self._document.error((*path, "name"), f"unknown plugin {name!r}; {unknown_name(name, _KNOWN)}")
        return str(name)

    # ---- their arguments ---------------------------------------------------------------------------------------

    def _configured(self, path: Steps, value: Any, profile: Profile) -> Profile:
        """*profile* with one entry of pluginConfig applied."""
        entry = self._mapping(path, value)
        self._only(path, entry, ("name", "args"))
        name = self._plugin(path, {"name": entry.get("name")}, ("name",))
        arguments = self._mapping((*path, "args"), entry.get("args") or {})
        readers: dict[str, Callable[[Steps, Mapping[str, Any], Profile], Profile]] = {
            "NodeResourcesFit": self._fit,
            "NodeResourcesBalancedAllocation": self._balanced,
            "NodeAffinity": self._node_affinity,
            "PodTopologySpread": self._spread,
            "InterPodAffinity": self._pod_affinity,
        }
        if name not in readers:
            self._list_unmodelled(path, f"arguments of {name} change no placement here")
            return profile
        given = {k: v for k, v in arguments.items() if k not in ("apiVersion", "kind")}
        return readers[name]((*path, "args"), given, profile)

    def _fit(self, path: Steps, args: Mapping[str, Any], profile: Profile) -> Profile:
        self._only(path, args, ("scoringStrategy", "ignoredResources", "ignoredResourceGroups"))
        profile = replace(
            profile,
            ignored_resources=frozenset(args.get("ignoredResources") or ()),
            ignored_resource_groups=frozenset(args.get("ignoredResourceGroups") or ()),
        )
        if not args.get("scoringStrategy"):
            return profile
        at = (*path, "scoringStrategy")
        strategy = self._mapping(at, args["scoringStrategy"])
        self._only(at, strategy, ("type", "resources", "requestedToCapacityRatio"))
        kind = strategy.get("type") or "LeastAllocated"
        if kind not in get_args(StrategyType):
            raise self._document.error(
                (*at, "type"), f"unknown strategy {kind!r}; {unknown_name(kind, get_args(StrategyType))}"
            )
        shape = (strategy.get("requestedToCapacityRatio") or {}).get("shape") or ()
        if kind == "RequestedToCapacityRatio" and not shape:
            raise self._document.error(at, "expected requestedToCapacityRatio.shape with its points")
        return replace(
            profile,
            scoring_strategy=ScoringStrategy(
                type=cast(StrategyType, kind),
                resources=self._weights((*at, "resources"), strategy) or ScoringStrategy().resources,
                shape=self._shape((*at, "requestedToCapacityRatio", "shape"), shape),
            ),
        )

    def _shape(self, path: Steps, points: Any) -> tuple[tuple[int, int], ...]:
        shape = tuple((p.get("utilization", 0), p.get("score", 0)) for p in points)
        if any(left >= right for (left, _), (right, _) in pairwise(shape)):
            raise self._document.error(path, "expected points by ascending utilization")
        if any(not (0 <= u <= 100 and 0 <= s <= 10) for u, s in shape):
            raise self._document.error(path, "expected utilization from 0 to 100 and score from 0 to 10")
        return shape

    def _weights(self, path: Steps, holder: Mapping[str, Any]) -> dict[str, int]:
        weights = {}
        for i, resource in enumerate(holder.get("resources") or ()):
            weight = resource.get("weight") or 1
            if not 1 <= weight <= 100:
                raise self._document.error((*path, i, "weight"), f"expected a weight from 1 to 100, got {weight}")
            weights[resource["name"]] = weight
        return weights

    def _balanced(self, path: Steps, args: Mapping[str, Any], profile: Profile) -> Profile:
        self._only(path, args, ("resources",))
        return replace(
            profile, balanced_resources=tuple(self._weights((*path, "resources"), args)) or ("cpu", "memory")
        )

    def _node_affinity(self, path: Steps, args: Mapping[str, Any], profile: Profile) -> Profile:
        self._only(path, args, ("addedAffinity",))
        added = args.get("addedAffinity") or {}
        preferred = added.get("preferredDuringSchedulingIgnoredDuringExecution") or ()
        return replace(
            profile,
            added_affinity=node_selector(added.get("requiredDuringSchedulingIgnoredDuringExecution")),
            added_preferences=tuple(
                PreferredNodeTerm(p["weight"], node_selector_term(p["preference"])) for p in preferred
            ),
        )

    def _spread(self, path: Steps, args: Mapping[str, Any], profile: Profile) -> Profile:
        self._only(path, args, ("defaultConstraints", "defaultingType"))
        kind, constraints = args.get("defaultingType") or "System", args.get("defaultConstraints") or ()
        if kind not in ("System", "List"):
            raise self._document.error((*path, "defaultingType"), f"expected System or List, got {kind!r}")
        if kind == "System" and constraints:
            raise self._document.error(
                (*path, "defaultConstraints"),
                "defaultConstraints go with defaultingType: List; set it or leave them out",
            )
        if any(c.get("labelSelector") for c in constraints):
            raise self._document.error(
                (*path, "defaultConstraints"),
                "a default constraint has no labelSelector; it follows the pod's Services",
            )
        listed = tuple(topology_spread_constraint(c) for c in constraints)
        return replace(
            profile, system_spread=kind == "System", default_spread=SYSTEM_SPREAD if kind == "System" else listed
        )

    def _pod_affinity(self, path: Steps, args: Mapping[str, Any], profile: Profile) -> Profile:
        self._only(path, args, ("hardPodAffinityWeight", "ignorePreferredTermsOfExistingPods"))
        weight = args.get("hardPodAffinityWeight", 1)
        if not isinstance(weight, int) or not 0 <= weight <= 100:
            raise self._document.error((*path, "hardPodAffinityWeight"), f"expected 0 to 100, got {weight!r}")
        return replace(
            profile,
            hard_pod_affinity_weight=weight,
            ignore_preferred_terms_of_existing_pods=bool(args.get("ignorePreferredTermsOfExistingPods")),
        )

    # ---- the file ----------------------------------------------------------------------------------------------

    def _mapping(self, path: Steps, value: Any) -> Mapping[str, Any]:
        if not isinstance(value, dict):
            raise self._document.error(path, f"expected a mapping, got {value!r}")
        return value

    def _only(self, path: Steps, value: Mapping[str, Any], known: tuple[str, ...] | list[str]) -> None:
        for name in value:
            if name not in known:
                raise self._document.error((*path, name), f"unknown field; {unknown_name(name, list(known))}")

    def _percentage(self, path: Steps, value: Any) -> None:
        if value is None or value in (0, 100):
            return
        if not isinstance(value, int) or not 0 <= value <= 100:
            raise self._document.error(path, f"expected a percentage from 0 to 100, got {value!r}")
        self._list_unmodelled(path, "every node is scored")

    def _list_unmodelled(self, path: Steps, reason: str) -> None:
        name = ".".join(str(step) for step in path)
        self._unmodelled.append(
            Unmodelled(kind="KubeSchedulerConfiguration", name=name, source=self._document.at(path), reason=reason)
        )
