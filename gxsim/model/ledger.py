"""The way of a write after the request: what a channel consists of, how it is set, and what its stages cost."""

from collections.abc import Mapping
from dataclasses import dataclass

from gxsim.model.fields import spec

MIB = 1024**2
EVERY, STATIC, ELECTED = "every", "static", "elected"
GATEWAY, PERSISTENT = "gateway", "persistent"
LOST, ENVELOPE, ANEW = "lost", "envelope", "anew"


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerCosts:
    """What each stage costs; the defaults are documented, recorded or published values, told in each ``doc``."""

    outbox_batch: int = spec(100, doc="Rows that one look at the outbox takes; chosen", ge=1)
    submitters: int = spec(2, doc="Commands that are submitted at a time; chosen", ge=1)
    submit_s: float = spec(0.0075, doc="What a submitter does for one command; chosen", ge=0)
    endorse_s: float = spec(0.005, doc="Chaincode execution at one peer; chosen", ge=0)
    endorse_servers: int = spec(8, doc="Executions at a time of one organisation; chosen", ge=1)
    order_s: float = spec(0.0003, doc="Per transaction at the leading orderer; recorded acks at 500 tx/s", ge=0)
    write_s: float = spec(0.002, doc="One synchronous write of the log; recorded disk", ge=0)
    write_rate_bytes: int = spec(200 * MIB, doc="What the orderers' disk writes per second in a row", ge=1)
    transaction_bytes: int = spec(4096, doc="An endorsed transaction in a block; commonly 3 to 5 KiB", ge=1)
    hop_s: float = spec(0.0005, doc="A message between two of them, beside the network's delay", ge=0)
    block_s: float = spec(0.010, doc="Per block at a committing peer; chosen", ge=0)
    commit_s: float | None = spec(
        None,
        doc="Per transaction at a committing peer; absent: Caliper's rates on Fabric 1.4.0 with 100-byte assets, "
        "372/s with goleveldb and 194/s with CouchDB",
        ge=0,
    )
    project_s: float = spec(0.001, doc="Per transaction at the projector; chosen", ge=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerPatience:
    """How long orderers, peers and clients wait for each other; the defaults are Fabric's own."""

    forward_timeout_s: float = spec(7.0, doc="A follower gives up forwarding to a dead leader; RPCTimeout", gt=0)
    retry_s: float = spec(0.1, doc="Pause before a refused submission is tried again; chosen", gt=0)
    commit_timeout_s: float = spec(30.0, doc="Wait for the commit before submitting again; chosen", gt=0)
    connect_timeout_s: float = spec(3.0, doc="A peer gives up dialling a dead orderer; connTimeout", gt=0)
    keepalive_s: float = spec(
        80.0, doc="Until a stream from a vanished node is given up; keepalive.deliveryClient, 60 s and 20 s", ge=0
    )
    reconnect_s: float = spec(0.1, doc="A peer's first pause before it asks the next orderer; core.yaml", gt=0)
    reconnect_growth: float = spec(1.2, doc="Growth of that pause from try to try; blocksprovider/deliverer.go", gt=1)
    reconnect_cap_s: float = spec(3600.0, doc="Longest such pause; core.yaml", gt=0)
    gossip_s: float = spec(0.01, doc="A block waits before peers pass it on; maxPropagationBurstLatency", ge=0)
    state_check_s: float = spec(10.0, doc="Period at which a peer asks others for missing blocks; core.yaml", gt=0)
    leader_alive_s: float = spec(10.0, doc="Silence after which a leading peer is dead; leaderAliveThreshold", ge=0)
    leader_election_s: float = spec(5.0, doc="Election of a leading peer; leaderElectionDuration", ge=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """The way of a write after the request: outbox, endorsement, ordering, commit, projection. One per channel.

    A name left out stands for something outside the cluster, which is always there.
    """

    name: str = spec(doc="Name of the channel")
    outbox: str = spec("", doc="Service of the database that holds the outbox")
    rate: float | None = spec(
        None, doc="Commands per second; absent: those of the paths that write into the outbox", ge=0
    )
    share: float = spec(1.0, doc="Share of the outbox's commands that are meant for this channel", gt=0, le=1)
    submitter: str = spec("", doc="Workload that submits (namespace/name)")
    poll_s: float = spec(0.1, doc="Pause between two looks at the outbox", gt=0)
    endorsers: Mapping[str, tuple[str, ...]] = spec(doc="Services of the endorsing peers by organisation")
    endorsement: str = spec(
        "MAJORITY",
        doc="Organisations of which one peer must endorse; Fabric's implicit policies",
        choices=("ALL", "MAJORITY", "ANY"),
    )
    chaincode: str = spec("", doc="Service that peers run the chaincode with")
    keys: int = spec(0, doc="Keys that commands read and write, each as often; 0: no two ever the same", ge=0)
    broadcast: str = spec(
        GATEWAY,
        doc="gateway: a stream to an orderer per transaction; persistent: each submitter keeps one",
        choices=(GATEWAY, PERSISTENT),
    )
    resubmission: str = spec(
        LOST,
        doc="What is sent again after commitTimeout: what was lost with a leader, by a client that follows the blocks; "
        "or all that no peer has committed by then, as the same envelope, void if the first comes too, or endorsed "
        "anew, so that it may happen twice",
        choices=(LOST, ENVELOPE, ANEW),
    )
    orderers: str = spec(doc="Name of the orderers' consensus group")
    batch_timeout_s: float = spec(2.0, doc="Longest wait of a batch's first transaction", gt=0)
    max_message_count: int = spec(500, doc="Transactions that cut a block", ge=1)
    preferred_max_bytes: int = spec(2 * MIB, doc="Bytes that cut a block", ge=1)
    max_inflight_blocks: int = spec(5, doc="Blocks proposed and not committed; no transaction is taken meanwhile", ge=1)
    state_database: str = spec("goleveldb", doc="State database of the peers", choices=("goleveldb", "CouchDB"))
    state_databases: Mapping[str, str] = spec(
        doc="Service of each peer's CouchDB, by the peer's; while none answers, or its disk is full, the peer can "
        "neither endorse nor commit",
        factory=dict,
    )
    leader_peers: str = spec(
        EVERY,
        doc="Which peers get blocks from orderers: every one, the first of each organisation, or one it elects",
        choices=(EVERY, STATIC, ELECTED),
    )
    gossip: bool = spec(False, doc="Whether peers pass blocks on and ask each other for missing ones")
    event_peer: str = spec(doc="Service of the peer whose events the projector follows")
    projector: str = spec("", doc="Workload that projects (namespace/name)")
    costs: LedgerCosts = spec(doc="What each stage costs", factory=LedgerCosts)
    patience: LedgerPatience = spec(doc="How long each waits for the other", factory=LedgerPatience)
    source: str = spec(doc="Where the values come from")

    def __post_init__(self) -> None:
        for peer in self.state_databases:
            if peer not in self.peers:
                known = ", ".join(self.peers)
                raise ValueError(f"stateDatabases: {peer!r} is no peer of this ledger; expected one of {known}")
        if self.leader_peers != EVERY and not self.gossip:
            raise ValueError(
                f"leaderPeers: {self.leader_peers} leaves the other peers without blocks; write gossip: true, or every"
            )

    @property
    def peers(self) -> Mapping[str, str]:
        """Organisation by Service, of every peer that keeps the ledger; one that does not endorse has none."""
        endorsing = {peer: org for org, peers in self.endorsers.items() for peer in peers}
        return {**endorsing, self.event_peer: endorsing.get(self.event_peer, "")}
