"""What a change would do: the same figures before and after each edit, the pods that move, nodes to empty."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from gxsim.controllers.disruption import budget_status
from gxsim.errors import ScenarioError
from gxsim.load.documents import read
from gxsim.load.manifests import cluster_of
from gxsim.load.scenario import Case, find_scenario, with_scheduler
from gxsim.model.model import Model
from gxsim.model.scenario import Scenario
from gxsim.observe.headroom import MOST_LOSSES, lose, may_move
from gxsim.observe.table import Table
from gxsim.plan.carry import carried, place_case
from gxsim.plan.diff import Difference, diff
from gxsim.plan.edits import Documents, Edit, nodes_as_documents
from gxsim.plan.place import Placed, case_of, is_scenario
from gxsim.plan.quality import FIGURES, quality
from gxsim.plan.wanted import median_pod
from gxsim.state import PENDING, ClusterState, kind_of

EMPTYING = ("node", "pods", "daemons", "bare", "on_volumes", "to_move", "pending", "held_by_budgets", "can", "together")


@dataclass(frozen=True, slots=True, kw_only=True)
class WhatIf:
    """``figures``: one row per figure with its value before and after every edit; ``steps``: what each edit moved.

    ``difference`` compares the first and the last placement; ``emptying`` is about the last one.
    """

    before: Placed
    after: Placed
    names: tuple[str, ...]
    figures: Table
    steps: Table
    emptying: Table
    difference: Difference


def whatif(
    paths: Sequence[str | Path],
    edits: Sequence[Edit],
    shapes: Sequence[str] = (),
    *,
    scheduler: str | Path | None = None,
    variables: Mapping[str, str] | None = None,
) -> WhatIf:
    """Make *edits* one after the other to the manifests, or the scenario, at *paths*.

    *shapes*, *scheduler* and *variables* are as for ``place``. Raises ScenarioError.
    """
    case, documents = _input(paths, shapes, variables)
    if scheduler is not None:
        case = replace(case, profile=with_scheduler(scheduler, case.cluster)[0])
    if not case.cluster.nodes:
        raise ScenarioError("what-if", "the input has no node; add some, for example --node-shape cpu=16,memory=64Gi")
    placed = [place_case(case)]
    typical = median_pod(placed[0].state)
    steps = []
    for edit in edits:
        documents = edit.apply(documents)
        placed.append(carried(placed[-1], cluster_of(documents)))
        steps.append(_step(edit.name, diff(placed[-2], placed[-1])))
    qualities = [quality(one, typical) for one in placed]
    names = ("before", *(edit.name for edit in edits))
    rows = [[FIGURES[name][1], *(q.figures[name] for q in qualities)] for name in FIGURES]
    groups = dict.fromkeys(group for q in qualities for group in q.quorum)
    rows += [[f"nodes {group} may lose", *(q.quorum.get(group) for q in qualities)] for group in groups]
    about = f"Figures before and after each change; headroom is for {typical.name}"
    return WhatIf(
        before=placed[0],
        after=placed[-1],
        names=names,
        figures=Table.of("figures", about, ("figure", *names), rows),
        steps=Table.of("steps", "What each change moved", ("change", "moved", "new", "gone", "newly_pending"), steps),
        emptying=emptying(placed[-1].state),
        difference=diff(placed[0], placed[-1]),
    )


def _input(
    paths: Sequence[str | Path], shapes: Sequence[str], variables: Mapping[str, str] | None
) -> tuple[Case, Documents]:
    """What *paths* say, and the manifests behind it; standard input is read once."""
    further = nodes_as_documents(shapes)
    if len(paths) == 1 and is_scenario(paths[0]):
        case, folder = case_of(paths, shapes), find_scenario(paths[0]).parent
        named = [folder / name for name in (*case.scenario.manifests, *case.scenario.overlays)]
        return case, [*read(named), *further]
    documents = [*read(paths, variables=variables), *further]
    scenario = Scenario(name="manifests", manifests=tuple(str(path) for path in paths))
    return Case(scenario=scenario, cluster=cluster_of(documents), model=Model()), documents


def _step(name: str, change: Difference) -> tuple:
    moves = list(change.moves.rows())
    new = sum(row["pods"] for row in moves if not row["old"])
    gone = sum(row["pods"] for row in moves if not row["new"])
    return name, sum(row["pods"] for row in moves) - new - gone, new, gone, change.newly_pending


def emptying(state: ClusterState) -> Table:
    """One row per node: whether its pods fit on the others, so that it can be taken away.

    ``together`` marks nodes that can go one after the other, emptiest first, all of them at the end. Of very many nodes
    only the emptiest are looked at.
    """
    lies = state.pod_node[state.pod_active & (state.pod_node != PENDING)]
    pods = np.bincount(lies, minlength=len(state.nodes))
    there = np.flatnonzero(state.node_exists).tolist()
    rows = {node: _emptied(state, node) for node in sorted(sorted(there, key=lambda n: (pods[n], n))[:MOST_LOSSES])}
    can = {node: row[-1] for node, row in rows.items()}
    gone: list[int] = []
    for node in sorted((n for n in can if can[n]), key=lambda n: (rows[n][1], n)):
        loss = lose(state, (*gone, node))
        if len(gone) + 1 < len(there) and not loss.pending and not _stays(state, (*gone, node)):
            gone.append(node)
    about = "Whether each node can be emptied: its pods, those that nothing moves, and what the others have no room for"
    return Table.of("emptying", about, EMPTYING, [(*row, node in gone) for node, row in rows.items()])


def _emptied(state: ClusterState, node: int) -> list:
    here = np.flatnonzero(state.pod_active & (state.pod_node == node)).tolist()
    daemons = [pod for pod in here if kind_of(state, pod) == "DaemonSet"]
    bare = [pod for pod in here if kind_of(state, pod) == "Pod"]
    staying = _stays(state, (node,))
    pending = len(lose(state, (node,)).pending)
    held = sum(_held(state, pod) for pod in here if pod not in daemons)
    can = not bare and not staying and not pending and len(state.nodes) > 1
    moving = len(here) - len(daemons) - len(bare) - len(staying)
    return [state.nodes[node].name, len(here), len(daemons), len(bare), len(staying), moving, pending, held, can]


def _stays(state: ClusterState, nodes: tuple[int, ...]) -> list[int]:
    """Pods of controllers on *nodes* whose volumes only these reach."""
    here = np.flatnonzero(state.pod_active & np.isin(state.pod_node, nodes)).tolist()
    return [pod for pod in here if kind_of(state, pod) not in ("DaemonSet", "Pod") and not may_move(state, pod, nodes)]


def _held(state: ClusterState, pod: int) -> bool:
    """Whether a disruption budget lets no pod like this one go now."""
    template = state.templates[state.pod_template[pod]]
    return any(
        b.namespace == template.namespace
        and b.selector is not None
        and b.selector.matches(template.labels)
        and budget_status(state, b).disruptions_allowed < 1
        for b in state.cluster.disruption_budgets
    )
