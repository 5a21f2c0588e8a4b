"""What lies on the disks of a run when its clock starts: the growth model's level of that day, and its rates."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gxsim.controllers.disks import Contents, disk_bytes, sized
from gxsim.model.model import Model
from gxsim.model.storage import HostGrowth
from gxsim.state import ClusterState
from gxsim.storage.drivers import DAY_S, Middles, levels
from gxsim.storage.places import container_counts, empty_dir_counts
from gxsim.storage.plan import Row, plan


def contents(state: ClusterState, model: Model) -> Contents | None:
    """The disks of *state* by the middle of every range of *model*; None where it says nothing of growth.

    Rates are those of the first day. What containers and emptyDirs hold goes with their pods, what a claim's pod writes
    ends while it does not run; everything else on a node grows whoever runs.
    """
    if not (model.growth or model.host_growth):
        return None
    planned = plan(state, model, Middles())
    lead = planned.lead_days
    drivers = levels(planned.drivers, np.arange(-lead, 2.0), slice(0, 1))[:, 0, lead:]
    amounts = planned.weights @ drivers  # (rows, 2) on day 0 and on day 1
    rates = (amounts[:, 1] - amounts[:, 0]) / DAY_S
    claims = {row.name: float(rates[i]) for i, row in enumerate(planned.rows) if row.kind == "volume"}
    container, container_rate = _of_each(model.host_growth, "container")
    empty_dir, empty_dir_rate = _of_each(model.host_growth, "emptyDir")
    counts = np.column_stack([container_counts(state), empty_dir_counts(state)])
    on_nodes = [i for i, row in enumerate(planned.rows) if row.kind == "node"]
    of_pods = _claims_of_nodes(state, planned.rows, rates) + counts @ np.array([container_rate, empty_dir_rate])
    return Contents(
        disk_bytes=sized(disk_bytes(state)),
        used_bytes=amounts[on_nodes, 0],
        host_rate_bytes=np.maximum(rates[on_nodes] - of_pods, 0.0),
        unused_image_bytes=_unused_images(state, model.host_growth),
        claim_rates_bytes=claims,
        container_bytes=container,
        container_rate_bytes=container_rate,
        empty_dir_bytes=empty_dir,
        empty_dir_rate_bytes=empty_dir_rate,
    )


def _of_each(entries: Sequence[HostGrowth], each: str) -> tuple[float, float]:
    """Middle amount and middle rate per second of every container, or emptyDir."""
    mine = [entry for entry in entries if entry.each == each]
    amount = sum(sum(entry.level_bytes) / 2 for entry in mine)
    return amount, sum(sum(entry.per_day_bytes) / 2 for entry in mine) / DAY_S


def _claims_of_nodes(state: ClusterState, rows: Sequence[Row], rates: NDArray) -> NDArray[np.float64]:
    """(nodes,) what is written to the claims of each."""
    total = np.zeros(len(state.nodes))
    for row, rate in zip(rows, rates, strict=True):
        if row.kind == "volume":
            total[state.node_index[row.node]] += rate
    return total


def _unused_images(state: ClusterState, entries: Sequence[HostGrowth]) -> NDArray[np.float64]:
    """(nodes,) what image garbage collection may remove."""
    unused = np.zeros(len(state.nodes))
    for entry in entries:
        amount = sum(entry.level_bytes) / 2 * sum(entry.unused_share) / 2
        for node, noun in enumerate(state.nodes):
            unused[node] += amount if entry.node_selector.items() <= noun.labels.items() else 0.0
    return unused
