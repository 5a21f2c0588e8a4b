"""A cluster of two nodes in two regions with a front and a back service, as files; tests change what they ask about."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from gxsim.load.scenario import Case, load

REGION, HOST = "topology.kubernetes.io/region", "kubernetes.io/hostname"
EAST, WEST = {"latitude": 0.0, "longitude": 0.0}, {"latitude": 0.0, "longitude": 90.0}


def small_world(
    folder: Path,
    *,
    loss: tuple[str, str, str] | None = None,
    limits: dict[str, str] | None = None,
    faults: Sequence[dict[str, Any]] = (),
    **model: Any,
) -> Case:
    """The case; *loss* is a node, when it is lost and for how long; *model* replaces parts of the model file.

    *limits* are those of the pods' containers; *faults* are as in a scenario file.
    """
    amounts = {"cpu": "8", "memory": "16Gi", "pods": "20"}
    nodes = [_node("one", "east", amounts), _node("two", "west", amounts)]
    documents = [*nodes, *_service("front", 2, None, limits), *_service("back", 1, "two", limits)]
    (folder / "cluster.yaml").write_text(yaml.safe_dump_all(documents))
    base: dict[str, Any] = {
        "populations": [_users("easterners", EAST, "one"), _users("westerners", WEST, "two")],
        "edges": [{"name": "proxy", "nodes": ["one", "two"], "source": "chosen"}],
        "paths": [path("page", ["proxy", "default/front", "default/back"])],
        "stations": [
            {"step": "proxy", "serviceTime": "1ms", "servers": 16, "source": "chosen"},
            {"step": "default/*", "serviceTime": "5ms", "servers": 4, "source": "chosen"},
        ],
    }
    _write(folder / "model.yaml", "Model", {**base, **model})
    scenario: dict[str, Any] = {"manifests": ["cluster.yaml"], "model": "model.yaml", "horizon": "600s"}
    if loss is not None:
        fault = {"name": "loss", "kind": "NodeChaos", "action": "node-stop", "selector": {"nodes": [loss[0]]}}
        faults = [{**fault, "at": loss[1], "duration": loss[2]}]
    scenario["faults"] = list(faults)
    _write(folder / "scenario.yaml", "Scenario", scenario)
    return load(folder / "scenario.yaml")


def path(name: str, steps: list[str], **fields: Any) -> dict[str, Any]:
    return {"name": name, "steps": steps, "share": 1, "source": "chosen", **fields}


def network(delays: str = "distance") -> dict[str, Any]:
    """A quarter of the globe between the nodes, or 3 ms."""
    return {
        "sameNodeDelay": "1ms",
        "sameRegionDelay": "2ms",
        "delays": delays,
        "regions": [{"name": "east", **EAST, "source": "chosen"}, {"name": "west", **WEST, "source": "chosen"}],
        "links": [{"between": ["east", "west"], "delay": "3ms", "source": "chosen"}],
        "source": "chosen",
    }


def _users(name: str, place: dict[str, float], edge: str) -> dict[str, Any]:
    return {"name": name, **place, "edge": edge, "rate": 50, "clients": 100, "source": "chosen"}


def _node(name: str, region: str, amounts: dict[str, str]) -> dict[str, Any]:
    status = {"allocatable": amounts, "capacity": amounts, "conditions": [{"type": "Ready", "status": "True"}]}
    metadata = {"name": name, "labels": {REGION: region, HOST: name}}
    return {"apiVersion": "v1", "kind": "Node", "metadata": metadata, "status": status}


def _service(name: str, replicas: int, node: str | None, limits: dict[str, str] | None) -> list[dict[str, Any]]:
    labels = {"app": name}
    spread = {
        "maxSkew": 1,
        "topologyKey": HOST,
        "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": {"matchLabels": labels},
    }
    container = {"name": "main", "image": "any", "resources": {"requests": {"cpu": "100m"}, "limits": limits or {}}}
    pod: dict[str, Any] = {"containers": [container], "topologySpreadConstraints": [spread]}
    if node is not None:
        pod["nodeSelector"] = {HOST: node}
    template = {"metadata": {"labels": labels}, "spec": pod}
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
    metadata = {"name": name, "namespace": "default"}
    return [
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec},
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": metadata,
            "spec": {"selector": labels, "ports": [{"port": 80}]},
        },
    ]


def _write(file: Path, kind: str, spec: dict[str, Any]) -> None:
    file.write_text(yaml.safe_dump({"apiVersion": "gxsim/v1alpha1", "kind": kind, "spec": spec}))
