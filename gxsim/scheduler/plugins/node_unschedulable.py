"""NodeUnschedulable: cordoned nodes take only pods that tolerate the cordon's taint."""

from gxsim.model.node import Taint
from gxsim.model.pod import PodTemplate
from gxsim.scheduler.nodes import NodeTable
from gxsim.scheduler.plugins.taint_toleration import tolerates
from gxsim.scheduler.status import UNRESOLVABLE, Verdict, refuse_where

_CORDON = Taint("node.kubernetes.io/unschedulable", "", "NoSchedule")


class NodeUnschedulable:
    name = "NodeUnschedulable"

    def __init__(self, nodes: NodeTable):
        self._state = nodes.state

    def refuse(self, template: PodTemplate) -> Verdict | None:
        if not self._state.unschedulable.any() or tolerates(template.tolerations, _CORDON):
            return None
        return refuse_where(self._state.unschedulable.copy(), self.name, UNRESOLVABLE, "node(s) were unschedulable")
