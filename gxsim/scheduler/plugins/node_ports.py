"""NodePorts: a host port is taken once per node and address."""

import numpy as np

from gxsim.model.pod import HostPort, PodTemplate
from gxsim.scheduler.demand import Demand, Situation
from gxsim.scheduler.ledger import Addend, Ledger, Tally
from gxsim.scheduler.nodes import NodeTable
from gxsim.scheduler.status import UNSCHEDULABLE, Rows, Verdict, refuse_where

_ANY = "0.0.0.0"


class NodePorts:
    name = "NodePorts"
    counts = True

    def __init__(self, nodes: NodeTable, ledger: Ledger):
        self._nodes = nodes
        self._ledger = ledger

    def prepare(self, demand: Demand) -> "Collisions | None":
        if not demand.template.host_ports:
            return None
        return Collisions(self._nodes, self._ledger, demand.template)

    def refuse(self, demand: Demand, rows: Rows, situation: Situation) -> Verdict | None:
        collisions: Collisions = demand.prepared[self.name]
        reason = "node(s) didn't have free ports for the requested pod ports"
        return refuse_where(collisions.counts[rows] > 0, self.name, UNSCHEDULABLE, reason)


class Collisions(Tally):
    """Per node, the pods that hold a port the template wants."""

    def __init__(self, nodes: NodeTable, ledger: Ledger, template: PodTemplate):
        self._template = template
        self._all = np.zeros(nodes.count + 1, np.int64)
        self.counts = self._all[:-1]  # (nodes,)
        self._codes = np.arange(nodes.count)
        super().__init__(ledger, self._collides)

    def _collides(self, other: PodTemplate) -> tuple[Addend, ...]:
        wanted = self._template.host_ports
        if any(collide(w, held) for w in wanted for held in other.host_ports):
            return (Addend(self._all, self._codes, 1),)
        return ()


def collide(left: HostPort, right: HostPort) -> bool:
    """Whether both cannot be had on one node; the address 0.0.0.0 collides with every other."""
    same_port = (left.protocol, left.port) == (right.protocol, right.port)
    return same_port and (left.ip == right.ip or _ANY in (left.ip, right.ip))
