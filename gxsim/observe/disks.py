"""The nodes' disks over a run: how full they were, when an alert stood, and what the kubelets did about it."""

import numpy as np

from gxsim.controllers.disks import disk_bytes
from gxsim.kernels.intervals import durations
from gxsim.observe.table import Table
from gxsim.state import ClusterState
from gxsim.storage.disk_levels import disk_levels
from gxsim.storage.forecast import ALERT_SHARE
from gxsim.timeline import Timeline

COLUMNS = (
    "node",
    "size_bytes",
    "used_start_bytes",
    "used_most_bytes",
    "used_end_bytes",
    "alert_s",
    "pressure_from_s",
    "pressure_s",
    "evicted",
    "images_removed",
)
TAINT = "node.kubernetes.io/disk-pressure:NoSchedule"


def disk_table(state: ClusterState, timeline: Timeline) -> Table:
    """One row per node whose disk is known.

    ``alert_s`` is when 85 % were used for the first time, ``pressure_from_s`` when the API server was first told of
    DiskPressure (absent: never) and ``pressure_s`` for how long in all; ``evicted`` counts pods put out for it.
    """
    rows = []
    for node, size in enumerate(disk_bytes(state).tolist()):
        name = state.nodes[node].name
        found = disk_levels(timeline, name, float(size)) if size else None
        if found is None:
            continue
        times_s, held = timeline.levels(f"taint/{name}/{TAINT}")
        alert_s = found.reaches_s(ALERT_SHARE * size)
        rows.append(
            (
                name,
                size,
                float(found.used_bytes[0]),
                found.most_bytes,
                float(found.used_bytes[-1]),
                alert_s if np.isfinite(alert_s) else None,
                float(times_s[held > 0][0]) if (held > 0).any() else None,
                float(durations(times_s, timeline.horizon_s)[held > 0].sum()) if len(times_s) else 0.0,
                _evicted(state, timeline, node),
                sum(event.reason == "ImageGarbageCollected" and event.name == name for event in timeline.events),
            )
        )
    about = "Disks of the nodes: what lay on them, when 85 % were used, and what their kubelets did about it"
    return Table.of("disks", about, COLUMNS, rows)


def _evicted(state: ClusterState, timeline: Timeline, node: int) -> int:
    """Pods of *node* that were put out because its disk was short; those refused at the door do not count."""
    there = {state.pod_key(pod) for pod in np.flatnonzero(state.pod_node == node).tolist()}
    low = "The node was low on resource: ephemeral-storage"
    return sum(
        event.reason == "Evicted" and event.message.startswith(low) and event.name in there for event in timeline.events
    )
