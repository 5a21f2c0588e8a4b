"""The given starting placement against what the scheduler decides from the manifests alone."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping

import numpy as np

from gxsim.observe.table import Table
from gxsim.state import PENDING, ClusterState, kind_of, workload_of

HOSTNAME = "kubernetes.io/hostname"
COLUMNS = ("workload", "kind", "given", "scheduled", "same", "would_guarantee")


def placement_table(given: ClusterState, scheduled: ClusterState) -> Table:
    """One row per workload (DaemonSets left out): its nodes in both states, and what would force the given ones.

    Nothing in the manifests forces a placement that merely happens to agree, so the last column is filled for every
    workload; it names the strictest rule needed for exactly the given nodes.
    """
    before, after = _nodes_of(given), _nodes_of(scheduled)
    rows = []
    for key, nodes in before.items():
        kind = nodes.pop("kind")
        other = after.get(key, {})
        same = all(other.get(pod) == node for pod, node in nodes.items())
        if kind != "StatefulSet":  # pods of a Deployment are interchangeable
            same = Counter(nodes.values()) == Counter(v for k, v in other.items() if k != "kind")
        chosen = (
            [other.get(pod, "") for pod in nodes]
            if kind == "StatefulSet"
            else [v for k, v in other.items() if k != "kind"]
        )
        rows.append((key, kind, _listed(nodes.values()), _listed(chosen), same, _rule(kind, list(nodes.values()))))
    about = "Where the given placement and the scheduler alone put each workload, and what would force the given one"
    return Table.of("placement", about, COLUMNS, rows)


def _nodes_of(state: ClusterState) -> Mapping[str, dict[str, str]]:
    """By workload: its kind, and the node of each of its pods ("" when Pending)."""
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for pod in np.flatnonzero(state.pod_active):
        kind = kind_of(state, int(pod))
        if kind == "DaemonSet":
            continue
        key = workload_of(state, int(pod))
        node = int(state.pod_node[pod])
        found[key]["kind"] = kind
        found[key][state.pod_names[pod]] = state.nodes[node].name if node != PENDING else ""
    return found


def _listed(nodes: Iterable[str]) -> str:
    return ", ".join(node or "Pending" for node in nodes)


def _rule(kind: str, nodes: list[str]) -> str:
    """The rule that leaves the scheduler no other choice than *nodes* (per ordinal for a StatefulSet)."""
    distinct = sorted(set(nodes) - {""})
    if not distinct:
        return ""
    among = f"required node affinity {HOSTNAME} In [{', '.join(distinct)}]"
    if len(distinct) == 1:
        return among
    if len(distinct) == len(nodes):
        spread = f"{among}, and required pod anti-affinity on {HOSTNAME}"
        return f"{spread}; which ordinal lands where stays open" if kind == "StatefulSet" else spread
    return f"{among}; the number on each node needs one workload per node"
