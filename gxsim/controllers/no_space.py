"""What happens to programs when not a byte is left on their node's disk, and when there is room again.

This is no controller's doing: it happens with or without a control plane. ``SOFTWARE`` says what each kind of store
does at its first failed write; a pod belongs to the first kind whose pattern one of its images matches.
"""

import math
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

import numpy as np

from gxsim.controllers.disks import Disks
from gxsim.controllers.informer import Informer
from gxsim.model.pod import PodTemplate
from gxsim.state import PHASE_RUNNING, ClusterState, Event

# ends: the process exits, and exits again at each start until there is room. refuses: it runs and answers reads, writes
# fail. drops: it runs, and what it is sent is lost. runs: nothing it must write.
AtFull = Literal["ends", "refuses", "drops", "runs"]
ROOM_BYTES = 64 * 1024**2  # what a start needs: etcd and Fabric preallocate log segments of 64 MB, PostgreSQL 16 MB


@dataclass(frozen=True, slots=True, kw_only=True)
class Software:
    """A kind of program, known by its image, and what it does when a write fails with ENOSPC."""

    name: str
    images: tuple[str, ...]  # shell patterns of the image's last path component, without tag
    at_full: AtFull
    what: str
    source: str


SOFTWARE = (
    Software(
        name="PostgreSQL",
        images=("postgres", "postgresql", "postgresql-*", "spilo*"),
        at_full="ends",
        what="the server stops with a PANIC at its next WAL record, and cannot start until there is room",
        source="PostgreSQL manual, 'Disk Full Failure' and 'WAL Internals'; XLogWrite in xlog.c",
    ),
    Software(
        name="Fabric orderer",
        images=("fabric-orderer",),
        at_full="ends",
        what="the orderer panics when it cannot persist Raft data",
        source="Fabric orderer/consensus/etcdraft/node.go: Panicf('Failed to persist etcd/raft data')",
    ),
    Software(
        name="Fabric peer",
        images=("fabric-peer",),
        at_full="ends",
        what="the peer panics at its next block",
        source="Fabric gossip/state/state.go: Panicf('Cannot commit block to the ledger')",
    ),
    Software(
        name="Fabric CA",
        images=("fabric-ca",),
        at_full="refuses",
        what="enrolments fail, because the certificate cannot be stored",
        source="fabric-ca lib/certdbaccessor.go returns the database's error to the client",
    ),
    Software(
        name="CouchDB",
        images=("couchdb",),
        at_full="refuses",
        what="writes are answered with an error, reads go on",
        source="CouchDB couch_file.erl: append fails with enospc, the request with 500",
    ),
    Software(
        name="Redis",
        images=("redis", "redis-*", "valkey", "valkey-*"),
        at_full="refuses",
        what="writes get MISCONF from the first snapshot or AOF write that fails, reads go on",
        source="redis.conf: stop-writes-on-bgsave-error yes; aof_last_write_status in server.c",
    ),
    Software(
        name="Prometheus",
        images=("prometheus",),
        at_full="drops",
        what="scrapes are lost, because their samples cannot be appended to the WAL; compaction fails; queries go on",
        source="Prometheus tsdb/head_append.go Commit, scrape/scrape.go: the append's error fails the scrape",
    ),
    Software(
        name="Loki",
        images=("loki",),
        at_full="drops",
        what="log lines stay in memory without WAL, chunks cannot be flushed; they are lost with the process",
        source="Loki pkg/ingester/wal.go: loki_ingester_wal_disk_full_failures_total, writes go on",
    ),
    Software(
        name="Grafana",
        images=("grafana",),
        at_full="refuses",
        what="SQLite refuses changes, dashboards can be read",
        source="SQLite result code SQLITE_FULL",
    ),
    Software(
        name="etcd",
        images=("etcd",),
        at_full="ends",
        what="the member exits when it cannot write its WAL; its NOSPACE alarm is another fault, etcd-nospace",
        source="etcd server/etcdserver/raft.go: Fatal('failed to save Raft hard state and entries')",
    ),
)
UNKNOWN = Software(
    name="unknown",
    images=(),
    at_full="ends",
    what="a program with a volume is taken to end at its first failed write",
    source="chosen: what most databases do",
)
STATELESS = Software(
    name="stateless",
    images=(),
    at_full="runs",
    what="only log lines are lost",
    source="containerd's log writer",
)


def software_of(template: PodTemplate) -> Software:
    """What a pod runs: by its images; else unknown with a claim, stateless without."""
    for container in template.containers:
        name = container.image.rsplit("/", 1)[-1].split("@")[0].split(":")[0]
        for kind in SOFTWARE:
            if any(fnmatchcase(name, pattern) for pattern in kind.images):
                return kind
    return UNKNOWN if template.claims else STATELESS


class NoSpace:
    """Which nodes can write, and the programs that end because theirs cannot.

    ``writable`` (nodes,) is recorded in the Timeline as the level ``writable/<node>``, from the first time a disk is
    full on: 0 while nothing can be written on it, volumes included, 1 again once there is room for a start.
    """

    def __init__(self, disks: Disks, informer: Informer):
        self.disks, self.informer = disks, informer
        count = len(disks.disk_bytes)
        self.writable = np.ones(count, bool)
        self.since_s = np.full(count, -math.inf)  # (nodes,) when that last changed
        self._software: dict[int, Software] = {}  # by template

    def reconcile(self, state: ClusterState, now: float) -> bool:
        """End what cannot write, and what was started since on a full disk."""
        self.informer.follow(state)
        self.disks.follow(state, now)
        self.disks.advance(now)
        self._turn(state, now)
        changed = False
        for node in np.flatnonzero(~self.writable).tolist():
            for pod in self.informer.pods_on(node):
                if state.pod_running[pod] and state.pod_phase[pod] == PHASE_RUNNING:
                    changed |= self._write(state, pod, node, now)
        return changed

    def due(self, state: ClusterState, now: float) -> float:
        """When the next disk is full, or the next fault has written all."""
        full_s = np.where(self.writable, self.disks.falls_to_s(0.0, now), math.inf)
        return min(float(np.min(full_s, initial=math.inf)), self.disks.due_s(now))

    def levels(self, state: ClusterState) -> dict[str, float]:
        """``writable/<node>`` of every node whose disk was full at some time."""
        full = np.flatnonzero(self.since_s >= 0).tolist()
        return {f"writable/{state.nodes[node].name}": float(self.writable[node]) for node in full}

    def _turn(self, state: ClusterState, now: float) -> None:
        """Take note of disks that are full now, or have room again."""
        full = self.disks.is_full(now)
        room = ~full & (self.disks.available_bytes(now) >= np.minimum(ROOM_BYTES, self.disks.disk_bytes))
        for node in np.flatnonzero(np.where(self.writable, full, room)).tolist():
            self.writable[node], self.since_s[node] = not self.writable[node], now
            name = state.nodes[node].name
            reason, message = (
                ("SpaceLeft", "there is room on the disk again")
                if self.writable[node]
                else ("NoSpaceLeft", "no space left on device")
            )
            state.emit(Event(now, "Node", name, reason, message))

    def _write(self, state: ClusterState, pod: int, node: int, now: float) -> bool:
        """Let a program meet the full disk: it may end, and a start always fails."""
        template = int(state.pod_template[pod])
        if template not in self._software:
            self._software[template] = software_of(state.templates[template])
        if self._software[template].at_full != "ends" and state.pod_started_s[pod] < self.since_s[node]:
            return False
        message = "no space left on device"
        state.emit(Event(now, "Pod", state.pod_key(pod), "NoSpaceLeft", message))
        state.crash(pod)
        return True
