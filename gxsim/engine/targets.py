"""Who a fault means: nodes and pods by selector, and how many of them by mode."""

import math
from collections.abc import Iterable, Sequence
from difflib import get_close_matches

import numpy as np

from gxsim.errors import ScenarioError
from gxsim.model.fault import Fault, FaultSelector
from gxsim.model.pod import PodTemplate
from gxsim.model.selectors import Requirement
from gxsim.state import NO_OWNER, PENDING, PHASE_RUNNING, PHASES, ClusterState


def nodes_of(state: ClusterState, selector: FaultSelector) -> list[int]:
    """Rows of the nodes that the selector's ``nodes``, ``nodeSelectors`` and ``fieldSelectors`` mean."""
    wanted = set(selector.nodes)
    name = selector.field_selectors.get("metadata.name")
    return [
        row
        for row, node in enumerate(state.nodes)
        if (not wanted or node.name in wanted)
        and (name is None or node.name == name)
        and selector.node_selectors.items() <= node.labels.items()
    ]


def selects_pods(selector: FaultSelector) -> bool:
    """Whether it means pods rather than nodes: it says something that only pods have."""
    of_pods = (selector.namespaces, selector.label_selectors, selector.expression_selectors, selector.pods)
    return any(of_pods) or bool(selector.workloads or selector.field_selectors.keys() - {"metadata.name"})


def pods_of(state: ClusterState, selector: FaultSelector, meant: list[bool] | None = None) -> list[int]:
    """Rows of the pods meant that exist now and are neither over nor being deleted.

    *meant* remembers, for one selector, which templates it selects.
    """
    meant = [] if meant is None else meant
    meant += [_selects(selector, template) for template in state.templates[len(meant) :]]
    candidates = np.flatnonzero(state.pod_active & np.array(meant, bool)[state.pod_template])
    if selector.nodes or selector.node_selectors:
        candidates = candidates[np.isin(state.pod_node[candidates], nodes_of(state, selector))]
    if not (selector.pods or selector.workloads or selector.field_selectors):
        return candidates.tolist()
    return [pod for pod in candidates.tolist() if _is_meant(state, pod, selector)]


def _selects(selector: FaultSelector, template: PodTemplate) -> bool:
    """Whether the pods of *template* are meant, as far as a template can tell."""
    if selector.namespaces and template.namespace not in selector.namespaces:
        return False
    requirements = (Requirement(e.key, e.operator, e.values) for e in selector.expression_selectors)
    return selector.label_selectors.items() <= template.labels.items() and all(
        requirement.matches(template.labels) for requirement in requirements
    )


def _is_meant(state: ClusterState, pod: int, selector: FaultSelector) -> bool:
    """Whether a pod is meant by its own name, fields and owner."""
    template = state.templates[state.pod_template[pod]]
    if selector.pods and state.pod_names[pod] not in selector.pods.get(template.namespace, ()):
        return False
    if selector.workloads and not _owner_names(state, pod) & set(selector.workloads):
        return False
    return all(_field(state, pod, key) == value for key, value in selector.field_selectors.items())


def _field(state: ClusterState, pod: int, key: str) -> str:
    node = int(state.pod_node[pod])
    fields = {
        "metadata.name": state.pod_names[pod],
        "metadata.namespace": state.templates[state.pod_template[pod]].namespace,
        "spec.nodeName": state.nodes[node].name if node != PENDING else "",
        "status.phase": PHASES[min(state.pod_phase[pod], PHASE_RUNNING)],
    }
    return fields.get(key, "")


def _owner_names(state: ClusterState, pod: int) -> set[str]:
    """``kind/name`` and ``namespace/kind/name`` of the pod's owner and of the owner's parents."""
    names = set()
    owner = int(state.pod_owner[pod])
    while owner != NO_OWNER:
        held = state.owners[owner]
        names |= {f"{held.kind}/{held.name}", f"{held.namespace}/{held.kind}/{held.name}"}
        owner = held.parent
    return names


def chosen(targets: Sequence[int], fault: Fault, rng: np.random.Generator) -> list[int]:
    """Those of *targets* that the fault's mode hits, in their own order."""
    count = len(targets)
    match fault.mode:
        case "one":
            count = min(1, count)
        case "fixed":
            count = min(int(fault.value), count)
        case "fixed-percent":
            count = math.floor(count * float(fault.value) / 100)
        case "random-max-percent":
            count = math.floor(count * float(rng.uniform(0, float(fault.value))) / 100)
    if count == len(targets):
        return list(targets)
    return [targets[i] for i in sorted(rng.choice(len(targets), size=count, replace=False))]


def check_selector(state: ClusterState, selector: FaultSelector, path: str) -> None:
    """Raise ScenarioError for a node, namespace, label or workload that the cluster does not have."""
    names = [node.name for node in state.nodes]
    for i, name in enumerate(selector.nodes):
        _require(name, names, f"{path}.nodes[{i}]", "node")
    for key, value in selector.node_selectors.items():
        values = sorted({node.labels[key] for node in state.nodes if key in node.labels})
        if not values:
            keys = sorted({key for node in state.nodes for key in node.labels})
            _require(key, keys, f"{path}.nodeSelectors", "node label")
        _require(value, values, f"{path}.nodeSelectors.{key}", f"value of {key}")
    namespaces = sorted({*state.cluster.namespaces, *(t.namespace for t in state.templates)})
    for i, name in enumerate(selector.namespaces):
        _require(name, namespaces, f"{path}.namespaces[{i}]", "namespace")
    _check_pods(state, selector, path, namespaces)


def _check_pods(state: ClusterState, selector: FaultSelector, path: str, namespaces: Sequence[str]) -> None:
    if selector.label_selectors or selector.expression_selectors:
        templates = (*state.templates, *(owner.template for owner in state.owners if owner.template is not None))
        if not any(_selects(selector, template) for template in templates):
            field = "labelSelectors" if selector.label_selectors else "expressionSelectors"
            raise ScenarioError(f"{path}.{field}", "selects no pod: no workload of these namespaces makes such pods")
    owners = [f"{o.kind}/{o.name}" for o in state.owners] + [f"{o.namespace}/{o.kind}/{o.name}" for o in state.owners]
    for i, name in enumerate(selector.workloads):
        _require(name, owners, f"{path}.workloads[{i}]", "workload")
    for namespace, pods in selector.pods.items():
        _require(namespace, namespaces, f"{path}.pods", "namespace")
        rows = [p for p in range(len(state.pod_names)) if state.templates[state.pod_template[p]].namespace == namespace]
        known = [state.pod_names[p] for p in rows]
        for i, name in enumerate(pods):
            _require(name, known, f"{path}.pods.{namespace}[{i}]", "pod")


def _require(name: str, known: Sequence[str], path: str, what: str) -> None:
    if name not in known:
        raise ScenarioError(path, f"there is no {what} {name!r}; {nearest(name, known)}")


def nearest(name: str, known: Iterable[str]) -> str:
    """What to write instead of *name*."""
    known = list(dict.fromkeys(known))
    close = get_close_matches(name, known, n=1, cutoff=0.5)
    if close:
        return f"did you mean {close[0]!r}?"
    shown = ", ".join(known[:12]) + (", …" if len(known) > 12 else "")
    return f"known: {shown}" if known else "there are none"
