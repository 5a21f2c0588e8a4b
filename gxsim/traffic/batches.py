"""Requests under way, many at a time, and where calls that were made together come together again."""

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gxsim.traffic.routes import Group

COLUMNS = ("born_s", "left_s", "at_s", "key", "entry", "lane", "ident")
UNKNOWN = -1  # cause of a request that has not failed


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Requests of one route that are about to arrive at one of its steps; all arrays are (requests,).

    ``born_s`` is when its user first sent each, ``left_s`` when it left the place before, ``at_s`` when it arrives;
    ``trail[i]`` is the lane it had at step i, and ``lane`` the one at this step. ``entry`` is the node the user's
    connection leads to. ``here`` is the step they go on from: the last one, or its caller where that has waited for
    several. ``ident`` is who it is for all its chances, its low bits which attempt. A call made together with others
    has its *join*, and ``row`` is where each request stands there. ``sent_s`` is when this attempt was sent, where
    users try again.
    """

    route: int
    step: int
    here: int
    born_s: NDArray
    left_s: NDArray
    at_s: NDArray
    key: NDArray
    entry: NDArray
    lane: NDArray
    ident: NDArray
    trail: tuple[NDArray, ...]
    sent_s: NDArray | None = None
    join: "Join | None" = None
    row: NDArray | None = None

    def where(self, which: NDArray) -> "Batch":
        """The requests at *which* (mask or positions)."""
        columns: dict[str, Any] = {name: getattr(self, name)[which] for name in COLUMNS}
        columns["trail"] = tuple(lane[which] for lane in self.trail)
        for name in ("row", "sent_s"):
            column = getattr(self, name)
            columns[name] = None if column is None else column[which]
        return dataclasses.replace(self, **columns)


class Join:
    """Requests of *batch*, at the caller of *group*, that wait for ``enough`` answers of its steps.

    An answer that fails never comes (``inf``); what its cause was, and when too few were left, is told then.
    """

    def __init__(self, batch: Batch, group: Group):
        self.batch, self.group = batch, group
        shape = (len(batch.at_s), group.past - group.first)
        self.back_s, self.failed_s = np.full(shape, np.nan), np.full(shape, np.inf)
        self.cause = np.full(len(batch.at_s), UNKNOWN, np.int8)
        self.over = np.zeros(len(batch.at_s), bool)

    def answer(self, step: int, row: NDArray, at_s: NDArray) -> None:
        """The call of *step* is back at the caller."""
        self.back_s[row, step - self.group.first] = at_s

    def fail(self, step: int, row: NDArray, cause: int, at_s: NDArray) -> None:
        """The call of *step* fails, and the caller knows at *at_s*."""
        self.back_s[row, step - self.group.first] = np.inf
        self.failed_s[row, step - self.group.first] = at_s
        self.cause[row] = cause

    def settled(self, until_s: float) -> tuple[NDArray, NDArray]:
        """Positions of requests that need wait no longer, and when they go on (``inf`` where they fail).

        Everything that happens before *until_s* is known; an answer after it may yet be overtaken.
        """
        known = ~np.isnan(self.back_s)
        going_s = np.sort(np.where(known, self.back_s, np.inf), axis=1)[:, self.group.enough - 1]
        rows = np.flatnonzero(~self.over & (known.all(axis=1) | (going_s < until_s)))
        self.over[rows] = True
        return rows, going_s[rows]

    def hopeless_s(self, rows: NDArray) -> NDArray:
        """When too few answers were left for each of *rows*, which have failed."""
        spare = self.back_s.shape[1] - self.group.enough
        return np.sort(self.failed_s[rows], axis=1)[:, spare]

    @property
    def done(self) -> bool:
        """Whether nobody waits and no answer is under way."""
        return bool(self.over.all() and not np.isnan(self.back_s).any())
