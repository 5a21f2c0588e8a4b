"""Faults that slow things down: whom each met, and what a run plays of it and what it leaves out."""

from collections.abc import Callable, Sequence

import numpy as np

from gxsim.model.fault import Fault
from gxsim.model.model import Model
from gxsim.observe.table import Table
from gxsim.state import ClusterState
from gxsim.state.degradation import (
    BANDWIDTH,
    CLOCK_SKEW,
    CPU_STRESS,
    DELAY,
    DISK_SLOW,
    LINK_ACTIONS,
    LOSS,
    PARTITION,
    Degradation,
    Ends,
)
from gxsim.timeline import Timeline
from gxsim.units import human_duration, listed

TOKEN_LEEWAY_S = 60.0  # go-jose DefaultLeeway, by which API servers judge the times in service account tokens
FABRIC_WINDOW_S = 900.0  # core.yaml peer.authentication.timewindow, orderer.yaml General.Authentication.TimeWindow
ETCD_WARNS_S = 1.0  # etcdserver/api/rafthttp: clock difference between peers at which etcd logs a warning

UNITS = {DELAY: "s", LOSS: "share", BANDWIDTH: "bytes/s", DISK_SLOW: "s", CPU_STRESS: "cores", CLOCK_SKEW: "s"}


def degradation_table(timeline: Timeline, state: ClusterState) -> Table:
    """One row per degradation that began before the horizon."""
    rows = [
        (
            one.fault,
            one.action,
            _names(state, one.near),
            "" if one.action not in LINK_ACTIONS else "everything else" if one.far is None else _names(state, one.far),
            one.direction if one.action in LINK_ACTIONS else "",
            None if one.action == PARTITION else float(one.amount),
            UNITS.get(one.action, ""),
            float(one.begin_s),
            min(float(one.end_s), timeline.horizon_s),
        )
        for one in timeline.degradations
    ]
    about = (
        "Faults that slow links, disks, processors or clocks down, or cut them: at whom, towards whom, by how much (a "
        "delay is one way, a slow disk's is per write, a clock is ahead), and when; several at one target add up"
    )
    names = ("fault", "action", "at", "towards", "direction", "amount", "unit", "from_s", "to_s")
    return Table.of("degradations", about, names, rows)


def _names(state: ClusterState, ends: Ends) -> str:
    return ", ".join([*(state.nodes[node].name for node in ends.nodes), *(state.pod_key(pod) for pod in ends.pods)])


def caveats(timeline: Timeline, faults: Sequence[Fault], model: Model, data_plane: Sequence[str]) -> tuple[str, ...]:
    """What the run plays of the degradations it met and what it leaves out, one sentence each; none without any."""
    met = {action: [one for one in timeline.degradations if one.action == action] for action in CAVEATS}
    told = [tell(met[action], model, "traffic" in data_plane) for action, tell in CAVEATS.items() if met[action]]
    ignored = sorted({name for fault in faults for name in fault.parameters if name in UNUSED})
    if ignored:
        told.append(f"Not modelled, so without effect: {', '.join(UNUSED[name] for name in ignored)}.")
    if any(strike.action in WHOLE_ETCD for strike in timeline.strikes):
        told.append(
            "quorum-loss and etcd-nospace stop etcd for the control plane and leave its members up: the quorum of the "
            "consensus group does not show it."
        )
    late = [fault.name or fault.action for fault in faults if fault.at_s >= timeline.horizon_s]
    if late:
        told.append(f"Never begins, as the run ends before: {listed(late)}.")
    return tuple(told)


WHOLE_ETCD = ("quorum-loss", "etcd-nospace")
UNUSED = {
    "correlation": "the correlation of delays and losses (each message is drawn by itself)",
    "limit": "the limit of a bandwidth's queue",
    "buffer": "the burst of a bandwidth's bucket",
}
UNPLAYED = " No request is played here: add dataPlane: [traffic] to the scenario to see what users feel."


def _of_links(met: Sequence[Degradation], model: Model, traffic: bool) -> str:
    what = {DELAY: "A delay", LOSS: "A loss of packets", PARTITION: "A partition"}[met[0].action]
    return (
        f"{what} acts on requests, on the heartbeats of nodes, among consensus members and between the parties of a "
        f"ledger; image pulls, kubectl and replication between databases do not notice.{'' if traffic else UNPLAYED}"
    )


def _of_bandwidth(_: Sequence[Degradation], model: Model, traffic: bool) -> str:
    return (
        "A limited bandwidth acts on requests: each takes the time of its own bytes and waits for no other; consensus "
        f"messages, heartbeats, blocks, backups and image pulls do not notice.{'' if traffic else UNPLAYED}"
    )


def _of_disks(_: Sequence[Degradation], model: Model, traffic: bool) -> str:
    return (
        "A slow disk acts on what consensus members write before they answer; such a member is taken to write all the "
        "time, and its messages wait for that. It does not act on the service times of databases, on image pulls or on "
        "container starts."
    )


def _of_stress(_: Sequence[Degradation], model: Model, traffic: bool) -> str:
    computing = any(station.cpu_bound for station in model.stations)
    bound = "" if computing else " No station of the model is cpuBound, so no request notices."
    return (
        "A CPU stress acts on stations that are cpuBound; probes, kubelets, the control plane and consensus members do "
        f"not slow down.{bound}{'' if traffic else UNPLAYED}"
    )


def _of_clocks(met: Sequence[Degradation], model: Model, traffic: bool) -> str:
    """Leases and elections go by the observer's own monotonic clock; only stamps that others judge matter."""
    worst_s = float(np.max([abs(one.amount) for one in met]))
    bounds = (
        (ETCD_WARNS_S, "etcd members log a warning"),
        (TOKEN_LEEWAY_S, "API servers that disagree refuse each other's service account tokens"),
        (FABRIC_WINDOW_S, "Fabric's peers and orderers refuse requests stamped by the other side of the skew"),
    )
    beyond = [what for bound_s, what in bounds if worst_s > bound_s]
    stamps = f" At {human_duration(worst_s)} {'; '.join(beyond)} (told, not played)." if beyond else ""
    return (
        "A wrong clock changes nothing that is played: node leases and leader elections go by when the observer saw a "
        "renewal on its own clock, Raft by ticks, Prometheus stamps samples itself. Certificates and DNS answers whose "
        f"end of life falls within the skew would fail early or live on.{stamps}"
    )


CAVEATS: dict[str, Callable[[Sequence[Degradation], Model, bool], str]] = {
    PARTITION: _of_links,
    DELAY: _of_links,
    LOSS: _of_links,
    BANDWIDTH: _of_bandwidth,
    DISK_SLOW: _of_disks,
    CPU_STRESS: _of_stress,
    CLOCK_SKEW: _of_clocks,
}
