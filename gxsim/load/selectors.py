"""Selectors of the API's own shape into nouns."""

from collections.abc import Mapping, Sequence
from typing import Any

from gxsim.model.selectors import LabelSelector, NodeSelector, NodeSelectorTerm, Requirement


def label_selector(selector: Mapping[str, Any] | None) -> LabelSelector | None:
    """``matchLabels`` and ``matchExpressions`` as requirements; None (an absent selector) stays None."""
    if selector is None:
        return None
    labels = equal_labels(selector.get("matchLabels"))
    return LabelSelector(labels.requirements + requirements(selector.get("matchExpressions")))


def equal_labels(labels: Mapping[str, Any] | None) -> LabelSelector:
    """A selector for pods that carry all of *labels*, as a ReplicationController or Service writes it."""
    return LabelSelector(tuple(Requirement(key, "In", (str(value),)) for key, value in (labels or {}).items()))


def requirements(expressions: Sequence[Mapping[str, Any]] | None) -> tuple[Requirement, ...]:
    return tuple(
        Requirement(e["key"], e["operator"], tuple(str(v) for v in e.get("values") or ())) for e in expressions or ()
    )


def node_selector_term(term: Mapping[str, Any]) -> NodeSelectorTerm:
    return NodeSelectorTerm(requirements(term.get("matchExpressions")), requirements(term.get("matchFields")))


def node_selector(selector: Mapping[str, Any] | None) -> NodeSelector | None:
    """``nodeSelectorTerms`` as a noun; None stays None."""
    if selector is None:
        return None
    return NodeSelector(tuple(node_selector_term(term) for term in selector.get("nodeSelectorTerms") or ()))
