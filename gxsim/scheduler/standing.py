"""How a template stands on every node by what only that node changes, kept current node by node."""

import numpy as np
from numpy.typing import NDArray

from gxsim.scheduler.demand import Demand
from gxsim.scheduler.ledger import Ledger
from gxsim.scheduler.registry import Plugins
from gxsim.scheduler.status import ALL, Rows

NOWHERE = -(2**62)  # rank of a node that does not fit; no score lifts it above 0


class Standing:
    """Where one demand fits and how it scores there; a binding changes one node, so only that is worked out anew.

    ``feasible`` (nodes,) is True where rules, claims and requests fit. ``ranked`` (nodes,) orders the nodes by the
    scores of resources and images and then by name: score · nodes + (nodes − 1 − place in name order).
    """

    def __init__(self, plugins: Plugins, ledger: Ledger, demand: Demand):
        self._plugins = plugins
        self._ledger = ledger
        self._demand = demand
        nodes, weights = plugins.nodes, plugins.profile.scores
        self._fit_weight = weights.get(plugins.fit.name, 0)
        self._balanced_weight = weights.get(plugins.balanced.name, 0) if plugins.balanced.applies(demand) else 0
        self._filters = plugins.fit.name in plugins.profile.filters
        self._level = nodes.count - 1 - nodes.rank  # (nodes,) the rank at a resource score of 0
        images = demand.constraints.images * weights.get(plugins.images.name, 0)
        if images.any():
            self._level = self._level + images * nodes.count
        self._seen = len(ledger)
        self.feasible = np.zeros(nodes.count, bool)
        self.ranked = np.empty(nodes.count, np.int64)
        self._work_out(ALL)

    def catch_up(self) -> None:
        """Work out the nodes that gained or lost pods since the last time."""
        changed = self._ledger.node[self._seen :]
        if changed:
            self._seen += len(changed)
            self._work_out(np.array(changed, np.intp) if len(changed) < len(self.feasible) // 4 else ALL)

    def _work_out(self, rows: Rows) -> None:
        plugins, demand = self._plugins, self._demand
        feasible = demand.mask[rows]
        if self._filters:
            feasible = feasible & plugins.fit.passes(demand, rows, plugins.nodes.state.requested)
        ranked: NDArray[np.float64] | float = 0.0
        if self._fit_weight:
            ranked = plugins.fit.score(demand, rows) * (self._fit_weight * plugins.nodes.count)
        if self._balanced_weight:
            ranked = ranked + plugins.balanced.score(demand, rows) * (self._balanced_weight * plugins.nodes.count)
        self.feasible[rows] = feasible
        self.ranked[rows] = np.where(feasible, ranked + self._level[rows], NOWHERE)
