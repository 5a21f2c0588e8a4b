"""Recorded milestones against simulated ones: who is who, and what agrees."""

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence

from gxsim.validate.failures_milestones import Milestones, PodRun

TOLERANCE_S, TOLERANCE_SHARE = 0.5, 0.01
BURST_S = 0.5  # pods created within it of one another may come in any order

Comparison = tuple[str, str, bool, str]  # object, milestone, whether it agrees, what differed


def agrees(found_s: float, recorded_s: float) -> bool:
    return abs(found_s - recorded_s) <= TOLERANCE_S + TOLERANCE_SHARE * abs(recorded_s)


def compare(name: str, recorded: Milestones, found: Milestones, horizon_s: float) -> Iterator[Comparison]:
    """One comparison per milestone of either side, the first with the first; the end of the recording cuts both."""
    for what in sorted({*recorded, *found}):
        wanted = [time_s for time_s in recorded.get(what, ()) if time_s < horizon_s]
        got = [time_s for time_s in found.get(what, ()) if time_s < horizon_s]
        for i in range(max(len(wanted), len(got))):
            wanted_s = wanted[i] if i < len(wanted) else None
            got_s = got[i] if i < len(got) else None
            if wanted_s is None or got_s is None:
                only_s = wanted_s if got_s is None else got_s
                assert only_s is not None
                if agrees(only_s, horizon_s):
                    continue  # the other side may have it just after the end
                side = "recorded" if got_s is None else "gxsim"
                yield name, what, False, f"only {side} has it, at {only_s:.2f} s"
            else:
                good = agrees(got_s, wanted_s)
                yield name, what, good, "" if good else f"at {got_s:.2f} s, recorded {wanted_s:.2f} s"


def pairs(recorded: Sequence[PodRun], found: Sequence[PodRun]) -> Iterator[tuple[PodRun | None, PodRun | None]]:
    """Recorded and simulated pods that stand for one another; None where one side has no such pod.

    A pod of a StatefulSet has its name. Others are matched within their workload in order: first those on the same
    node, then what is left.
    """
    left: dict[str, list[PodRun]] = defaultdict(list)
    for run in in_order(found):
        left[run.group].append(run)
    unmatched = []
    for run in in_order(recorded):
        same = next((other for other in left[run.group] if other.node == run.node), None)
        if same is None:
            unmatched.append(run)
        else:
            left[run.group].remove(same)
            yield run, same
    for run in unmatched:
        yield run, left[run.group].pop(0) if left[run.group] else None
    yield from ((None, run) for runs in left.values() for run in runs)


def in_order(runs: Sequence[PodRun]) -> list[PodRun]:
    """Pods by creation; those of one burst, as those of the start, are each other's like: by the time of deletion."""
    keys: dict[int, tuple[float, float]] = {}
    burst_s: dict[str, float] = {}  # when the last burst of each group began
    for i in sorted(range(len(runs)), key=lambda i: runs[i].created_s):
        run = runs[i]
        if run.created_s > burst_s.get(run.group, -math.inf) + BURST_S:
            burst_s[run.group] = run.created_s
        keys[i] = (burst_s[run.group], min(run.milestones.get("deletion", ()), default=math.inf))
    return [runs[i] for i in sorted(keys, key=lambda i: keys[i])]
