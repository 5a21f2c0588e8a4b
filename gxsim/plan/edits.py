"""Changes to the documents of an input: nodes come and go, workloads are scaled, fields are set, files applied."""

import copy
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from gxsim.errors import ScenarioError
from gxsim.load.documents import Document, read
from gxsim.load.fields import unknown_name
from gxsim.model.node import Node
from gxsim.plan.node_shape import nodes_of_shape
from gxsim.plan.wanted import SHORT_KINDS

Documents = list[Document]
_STEP = re.compile(r"([^.\[\]]+)|\[([^\]]+)\]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """One change under its name; ``apply`` returns new documents and raises ScenarioError."""

    name: str
    apply: Callable[[Documents], Documents]


def edits(
    *,
    apply: Sequence[str | Path] = (),
    sets: Sequence[str] = (),
    scale: Sequence[str] = (),
    add_node: Sequence[str] = (),
    remove_node: Sequence[str] = (),
) -> list[Edit]:
    """All changes in the order they are made: files, fields, replicas, new nodes, nodes that go."""
    return [
        *(Edit(name=f"apply {path}", apply=partial(_apply, str(path))) for path in apply),
        *(Edit(name=f"set {text}", apply=partial(_set, text)) for text in sets),
        *(Edit(name=f"scale {text}", apply=partial(_scale, text)) for text in scale),
        *(Edit(name=f"add node {text}", apply=partial(_add_nodes, text)) for text in add_node),
        *(Edit(name=f"remove node {text}", apply=partial(_remove_node, text)) for text in remove_node),
    ]


# ---- nodes ----------------------------------------------------------------------------------------------------------


def _apply(path: str, documents: Documents) -> Documents:
    return [*documents, *read([path])]


def _add_nodes(shape: str, documents: Documents) -> Documents:
    """New nodes by their shape, or ``like=NAME[,count=2]`` as twins of a node that is there."""
    if shape.startswith("like="):
        return [*documents, *_twins(documents, shape)]
    return [*documents, *nodes_as_documents([shape])]


def nodes_as_documents(shapes: Sequence[str]) -> Documents:
    """The nodes of some shorthands as manifests."""
    return [Document(_manifest(node), node.source) for shape in shapes for node in nodes_of_shape(shape)]


def _twins(documents: Documents, shape: str) -> Documents:
    name, _, rest = shape.removeprefix("like=").partition(",")
    field, _, count = (rest or "count=1").partition("=")
    if field != "count" or not count.isdigit():
        raise ScenarioError(f"--add-node {shape}", "expected like=NAME or like=NAME,count=2")
    model = _one(documents, f"node/{name}", f"--add-node {shape}")
    twins = []
    for number in range(1, int(count) + 1):
        value = copy.deepcopy(documents[model].value)
        value["metadata"]["name"] = f"{name}-twin-{number}"
        value["metadata"].setdefault("labels", {})["kubernetes.io/hostname"] = value["metadata"]["name"]
        twins.append(Document(value, "--add-node"))
    return twins


def _manifest(node: Node) -> dict[str, Any]:
    amounts = {name: f"{amount}m" if name == "cpu" else str(amount) for name, amount in node.allocatable.items()}
    metadata = {"name": node.name, "labels": dict(node.labels)}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": metadata,
        "status": {"allocatable": amounts, "capacity": amounts},
    }


def _remove_node(name: str, documents: Documents) -> Documents:
    """Without the Node; pods that were bound to it are left to their controllers, bare ones are gone."""
    gone = _one(documents, f"node/{name}", f"--remove-node {name}")
    return [d for i, d in enumerate(documents) if i != gone and _spec(d).get("nodeName") != name]


# ---- workloads ------------------------------------------------------------------------------------------------------


def _scale(text: str, documents: Documents) -> Documents:
    name, equals, count = text.rpartition("=")
    if not equals or not count.isdigit():
        raise ScenarioError(f"--scale {text}", "expected a workload and a number, for example deploy/web=5")
    return _changed(
        documents, _one(documents, name, f"--scale {text}"), [("spec", None), ("replicas", None)], int(count)
    )


def _set(text: str, documents: Documents) -> Documents:
    target, equals, value = text.partition("=")
    name, colon, path = target.partition(":")
    steps = [(field or None, item or None) for field, item in _STEP.findall(path)]
    if not (equals and colon and steps):
        example = "deploy/web:spec.template.spec.containers[0].resources.requests.cpu=2"
        raise ScenarioError(f"--set {text}", f"expected WORKLOAD:PATH=VALUE, for example {example}")
    return _changed(documents, _one(documents, name, f"--set {text}"), steps, _value(value))


def _value(text: str) -> Any:
    """A number, true, false, a list or a mapping where it is JSON, else the text itself."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def _changed(documents: Documents, index: int, steps: Sequence[tuple[str | None, str | None]], value: Any) -> Documents:
    """*documents* with one field of one of them set; mappings on the way are made where they lack."""
    changed = replace(documents[index], value=copy.deepcopy(documents[index].value))
    holder, path = changed.value, list[Any]()
    for field, item in steps[:-1]:
        key = _key(changed, holder, field, item, path)
        path.append(key)
        holder = holder[key] if isinstance(holder, list) else holder.setdefault(key, {})
    holder[_key(changed, holder, *steps[-1], path)] = value
    return [*documents[:index], changed, *documents[index + 1 :]]


def _key(document: Document, holder: Any, field: str | None, item: str | None, path: list[Any]) -> Any:
    """A mapping's key, or the place of a list's item that is named by number or by its ``name``."""
    if field is not None and isinstance(holder, dict):
        return field
    if item is not None and isinstance(holder, list):
        names = [one.get("name") if isinstance(one, dict) else None for one in holder]
        if item in names:
            return names.index(item)
        if item.isdigit() and int(item) < len(holder):
            return int(item)
        raise document.error(path, f"there is no item [{item}] among {len(holder)}")
    raise document.error(path, f"expected a {'mapping' if field else 'list'} to step into by {field or f'[{item}]'}")


# ---- finding them ---------------------------------------------------------------------------------------------------


def _one(documents: Documents, name: str, said: str) -> int:
    """The last document that ``[namespace/]kind/name`` or a name means; raises ScenarioError."""
    found: dict[str, int] = {}
    known = []
    for index, document in enumerate(documents):
        value = document.value if isinstance(document.value, dict) else {}
        kind, metadata = str(value.get("kind", "")), value.get("metadata") or {}
        own = str(metadata.get("name", ""))
        full = f"{metadata.get('namespace') or 'default'}/{kind.lower()}/{own}"
        known.append(full.removeprefix("default/"))
        if name.lower() in _spellings(kind, str(metadata.get("namespace") or "default"), own):
            found[full] = index
    if len(found) != 1:
        problem = f"several objects are meant: {', '.join(sorted(found))}" if found else unknown_name(name, known)
        raise ScenarioError(said, problem if found else f"there is no {name!r}; {problem}")
    return next(iter(found.values()))


def _spellings(kind: str, namespace: str, name: str) -> set[str]:
    kinds = [kind.lower(), *(short for short, long in SHORT_KINDS.items() if long == kind)]
    plain = {name, f"{namespace}/{name}"} if kind in SHORT_KINDS.values() else set()
    return plain | {f"{k}/{name}" for k in kinds} | {f"{namespace}/{k}/{name}" for k in kinds}


def _spec(document: Document) -> dict[str, Any]:
    spec = document.value.get("spec") if isinstance(document.value, dict) else None
    return spec if isinstance(spec, dict) else {}
