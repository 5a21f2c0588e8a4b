"""Manifests into a Cluster: what an API server would hold after ``kubectl apply``."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from gxsim.api.context import AdmissionContext, context_of
from gxsim.api.decoding import undecodable
from gxsim.api.defaulting import default
from gxsim.api.validation import violations
from gxsim.api.violations import Violation
from gxsim.errors import ScenarioError
from gxsim.load.documents import Document, read, steps
from gxsim.load.objects import READERS, WORKLOADS, cluster
from gxsim.model.cluster import Cluster

Object = dict[str, Any]


def load_cluster(
    paths: Sequence[str | Path],
    digests: dict[str, str] | None = None,
    variables: Mapping[str, str] | None = None,
) -> Cluster:
    """The Cluster that the manifests at *paths* describe, defaulted as an API server does it.

    An object that is given twice counts as applied twice: the later one holds. *variables* replace ``${NAME}`` in the
    files' text. Raises ScenarioError with file, line and path for what an API server would refuse.
    """
    digests = {} if digests is None else digests
    return cluster_of(read(paths, digests, variables), digests)


def cluster_of(documents: Iterable[Document], digests: dict[str, str] | None = None) -> Cluster:
    """The same for *documents* that are read already, with the *digests* of their files."""
    applied = _applied(documents)
    context = context_of(document.value for document in applied)
    return cluster([(_stored(document, context), document.source) for document in applied], digests)


def _applied(documents: Iterable[Document]) -> list[Document]:
    """One document per object, in the order of first appearance."""
    objects: dict[tuple[str, str, str], Document] = {}
    for document in documents:
        kind, namespace, name = _identity(document)
        objects[kind, namespace, name] = document
    return list(objects.values())


def _identity(document: Document) -> tuple[str, str, str]:
    value = document.value
    if not isinstance(value, dict):
        raise document.error((), f"expected a Kubernetes object, got {type(value).__name__}")
    for name in ("apiVersion", "kind"):
        if not isinstance(value.get(name), str):
            raise document.error((name,), f"expected the object's {name}, got {value.get(name)!r}")
    if value["apiVersion"].startswith("gxsim/"):
        raise document.error(("kind",), f"a gxsim {value['kind']} is no manifest; name it in the scenario instead")
    metadata = value.get("metadata")
    if not isinstance(metadata, dict) or not (metadata.get("name") or metadata.get("generateName")):
        raise document.error(("metadata",), f"the {value['kind']} has no metadata.name")
    name = metadata.get("name") or metadata["generateName"]
    return f"{value['apiVersion'].rpartition('/')[0]}/{value['kind']}", str(metadata.get("namespace") or ""), str(name)


def _stored(document: Document, context: AdmissionContext) -> Object:
    """The object as stored; a workload's template is what the API server makes of each of its pods."""
    obj: Object = document.value
    if obj["kind"] not in READERS:
        return obj
    _refuse(document, undecodable(obj))
    stored = default(obj, context)
    _refuse(document, violations(stored))
    if stored["kind"] in WORKLOADS:
        admit_template(stored, context)
    return stored


def admit_template(workload: Object, context: AdmissionContext) -> None:
    spec = workload["spec"]
    run = spec["jobTemplate"]["spec"] if workload["kind"] == "CronJob" else spec
    template = run.get("template") or {}
    metadata = {**(template.get("metadata") or {}), "namespace": workload["metadata"]["namespace"]}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template.get("spec") or {}}
    admitted = default(pod, context)
    run["template"] = {"metadata": admitted["metadata"], "spec": admitted["spec"]}


def _refuse(document: Document, found: Sequence[Violation]) -> None:
    """Raise what an API server would say of an object, at the line of the first thing that is wrong."""
    if found:
        first = found[0]
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        hint = f"; {first.hint}" if first.hint else ""
        kind, name = document.value["kind"], document.value["metadata"].get("name", "")
        path = f" {first.path}" if first.path else ""
        raise ScenarioError(f"{document.at(steps(first.path))}: {kind} {name}:{path}", f"{first.message}{hint}{more}")
