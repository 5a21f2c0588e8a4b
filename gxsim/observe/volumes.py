"""Volumes at risk: what a lost node or disk takes with it, for a while or for good."""

import numpy as np
from numpy.typing import NDArray

from gxsim.kernels.intervals import durations
from gxsim.model.model import Model
from gxsim.observe.table import Table
from gxsim.state import ClusterState
from gxsim.storage.drivers import Ends
from gxsim.storage.places import places
from gxsim.storage.protection import exposures, in_force
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
    "crash_loss_s",
    "crash_outage_s",
    "node_loss_s",
    "node_outage_s",
    "disk_loss_s",
    "disk_outage_s",
    "exposed_s",
)


def volume_table(state: ClusterState, timeline: Timeline, model: Model) -> Table:
    """One row per bound volume that a single node holds.

    *unreachable* is how long its node was down; *lost* says that its disk was. *backup_age* is the most that the last
    finished copy can be behind, *restore* the longest documented time to bring it back; both absent without a backup.
    *crash_loss*, *node_loss* and *disk_loss* are how far back acknowledged writes are gone at worst when the process
    ends, when the node stops with its disk kept, and when the disk is lost (inf: everything); *outage* how long until
    the data is served again at worst, and *exposed* how long a second disk then meets one copy less. These are absent
    without a Store entry in the model.
    """
    unreachable = _unreachable_s(state, timeline)
    lost = {event.name for event in timeline.events if event.reason == "DiskLost"}
    found = exposures(state, model, Ends())
    rows = []
    for place in places(state):
        backup = next(iter(place.backups(model.backups)), None)
        crash = in_force(found, place.namespace, place.workload, "pod crash")
        node = in_force(found, place.namespace, place.workload, "node lost, disk kept")
        disk = in_force(found, place.namespace, place.workload, "disk lost")
        rows.append(
            (
                place.claim,
                place.workload,
                state.nodes[place.node].name,
                place.size_bytes,
                place.reclaim_policy,
                float(unreachable[place.node]),
                place.volume in lost,
                bool(disk and disk.store.replicas) or bool(backup and backup.replicated),
                backup.name if backup else "",
                backup.every_s + max(backup.copy_s) if backup else None,
                max(backup.restore_s) if backup else None,
                _worst(crash.lost_s) if crash else None,
                _worst(crash.outage_s) if crash else None,
                _worst(node.lost_s) if node else None,
                _worst(node.outage_s) if node else None,
                _worst(disk.lost_s) if disk else None,
                _worst(disk.outage_s) if disk else None,
                _worst(disk.exposed_s) if disk else None,
            )
        )
    about = "Volumes that one node holds: how long out of reach, whether lost, and what a loss costs at worst"
    return Table.of("volumes", about, COLUMNS, rows)


def _unreachable_s(state: ClusterState, timeline: Timeline) -> NDArray:
    """(nodes,) seconds for which each node was down."""
    down = timeline.changes("node_down")
    spent = np.zeros(len(state.nodes))
    for node in range(len(state.nodes)):
        times, values = down.of(node)
        spent[node] = durations(times, timeline.horizon_s)[values > 0].sum()
    return spent


def _worst(seconds: NDArray) -> float:
    return float(np.max(seconds))
