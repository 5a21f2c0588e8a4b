"""The traffic of a run: every request of every population through its path, on the timeline the cluster left."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gxsim.errors import ScenarioError
from gxsim.model.model import Model
from gxsim.rng import Streams
from gxsim.state import ClusterState
from gxsim.timeline import Timeline
from gxsim.traffic.arrivals import Source
from gxsim.traffic.feedback import Feedback, Settled
from gxsim.traffic.flow import Flow
from gxsim.traffic.phases import Slots, slots
from gxsim.traffic.routes import Plan, plan_traffic
from gxsim.traffic.tally import Tally

REQUESTS_AT_ONCE = 800_000  # fewer, and each call does too little; more, and the arrays leave the cache

ASSUMPTIONS = (
    "A request is served at each step before it calls the next one; a thread that waits for the answer is held where "
    "the model says so.",
    "Connections are kept open, so that a visit costs one way there and one way back; each picks its endpoint anew "
    "unless the model says how many connections callers keep.",
    "Users send a failed request again as the model says; callers try connections again as the path says, or other "
    "pods as their upstream does, which waits for what a pod does itself.",
    "What feeds back (users who send again, held servers) is evaluated to its fixed point in pieces of time: exactly "
    "who sends again, held times within 1 % on average.",
    "Work that a pod had when it stopped is lost, and so is what others had asked of it meanwhile.",
    "A dead pod on a node that lives refuses connections at once; on a node out of reach they time out, and a pod that "
    "hangs takes them without ever answering.",
    "Pods whose work is computing have their CPU limit, or their fair share by requests where the node is short of CPU "
    "and others on it use what the model says; service times of other pods do not grow with the load of the node.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """What was counted: ``tally`` by population and slot.

    ``writes_s`` are the times, in order, at which writes were done at the last step of their path, by that step's name;
    none unless they were asked for. ``settled`` is how users who send again and held servers were evaluated; None where
    there are none.
    """

    plan: Plan
    slots: Slots
    tally: Tally
    horizon_s: float
    writes_s: Mapping[str, NDArray]
    settled: Settled | None = None


def run_traffic(
    model: Model,
    state: ClusterState,
    timeline: Timeline,
    streams: Streams,
    *,
    clock_s: float = 0.0,
    until_s: float | None = None,
    keep_writes: bool = False,
    progress: Callable[[float], None] | None = None,
) -> Traffic:
    """Send every request from 0 to *until_s* (None: the horizon) and follow it to its end.

    *clock_s* is the time of day at the start; *keep_writes* fills ``writes_s`` for the ledger. Queues are exact; pieces
    of time only bound memory. Requests under way at the horizon are served as if nothing changed any more. Raises
    ScenarioError for a model without users or paths, or with paths that lead nowhere.
    """
    if not model.populations or not any(path.share > 0 for path in model.paths):
        raise ScenarioError("model", "nobody sends a request; list populations, and paths with a share")
    end_s = timeline.horizon_s if until_s is None else until_s
    plan = plan_traffic(model, state, timeline)
    cut = slots(plan, end_s)
    sources = [Source(plan, timeline, number, clock_s, streams) for number in range(len(model.populations))]
    flow = Flow(plan, sources, streams, cut.edges_s, keep_writes=keep_writes)
    rate = sum(p.rate * max((c.factor for c in p.profile), default=1.0) for p in model.populations)
    pieces = max(1, int(np.ceil(rate * end_s / REQUESTS_AT_ONCE)))
    moving = Feedback(flow, end_s) if plan.feeds_back else flow
    for piece_end_s in np.linspace(0.0, end_s, pieces + 1)[1:].tolist():
        moving.advance(piece_end_s)
        if progress is not None:
            progress(piece_end_s)
    tally = moving.finish()
    writes_s = {name: np.sort(np.concatenate(times)) for name, times in (flow.written_s or {}).items()}
    settled = moving.settled if isinstance(moving, Feedback) else None
    return Traffic(plan=plan, slots=cut, tally=tally, horizon_s=end_s, writes_s=writes_s, settled=settled)
