"""What users do about a failure: who sends again, when, and who has nothing left to try."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gxsim.kernels.keyed import uniforms
from gxsim.model.users import FAILURES, Population
from gxsim.traffic.arrivals import ATTEMPT_BITS
from gxsim.traffic.tally import TOO_LATE

ROUNDING_S = 1e-9


@dataclass(frozen=True, slots=True)
class Again:
    """(requests,) sent again: when, when for the first time, and who."""

    at_s: NDArray
    born_s: NDArray
    ident: NDArray

    @classmethod
    def none(cls) -> "Again":
        return cls(np.empty(0), np.empty(0), np.empty(0, np.int64))

    def where(self, which: NDArray) -> "Again":
        return Again(self.at_s[which], self.born_s[which], self.ident[which])

    def in_order(self) -> "Again":
        """By time, and who."""
        return self.where(np.lexsort((self.ident, self.at_s)))

    def agrees_until_s(self, other: "Again") -> float:
        """Up to when the same send again at the same times, but for rounding: ``inf`` for ever. Both are in order."""
        count = min(len(self.ident), len(other.ident))
        differ = self.ident[:count] != other.ident[:count]
        differ |= np.abs(self.at_s[:count] - other.at_s[:count]) > ROUNDING_S
        first = int(np.argmax(differ)) if differ.any() else count
        return min(float(one.at_s[first]) if first < len(one.at_s) else np.inf for one in (self, other))

    @classmethod
    def all_of(cls, parts: Sequence["Again"]) -> "Again":
        parts = [cls.none(), *parts]
        return cls(*(np.concatenate([getattr(one, name) for one in parts]) for name in ("at_s", "born_s", "ident")))


class Habits:
    """The retries of all populations as columns, (populations,) each; none at all where ``attempts`` are 0."""

    def __init__(self, populations: Sequence[Population], salt: int):
        found = [population.retries for population in populations]
        self.salt = salt
        self.attempts = np.array([one.attempts if one else 0 for one in found])
        self.backoff_s = np.array([one.backoff_s if one else np.inf for one in found])
        self.factor = np.array([one.factor if one else 1.0 for one in found])
        self.jitter = np.array([one.jitter if one else 0.0 for one in found])
        self.connect_s = np.array([one.connect_timeout_s if one else 0.0 for one in found])
        wanted = [(one.failures or FAILURES) if one else () for one in found]
        self.failures = np.array([[False, *(name in names for name in FAILURES)] for names in wanted])

    @property
    def any(self) -> bool:
        return bool(self.attempts.any())

    def tries_again(self, population: NDArray, ident: NDArray, cause: NDArray) -> NDArray:
        """(requests,) whether each that ended for *cause* is sent once more."""
        left = attempt_of(ident) < self.attempts[population]
        return left & self.failures[population, cause]

    def again(self, population: NDArray, ident: NDArray, born_s: NDArray, failed_s: NDArray) -> Again:
        """The next attempts of requests that failed at *failed_s*."""
        pause_s = self.backoff_s[population] * self.factor[population] ** attempt_of(ident)
        pause_s = pause_s * (1 - self.jitter[population] * uniforms(self.salt, ident))
        return Again(failed_s + pause_s, born_s, ident + 1)


def attempt_of(ident: NDArray) -> NDArray:
    """(requests,) how often each has been sent before."""
    return ident & ((1 << ATTEMPT_BITS) - 1)


def verdict(cause: NDArray, at_s: NDArray, deadline_s: NDArray) -> tuple[NDArray, NDArray]:
    """(requests,) what its user says of each that ended at *at_s*, and when the user knew."""
    late = at_s > deadline_s
    return np.where(late, TOO_LATE, cause), np.minimum(at_s, deadline_s)
