"""TaintToleration: taints that forbid are a filter, taints that only discourage a score."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from gxsim.kernels.normalise import by_maximum
from gxsim.model.node import Taint
from gxsim.model.pod import PodTemplate, Toleration
from gxsim.scheduler.nodes import NodeTable
from gxsim.scheduler.status import UNRESOLVABLE, Refusal, Verdict

_FORBIDDING = ("NoSchedule", "NoExecute")
_DISCOURAGING = "PreferNoSchedule"


class TaintToleration:
    name = "TaintToleration"

    def __init__(self, nodes: NodeTable):
        self._state = nodes.state

    def refuse(self, template: PodTemplate) -> Verdict | None:
        """Name the first taint of each node that the pod does not tolerate."""
        refusals: dict[Refusal, int] = {}
        codes = np.zeros(len(self._state.taints), np.int32)
        seen: dict[tuple[Taint, ...], int] = {}
        for i, taints in enumerate(self._state.taints):
            if taints:
                if taints not in seen:
                    seen[taints] = self._code(taints, template.tolerations, refusals)
                codes[i] = seen[taints]
        return Verdict(codes, tuple(refusals)) if refusals else None

    def raw(self, template: PodTemplate) -> NDArray[np.int64]:
        """(nodes,) how many discouraging taints the pod does not tolerate."""
        tolerations = [t for t in template.tolerations if t.effect in ("", _DISCOURAGING)]
        counts = np.zeros(len(self._state.taints), np.int64)
        for i, taints in enumerate(self._state.taints):
            if taints:
                counts[i] = sum(t.effect == _DISCOURAGING and not tolerates(tolerations, t) for t in taints)
        return counts

    def normalise(self, raw: NDArray[np.int64], feasible: NDArray[np.bool_]) -> NDArray[np.int64]:
        return by_maximum(raw, feasible, reverse=True)

    def _code(self, taints: Iterable[Taint], tolerations: Sequence[Toleration], refusals: dict[Refusal, int]) -> int:
        taint = first_untolerated(taints, tolerations)
        if taint is None:
            return 0
        reason = f"node(s) had untolerated taint {{{taint.key}: {taint.value}}}"
        return refusals.setdefault(Refusal(self.name, UNRESOLVABLE, (reason,)), len(refusals) + 1)


def first_untolerated(taints: Iterable[Taint], tolerations: Sequence[Toleration]) -> Taint | None:
    """The first forbidding taint that no toleration covers."""
    return next((t for t in taints if t.effect in _FORBIDDING and not tolerates(tolerations, t)), None)


def tolerates(tolerations: Iterable[Toleration], taint: Taint) -> bool:
    """Whether one of *tolerations* covers *taint*; empty effect or key cover every effect or key."""
    return any(
        t.effect in ("", taint.effect)
        and t.key in ("", taint.key)
        and (t.operator == "Exists" or (t.operator in ("", "Equal") and t.value == taint.value))
        for t in tolerations
    )
