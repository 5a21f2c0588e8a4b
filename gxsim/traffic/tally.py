"""What is counted while requests pass: sums and histograms by population and time; nothing grows with requests."""

import numpy as np
from numpy.typing import NDArray

from gxsim.errors import InvariantError
from gxsim.kernels.histogram import BINS, bins_of
from gxsim.traffic.routes import Plan

CAUSES = (
    "answered",
    "edge_down",
    "rate_limited",
    "no_endpoint",
    "refused",
    "no_connection",
    "no_answer",
    "full",
    "read_only",
    "lost",
    "timed_out",
    "too_late",
)
ANSWERED, EDGE_DOWN, RATE_LIMITED, NO_ENDPOINT, DEAD_POD, DEAD_NODE = range(6)
HANGING_POD, FULL, READ_ONLY, LOST, TIMED_OUT, TOO_LATE = range(6, 12)
VISITS, TRAVEL, WAIT, SERVICE = range(4)


class Tally:
    """Counts by *key*: ``population * slots + slot``, where the slot is the stretch of time a request was sent in.

    ``edges_s`` (slots + 1,) are where those begin and end.

    ``outcomes`` (routes, causes, keys); ``histograms`` (routes, keys, BINS) and ``latency_s`` (routes, keys) of
    answered requests; ``attempts`` (keys) by the slot each was sent in, those sent again too;
    ``steps[route][step]`` (4, keys) visits and sums of travel, wait and service;
    ``lanes[stop]`` (4, lanes, keys) the same by lane; ``answers`` (routes, keys) travel back to the user;
    ``busy_s[stop]`` (lanes,) service actually done; ``held_s[stop]`` (lanes, keys) how long servers were taken, where
    that is longer; ``moved_s[stop]`` (lanes, slots + 1) what to add to both for when work was done: requests that are
    sent in one slot may be served in a later one, or after all of them.
    """

    def __init__(self, plan: Plan, populations: int, edges_s: NDArray):
        routes, keys = len(plan.routes), populations * (len(edges_s) - 1)
        self.keys, self.edges_s = keys, edges_s
        self.key_ends_s = np.tile(edges_s[1:], populations)
        self.sent = np.zeros((routes, keys), np.int64)
        self.attempts = np.zeros(keys, np.int64)
        self.outcomes = np.zeros((routes, len(CAUSES), keys), np.int64)
        self.histograms = np.zeros((routes, keys, BINS), np.int32)
        self.latency_s = np.zeros((routes, keys))
        self.answers = np.zeros((routes, keys))
        self.steps = [np.zeros((len(route.stops), 4, keys)) for route in plan.routes]
        self.lanes = [np.zeros((4, len(stop.endpoints.lanes.node), keys)) for stop in plan.stops]
        self.busy_s = [np.zeros(len(stop.endpoints.lanes.node)) for stop in plan.stops]
        self.held_s = [np.zeros((len(stop.endpoints.lanes.node), keys)) for stop in plan.stops if stop.station.holds]
        self.held = {number: place for place, number in enumerate(_holding(plan))}
        self.moved_s = [np.zeros((len(stop.endpoints.lanes.node), len(edges_s))) for stop in plan.stops]
        self.last_s = [np.zeros(len(stop.endpoints.lanes.node)) for stop in plan.stops]

    def begin(self, cell: NDArray) -> None:
        """Requests that are sent for the first time; *cell* is ``route * keys + key``."""
        self.sent += np.bincount(cell, minlength=self.sent.size).reshape(self.sent.shape)

    def attempt(self, key: NDArray) -> None:
        """Requests that are sent, for the first time or again."""
        self.attempts += np.bincount(key, minlength=self.keys)

    def hold(self, stop: int, cell: NDArray, seconds: NDArray) -> None:
        """Servers that have been held; *cell* is ``lane * keys + key``."""
        held = self.held_s[self.held[stop]]
        held += np.bincount(cell, seconds, held.size).reshape(held.shape)

    def count(self, route: int, cause: int, key: NDArray) -> None:
        """Requests that end for *cause*."""
        self.outcomes[route, cause] += np.bincount(key, minlength=self.keys)

    def answer(self, route: int, key: NDArray, latency_s: NDArray, travel_s: NDArray) -> None:
        """Requests whose answer has reached the user."""
        cells = np.bincount(key * BINS + bins_of(latency_s), minlength=self.keys * BINS)
        self.histograms[route] += cells.reshape(self.keys, BINS).astype(np.int32)
        self.latency_s[route] += np.bincount(key, latency_s, self.keys)
        self.answers[route] += np.bincount(key, travel_s, self.keys)

    def visit(self, route: int, step: int, stop: int, cell: NDArray, sums: tuple[NDArray, NDArray, NDArray]) -> None:
        """Visits of a step: *cell* is ``lane * keys + key``, *sums* are travel, wait and service of each."""
        lanes = self.lanes[stop]
        size = lanes.shape[1] * self.keys
        found = np.empty((4, size))
        found[VISITS] = np.bincount(cell, minlength=size)
        for row, values in zip((TRAVEL, WAIT, SERVICE), sums, strict=True):
            found[row] = np.bincount(cell, values, size) if values.any() else 0.0
        by_lane = found.reshape(lanes.shape)
        lanes += by_lane
        self.steps[route][step] += by_lane.sum(axis=1)

    def work(self, stop: int, lane: NDArray, done_s: NDArray, departures_s: NDArray) -> None:
        """Service done in each lane, and the latest time at which it was."""
        busy = self.busy_s[stop]
        busy += np.bincount(lane, done_s, len(busy))
        np.maximum.at(self.last_s[stop], lane, departures_s)

    def move(self, stop: int, cell: NDArray, begin_s: NDArray, end_s: NDArray, work_s: NDArray) -> None:
        """Count work for when it is done, evenly from *begin_s* to *end_s*; *cell* is ``lane * keys + key``."""
        late = np.flatnonzero(end_s > self.key_ends_s[cell % self.keys])
        if len(late) == 0:
            return
        begin_s, end_s, work_s, (lane, key) = begin_s[late], end_s[late], work_s[late], divmod(cell[late], self.keys)
        edges_s, slots = self.edges_s, len(self.edges_s) - 1
        rate = work_s / np.maximum(end_s - begin_s, np.finfo(float).tiny)
        first, last = (np.searchsorted(edges_s, when_s, side="right") - 1 for when_s in (begin_s, end_s))
        inside, shape = first == last, self.moved_s[stop].shape
        head_s = np.where(inside, work_s, rate * (edges_s[np.minimum(first + 1, slots)] - begin_s))
        tail_s = np.where(inside, 0.0, rate * (end_s - edges_s[last]))
        changes = np.zeros((shape[0], slots + 2))  # of the rate of those that pass whole slots
        for slot, sign in ((first + 1, 1.0), (np.maximum(last, first + 1), -1.0)):
            changes += np.bincount(lane * (slots + 2) + slot, sign * rate, changes.size).reshape(changes.shape)
        moved_s = self.moved_s[stop]
        moved_s[:, :slots] += np.cumsum(changes, axis=1)[:, :slots] * np.diff(edges_s)
        for slot, part_s in ((key % slots, -work_s), (first, head_s), (last, tail_s)):
            moved_s += np.bincount(lane * shape[1] + slot, part_s, moved_s.size).reshape(shape)

    def note(self, stop: int, lane: int, noted_s: list[float], done_s: float) -> None:
        """Count the work of a lane whose visits share it: up to each edge that was passed, and in all."""
        upto_s = np.full(len(self.edges_s), done_s)
        upto_s[: len(noted_s)] = noted_s
        by_request_s = self.lanes[stop][SERVICE, lane].reshape(-1, len(self.edges_s) - 1).sum(axis=0)
        self.moved_s[stop][lane, :-1] = np.diff(upto_s) - by_request_s

    def check(self, plan: Plan) -> None:
        """Flow balance: every request sent ends once. Utilisation: no lane works more than it can."""
        ended = self.outcomes.sum(axis=1)
        if not np.array_equal(ended, self.sent):
            raise InvariantError(f"{int(self.sent.sum())} requests were sent and {int(ended.sum())} ended")
        for stop, busy_s, last_s in zip(plan.stops, self.busy_s, self.last_s, strict=True):
            lanes = stop.endpoints.lanes
            could_s = stop.most * (np.minimum(last_s, lanes.end_s) - lanes.begin_s).clip(min=0.0)
            if (busy_s > could_s * (1 + 1e-9) + 1e-9).any():
                raise InvariantError(f"{stop.name} works more than its servers can")


def _holding(plan: Plan) -> list[int]:
    return [number for number, stop in enumerate(plan.stops) if stop.station.holds]
