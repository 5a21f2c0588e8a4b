"""Workloads at the start and at the end of a run, and the losses of nodes."""

from collections import Counter, defaultdict

import numpy as np

from gxsim.observe.table import Table
from gxsim.state import NO_OWNER, PENDING, PHASE_RUNNING, UNKNOWN, ClusterState, roots
from gxsim.timeline import Timeline

COUNTED = ("DaemonSet", "Job", "CronJob")  # without a number of replicas: what they have is what they want


def workload_table(state: ClusterState, timeline: Timeline, unrecovered: Table) -> Table:
    """One row per workload: pods wanted, answering at start and end, Pending or refused at the end, and why.

    The cause is that of most of its rows in *unrecovered*.
    """
    told: dict[tuple[str, str], list[tuple[str, str]]] = defaultdict(list)
    unmade: Counter[tuple[str, str]] = Counter()
    for row in unrecovered.rows():
        key = row["workload"], row["kind"]
        told[key] += [(row["cause"], row["why"])] * row["pods"]
        unmade[key] += 0 if row["pod"] else row["pods"]
    last = timeline.horizon_s
    serving = {moment: timeline.at("pod_serving", t).astype(bool) for moment, t in (("start", 0.0), ("end", last))}
    active = state.pod_exists & ~state.pod_terminating & (state.pod_phase <= PHASE_RUNNING)
    root = roots(state)
    rows = []
    for index, owner in enumerate(state.owners):
        if owner.parent != NO_OWNER or owner.deleted:
            continue
        mine = root == index
        key = f"{owner.namespace}/{owner.name}", owner.kind
        rows.append(
            (
                *key,
                int((active & mine).sum()) if owner.kind in COUNTED else owner.replicas,
                int((serving["start"] & mine).sum()),
                int((serving["end"] & mine).sum()),
                int((active & mine & (state.pod_node == PENDING)).sum()),
                unmade[key],
                *_most(told[key]),
            )
        )
    about = "Pods of each workload: wanted, answering at the start and at the end, Pending and missing at the end, why"
    names = ("workload", "kind", "wanted", "answering_start", "answering_end", "pending", "missing", "cause", "why")
    return Table.of("workloads", about, names, rows)


def _most(causes: list[tuple[str, str]]) -> tuple[str, str]:
    """The most common cause with one of its sentences; empty without any."""
    words = Counter(word for word, _ in causes)
    return max(causes, key=lambda cause: words[cause[0]], default=("", ""))


def node_losses(state: ClusterState, timeline: Timeline) -> Table:
    """One row per time a node was lost: when, when the control plane noticed, when it was back in both senses."""
    rows = []
    for node, noun in enumerate(state.nodes):
        times, values = timeline.changes("node_down").of(node)
        believed_s, believed = timeline.changes("node_ready").of(node)
        down = values > 0
        before = np.append(False, down[:-1])
        for lost_s in times[down & ~before]:
            later = times[(times > lost_s) & ~down]
            back_s = float(later[0]) if len(later) else None
            noticed = believed_s[(believed_s >= lost_s) & (believed == UNKNOWN)]
            noticed = noticed[noticed <= (np.inf if back_s is None else back_s)]
            noticed_s = float(noticed[0]) if len(noticed) else None
            again = believed_s[(believed_s >= (back_s or np.inf)) & (believed != UNKNOWN)]
            believed_back_s = float(again[0]) if len(again) and noticed_s is not None else back_s
            rows.append((noun.name, float(lost_s), noticed_s, back_s, believed_back_s))
    about = "Losses of nodes: when they truly began and ended, and when the control plane noticed"
    return Table.of("node_losses", about, ("node", "lost_s", "noticed_s", "back_s", "believed_back_s"), rows)
