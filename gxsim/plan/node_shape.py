"""Nodes in shorthand: ``count=4,cpu=16,memory=64Gi`` for input that has none of its own."""

from collections.abc import Mapping, Sequence

from gxsim.errors import ScenarioError
from gxsim.load.fields import unknown_name
from gxsim.model.node import Node
from gxsim.units import cpu_milli, whole

DEFAULTS = {"count": "1", "name": "node", "pods": "110", "storage": "0", "zone": ""}
REQUIRED = ("cpu", "memory")
EXAMPLE = "count=4,cpu=16,memory=64Gi"


def nodes_of_shape(shape: str) -> tuple[Node, ...]:
    """The nodes that a shorthand means, named ``NAME-0`` and up, all Ready and without taints.

    Fields: ``cpu`` and ``memory`` must be given; ``count`` 1, ``name`` node, ``pods`` 110, ``storage`` 0, ``zone`` none
    unless given. Raises ScenarioError.
    """
    fields = {**DEFAULTS, **_fields(shape)}
    missing = [name for name in REQUIRED if name not in fields]
    if missing:
        raise ScenarioError(f"--node-shape {shape}", f"{missing[0]} is missing; expected for example {EXAMPLE}")
    try:
        allocatable = {
            "cpu": cpu_milli(fields["cpu"]),
            "memory": whole(fields["memory"]),
            "ephemeral-storage": whole(fields["storage"]),
            "pods": whole(fields["pods"]),
        }
        count = int(fields["count"])
    except ValueError as error:
        raise ScenarioError(f"--node-shape {shape}", str(error)) from None
    return tuple(_node(f"{fields['name']}-{i}", fields["zone"], allocatable) for i in range(count))


def _fields(shape: str) -> dict[str, str]:
    fields = {}
    for part in shape.split(","):
        name, equals, value = part.strip().partition("=")
        if not equals or not value:
            raise ScenarioError(f"--node-shape {shape}", f"expected name=value, got {part!r}; for example {EXAMPLE}")
        if name not in (*DEFAULTS, *REQUIRED):
            raise ScenarioError(
                f"--node-shape {shape}", f"unknown field {name!r}; {unknown_name(name, [*REQUIRED, *DEFAULTS])}"
            )
        fields[name] = value
    return fields


def _node(name: str, zone: str, amounts: Mapping[str, int]) -> Node:
    labels = {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"}
    labels |= {"topology.kubernetes.io/zone": zone} if zone else {}
    return Node(name=name, labels=labels, allocatable=amounts, capacity=amounts, source="--node-shape")


def nodes_of_shapes(shapes: Sequence[str]) -> tuple[Node, ...]:
    """The nodes of several shorthands; two of one name are the user's error."""
    nodes = tuple(node for shape in shapes for node in nodes_of_shape(shape))
    names = [node.name for node in nodes]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ScenarioError("--node-shape", f"two nodes are named {twice!r}; give each shape a name=")
    return nodes
