"""A suite of placements to compare over time: its file, and each case of it placed."""

import csv
import gzip
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from gxsim.errors import ScenarioError
from gxsim.load.documents import Document, read_one
from gxsim.load.fields import read_fields, unknown_name
from gxsim.load.scenario import Case, check_header
from gxsim.model.cluster import Cluster
from gxsim.model.fields import spec
from gxsim.model.model import Model
from gxsim.model.node import Node
from gxsim.model.pod import Container, Pod, PodTemplate
from gxsim.model.scenario import Scenario
from gxsim.model.selectors import NodeSelector, NodeSelectorTerm, Requirement
from gxsim.plan.place import case_of
from gxsim.plan.quality import CLOCK_FIGURES, FIGURES

KIND = "BenchSuite"
HOSTNAME = "kubernetes.io/hostname"
GPU, GPU_MODEL = "alibabacloud.com/gpu-milli", "alibabacloud.com/gpu-card-model"
MEBIBYTE = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchCase:
    """One placement of a suite. Files are relative to the suite's own."""

    name: str = spec(doc="Name of the case")
    files: tuple[str, ...] = spec((), doc="Manifests, or one scenario, which starts as it says")
    node_shapes: tuple[str, ...] = spec((), doc="Nodes to add, in shorthand")
    remove_nodes: tuple[str, ...] = spec((), doc="Nodes to leave out from the start")
    grow: int = spec(1, doc="Nodes and replicas so many times; quotas are left out then", ge=1)
    trace_nodes: str = spec("", doc="CSV with the nodes of a trace, in place of files")
    trace_pods: str = spec("", doc="CSV with its pods, in the order they arrive")
    clock: bool = spec(False, doc="Whether each single loss is played through on the clock as well")
    losses: int = spec(64, doc="Most losses of one and of two nodes to look at; the dearest", ge=0)
    optional: bool = spec(False, doc="Whether the case is left out where its files are not there")
    tolerance: Mapping[str, float] = spec(doc="How much worse a figure may be, in its own unit", factory=dict)

    def absent(self, folder: Path) -> str:
        """The first of its files that is not there; empty if all are."""
        paths = (*self.files, *(path for path in (self.trace_nodes, self.trace_pods) if path))
        return next((path for path in paths if not (folder / path).exists()), "")


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchSuite:
    """``kind: BenchSuite``: what is compared, and how far it may drift."""

    name: str = spec("suite", doc="Name of the suite")
    cases: tuple[BenchCase, ...] = spec(doc="The placements")
    speed_percent: float = spec(100.0, doc="How much slower a case may be against the calibration loop", ge=0)
    tolerance: Mapping[str, float] = spec(doc="How much worse a figure may be, in every case", factory=dict)


def read_suite(path: str | Path) -> BenchSuite:
    """The suite at *path*; raises ScenarioError with file, line and path of what is wrong."""
    document = read_one(path)
    check_header(document, KIND)
    suite: BenchSuite = read_fields(BenchSuite, document, ("spec",))
    names = [case.name for case in suite.cases]
    for i, case in enumerate(suite.cases):
        if names.index(case.name) != i:
            raise document.error(("spec", "cases", i, "name"), f"{case.name!r} is the name of another case already")
        if bool(case.files) == bool(case.trace_nodes and case.trace_pods):
            raise document.error(("spec", "cases", i), "expected either files, or traceNodes and tracePods")
        _check_tolerance(document, case.tolerance, ("spec", "cases", i, "tolerance"))
    _check_tolerance(document, suite.tolerance, ("spec", "tolerance"))
    name = (document.value.get("metadata") or {}).get("name")
    return replace(suite, name=str(name or Path(path).stem))


def _check_tolerance(document: Document, tolerance: Mapping[str, float], path: tuple[str | int, ...]) -> None:
    known = [*FIGURES, *CLOCK_FIGURES, "quorum", "moved"]
    for figure in tolerance:
        if figure not in known:
            raise document.error((*path, figure), f"unknown figure; {unknown_name(figure, known)}")


def load_case(case: BenchCase, folder: Path) -> Case:
    """What *case* places; raises ScenarioError."""
    if case.trace_nodes:
        cluster = _trace(folder / case.trace_nodes, folder / case.trace_pods)
        return Case(scenario=Scenario(name=case.name, manifests=()), cluster=cluster, model=Model())
    loaded = case_of([folder / name for name in case.files], case.node_shapes)
    unknown = set(case.remove_nodes) - {node.name for node in loaded.cluster.nodes}
    if unknown:
        raise ScenarioError(f"{case.name}: removeNodes", f"there is no node {sorted(unknown)[0]!r}")
    nodes = tuple(node for node in loaded.cluster.nodes if node.name not in case.remove_nodes)
    cluster = in_order(replace(loaded.cluster, nodes=nodes))
    if case.grow > 1:
        cluster = grown(cluster, case.grow)
    placement = loaded.placement if case.grow == 1 and not case.remove_nodes else None
    return replace(loaded, cluster=cluster, placement=placement)


def in_order(cluster: Cluster) -> Cluster:
    """*cluster* with its workloads and pods by name, so that the order of files decides nothing."""
    workloads = tuple(sorted(cluster.workloads, key=lambda w: (w.namespace, w.kind, w.name)))
    pods = tuple(sorted(cluster.pods, key=lambda pod: (pod.template.namespace, pod.name)))
    return replace(cluster, workloads=workloads, pods=pods)


def grown(cluster: Cluster, factor: int) -> Cluster:
    """*cluster* with so many times the nodes and the replicas, and without quotas; DaemonSets follow the nodes."""
    nodes = [_copy(node, number) for number in range(factor) for node in cluster.nodes]
    workloads = tuple(replace(w, replicas=w.replicas * factor) for w in cluster.workloads)
    return replace(cluster, nodes=tuple(nodes), workloads=workloads, quotas=())


def _copy(node: Node, number: int) -> Node:
    if number == 0:
        return node
    name = f"{node.name}-{number}"
    return replace(node, name=name, labels={**node.labels, HOSTNAME: name})


# ---- traces ---------------------------------------------------------------------------------------------------------


def _trace(nodes: Path, pods: Path) -> Cluster:
    """A trace of Alibaba's openb format; the GPUs of a node are one pool, counted in thousandths."""
    templates: dict[tuple[str, ...], PodTemplate] = {}
    arrivals = []
    for line in _lines(pods):
        key = tuple(line[name] for name in ("cpu_milli", "memory_mib", "num_gpu", "gpu_milli", "gpu_spec"))
        if key not in templates:
            templates[key] = _trace_template(line)
        arrivals.append(Pod(name=line["name"], template=templates[key]))
    return Cluster(nodes=tuple(map(_trace_node, _lines(nodes))), pods=tuple(arrivals))


def _lines(path: Path) -> list[dict[str, str]]:
    try:
        raw = path.read_bytes()
        text = gzip.decompress(raw) if path.suffix == ".gz" else raw
        return list(csv.DictReader(text.decode().splitlines()))
    except OSError as error:
        raise ScenarioError(str(path), f"cannot be read: {error.strerror or error}") from None


def _trace_node(line: Mapping[str, str]) -> Node:
    amounts = {
        "cpu": int(line["cpu_milli"]),
        "memory": int(line["memory_mib"]) * MEBIBYTE,
        "pods": 10_000,
        GPU: 1000 * int(line["gpu"]),
    }
    labels = {HOSTNAME: line["sn"]} | ({GPU_MODEL: line["model"]} if line["model"] else {})
    return Node(name=line["sn"], labels=labels, allocatable=amounts, capacity=amounts)


def _trace_template(line: Mapping[str, str]) -> PodTemplate:
    requests = {"cpu": int(line["cpu_milli"]), "memory": int(line["memory_mib"]) * MEBIBYTE}
    gpus = int(line["num_gpu"]) * int(line["gpu_milli"])
    if gpus:
        requests[GPU] = gpus
    models = tuple(line["gpu_spec"].split("|")) if line["gpu_spec"] else ()
    term = NodeSelectorTerm((Requirement(GPU_MODEL, "In", models),))
    return PodTemplate(
        namespace="openb",
        containers=(Container(name="main", requests=requests),),
        requests=requests,
        scored_requests=(requests["cpu"], requests["memory"]),
        node_affinity=NodeSelector((term,)) if models else None,
    )
