"""kube-scheduler's plugins as plain loops over objects: one pod, one node at a time, nothing remembered."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import pairwise

from gxsim.model.cluster import Cluster, Volume
from gxsim.model.node import Node, Taint
from gxsim.model.pod import PodAffinityTerm, PodTemplate, TopologySpreadConstraint
from gxsim.model.selectors import LabelSelector, Requirement

HOSTNAME = "kubernetes.io/hostname"
ZONE = "topology.kubernetes.io/zone"
FAILED, HOPELESS = "Unschedulable", "UnschedulableAndUnresolvable"
Answer = tuple[str, tuple[str, ...]] | None  # code and reasons, None for a pass


@dataclass(frozen=True)
class Placed:
    """A pod on a node."""

    template: PodTemplate
    node: int
    terminating: bool = False


@dataclass
class World:
    """A cluster and the pods on its nodes."""

    cluster: Cluster
    pods: list[Placed] = field(default_factory=list)

    @property
    def nodes(self) -> Sequence[Node]:
        return self.cluster.nodes

    def on(self, node: int) -> list[Placed]:
        return [pod for pod in self.pods if pod.node == node]


# ---- filters ---------------------------------------------------------------------------------------------------


def tolerated(template: PodTemplate, taint: Taint, effects: tuple[str, ...] | None = None) -> bool:
    for t in template.tolerations:
        if effects is not None and t.effect not in effects:
            continue
        if t.effect and t.effect != taint.effect:
            continue
        if t.key and t.key != taint.key:
            continue
        if t.operator == "Exists" or t.value == taint.value:
            return True
    return False


def node_unschedulable(world: World, pod: PodTemplate, node: int) -> Answer:
    cordon = Taint("node.kubernetes.io/unschedulable", "", "NoSchedule")
    if world.nodes[node].unschedulable and not tolerated(pod, cordon):
        return HOPELESS, ("node(s) were unschedulable",)
    return None


def taint_toleration(world: World, pod: PodTemplate, node: int) -> Answer:
    for taint in world.nodes[node].taints:
        if taint.effect in ("NoSchedule", "NoExecute") and not tolerated(pod, taint):
            return HOPELESS, (f"node(s) had untolerated taint {{{taint.key}: {taint.value}}}",)
    return None


def required_affinity(world: World, pod: PodTemplate, node: int) -> bool:
    labels = world.nodes[node].labels
    if any(labels.get(key) != value for key, value in pod.node_selector.items()):
        return False
    return pod.node_affinity is None or pod.node_affinity.matches(world.nodes[node].name, labels)


def node_affinity(world: World, pod: PodTemplate, node: int) -> Answer:
    if required_affinity(world, pod, node):
        return None
    return HOPELESS, ("node(s) didn't match Pod's node affinity/selector",)


def node_ports(world: World, pod: PodTemplate, node: int) -> Answer:
    for other in world.on(node):
        for held in other.template.host_ports:
            for wanted in pod.host_ports:
                if (held.port, held.protocol) == (wanted.port, wanted.protocol) and (
                    held.ip == wanted.ip or held.ip == "0.0.0.0" or wanted.ip == "0.0.0.0"
                ):
                    return FAILED, ("node(s) didn't have free ports for the requested pod ports",)
    return None


def node_resources_fit(world: World, pod: PodTemplate, node: int) -> Answer:
    offered = world.nodes[node].allocatable
    reasons, hopeless = [], False
    if len(world.on(node)) + 1 > offered.get("pods", 0):
        reasons.append("Too many pods")
    for name, wanted in pod.requests.items():
        used = sum(other.template.requests.get(name, 0) for other in world.on(node))
        if wanted > 0 and wanted > offered.get(name, 0) - used:
            reasons.append(f"Insufficient {name}")
            hopeless = hopeless or wanted > offered.get(name, 0)
    return (HOPELESS if hopeless else FAILED, tuple(sorted(reasons))) if reasons else None


def resolved(world: World, pod: PodTemplate) -> list[TopologySpreadConstraint]:
    """The pod's own constraints with their label keys, or the system's for pods that a Service selects."""
    rules = []
    for rule in pod.topology_spread_constraints:
        selector = rule.selector
        for key in rule.match_label_keys:
            if key in pod.labels:
                more = _equals(key, pod.labels[key]).requirements
                selector = LabelSelector(more + (selector.requirements if selector else ()))
        rules.append((rule, selector))
    if not pod.topology_spread_constraints:
        found = [
            s.selector
            for s in world.cluster.services
            if s.selector is not None and s.namespace == pod.namespace and s.selector.matches(pod.labels)
        ]
        requirements = tuple(r for selector in found for r in selector.requirements)
        if requirements:
            for key, skew in ((HOSTNAME, 3), (ZONE, 5)):
                rules.append((TopologySpreadConstraint(key, skew, "ScheduleAnyway", None), LabelSelector(requirements)))
    return [replace(rule, selector=selector) for rule, selector in rules]


def _equals(key: str, value: str) -> LabelSelector:
    return LabelSelector((Requirement(key, "In", (value,)),))


def _included(world: World, pod: PodTemplate, rule: TopologySpreadConstraint, node: int) -> bool:
    if rule.node_affinity_policy == "Honor" and not required_affinity(world, pod, node):
        return False
    return rule.node_taints_policy != "Honor" or taint_toleration(world, pod, node) is None


def _matching(world: World, pod: PodTemplate, selector: LabelSelector | None, node: int) -> int:
    if selector is None or not selector.requirements:
        return 0
    return sum(
        not other.terminating and other.template.namespace == pod.namespace and selector.matches(other.template.labels)
        for other in world.on(node)
    )


def pod_topology_spread(world: World, pod: PodTemplate, node: int) -> Answer:
    rules = [r for r in resolved(world, pod) if r.when_unsatisfiable == "DoNotSchedule"]
    for rule in rules:
        counts: dict[str, int] = {}
        for n, other in enumerate(world.nodes):
            if all(r.topology_key in other.labels for r in rules) and _included(world, pod, rule, n):
                value = other.labels[rule.topology_key]
                counts[value] = counts.get(value, 0) + _matching(world, pod, rule.selector, n)
        here = world.nodes[node].labels.get(rule.topology_key)
        reason = "node(s) didn't match pod topology spread constraints"
        if here is None:
            return HOPELESS, (f"{reason} (missing required label)",)
        least = min(counts.values(), default=0) if len(counts) >= (rule.min_domains or 1) else 0
        itself = rule.selector is not None and rule.selector.matches(pod.labels)
        if counts.get(here, 0) + itself - least > rule.max_skew:
            return FAILED, (reason,)
    return None


def means(world: World, term: PodAffinityTerm, other: PodTemplate) -> bool:
    labels = world.cluster.namespaces.get(other.namespace, {})
    selected = term.namespace_selector is not None and term.namespace_selector.matches(labels)
    if other.namespace not in term.namespaces and not selected:
        return False
    return term.selector is not None and term.selector.matches(other.labels)


def _together(world: World, key: str, left: int, right: int) -> bool:
    a, b = world.nodes[left].labels.get(key), world.nodes[right].labels.get(key)
    return a is not None and a == b


def inter_pod_affinity(world: World, pod: PodTemplate, node: int) -> Answer:
    terms = pod.pod_affinity.required
    wanted = [p for p in world.pods if terms and all(means(world, t, p.template) for t in terms)]
    if terms:
        keyed = all(t.topology_key in world.nodes[node].labels for t in terms)
        near = all(any(_together(world, t.topology_key, p.node, node) for p in wanted) for t in terms)
        counted = any(t.topology_key in world.nodes[p.node].labels for p in wanted for t in terms)
        first = not counted and all(means(world, t, pod) for t in terms)
        if not keyed or not (near or first):
            return HOPELESS, ("node(s) didn't match pod affinity rules",)
    for term in pod.pod_anti_affinity.required:
        if any(
            means(world, term, p.template) and _together(world, term.topology_key, p.node, node) for p in world.pods
        ):
            return FAILED, ("node(s) didn't match pod anti-affinity rules",)
    for other in world.pods:
        for term in other.template.pod_anti_affinity.required:
            if means(world, term, pod) and _together(world, term.topology_key, other.node, node):
                return FAILED, ("node(s) didn't satisfy existing pods anti-affinity rules",)
    return None


def volume_zone(world: World, pod: PodTemplate, node: int) -> Answer:
    labels = world.nodes[node].labels
    beta = {ZONE: "failure-domain.beta.kubernetes.io/zone"}
    regions = {"topology.kubernetes.io/region": "failure-domain.beta.kubernetes.io/region"}
    keys = [*beta, *beta.values(), *regions, *regions.values()]
    if not any(key in labels for key in keys):
        return None
    for volume in _volumes(world, pod):
        for stable, old in {**beta, **regions}.items():
            for key in (stable, old):
                if key in volume.labels:
                    value = labels.get(key, labels.get(stable))
                    if value not in volume.labels[key].split("__"):
                        return HOPELESS, ("node(s) had no available volume zone",)
    return None


def _volumes(world: World, pod: PodTemplate) -> list[Volume]:
    claims = {claim.key: claim for claim in world.cluster.claims}
    volumes = {volume.name: volume for volume in world.cluster.volumes}
    names = [claims[f"{pod.namespace}/{name}"].volume for name in pod.claims]
    return [volumes[name] for name in names if name in volumes]


def volume_binding(world: World, pod: PodTemplate, node: int) -> Answer:
    """Bound volumes reach the node; the smallest free volume serves each waiting claim, or a new one can be made."""
    here = world.nodes[node]
    claims = {claim.key: claim for claim in world.cluster.claims}
    classes = {c.name: c for c in world.cluster.storage_classes}
    mine = [claims[f"{pod.namespace}/{name}"] for name in dict.fromkeys(pod.claims)]
    reasons = []
    for volume in _volumes(world, pod):
        if volume.node_affinity is not None and not volume.node_affinity.matches(here.name, here.labels):
            reasons.append("node(s) didn't match PersistentVolume's node affinity")
            break
    taken: set[str] = set()
    for claim in sorted((c for c in mine if not c.bound), key=lambda c: c.size_bytes):
        fitting = [
            v
            for v in world.cluster.volumes
            if v.name not in taken
            and v.phase == "Available"
            and not v.claim
            and v.storage_class == claim.storage_class
            and v.size_bytes >= claim.size_bytes
            and set(claim.access_modes) <= set(v.access_modes)
            and (v.node_affinity is None or v.node_affinity.matches(here.name, here.labels))
        ]
        if fitting:
            taken.add(min(fitting, key=lambda v: (v.size_bytes, v.name)).name)
        elif classes[str(claim.storage_class)].provisioner == "kubernetes.io/no-provisioner":
            reasons.append("node(s) didn't find available persistent volumes to bind")
            break
    return (HOPELESS, tuple(sorted(reasons))) if reasons else None


def node_volume_limits(world: World, pod: PodTemplate, node: int) -> Answer:
    limits = next((c.limits for c in world.cluster.csi_nodes if c.name == world.nodes[node].name), {})
    new = {(v.csi_driver, v.csi_handle) for v in _volumes(world, pod) if v.csi_driver}
    there = {(v.csi_driver, v.csi_handle) for p in world.on(node) for v in _volumes(world, p.template) if v.csi_driver}
    for driver, limit in limits.items():
        coming = sum(d == driver for d, _ in new - there)
        if coming and sum(d == driver for d, _ in there) + coming > limit:
            return FAILED, ("node(s) exceed max volume count",)
    return None


def volume_restrictions(world: World, pod: PodTemplate, node: int) -> Answer:
    for other in world.on(node):
        for mine in pod.volumes:
            for theirs in other.template.volumes:
                a, b = mine.get("gcePersistentDisk"), theirs.get("gcePersistentDisk")
                if a and b and a["pdName"] == b["pdName"] and not (a.get("readOnly") and b.get("readOnly")):
                    return FAILED, ("node(s) had no available disk",)
    claims = {claim.key: claim for claim in world.cluster.claims}
    for name in pod.claims:
        if "ReadWriteOncePod" in claims[f"{pod.namespace}/{name}"].access_modes and any(
            p.template.namespace == pod.namespace and name in p.template.claims for p in world.pods
        ):
            return FAILED, (
                "node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access mode already in-use by "
                "another pod",
            )
    return None


FILTERS = {
    "NodeUnschedulable": node_unschedulable,
    "TaintToleration": taint_toleration,
    "NodeAffinity": node_affinity,
    "NodePorts": node_ports,
    "NodeResourcesFit": node_resources_fit,
    "VolumeRestrictions": volume_restrictions,
    "NodeVolumeLimits": node_volume_limits,
    "VolumeBinding": volume_binding,
    "VolumeZone": volume_zone,
    "PodTopologySpread": pod_topology_spread,
    "InterPodAffinity": inter_pod_affinity,
}


# ---- scores: node → 0..100 over the feasible nodes, None when the pod is skipped ----------------------------------

Scores = dict[int, int] | None


def _share_of_maximum(raw: dict[int, int], reverse: bool = False) -> dict[int, int]:
    most = max(raw.values())
    scaled = {n: 100 * value // most if most else 0 for n, value in raw.items()}
    return {n: 100 - value for n, value in scaled.items()} if reverse else scaled


def score_taints(world: World, pod: PodTemplate, feasible: Sequence[int]) -> Scores:
    raw = {
        n: sum(
            t.effect == "PreferNoSchedule" and not tolerated(pod, t, ("", "PreferNoSchedule"))
            for t in world.nodes[n].taints
        )
        for n in feasible
    }
    return _share_of_maximum(raw, reverse=True)


def score_node_affinity(world: World, pod: PodTemplate, feasible: Sequence[int]) -> Scores:
    if not pod.preferred_node_terms:
        return None
    raw = {
        n: sum(p.weight for p in pod.preferred_node_terms if p.term.matches(world.nodes[n].name, world.nodes[n].labels))
        for n in feasible
    }
    return _share_of_maximum(raw)


def score_least_allocated(world: World, pod: PodTemplate, feasible: Sequence[int]) -> Scores:
    scores = {}
    for n in feasible:
        shares = []
        for i, name in enumerate(("cpu", "memory")):
            capacity = world.nodes[n].allocatable.get(name, 0)
            used = sum(p.template.scored_requests[i] for p in world.on(n)) + pod.scored_requests[i]
            if capacity:
                shares.append((capacity - used) * 100 // capacity if used <= capacity else 0)
        scores[n] = sum(shares) // len(shares) if shares else 0
    return scores


def score_balanced(world: World, pod: PodTemplate, feasible: Sequence[int]) -> Scores:
    if not pod.requests.get("cpu") and not pod.requests.get("memory"):
        return None
    scores = {}
    for n in feasible:
        fractions = []
        for name in ("cpu", "memory"):
            capacity = world.nodes[n].allocatable.get(name, 0)
            used = sum(p.template.requests.get(name, 0) for p in world.on(n)) + pod.requests.get(name, 0)
            if capacity:
                fractions.append(min(used / capacity, 1.0))
        spread = abs(fractions[0] - fractions[1]) / 2 if len(fractions) == 2 else 0.0
        scores[n] = int((1 - spread) * 100)
    return scores


def score_images(world: World, pod: PodTemplate, feasible: Sequence[int]) -> Scores:
    mebibyte = 1024 * 1024
    scores = {}
    images = [c.image if ":" in c.image.rsplit("/", 1)[-1] else f"{c.image}:latest" for c in pod.containers]
    for n in feasible:
        total = 0
        for image in images:
            holders = [m for m, node in enumerate(world.nodes) if any(image in i.names for i in node.images)]
            if n in holders:
                size = next(i.size_bytes for i in world.nodes[holders[0]].images if image in i.names)
                total += int(size * (len(holders) / len(world.nodes)))
        least, most = 23 * mebibyte, 1000 * mebibyte * len(images)
        scores[n] = 100 * (min(max(total, least), most) - least) // (most - least)
    return scores


def score_spread(world: World, pod: PodTemplate, feasible: Sequence[int]) -> Scores:
    rules = [r for r in resolved(world, pod) if r.when_unsatisfiable == "ScheduleAnyway"]
    if not rules:
        return None
    strict = bool(pod.topology_spread_constraints)
    keyed = [n for n, node in enumerate(world.nodes) if not strict or all(r.topology_key in node.labels for r in rules)]
    counted = [n for n in feasible if n in keyed]
    raw = {}
    for n in counted:
        total = 0.0
        for rule in rules:
            here = world.nodes[n].labels.get(rule.topology_key)
            if here is None:
                continue
            if rule.topology_key == HOSTNAME:
                size, matching = len(counted), _matching(world, pod, rule.selector, n)
            else:
                size = len({world.nodes[m].labels.get(rule.topology_key, "") for m in counted})
                same = [m for m in keyed if world.nodes[m].labels.get(rule.topology_key) == here]
                matching = sum(_matching(world, pod, rule.selector, m) for m in same if _included(world, pod, rule, m))
            total += matching * math.log(size + 2) + (rule.max_skew - 1)
        raw[n] = math.floor(total) + (total - math.floor(total) >= 0.5)
    if not raw:
        return dict.fromkeys(feasible, 0)
    least, most = min(raw.values()), max(raw.values())
    scaled = {n: 100 * (most + least - value) // most if most else 100 for n, value in raw.items()}
    return {n: scaled.get(n, 0) for n in feasible}


def score_pod_affinity(world: World, pod: PodTemplate, feasible: Sequence[int]) -> Scores:
    weights: dict[tuple[str, str], int] = {}
    for other in world.pods:
        theirs = other.template
        met = [(t, t.weight) for t in pod.pod_affinity.preferred if means(world, t, theirs)]
        met += [(t, -t.weight) for t in pod.pod_anti_affinity.preferred if means(world, t, theirs)]
        met += [(t, 1) for t in theirs.pod_affinity.required if means(world, t, pod)]
        met += [(t, t.weight) for t in theirs.pod_affinity.preferred if means(world, t, pod)]
        met += [(t, -t.weight) for t in theirs.pod_anti_affinity.preferred if means(world, t, pod)]
        for term, weight in met:
            value = world.nodes[other.node].labels.get(term.topology_key)
            if value is not None:
                pair = term.topology_key, value
                weights[pair] = weights.get(pair, 0) + weight
    if not weights:
        return None
    raw = {n: sum(w for (k, v), w in weights.items() if world.nodes[n].labels.get(k) == v) for n in feasible}
    least, most = min(raw.values()), max(raw.values())
    return {n: int(100 * ((value - least) / (most - least))) if most > least else 0 for n, value in raw.items()}


SCORES = {
    "TaintToleration": score_taints,
    "NodeAffinity": score_node_affinity,
    "NodeResourcesFit": score_least_allocated,
    "NodeResourcesBalancedAllocation": score_balanced,
    "ImageLocality": score_images,
    "PodTopologySpread": score_spread,
    "InterPodAffinity": score_pod_affinity,
}


def ratio_score(requested: int, capacity: int, shape: Sequence[tuple[int, int]]) -> int:
    """RequestedToCapacityRatio for one resource, in exact arithmetic."""
    utilisation = 100 if requested > capacity else requested * 100 // capacity
    if utilisation <= shape[0][0]:
        return shape[0][1] * 10
    for (x0, y0), (x1, y1) in pairwise(shape):
        if utilisation <= x1:
            return y0 * 10 + int(Fraction((y1 - y0) * 10 * (utilisation - x0), x1 - x0))
    return shape[-1][1] * 10
