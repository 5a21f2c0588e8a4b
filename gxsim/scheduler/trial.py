"""Supposing pods away from nodes, or onto them, to see whether another pod would then fit."""

from collections.abc import Iterable

from gxsim.scheduler.demand import Demand, Situation
from gxsim.scheduler.ledger import Ledger
from gxsim.scheduler.registry import Plugins
from gxsim.scheduler.status import Refusal


class Trial:
    """One demand, and some pods supposed to be elsewhere than they are.

    ``undo`` before anything else is asked of the plugins: their counts are the ones that are changed.
    """

    def __init__(self, plugins: Plugins, ledger: Ledger, demand: Demand):
        self._plugins = plugins
        self._state = plugins.nodes.state
        self._ledger = ledger
        self._demand = demand
        self._arithmetic = "NodeVolumeLimits" not in demand.prepared and all(part.inert for part in demand.counts)
        self._requested = self._state.requested.copy()
        self._supposed: dict[int, tuple[int, int]] = {}  # pod → node and +1 or −1

    def remove(self, pod: int, node: int) -> None:
        """Suppose that *pod* is not on *node*, or take back that it is."""
        self._suppose(pod, node, -1)

    def add(self, pod: int, node: int) -> None:
        """Suppose that *pod* is on *node*, or take back that it is not."""
        self._suppose(pod, node, 1)

    def admits(self, node: int) -> bool:
        """Whether the demand would fit on *node* without removed pods; quick where that changes resources only."""
        if self._arithmetic and "NodeResourcesFit" in self._plugins.by_pods:
            return bool(self._demand.mask[node]) and self._plugins.fit.fits(self._demand, node, self._requested)
        return self.refusal(node) is None

    def refusal(self, node: int) -> Refusal | None:
        """Why *node* would still refuse; None when it would not."""
        gone = frozenset(pod for pod, (_, sign) in self._supposed.items() if sign < 0)
        there = tuple(pod for pod, (at, sign) in self._supposed.items() if sign > 0 and at == node)
        return self._plugins.first_refusal(self._demand, node, Situation(self._requested, gone, there))

    def refusal_beside(self, others: Iterable[int], node: int) -> Refusal | None:
        """Why *node* refuses once the *others* have come as well; None when it does not."""
        for pod in others:
            self.add(pod, node)
        refusal = self.refusal(node)
        self.undo()
        return refusal

    def undo(self) -> None:
        """Take everything back."""
        for pod, (node, sign) in list(self._supposed.items()):
            self._suppose(pod, node, -sign)

    def _suppose(self, pod: int, node: int, sign: int) -> None:
        template = int(self._state.pod_template[pod])
        self._requested[node] += sign * self._state.template_requests[template]
        signature = self._ledger.signature_of(template)
        for counts in self._demand.counts:
            counts.suppose(signature, node, sign)
        if pod in self._supposed:
            del self._supposed[pod]
        else:
            self._supposed[pod] = (node, sign)
