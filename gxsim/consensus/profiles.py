"""How real consensus groups are set: etcd's defaults, K3s, Fabric's etcdraft, and what a model changes."""

from dataclasses import dataclass, replace

from gxsim.consensus.voter import Rules
from gxsim.model.model import ConsensusGroup


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """Timers and costs of one implementation.

    ``persist_s`` is one synchronous write of the log. ``leader_writes_first``: the leader's own write precedes the
    sending (Fabric), else both go on at once (etcd). ``stale_streams``: when a member dies, the first message on each
    stream to or from it is lost, however late it is sent, unless it comes from or goes to a leader.
    ``rpc_timeout_s``: a follower that still believes in a dead leader holds a request for so long; absent: etcd's 5 s
    and two election timeouts.
    """

    tick_s: float
    election_ticks: int = 10
    heartbeat_ticks: int = 1
    pre_vote: bool = True
    check_quorum: bool = True
    persist_s: float = 0.002
    leader_writes_first: bool = False
    stale_streams: bool = False
    rpc_timeout_s: float | None = None

    def rules(self, voters: int) -> Rules:
        return Rules(
            voters=voters,
            election_ticks=self.election_ticks,
            heartbeat_ticks=self.heartbeat_ticks,
            pre_vote=self.pre_vote,
            check_quorum=self.check_quorum,
        )

    @property
    def election_timeout_s(self) -> float:
        """The least election timeout; the longest is just under twice this."""
        return self.tick_s * self.election_ticks

    @property
    def patience_s(self) -> float:
        """How long a request waits that was forwarded to a dead leader; then it fails, though others succeed."""
        return 5.0 + 2 * self.election_timeout_s if self.rpc_timeout_s is None else self.rpc_timeout_s


PROFILES = {
    # etcd 3.5 and later: --heartbeat-interval 100, --election-timeout 1000, PreVote on by default
    "etcd": Profile(tick_s=0.1),
    # K3s sets both in pkg/etcd/etcd.go for new and joining members
    "k3s": Profile(tick_s=0.5),
    # sampleconfig/configtx.yaml TickInterval, ElectionTick, HeartbeatTick; etcdraft/node.go writes the log before it
    # sends; orderer/common/localconfig/config.go RPCTimeout
    "fabric": Profile(tick_s=0.5, leader_writes_first=True, stale_streams=True, rpc_timeout_s=7.0),
}

# What an operator may choose between, side by side; the last is the heartbeat that the documented cluster gives Fabric.
TIMERS = {
    "etcd": PROFILES["etcd"],
    "etcd, no PreVote": replace(PROFILES["etcd"], pre_vote=False),  # the default of 3.4
    "k3s": PROFILES["k3s"],
    "fabric": PROFILES["fabric"],
    "fabric, 100ms": replace(PROFILES["fabric"], tick_s=0.1),
}


def profile_of(group: ConsensusGroup) -> Profile:
    """The group's profile, with what the model sets otherwise."""
    profile = PROFILES[group.protocol]
    return replace(
        profile,
        tick_s=profile.tick_s if group.heartbeat_s is None else group.heartbeat_s / profile.heartbeat_ticks,
        pre_vote=profile.pre_vote if group.pre_vote is None else group.pre_vote,
        check_quorum=profile.check_quorum if group.check_quorum is None else group.check_quorum,
    )
