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
WHOLE, DEGRADED, NONE = range(3)  # positions in it


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
        "none_from_s",
        "none_to_s",
        "believed_none_s",
        "believed_none_from_s",
        "believed_none_to_s",
        "undetected_s",
        "misdirected_percent",
        "availability_percent",
    )
    rows = []
    for one in series:
        hold = durations(one.times_s, horizon_s)
        none = levels(one, one.answering) == NONE
        degraded = levels(one, one.answering) == DEGRADED
        believed_none = levels(one, one.believed) == NONE
        share = np.divide(one.undetected, one.believed, out=np.zeros(len(hold)), where=one.believed > 0)
        rows.append(
            (
                one.name,
                one.wanted,
                int(one.answering.min()),
                float(hold[degraded].sum()),
                *_spent(one, none, horizon_s),
                *_spent(one, believed_none, horizon_s),
                float(hold[one.undetected > 0].sum()),
                float(100 * share.max()),
                float(100 * (1 - hold[none].sum() / horizon_s)) if one.wanted else float("nan"),
            )
        )
    about = (
        "One row per Service: seconds with fewer answering endpoints than at the start (degraded) and with none, truly "
        "and as believed, with the first and the last moment of it (no end: it lasts); seconds in which dead endpoints "
        "still got traffic because nobody had noticed (undetected: requests are at risk), and the largest share of "
        "connections that then went to them"
    )
    return Table.of("services", about, columns, rows)


def levels(one: ServiceSeries, endpoints: NDArray) -> NDArray[np.int64]:
    """(changes,) for each count of *endpoints* of a Service the position in ``STATES``."""
    some = np.where(endpoints < one.wanted, DEGRADED, WHOLE)
    return np.where((endpoints == 0) & (one.wanted > 0), NONE, some)


def _spent(one: ServiceSeries, holds: NDArray[np.bool_], horizon_s: float) -> tuple[float, float | None, float | None]:
    """For how long a condition held in all, from when and, unless it lasts, until when."""
    hold = durations(one.times_s, horizon_s)
    first, past = runs(holds & (hold > 0))
    if not len(first):
        return 0.0, None, None
    until_s = float(np.append(one.times_s, horizon_s)[past[-1]])
    return float(hold[holds].sum()), float(one.times_s[first[0]]), until_s if until_s < horizon_s else None


def service_intervals(series: list[ServiceSeries], horizon_s: float) -> Table:
    """One row per unbroken interval in which a Service had fewer endpoints than wanted, with what was known of it."""
    rows: list[tuple] = []
    for one in series:
        truth, belief, unseen = levels(one, one.answering), levels(one, one.believed), one.undetected > 0
        ends = np.append(one.times_s[1:], horizon_s)
        lasting = ends > one.times_s
        code = np.where(lasting & (truth != WHOLE), 1 + 2 * (3 * truth + belief) + unseen, 0)
        edges = np.flatnonzero(np.diff(code, prepend=-1))
        for first, past in zip(edges.tolist(), [*edges[1:].tolist(), len(code)], strict=True):
            if code[first]:
                states = (STATES[truth[first]], STATES[belief[first]])
                known = "not yet detected" if unseen[first] else "known"
                fewest = int(one.answering[first:past].min())
                span = (float(one.times_s[first]), float(ends[past - 1]))
                rows.append((one.name, *span, *states, known, fewest, one.wanted))
    rows.sort(key=lambda row: (row[1], row[0], row[2]))
    about = "Intervals in which a Service had fewer answering endpoints than wanted, and what was believed of it"
    names = ("service", "from_s", "to_s", "state", "believed", "knowledge", "answering", "wanted")
    return Table.of("service_intervals", about, names, rows)
