"""NodeName: a pod that names its node goes nowhere else."""

from gxsim.model.pod import PodTemplate
from gxsim.scheduler.nodes import NodeTable
from gxsim.scheduler.status import Verdict


class NodeName:
    """Refuses nothing: a pod that names its node is bound from its first moment and never comes to the scheduler."""

    name = "NodeName"

    def __init__(self, nodes: NodeTable):
        pass

    def refuse(self, template: PodTemplate) -> Verdict | None:
        return None
