"""SchedulingGates: a gated pod does not enter the queue."""

from gxsim.model.pod import PodTemplate
from gxsim.scheduler.status import UNRESOLVABLE, Refusal

NAME = "SchedulingGates"


def gate(template: PodTemplate) -> Refusal:
    """Why a gated pod is kept out of the queue."""
    reason = f"waiting for scheduling gates: [{' '.join(template.scheduling_gates)}]"
    return Refusal(NAME, UNRESOLVABLE, (reason,))
