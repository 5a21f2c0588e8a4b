"""Pieces of time whose end changes their beginning, evaluated until both agree.

A user who sends a request again, and a thread that waits for an answer, change what other requests meet. A piece of
time is evaluated with what is assumed about both, compared with what came of it, and evaluated again with that. Every
cause lies before its effect, so that this ends at the one course of events that an event loop would take; a piece that
has not got there in ``MOST_PASSES`` is cut in two.
"""

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np

from gxsim.traffic.arrivals import ATTEMPT_BITS
from gxsim.traffic.flow import Flow
from gxsim.traffic.holding import Releases, releases_of
from gxsim.traffic.retries import Again
from gxsim.traffic.tally import Tally

MOST_PASSES = 8
FEW_PASSES = 4  # after which the next piece may be longer
GROWTH = 1.5
FIRST_PIECES = 64  # of a run: short enough for storms to settle, long enough for arrays
LEAST_PIECE_S = 1e-3
TOLERANCE = 0.01  # of how long servers are held, on average over the visits of a piece; who sends again is exact
MOST_PIECES_AFTER = 2000  # beyond the horizon, for those still under way


@dataclass(slots=True)
class Settled:
    """How the fixed point was reached: pieces, and passes over them in all.

    ``apart`` is the most that what was assumed of held servers was from what was found; ``unsettled`` counts pieces
    that were taken though they did not agree.
    """

    pieces: int = 0
    passes: int = 0
    unsettled: int = 0
    apart: float = 0.0


class Feedback:
    """Moves a flow whose plan feeds back."""

    def __init__(self, flow: Flow, horizon_s: float, *, tolerance: float = TOLERANCE):
        self.flow = flow
        self.tolerance = tolerance
        self.piece_s = horizon_s / FIRST_PIECES
        self.coming = [Again.none() for _ in flow.sources]  # who sends again later
        self.expected = self.coming  # and who is thought to
        self.assumed: dict[int, Releases] = {}
        self.settled = Settled()

    def advance(self, until_s: float) -> None:
        """Send what users send before *until_s*, and serve what arrives anywhere before it."""
        while self.flow.begin_s < until_s:
            begin_s = self.flow.begin_s
            end_s = begin_s + self.piece_s
            end_s = until_s if end_s > until_s - LEAST_PIECE_S else end_s
            passes, agreed_s = self._settle(end_s)
            if passes == 0:
                self.piece_s = max(agreed_s - begin_s, (end_s - begin_s) / 8)
            elif passes <= FEW_PASSES:
                self.piece_s *= GROWTH

    def finish(self) -> Tally:
        """Serve everyone who is still on the way, as if nothing changed any more, and check what must hold."""
        for _ in range(MOST_PIECES_AFTER):
            if not self._busy():
                break
            self.advance(self.flow.begin_s + max(self.piece_s, 1.0))
        else:
            self._settle(np.inf)
        return self.flow.finish()

    def _busy(self) -> bool:
        flow = self.flow
        inside = any(stage.now.everyone for stage in flow.stages) or bool(flow.joins)
        held = any(len(one) for stage in flow.stages if stage.now.holders for one in stage.now.holders.taken)
        return inside or held or any(len(again.at_s) for again in self.coming)

    def _settle(self, until_s: float) -> tuple[int, float]:
        """Evaluate up to *until_s* until it agrees with itself: how many passes that took, 0 where it did not.

        Also up to when it did. What was found is assumed first where the piece is evaluated again, or cut.
        """
        flow, before = self.flow, self._copy()
        again = [one.where((one.at_s >= flow.begin_s) & (one.at_s < until_s)).in_order() for one in self.expected]
        assumed = {stop: one.before(until_s) for stop, one in self.assumed.items()}
        shortest = until_s - flow.begin_s <= 2 * LEAST_PIECE_S or np.isinf(until_s)
        agreed_s = until_s
        for number in range(1, MOST_PASSES + 1):
            self.settled.passes += 1
            flow.told, flow.again, flow.began, flow.freed, flow.assumed = [], [], {}, {}, assumed
            flow.attempt(until_s, again)
            found = {stop: releases_of(flow.began[stop], flow.freed.get(stop, [])) for stop in flow.began}
            fired = self._fired()
            now = [one.where(one.at_s < until_s).in_order() for one in fired]
            told = [one.apart(assumed.get(stop, Releases.none())) for stop, one in found.items()]
            apart = max((share for share, _ in told), default=0.0)
            agreed_s = min(from_s for _, from_s in [(0.0, until_s), *told])
            agreed_s = min(agreed_s, *(one.agrees_until_s(other) for one, other in zip(now, again, strict=True)))
            same = all(one.agrees_until_s(other) == np.inf for one, other in zip(now, again, strict=True))
            settled = same and apart <= self.tolerance
            if settled or (shortest and number == MOST_PASSES):
                self._accept(until_s, found, fired)
                self.settled.unsettled += not settled
                self.settled.apart = max(self.settled.apart, apart)
                return number, until_s
            again, assumed = now, found
            self._restore(before)
        self.expected, self.assumed = fired, found
        return 0, agreed_s

    def _fired(self) -> list[Again]:
        """Who sends again in this piece or later, by population: those known before it, and those it has made."""
        made = Again.all_of(self.flow.again)
        population = (made.ident >> ATTEMPT_BITS) % len(self.flow.sources)
        return [Again.all_of([coming, made.where(population == number)]) for number, coming in enumerate(self.coming)]

    def _accept(self, until_s: float, found: dict[int, Releases], fired: list[Again]) -> None:
        flow = self.flow
        for stop, releases in found.items():
            _hold(flow, stop, releases)
        flow.accept(until_s)
        self.coming = [one.where(one.at_s >= until_s) for one in fired]
        self.expected = self.coming
        self.settled.pieces += 1

    def _copy(self) -> Any:
        """Everything a pass changes."""
        flow = self.flow
        state = ([stage.now for stage in flow.stages], flow.joins, [source.zones for source in flow.sources])
        return copy.deepcopy(state)

    def _restore(self, before: Any) -> None:
        queues, joins, zones = copy.deepcopy(before)
        self.flow.joins = joins
        for stage, now in zip(self.flow.stages, queues, strict=True):
            stage.now = now
        for source, zone in zip(self.flow.sources, zones, strict=True):
            source.zones = zone


def _hold(flow: Flow, stop: int, found: Releases) -> None:
    """Count how long servers were held by visits that have given theirs back, and remember what is usual."""
    stage = flow.stages[stop]
    holders = stage.now.holders
    assert holders is not None
    records = np.concatenate(flow.began[stop])
    records = records[np.isfinite(records["lasts"])]
    if len(records):
        ends = stage.stop.endpoints.lanes.end_s[records["lane"]]
        free_s = np.minimum(records["start"] + records["lasts"], ends)
        lasts_s = (free_s - records["start"]).clip(min=0.0)
        flow.count(flow.tally.hold, stop, records["cell"], lasts_s)
        flow.count(flow.tally.move, stop, records["cell"], records["start"], free_s, lasts_s)
        flow.count(flow.tally.work, stop, records["lane"], lasts_s, free_s)
        holders.typical_s = max(0.0, float(lasts_s.mean()) - stage.stop.station.service_time_s)
    for lane, free in enumerate(stage.now.free):
        stage.now.free[lane] = holders.let_go(lane, free, found)
