"""Files, folders and standard input into documents that know their line numbers. The only importer of yaml."""

import hashlib
import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from gxsim.errors import ScenarioError

SUFFIXES = (".yaml", ".yml", ".json")
STDIN = "-"
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_VARIABLE = re.compile(r"\$\{(\w+)\}")
_INTEGER = re.compile(r"^[-+]?(0b[0-1_]+|0x[0-9a-fA-F_]+|0o?[0-7_]+|0|[1-9][0-9_]*)$")


class _KubernetesLoader(_Loader):  # type: ignore[misc, valid-type]
    """The safe loader, reading scalars as Kubernetes does: no dates, no base 60; a key given twice is an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            if key_node.tag != "tag:yaml.org,2002:merge" and isinstance(key_node, yaml.ScalarNode):
                if key_node.value in seen:
                    raise yaml.MarkedYAMLError(
                        problem=f"the key {key_node.value!r} is given twice", problem_mark=key_node.start_mark
                    )
                seen.add(key_node.value)
        mapping: dict[Any, Any] = super().construct_mapping(node, deep=deep)
        return mapping


_KubernetesLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith((":timestamp", ":int"))]
    for first, resolvers in _Loader.yaml_implicit_resolvers.items()
}
_KubernetesLoader.add_implicit_resolver("tag:yaml.org,2002:int", _INTEGER, list("-+0123456789"))


@dataclass(frozen=True, slots=True)
class Document:
    """One document of a file: its value, and where each of its fields stands."""

    value: Any
    file: str
    node: yaml.Node | None = field(default=None, repr=False)
    line: int = 1

    @property
    def source(self) -> str:
        return f"{self.file}:{self.line}"

    def at(self, path: Sequence[str | int]) -> str:
        """``file:line`` of the field at *path*, or of the nearest parent that has one."""
        node, line = self.node, self.line
        for step in path:
            node = _child(node, step)
            if node is None:
                break
            line = node.start_mark.line + 1
        return f"{self.file}:{line}"

    def error(self, path: Sequence[str | int], problem: str) -> ScenarioError:
        """A ScenarioError that says file, line and path of a field."""
        where = self.at(path)
        dotted = dotted_path(path)
        return ScenarioError(f"{where}: {dotted}" if dotted else where, problem)


def dotted_path(path: Sequence[str | int]) -> str:
    """``spec.faults[0].action`` for ``("spec", "faults", 0, "action")``."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else str(step)
    return text


def steps(path: str) -> list[str | int]:
    """The way back: ``spec.containers[0].name`` as steps; what stands in brackets and is no number is a key."""
    return [int(step) if step.isdigit() else step for step in re.findall(r"[^.\[\]]+", path)]


def read(
    paths: Sequence[str | Path],
    digests: dict[str, str] | None = None,
    variables: Mapping[str, str] | None = None,
) -> list[Document]:
    """All documents of *paths*: files, folders (recursively, in name order), or ``-`` for standard input.

    ``kind: List`` and typed lists are opened. *digests*, if given, receives the SHA-256 of each file. *variables*
    replace ``${NAME}`` in the text, as envsubst does; a name that is not among them stays.
    Raises ScenarioError for a path that is not there or text that is no YAML.
    """
    return [
        item for path in paths for document in _documents(path, digests, variables or {}) for item in _opened(document)
    ]


def read_one(path: str | Path, digests: dict[str, str] | None = None) -> Document:
    """The single document of a file."""
    found = read([path], digests)
    if len(found) != 1:
        raise ScenarioError(str(path), f"expected one document, found {len(found)}")
    return found[0]


def _documents(path: str | Path, digests: dict[str, str] | None, variables: Mapping[str, str]) -> Iterator[Document]:
    for name, text in _texts(path):
        if digests is not None:
            digests[name] = hashlib.sha256(text.encode()).hexdigest()
        if variables:
            text = _VARIABLE.sub(lambda found: variables.get(found[1], found[0]), text)
        yield from _parse(name, text)


def _texts(path: str | Path) -> Iterator[tuple[str, str]]:
    if str(path) == STDIN:
        yield "<stdin>", sys.stdin.read()
        return
    found = Path(path)
    if found.is_dir():
        files = sorted(p for p in found.rglob("*") if p.suffix in SUFFIXES and p.is_file())
        if not files:
            raise ScenarioError(str(path), f"the folder holds no {', '.join(SUFFIXES)} file")
    elif found.exists():
        files = [found]
    else:
        raise ScenarioError(str(path), "no such file or folder" + _nearest_file(found))
    for file in files:
        try:
            yield str(file), file.read_text(encoding="utf-8-sig")
        except UnicodeDecodeError as error:
            raise ScenarioError(str(file), f"expected UTF-8 text, got byte {error.object[error.start]:#x}") from None
        except OSError as error:
            raise ScenarioError(str(file), f"cannot be read: {error.strerror}") from None


def _parse(name: str, text: str) -> Iterator[Document]:
    if name.endswith(".json"):
        try:
            value = json.loads(text)
        except json.JSONDecodeError as error:
            raise ScenarioError(f"{name}:{error.lineno}", f"not JSON: {error.msg}") from None
        yield Document(value, name)
        return
    loader = _KubernetesLoader(text)
    try:
        while loader.check_node():
            node = loader.get_node()
            value = loader.construct_document(node)
            if value is not None:
                yield Document(value, name, node, node.start_mark.line + 1)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise ScenarioError(f"{name}:{line}", f"not YAML: {error.problem or error.context}") from None
    except yaml.YAMLError as error:
        raise ScenarioError(name, f"not YAML: {str(error).splitlines()[0]}") from None
    except RecursionError:
        raise ScenarioError(name, "nested too deeply") from None
    finally:
        loader.dispose()


def _opened(document: Document) -> Iterator[Document]:
    """The items of a list, each with its own line; any other document as it is."""
    value = document.value
    kind = value.get("kind") if isinstance(value, dict) else None
    if not (isinstance(kind, str) and kind.endswith("List") and isinstance(value.get("items"), list)):
        yield document
        return
    items_node = _child(document.node, "items")
    for index, item in enumerate(value["items"]):
        node = _child(items_node, index)
        if isinstance(item, dict) and kind != "List":  # typed lists leave the kind out
            item = {"apiVersion": value.get("apiVersion"), "kind": kind.removesuffix("List"), **item}
        yield from _opened(Document(item, document.file, node, node.start_mark.line + 1 if node else document.line))


def _child(node: yaml.Node | None, step: str | int) -> yaml.Node | None:
    """The node of a field or an item; of a field, the node of its value's key, so that the line is the key's."""
    if isinstance(node, yaml.MappingNode):
        return next((value for key, value in node.value if getattr(key, "value", None) == step), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        child: yaml.Node = node.value[step]
        return child
    return None


def _nearest_file(path: Path) -> str:
    from difflib import get_close_matches

    if not path.parent.is_dir():
        return ""
    names = [p.name for p in path.parent.iterdir()]
    close = get_close_matches(path.name, names, n=1)
    return f"; did you mean {str(path.parent / close[0])!r}?" if close else ""
