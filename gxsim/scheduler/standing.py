"""How a template stands on every node by resources alone, kept current node by node."""

import numpy as np
from numpy.typing import NDArray

from gxsim.scheduler.demand import Demand
from gxsim.scheduler.ledger import Ledger
from gxsim.scheduler.registry import Plugins
from gxsim.scheduler.status import ALL, Rows


class Standing:
    """Fit and weighted resource scores of one demand; a binding changes one node only, so only that is worked out anew.

    ``fits`` (nodes,) is True where the requests fit; ``score`` (nodes,) sums the scores that no other node changes:
    resources and images.
    """

    def __init__(self, plugins: Plugins, ledger: Ledger, demand: Demand):
        self._plugins = plugins
        self._ledger = ledger
        self._demand = demand
        weights = plugins.profile.scores
        self._fit_weight = weights.get(plugins.fit.name, 0)
        self._balanced_weight = weights.get(plugins.balanced.name, 0) if plugins.balanced.applies(demand) else 0
        self._images = demand.constraints.images * weights.get(plugins.images.name, 0)
        self._filters = plugins.fit.name in plugins.profile.filters
        self._seen = len(ledger)
        count = plugins.nodes.count
        self.fits = np.ones(count, bool)
        self.score = np.zeros(count, np.int64)
        self._work_out(ALL)

    def catch_up(self) -> Rows | None:
        """Work out the nodes that gained or lost pods since the last time; returns which, None for none."""
        changed = self._ledger.node[self._seen :]
        if not changed:
            return None
        self._seen = len(self._ledger)
        rows: Rows = np.array(changed, np.intp) if len(changed) < len(self.fits) // 4 else ALL
        self._work_out(rows)
        return rows

    def _work_out(self, rows: Rows) -> None:
        plugins, demand = self._plugins, self._demand
        if self._filters:
            self.fits[rows] = plugins.fit.passes(demand, rows, plugins.nodes.state.requested)
        score: NDArray[np.int64] = self._images[rows]
        if self._fit_weight:
            score = score + self._fit_weight * plugins.fit.score(demand, rows)
        if self._balanced_weight:
            score = score + self._balanced_weight * plugins.balanced.score(demand, rows)
        self.score[rows] = score
