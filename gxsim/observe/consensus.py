"""Leaders, terms, write gaps and what else may fail, for every consensus group of a model."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gxsim.consensus.failover import failover
from gxsim.consensus.history import LeaderHistory
from gxsim.consensus.profiles import profile_of
from gxsim.consensus.subsets import Subsets, member_subsets, node_subsets
from gxsim.kernels.commit import commit_latency
from gxsim.kernels.intervals import durations, runs
from gxsim.observe.table import Table
from gxsim.rng import Streams

UNPLACED = "no node"
MOST_LISTED = 10  # 1 024 subsets


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
            best_s = float(one.commit_s[start:end].min())
            rivals = one.rival[start:end]
            row = (
                one.members.group.name,
                float(one.times_s[start]),
                until_s,
                _name(one, int(one.leader[start])),
                int(one.term[end - 1]),
                best_s if np.isfinite(best_s) else None,
                _name(one, int(rivals.max())),
                float(lasts_s[start:end][rivals >= 0].sum()),
            )
            rows.append(row)
    about = (
        "Who led each consensus group and in which term; without a name nobody did. A rival was cut off and still "
        "believed for so long that it led, in an older term"
    )
    names = ("group", "from_s", "to_s", "leader", "term", "commit_s", "rival", "rival_s")
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


def subset_table(histories: Sequence[LeaderHistory], node_names: Sequence[str]) -> Table:
    """One row per group and subset of its members, and per subset of its nodes, as placed when the clock started.

    Of more than ``MOST_LISTED`` members or nodes the subsets are not listed.
    """
    rows = []
    for one in histories:
        node = one.members.node[0]
        labels = [node_names[i] if i >= 0 else UNPLACED for i in np.unique(node)]
        for what, count, enumerate_all in (
            ("members", len(node), member_subsets),
            ("nodes", len(labels), node_subsets),
        ):
            if count <= MOST_LISTED:
                found = _subset_rows(what, enumerate_all(node), one.members.names, labels)
                rows += [(one.members.group.name, what, *row) for row in found]
    about = (
        "What is left of each consensus group when any subset of its members or of its nodes is lost; of more than "
        f"{MOST_LISTED} members or nodes the subsets are not listed"
    )
    names = ("group", "losing", "lost", "up", "quorum", "tolerates_members", "tolerates_nodes")
    return Table.of("quorum_subsets", about, names, rows)


def latency_table(histories: Sequence[LeaderHistory], delays_s: NDArray) -> Table:
    """One row per group and possible leader: a commit through it, and through a follower, with all members up."""
    rows = []
    for one in histories:
        at = np.maximum(one.members.node[0], 0)
        between_s, profile = delays_s[np.ix_(at, at)], profile_of(one.members.group)
        everyone = np.ones(len(at), bool)
        commit_s = commit_latency(
            between_s, everyone, persist_s=profile.persist_s, leader_writes_first=profile.leader_writes_first
        )
        there_s = between_s + between_s.T
        for member, name in enumerate(one.members.names):
            others = np.delete(there_s[member], member)
            forwarded_s = float(commit_s[member] + others.max()) if len(others) else float(commit_s[member])
            rows.append((one.members.group.name, name, float(commit_s[member]), forwarded_s))
    about = "Commit latency of each consensus group by who leads; forwarded: through the follower that is farthest away"
    return Table.of("commit_latency", about, ("group", "leader", "commit_s", "forwarded_s"), rows)


def failover_table(histories: Sequence[LeaderHistory], delays_s: NDArray, streams: Streams) -> Table:
    """One row per group and leader that may be lost, all else being well: the time to the next, and to the next write.

    A group that stands no such loss has inf.
    """
    rows = []
    for one in histories:
        at = np.maximum(one.members.node[0], 0)
        rng = streams.take(f"consensus/{one.members.group.name}/failover")
        for member, name in enumerate(one.members.names):
            found = failover(profile_of(one.members.group), delays_s[np.ix_(at, at)], member, rng)
            median_s, p95_s, p99_s = (float(np.quantile(found.new_leader_s, p)) for p in (0.5, 0.95, 0.99))
            gap_s, wasted = float(found.write_gap_s.mean()), float(np.mean(found.terms > 1))
            mean_s = float(found.new_leader_s.mean())
            rows.append((one.members.group.name, name, mean_s, median_s, p95_s, p99_s, gap_s, wasted))
    about = (
        "Time to a new leader, and mean gap in the writes, when a consensus group loses its leader, over many elections"
    )
    names = ("group", "leader", "mean_s", "median_s", "p95_s", "p99_s", "write_gap_s", "more_than_one_term")
    return Table.of("failover", about, names, rows)


def _subset_rows(what: str, subsets: Subsets, names: Sequence[str], nodes: Sequence[str]) -> list[tuple]:
    lost, labels = (subsets.lost, names) if what == "members" else (subsets.nodes_lost, nodes)
    return [
        (
            ", ".join(label for label, gone in zip(labels, lost[i], strict=True) if gone),
            int((~subsets.lost[i]).sum()),
            bool(subsets.quorum[i]),
            int(subsets.tolerates_members[i]),
            int(subsets.tolerates_nodes[i]),
        )
        for i in range(len(lost))
    ]
