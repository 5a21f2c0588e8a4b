"""What a plugin may answer: a refusal with its reasons, or one verdict for many nodes at once."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

UNSCHEDULABLE = "Unschedulable"  # removing pods could help
UNRESOLVABLE = "UnschedulableAndUnresolvable"  # it could not

Rows = slice | NDArray[np.intp]
ALL = slice(None)


class Refusal(NamedTuple):
    """Why a plugin turns a pod away, in kube-scheduler's own words."""

    plugin: str
    code: str
    reasons: tuple[str, ...]


class Verdict(NamedTuple):
    """Per node 0 where the pod passes, else k where ``refusals[k - 1]`` says why not."""

    codes: NDArray[Any]  # (rows,) integers
    refusals: tuple[Refusal, ...]

    @property
    def passes(self) -> NDArray[np.bool_]:
        return self.codes == 0


def refuse_where(refused: NDArray[np.bool_], plugin: str, code: str, reason: str) -> Verdict:
    """A verdict with one reason."""
    return Verdict(refused.view(np.int8), (Refusal(plugin, code, (reason,)),))


def first_of(refused: Mapping[Refusal, NDArray[np.bool_]]) -> Verdict:
    """A verdict from several reasons in the order they are tried; the first that holds counts."""
    masks = list(refused.values())
    codes = np.zeros(len(masks[0]), np.int8)
    for number in range(len(masks), 0, -1):
        codes[masks[number - 1]] = number
    return Verdict(codes, tuple(refused))
