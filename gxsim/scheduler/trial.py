"""Supposing pods away from, or onto, one node to see whether another pod would then fit there."""

from collections.abc import Iterable

from gxsim.scheduler.demand import Demand, Situation
from gxsim.scheduler.ledger import Ledger
from gxsim.scheduler.registry import Plugins
from gxsim.scheduler.status import Refusal


class Trial:
    """One demand on one node with some pods supposed. ``undo`` before anything else is asked of the plugins."""

    def __init__(self, plugins: Plugins, ledger: Ledger, demand: Demand, node: int):
        self._plugins = plugins
        self._state = plugins.nodes.state
        self._ledger = ledger
        self._demand = demand
        self._node = node
        self._requested = self._state.requested.copy()
        self._supposed: dict[int, int] = {}  # pod → +1 or −1

    def remove(self, pod: int) -> None:
        """Suppose that *pod* is not there, or take back that it is."""
        self._suppose(pod, -1)

    def add(self, pod: int) -> None:
        """Suppose that *pod* is there, or take back that it is not."""
        self._suppose(pod, 1)

    def refusal(self) -> Refusal | None:
        """Why the node would still refuse; None when it would not."""
        gone = frozenset(pod for pod, sign in self._supposed.items() if sign < 0)
        there = tuple(pod for pod, sign in self._supposed.items() if sign > 0)
        situation = Situation(self._requested, gone, there)
        return self._plugins.first_refusal(self._demand, self._node, situation)

    def undo(self) -> None:
        """Take everything back."""
        for pod, sign in list(self._supposed.items()):
            self._suppose(pod, -sign)

    def _suppose(self, pod: int, sign: int) -> None:
        template = self._state.pod_template[pod]
        self._requested[self._node] += sign * self._state.template_requests[template]
        signature = self._ledger.signature_of(int(template))
        for counts in self._demand.counts:
            counts.suppose(signature, self._node, sign)
        total = self._supposed.pop(pod, 0) + sign
        if total:
            self._supposed[pod] = total


def fits_beside(plugins: Plugins, ledger: Ledger, demand: Demand, node: int, others: Iterable[int]) -> bool:
    """Whether the demand fits on *node* once the *others* have come as well."""
    trial = Trial(plugins, ledger, demand, node)
    for pod in others:
        trial.add(pod)
    refusal = trial.refusal()
    trial.undo()
    return refusal is None
