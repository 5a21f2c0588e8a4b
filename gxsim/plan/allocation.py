"""Where the cluster's resources go: what each namespace takes of each node, by every counting."""

import numpy as np

from gxsim.observe.table import Table
from gxsim.plan.countings import countings
from gxsim.plan.place import Placed
from gxsim.state import CPU, MEMORY, PENDING, STORAGE, workload_of

COLUMNS = ("node", "namespace", "counting", "cpu_milli", "memory_bytes", "disk_bytes")
THE_NODE = "(the node itself)"


def allocation(placed: Placed) -> Table:
    """One row per node, namespace and counting; what no pod accounts for stands under a name of its own."""
    state, rows = placed.state, []
    for counting in countings(placed.case.model):
        taken: dict[tuple[int, str], np.ndarray] = {}
        for node, own in counting.of_nodes(state).items():
            taken[node, THE_NODE] = state.vector(own)
        for pod in np.flatnonzero(state.pod_active & (state.pod_node != PENDING)).tolist():
            template = state.templates[state.pod_template[pod]]
            key = (int(state.pod_node[pod]), template.namespace)
            amounts = state.vector(counting.amounts(state, template, workload_of(state, pod)))
            taken[key] = taken.get(key, 0) + amounts
        for (node, namespace), total in sorted(taken.items()):
            base_units = (int(total[resource]) for resource in (CPU, MEMORY, STORAGE))
            rows.append((state.nodes[node].name, namespace, counting.name, *base_units))
    about = "What each namespace takes of each node by requests, limits, documented usage, and disk behind volumes"
    return Table.of("allocation", about, COLUMNS, rows)
