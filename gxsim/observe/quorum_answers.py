"""What each consensus group of a model can survive and how fast it is, as placed when the clock starts."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from gxsim.consensus.failover import TRIALS, Failover, failover
from gxsim.consensus.members import Members
from gxsim.consensus.profiles import TIMERS, Profile, profile_of
from gxsim.consensus.subsets import Subsets, member_subsets, node_subsets
from gxsim.kernels.commit import commit_latency
from gxsim.kernels.quorum import majority
from gxsim.observe.table import Table
from gxsim.rng import Streams

MOST_LISTED = 10  # 1 024 subsets
MODELLED = "as modelled"
COMPARED = 500  # elections of one network among others: the mean is known to 1 %


def group_table(groups: Sequence[Members], delays_s: NDArray, streams: Streams) -> Table:
    """One row per group: its timers, members and nodes, what it survives, and how long a write and a failover take."""
    rows = []
    for one in groups:
        profile, between_s = profile_of(one.group), _between(one, delays_s)
        whole = node_subsets(one.node[0], one.up[0])
        commit_s, forwarded_s = _commit(profile, between_s, one.up[0])
        found = _lost(one, profile, between_s, streams.take(f"consensus/{one.group.name}/failover"), TRIALS)
        rows.append(
            (
                one.group.name,
                one.group.protocol,
                profile.tick_s * profile.heartbeat_ticks,
                profile.election_timeout_s,
                len(one.names),
                int(one.up[0].sum()),
                int(majority(len(one.names))),
                len(_nodes(one)),
                int(whole.tolerates_members[0]),
                int(whole.tolerates_nodes[0]),
                *_range(commit_s),
                _range(forwarded_s)[1],
                float(found.write_gap_s.mean()),
                _quantile(found.write_gap_s, 0.99),
            )
        )
    about = (
        "Each consensus group as placed at the start: what it may lose, what a write takes by who leads, and for how "
        "long there are no writes when the leader is lost, all else being well"
    )
    names = (
        *("group", "protocol", "heartbeat_s", "election_timeout_s", "members", "up", "needed", "nodes"),
        *(
            "tolerates_members",
            "tolerates_nodes",
            "least_commit_s",
            "most_commit_s",
            "forwarded_s",
            "mean_gap_s",
            "p99_gap_s",
        ),
    )
    return Table.of("consensus_groups", about, names, rows)


def subset_table(groups: Sequence[Members], node_names: Sequence[str]) -> Table:
    """One row per group and subset of its members, and per subset of its nodes, as placed when the clock started.

    Of more than ``MOST_LISTED`` members or nodes the subsets are not listed.
    """
    rows = []
    for one in groups:
        node = one.node[0]
        labels = [node_names[i] for i in _nodes(one)]
        for what, count, enumerate_all in (
            ("members", len(node), member_subsets),
            ("nodes", len(labels), node_subsets),
        ):
            if count <= MOST_LISTED:
                found = _subset_rows(what, enumerate_all(node, one.up[0]), one.names, labels)
                rows += [(one.group.name, what, *row) for row in found]
    about = (
        "What is left of each consensus group when any subset of its members or of its nodes is lost; of more than "
        f"{MOST_LISTED} members or nodes the subsets are not listed"
    )
    names = ("group", "losing", "lost", "up", "quorum", "tolerates_members", "tolerates_nodes")
    return Table.of("quorum_subsets", about, names, rows)


def latency_table(groups: Sequence[Members], delays_s: NDArray) -> Table:
    """One row per group and possible leader: a commit through it, and through a follower, with all members up."""
    rows = []
    for one in groups:
        found = zip(one.names, *_commit(profile_of(one.group), _between(one, delays_s), one.up[0]), strict=True)
        rows += [(one.group.name, name, float(commit_s), float(forwarded_s)) for name, commit_s, forwarded_s in found]
    about = "Commit latency of each consensus group by who leads; forwarded: through the follower that is farthest away"
    return Table.of("commit_latency", about, ("group", "leader", "commit_s", "forwarded_s"), rows)


def round_trip_table(groups: Sequence[Members], networks: Mapping[str, NDArray], streams: Streams) -> Table:
    """One row per group and network, (nodes, nodes) one-way delays by name: what its round trips make of a write.

    Groups of one node, or of one member, have no round trip and are left out.
    """
    rows = []
    for one in groups:
        if len(_nodes(one)) < 2:
            continue
        profile = profile_of(one.group)
        for name, delays_s in networks.items():
            between_s = _between(one, delays_s)
            commit_s, forwarded_s = _commit(profile, between_s, one.up[0])
            rng = streams.take(f"consensus/{one.group.name}/round trips/{name}")
            found = _lost(one, profile, between_s, rng, COMPARED)
            trip_s = float((between_s + between_s.T).max())
            gap_s, wasted = float(found.write_gap_s.mean()), float(np.mean(found.terms > 1))
            rows.append((one.group.name, name, trip_s, *_range(commit_s), _range(forwarded_s)[1], gap_s, wasted))
    about = (
        "What a write takes in each consensus group, and what the loss of its leader costs, if its nodes were so far "
        "apart; round_trip_s is the longest between two members"
    )
    names = (
        *("group", "network", "round_trip_s", "least_commit_s", "most_commit_s", "forwarded_s", "mean_gap_s"),
        "more_than_one_term",
    )
    return Table.of("round_trips", about, names, rows)


def failover_table(groups: Sequence[Members], delays_s: NDArray, streams: Streams, *, trials: int) -> Table:
    """One row per group and set of timers: how long it is without a leader, and without writes, when it loses its own.

    Each member is the leader that is lost equally often. A group that stands no such loss has inf; one of one member
    is left out.
    """
    rows = []
    for one in groups:
        if len(one.names) < 2:
            continue
        for name, profile in {MODELLED: profile_of(one.group), **TIMERS}.items():
            rng = streams.take(f"consensus/{one.group.name}/failover/{name}")
            found = _lost(one, profile, _between(one, delays_s), rng, trials)
            median_s, p99_s = (_quantile(found.new_leader_s, p) for p in (0.5, 0.99))
            mean_s, gap_s = float(found.new_leader_s.mean()), float(found.write_gap_s.mean())
            timers = (profile.tick_s * profile.heartbeat_ticks, profile.election_timeout_s)
            rows.append(
                (one.group.name, name, *timers, mean_s, median_s, p99_s, gap_s, float(np.mean(found.terms > 1)))
            )
    about = (
        "Time to a new leader, and mean gap in the writes, when a consensus group loses its leader, over many "
        "elections with its own timers and with those of other systems"
    )
    names = (
        *("group", "timers", "heartbeat_s", "election_timeout_s", "mean_s", "median_s", "p99_s", "mean_gap_s"),
        "more_than_one_term",
    )
    return Table.of("failover", about, names, rows)


def _between(one: Members, delays_s: NDArray) -> NDArray:
    """(members, members) one-way delays as placed when the clock starts."""
    at = np.maximum(one.node[0], 0)
    return delays_s[np.ix_(at, at)]


def _lost(one: Members, profile: Profile, between_s: NDArray, rng: np.random.Generator, trials: int) -> Failover:
    """Each member that runs at the start is the leader that is lost equally often."""
    leaders, down = np.flatnonzero(one.up[0]).tolist(), np.flatnonzero(~one.up[0]).tolist()
    return failover(profile, between_s, leaders, rng, down=down, trials=trials)


def _nodes(one: Members) -> NDArray:
    """Rows of the nodes that carry members at the start."""
    return np.unique(one.node[0][one.node[0] >= 0])


def _commit(profile: Profile, between_s: NDArray, up: NDArray) -> tuple[NDArray, NDArray]:
    """(members,) a commit by who leads, and one that the farthest follower forwards; inf for a leader that is down."""
    commit_s = commit_latency(
        between_s, up, persist_s=profile.persist_s, leader_writes_first=profile.leader_writes_first
    )
    return commit_s, commit_s + ((between_s + between_s.T) * up).max(axis=1)


def _range(commit_s: NDArray) -> tuple[float, float]:
    """Least and most of those that can lead; inf without one."""
    some = commit_s[np.isfinite(commit_s)]
    return (float(some.min()), float(some.max())) if len(some) else (np.inf, np.inf)


def _quantile(values_s: NDArray, p: float) -> float:
    """An observed value, so that one of several inf is none."""
    return float(np.quantile(values_s, p, method="higher"))


def _subset_rows(what: str, subsets: Subsets, names: Sequence[str], nodes: Sequence[str]) -> list[tuple]:
    lost, labels = (subsets.lost, names) if what == "members" else (subsets.nodes_lost, nodes)
    return [
        (
            ", ".join(label for label, gone in zip(labels, lost[i], strict=True) if gone),
            int(subsets.up[i]),
            bool(subsets.quorum[i]),
            int(subsets.tolerates_members[i]),
            int(subsets.tolerates_nodes[i]),
        )
        for i in range(len(lost))
    ]
