"""Where the pods of some manifests, or of a scenario, lie when nothing has gone wrong yet."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from gxsim.errors import ScenarioError
from gxsim.load.documents import STDIN, read
from gxsim.load.manifests import load_cluster
from gxsim.load.scenario import API_VERSION, Case, load, scenario_names, with_scheduler
from gxsim.load.servers import with_servers
from gxsim.model.model import Model
from gxsim.model.scenario import Scenario
from gxsim.observe.nodes import capacity
from gxsim.observe.table import Table
from gxsim.plan.node_shape import EXAMPLE, nodes_of_shapes
from gxsim.rng import Streams
from gxsim.scheduler import Framework
from gxsim.state import CPU, MEMORY, PENDING, ClusterState, kind_of, workload_of
from gxsim.study.start import started

PLACED = ("DaemonSet", "Deployment", "ReplicaSet", "StatefulSet")


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A cluster with all its pods where the scheduler, or a given placement, puts them."""

    case: Case
    state: ClusterState
    framework: Framework

    @property
    def waiting(self) -> int:
        """Pods that are Pending, and pods that admission refused."""
        return sum(node == "" for node in self.pods().columns["node"]) + sum(self.refused().columns["missing"])

    def pods(self) -> Table:
        """One row per pod: its node, or nothing and the scheduler's own sentence; Pending pods first."""
        state = self.state
        rows = []
        for pod in np.flatnonzero(state.pod_active).tolist():
            node = int(state.pod_node[pod])
            why = self.framework.decide(pod).message() if node == PENDING else ""
            name = state.nodes[node].name if node != PENDING else ""
            rows.append((state.pod_key(pod), workload_of(state, pod), kind_of(state, pod), name, why))
        rows.sort(key=lambda row: (row[3] != "", row[0]))
        return Table.of("placement", "Each pod and its node", ("pod", "workload", "kind", "node", "why"), rows)

    def nodes(self) -> Table:
        """One row per node: its pods and what they request of what it offers."""
        state = self.state
        offered = capacity(state)
        pods = np.bincount(state.pod_node[state.pod_active & (state.pod_node != PENDING)], minlength=len(state.nodes))
        rows = [
            (node.name, int(pods[i]), *(int(x) for k in (CPU, MEMORY) for x in (state.requested[i, k], offered[i, k])))
            for i, node in enumerate(state.nodes)
        ]
        names = ("requests_cpu_milli", "allocatable_cpu_milli", "requests_memory_bytes", "allocatable_memory_bytes")
        return Table.of("nodes", "Requests of each node's pods against what it offers", ("node", "pods", *names), rows)

    def refused(self) -> Table:
        """One row per workload that lacks pods because admission refused them, in the API server's words."""
        state = self.state
        said = {(e.kind, e.name): e.message for e in state.events if e.reason == "FailedCreate"}
        rows = []
        for index, owner in enumerate(state.owners):
            have = int(np.count_nonzero(state.pod_active & (state.pod_owner == index)))
            message = said.get((owner.kind, f"{owner.namespace}/{owner.name}"))
            if message:
                missing = max(1, owner.replicas - have) if owner.kind != "DaemonSet" else 1
                rows.append((f"{owner.namespace}/{owner.name}", owner.kind, missing, message))
        return Table.of("refused", "Pods that admission refused", ("workload", "kind", "missing", "why"), rows)

    def unplaced(self) -> dict[str, int]:
        """Workloads by kind that get no pods here, as they run to an end."""
        kinds = [workload.kind for workload in self.state.cluster.workloads if workload.kind not in PLACED]
        return {kind: kinds.count(kind) for kind in sorted(set(kinds))}


def place(
    paths: Sequence[str | Path],
    shapes: Sequence[str] = (),
    *,
    scheduler: str | Path | None = None,
    variables: Mapping[str, str] | None = None,
    seed: int | None = None,
) -> Placed:
    """Place every pod of *paths* on the nodes found there and on those that *shapes* add.

    *paths* are manifests (files, folders, ``-``), or one scenario (a file or a bundled name), which starts as it says.
    *scheduler* is a KubeSchedulerConfiguration file; *variables* replace ``${NAME}`` in manifests. Ties go to the first
    node by name, or with *seed* to a random one as in the real scheduler. Raises ScenarioError.
    """
    case = case_of(paths, shapes, variables, scheduler)
    if not case.cluster.nodes:
        where = " ".join(str(path) for path in paths)
        raise ScenarioError(where, f"the input has no node; add some, for example --node-shape {EXAMPLE}")
    ties = None if seed is None else Streams(seed).take("scheduler/ties")
    state, framework = started(case, case.placement, ties)
    return Placed(case=case, state=state, framework=framework)


def case_of(
    paths: Sequence[str | Path],
    shapes: Sequence[str] = (),
    variables: Mapping[str, str] | None = None,
    scheduler: str | Path | None = None,
) -> Case:
    """The scenario that *paths* name, or a case without faults around their manifests; with the nodes of *shapes*.

    *scheduler* is a KubeSchedulerConfiguration file, in place of what the scenario says.
    """
    if len(paths) == 1 and is_scenario(paths[0]):
        case = load(paths[0])
    else:
        digests: dict[str, str] = {}
        cluster = load_cluster(paths, digests, variables)
        scenario = Scenario(name="manifests", manifests=tuple(str(path) for path in paths))
        case = Case(scenario=scenario, cluster=cluster, model=with_servers(Model(), cluster.nodes), digests=digests)
    if shapes:
        nodes = (*case.cluster.nodes, *nodes_of_shapes(shapes))
        case = replace(case, cluster=replace(case.cluster, nodes=nodes))
    if scheduler is None:
        return case
    profile, cluster = with_scheduler(scheduler, case.cluster)
    return replace(case, profile=profile, cluster=cluster)


def is_scenario(path: str | Path) -> bool:
    """Whether *path* is a bundled name or a file that holds a scenario."""
    if str(path) == STDIN or Path(path).is_dir():
        return False
    if not Path(path).exists():
        return str(path) in scenario_names()
    found = read([path])
    value = found[0].value if len(found) == 1 else None
    return isinstance(value, dict) and value.get("apiVersion") == API_VERSION and value.get("kind") == "Scenario"
