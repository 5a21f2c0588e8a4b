"""Volumes at risk: data that a lost node takes with it, for a while or for good."""

from fnmatch import fnmatchcase

import numpy as np

from gxsim.kernels.intervals import durations
from gxsim.model.model import Backup, Model
from gxsim.observe.nodes import owner_name, volume_nodes
from gxsim.observe.table import Table
from gxsim.state import ClusterState
from gxsim.timeline import Timeline

COLUMNS = (
    "claim",
    "workload",
    "node",
    "size_bytes",
    "reclaim_policy",
    "unreachable_s",
    "lost",
    "replicated",
    "backup",
    "backup_age_s",
    "restore_s",
)


def volume_table(state: ClusterState, timeline: Timeline, model: Model) -> Table:
    """One row per bound volume that a single node holds.

    *unreachable* is how long its node was down; *lost* says that its disk was. *backup_age* is the most that the last
    copy can be behind, *restore* the longest documented time to bring it back; both absent without a backup.
    """
    down = timeline.changes("node_down")
    unreachable = []
    for node in range(len(state.nodes)):
        times, values = down.of(node)
        unreachable.append(float(durations(times, timeline.horizon_s)[values > 0].sum()))
    users = _users(state)
    rows = []
    for claim in sorted(state.claims.values(), key=lambda c: c.key):
        volume = state.volumes.get(claim.volume)
        nodes = volume_nodes(state, volume.name) if volume else []
        if volume is None or len(nodes) != 1:
            continue
        workload = users.get(claim.key, "")
        backup = next((b for b in model.backups if _saves(b, claim.namespace, workload)), None)
        rows.append(
            (
                claim.key,
                workload,
                state.nodes[nodes[0]].name,
                volume.size_bytes,
                volume.reclaim_policy,
                unreachable[nodes[0]],
                _is_lost(timeline, volume.name),
                backup.replicated if backup else False,
                backup.name if backup else "",
                backup.every_s if backup else None,
                max(backup.restore_s) if backup else None,
            )
        )
    about = "Volumes that one node holds: how long out of reach, whether lost, and what else has the data"
    return Table.of("volumes", about, COLUMNS, rows)


def _users(state: ClusterState) -> dict[str, str]:
    """The workload whose pods use each claim."""
    users: dict[str, str] = {}
    for pod in range(len(state.pod_names)):
        template = state.templates[state.pod_template[pod]]
        for name in template.claims:
            users.setdefault(f"{template.namespace}/{name}", owner_name(state, pod))
    return users


def _saves(backup: Backup, namespace: str, workload: str) -> bool:
    return backup.namespace == namespace and fnmatchcase(workload, backup.workload)


def _is_lost(timeline: Timeline, volume: str) -> bool:
    _, values = timeline.levels(f"volume_lost/{volume}")
    return bool(np.any(values > 0))
