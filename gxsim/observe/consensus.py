"""Leaders, terms and write gaps of every consensus group of a model over a run."""

from collections.abc import Sequence

import numpy as np

from gxsim.consensus.history import LeaderHistory
from gxsim.consensus.profiles import profile_of
from gxsim.kernels.intervals import durations, runs
from gxsim.observe.table import Table


def leader_table(histories: Sequence[LeaderHistory], horizon_s: float) -> Table:
    """One row per group and reign: who led from when to when, in which term, and how fast it committed."""
    rows = []
    for one in histories:
        lasts_s = durations(one.times_s, horizon_s)
        changed = np.ones(len(one.times_s), bool)
        changed[1:] = (np.diff(one.leader) != 0) | ((np.diff(one.term) != 0) & (one.leader[1:] >= 0))
        starts = np.flatnonzero(changed)
        for start, end in zip(starts, [*starts[1:], len(one.times_s)], strict=True):
            until_s = float(one.times_s[end]) if end < len(one.times_s) else horizon_s
            commits_s = one.commit_s[start:end]
            commits_s = commits_s[np.isfinite(commits_s)]
            rivals = one.rival[start:end]
            row = (
                one.members.group.name,
                float(one.times_s[start]),
                until_s,
                _name(one, int(one.leader[start])),
                int(one.term[end - 1]),
                float(commits_s.min()) if len(commits_s) else None,
                float(commits_s.max()) if len(commits_s) else None,
                _name(one, int(rivals.max())),
                float(lasts_s[start:end][rivals >= 0].sum()),
            )
            rows.append(row)
    about = (
        "Who led each consensus group and in which term; without a name nobody did. A rival was cut off and still "
        "believed for so long that it led, in an older term. commit_s and slowest_commit_s: what a write took at best "
        "and at worst, while it could be made"
    )
    names = ("group", "from_s", "to_s", "leader", "term", "commit_s", "slowest_commit_s", "rival", "rival_s")
    return Table.of("leaders", about, names, rows)


def _name(one: LeaderHistory, member: int) -> str:
    return one.members.names[member] if member >= 0 else ""


def write_gaps(histories: Sequence[LeaderHistory], horizon_s: float) -> Table:
    """One row per group and stretch in which no write could be committed."""
    rows = []
    for one in histories:
        for first, end in zip(*runs(~one.writable), strict=True):
            from_s = float(one.times_s[first])
            to_s = float(one.times_s[end]) if end < len(one.times_s) else horizon_s
            over = end < len(one.times_s)
            before = one.leader[first - 1] if first else -1
            terms = int(one.term[min(end, len(one.term) - 1)] - one.term[max(first - 1, 0)])
            led, leads = _name(one, int(before)), _name(one, int(one.leader[end])) if over else ""
            patience_s = profile_of(one.members.group).patience_s
            rows.append((one.members.group.name, from_s, to_s, to_s - from_s, led, leads, terms, patience_s))
    about = (
        "Stretches in which a consensus group could commit no write: from the loss of a leader or of the majority; a "
        "request that was forwarded to the lost leader fails only after patience_s"
    )
    names = ("group", "from_s", "to_s", "gap_s", "led", "leads", "terms", "patience_s")
    return Table.of("write_gaps", about, names, rows)
