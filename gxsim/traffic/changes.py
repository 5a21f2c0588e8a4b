"""What the model says happens to the pods of a station: pauses, crashes, other numbers of servers."""

from fnmatch import fnmatchcase

import numpy as np

from gxsim.kernels.disruption import Disrupted, Disruption
from gxsim.kernels.queueing import idle_servers
from gxsim.model.paths import StationChange
from gxsim.traffic.routes import Stop


def disrupted_pod(stop: Stop, lane: int, rng: np.random.Generator, horizon_s: float) -> Disrupted:
    """One life of a pod and what happens to it; a pod that begins later has as many servers as changes gave before.

    A change that comes again and again does so at a phase of the pod's own.
    """
    lanes = stop.endpoints.lanes
    begin_s, name = float(lanes.begin_s[lane]), lanes.names[int(lanes.owner[lane])]
    occurrences: list[tuple[float, StationChange]] = []
    for change in stop.station.changes:
        phase = rng.random()  # drawn for every pod, so that a narrower pattern shifts nobody
        if fnmatchcase(name, change.pods):
            occurrences += [(time_s, change) for time_s in _times_s(change, phase, horizon_s)]
    servers = first = stop.station.servers
    coming = []
    for time_s, change in sorted(occurrences, key=lambda occurrence: occurrence[0]):
        servers = servers if change.servers is None else change.servers
        if time_s <= begin_s:
            first = servers
            continue
        coming.append(
            Disruption(
                time_s=time_s,
                until_s=time_s + change.duration_s,
                servers=servers,
                work=change.work,
                keeps_queue=change.keeps_queue,
            )
        )
    return Disrupted(idle_servers(first), coming)


def _times_s(change: StationChange, phase: float, horizon_s: float) -> list[float]:
    if change.every_s is None:
        return [change.at_s]
    return [float(time_s) for time_s in np.arange(change.at_s + phase * change.every_s, horizon_s, change.every_s)]
