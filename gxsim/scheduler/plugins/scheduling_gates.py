"""SchedulingGates: a gated pod does not enter the queue."""

from gxsim.model.pod import PodTemplate
from gxsim.scheduler.status import UNRESOLVABLE, Refusal

NAME = "SchedulingGates"


def gated(template: PodTemplate) -> Refusal | None:
    """Why the pod is kept out of the queue, if it is."""
    if not template.scheduling_gates:
        return None
    reason = f"waiting for scheduling gates: [{' '.join(template.scheduling_gates)}]"
    return Refusal(NAME, UNRESOLVABLE, (reason,))
