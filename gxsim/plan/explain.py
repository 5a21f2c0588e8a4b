"""Why a pod goes where it goes: every node's first refusal, and every score."""

from dataclasses import dataclass

import numpy as np

from gxsim.errors import ScenarioError
from gxsim.load.fields import unknown_name
from gxsim.observe.table import Table
from gxsim.plan.place import Placed
from gxsim.scheduler import Framework
from gxsim.state import PENDING, ClusterState, owner_name


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """The scheduler's answer for one pod with all others in place. ``table`` has one row per node, best first.

    ``lies_on`` is where the pod is (nowhere: ""), ``chosen`` where the scheduler would put it now, ``message`` its
    sentence where nothing fits.
    """

    pod: str
    lies_on: str
    chosen: str
    message: str
    table: Table


def explain(placed: Placed, name: str, node: str = "") -> Explained:
    """Take the pod *name* out of *placed* and ask the scheduler for it anew; with *node*, of that node only.

    *name* is a pod or a workload, with or without ``namespace/``; of a workload the first waiting pod is meant, else
    its first. Raises ScenarioError with the nearest name.
    """
    state = placed.state.copy()
    if node and node not in state.node_index:
        raise ScenarioError(node, f"there is no such node; {unknown_name(node, list(state.node_index))}")
    pod = _find(state, name)
    key, lies_on = state.pod_key(pod), int(state.pod_node[pod])
    template, owner, ordinal = (
        state.templates[state.pod_template[pod]],
        int(state.pod_owner[pod]),
        state.pod_ordinal[pod],
    )
    state.delete(pod)
    row = state.create(state.pod_names[pod], template, owner=owner, ordinal=int(ordinal))
    framework = Framework(state, placed.framework.profile)
    decision = framework.decide(row)
    return Explained(
        pod=key,
        lies_on=state.nodes[lies_on].name if lies_on != PENDING else "",
        chosen=state.nodes[decision.node].name if decision.node != PENDING else "",
        message=decision.message(),
        table=_table(state, framework, row, node),
    )


def _table(state: ClusterState, framework: Framework, pod: int, only: str) -> Table:
    """One row per node: whether it fits, the first plugin that refuses and its reasons, or the weighted scores."""
    answer = framework.explain(pod)
    plugins = sorted(answer.scores)
    rows = []
    for index in np.argsort(-answer.total, kind="stable").tolist():
        name = state.nodes[index].name
        refusal = answer.diagnosis.refusal(index)
        if only and name != only:
            continue
        fits = bool(answer.feasible[index])
        scores = [int(answer.scores[plugin][index]) if fits else None for plugin in plugins]
        why = (refusal.plugin, "; ".join(refusal.reasons)) if refusal else ("", "")
        rows.append((name, fits, *why, int(answer.total[index]) if fits else None, *scores))
    about = f"What the scheduler says of each node for {state.pod_key(pod)}; scores carry their weights"
    return Table.of("explain", about, ("node", "fits", "plugin", "reasons", "total", *plugins), rows)


def _find(state: ClusterState, name: str) -> int:
    """The row of the pod that *name* means."""
    active = np.flatnonzero(state.pod_active).tolist()
    spaces = {pod: state.templates[state.pod_template[pod]].namespace for pod in active}
    for names in (state.pod_names.__getitem__, lambda pod: owner_name(state, pod)):
        found = [pod for pod in active if name in (names(pod), f"{spaces[pod]}/{names(pod)}")]
        if len({spaces[pod] for pod in found}) > 1:
            listed = ", ".join(sorted({f"{spaces[pod]}/{name}" for pod in found}))
            raise ScenarioError(name, f"several namespaces have it; write one of {listed}")
        if found:
            return min(found, key=lambda pod: (state.pod_node[pod] != PENDING, pod))
    known = sorted(
        {state.pod_key(pod) for pod in active} | {f"{spaces[pod]}/{owner_name(state, pod)}" for pod in active}
    )
    raise ScenarioError(name, f"there is no such pod or workload; {unknown_name(name, known)}")
