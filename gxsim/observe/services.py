"""Services over time: endpoints that are wanted, believed ready, and truly answering."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gxsim.kernels.intervals import at, combine, count, durations, runs, steps
from gxsim.model.cluster import Service
from gxsim.observe.table import Table
from gxsim.state import ENDPOINT_READY, NO_ENDPOINT, ClusterState
from gxsim.timeline import Timeline
from gxsim.traffic.endpoints import selected

STATES = ("whole", "degraded", "none")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceSeries:
    """Endpoint counts of one Service, each holding from its time to the next; all arrays are (changes,).

    ``believed`` endpoints are ready in the EndpointSlice; of them ``answering`` truly serve, and the rest are dead
    without anybody knowing. ``wanted`` is the number that answered when the clock started.
    """

    name: str
    wanted: int
    times_s: NDArray
    believed: NDArray
    answering: NDArray

    @property
    def undetected(self) -> NDArray:
        """Endpoints that still get traffic though they are dead."""
        return self.believed - self.answering


def service_series(state: ClusterState, timeline: Timeline) -> list[ServiceSeries]:
    """The endpoint counts of every Service whose selector matches a pod of the run, in the order of the input."""
    found = [timeline.changes(quantity) for quantity in ("pod_endpoint", "pod_serving")]
    times, rows, values = combine([(c.times_s, c.rows, c.values) for c in found], [NO_ENDPOINT, 0])
    believed, serving = values[:, 0] == ENDPOINT_READY, values[:, 1] > 0
    believed_steps = steps(times, rows, believed)
    answering_steps = steps(times, rows, believed & serving)
    series = []
    for service in state.cluster.services:
        member = selected(state, service)
        if member.any():
            series.append(_series(service, member, believed_steps, answering_steps))
    return series


def _series(
    service: Service,
    member: NDArray[np.bool_],
    believed_steps: tuple[NDArray, NDArray, NDArray],
    answering_steps: tuple[NDArray, NDArray, NDArray],
) -> ServiceSeries:
    counts = []
    for times, rows, step in (believed_steps, answering_steps):
        mine = member[rows]
        counts.append(count(times[mine], step[mine]))
    grid = np.unique(np.concatenate([[0.0], counts[0][0], counts[1][0]]))
    believed, answering = (at(times, levels, grid).astype(np.int64) for times, levels in counts)
    return ServiceSeries(
        name=f"{service.namespace}/{service.name}",
        wanted=int(answering[0]),
        times_s=grid,
        believed=believed,
        answering=answering,
    )


def service_table(series: list[ServiceSeries], horizon_s: float) -> Table:
    """One row per Service: seconds with fewer endpoints than wanted and with none, and who knew."""
    columns = (
        "service",
        "wanted",
        "fewest_answering",
        "degraded_s",
        "none_s",
        "undetected_s",
        "misdirected_percent",
        "availability_percent",
    )
    rows = []
    for one in series:
        hold = durations(one.times_s, horizon_s)
        none = (one.answering == 0) & (one.wanted > 0)
        degraded = (one.answering < one.wanted) & ~none
        dead = one.undetected > 0
        share = np.divide(one.undetected, one.believed, out=np.zeros(len(hold)), where=one.believed > 0)
        rows.append(
            (
                one.name,
                one.wanted,
                int(one.answering.min()),
                float(hold[degraded].sum()),
                float(hold[none].sum()),
                float(hold[dead].sum()),
                float(100 * share.max()),
                float(100 * (1 - hold[none].sum() / horizon_s)) if one.wanted else float("nan"),
            )
        )
    about = (
        "One row per Service: seconds with fewer answering endpoints than at the start (degraded) and with none; "
        "seconds in which dead endpoints still got traffic because nobody had noticed (undetected), and the largest "
        "share of connections that then went to them"
    )
    return Table.of("services", about, columns, rows)


def service_intervals(series: list[ServiceSeries], horizon_s: float) -> Table:
    """One row per unbroken interval in which a Service had fewer endpoints than wanted, split by what was known."""
    rows = []
    for one in series:
        ends = np.append(one.times_s[1:], horizon_s)
        missing = one.wanted - one.answering
        for state, holds in (
            ("none", (one.answering == 0) & (one.wanted > 0)),
            ("degraded", (missing > 0) & (one.answering > 0)),
        ):
            for known, detected in (("not yet detected", one.undetected > 0), ("known", one.undetected <= 0)):
                for first, past in zip(*runs(holds & detected), strict=True):
                    if ends[past - 1] > one.times_s[first]:
                        fewest = int(one.answering[first:past].min())
                        rows.append((one.name, one.times_s[first], ends[past - 1], state, known, fewest, one.wanted))
    rows.sort(key=lambda row: (row[1], row[0], row[2]))
    about = "Intervals in which a Service had fewer answering endpoints than wanted"
    names = ("service", "from_s", "to_s", "state", "knowledge", "answering", "wanted")
    return Table.of("service_intervals", about, names, [(r[0], float(r[1]), float(r[2]), *r[3:]) for r in rows])
