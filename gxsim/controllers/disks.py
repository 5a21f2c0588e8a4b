"""What lies on every node's disk over time: volumes, images, logs, and what faults write; freed when pods go.

Everything on a node shares one disk, as with K3s: a local-path volume is a folder, its claim's size a promise. Pods
write while they run. Their logs, layers and emptyDirs go with them; the data of their claims stays.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gxsim.controllers.informer import TOLERANCE_S, Log
from gxsim.model.pod import PodTemplate
from gxsim.state import PENDING, PHASE_RUNNING, STORAGE, ClusterState

HOST = -1  # who writes, where it is no pod


def disk_bytes(state: ClusterState) -> NDArray[np.int64]:
    """(nodes,) size of the disk that volumes, images and logs share; what is allocatable where no capacity is given."""
    offered = state.allocatable[:, STORAGE].tolist()
    return np.array(
        [node.capacity.get("ephemeral-storage", offered[i]) for i, node in enumerate(state.nodes)], np.int64
    )


def empty_dirs(template: PodTemplate) -> int:
    """How many emptyDirs on the node's disk a pod has; those in memory do not count."""
    return sum("emptyDir" in one and (one["emptyDir"] or {}).get("medium") != "Memory" for one in template.volumes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What lies on the disks when the clock starts, and how fast it grows; arrays are (nodes,), rates per second.

    ``used_bytes`` is everything, what pods wrote outside volumes included; a disk of a node that does not say its size
    is infinite. ``host_rate_bytes`` is written whoever runs, ``claim_rates_bytes`` by claim while its pod runs. A
    container and an emptyDir hold so much at the start, and grow while their pod runs.
    """

    disk_bytes: NDArray
    used_bytes: NDArray
    host_rate_bytes: NDArray
    unused_image_bytes: NDArray
    claim_rates_bytes: Mapping[str, float] = field(default_factory=dict)
    container_bytes: float = 0.0
    container_rate_bytes: float = 0.0
    empty_dir_bytes: float = 0.0
    empty_dir_rate_bytes: float = 0.0

    @classmethod
    def nothing(cls, state: ClusterState) -> "Contents":
        """Empty disks on which nobody writes."""
        sizes, none = sized(disk_bytes(state)), np.zeros(len(state.nodes))
        return cls(disk_bytes=sizes, used_bytes=none, host_rate_bytes=none, unused_image_bytes=none)

    def pod_bytes(self, template: PodTemplate) -> float:
        """What a pod has written outside volumes when the clock starts."""
        return len(template.containers) * self.container_bytes + empty_dirs(template) * self.empty_dir_bytes

    def pod_rate_bytes(self, template: PodTemplate) -> float:
        """What a pod writes outside volumes per second."""
        return len(template.containers) * self.container_rate_bytes + empty_dirs(template) * self.empty_dir_rate_bytes

    def claims_rate_bytes(self, template: PodTemplate) -> float:
        """What a pod writes to its claims per second."""
        rates, space = self.claim_rates_bytes, template.namespace
        return sum(rates.get(f"{space}/{claim}", 0.0) for claim in template.claims) if rates else 0.0


def sized(disks: NDArray) -> NDArray[np.float64]:
    """Sizes of disks, infinite where a node does not say."""
    return np.where(disks > 0, disks, np.inf)


@dataclass(slots=True)
class Written:
    """What one writer has on a node's disk: an amount at some reading of the disk's clock, and a rate from then on."""

    node: int
    amount_bytes: float
    rate_bytes: float
    clock_s: float
    most_bytes: float = math.inf


class Disks:
    """The disks of all nodes. Each has a clock of its own that stands still while the disk is full."""

    def __init__(self, contents: Contents):
        self.contents = contents
        self.disk_bytes = contents.disk_bytes
        self.unused_image_bytes = contents.unused_image_bytes.copy()
        self._used_bytes = np.minimum(contents.used_bytes, contents.disk_bytes)
        self.rate_bytes = contents.host_rate_bytes.copy()
        self.inodes_used = np.zeros(len(self.disk_bytes))  # (nodes,) share of the inodes that faults took
        self._since_s, self._clock_s = np.zeros(len(self.disk_bytes)), np.zeros(len(self.disk_bytes))
        self._pods: dict[int, Written] = {}  # what they wrote outside volumes
        self._claim_rates: dict[int, float] = {}  # pods: what they write to their claims, per second
        self._fills: dict[tuple[str, int, int], Written] = {}  # by fault, node, and the pod that writes or HOST
        self._touched = Log()
        self._began = False

    # ---- how full they are --------------------------------------------------------------------------------------

    def available_bytes(self, now: float) -> NDArray[np.float64]:
        """(nodes,) what is left; never negative."""
        return np.maximum(self.disk_bytes - self._used_bytes - self.rate_bytes * (now - self._since_s), 0.0)

    def turned(self, now: float) -> list[int]:
        """Nodes whose disk changed its amount or rate just now."""
        return np.flatnonzero(self._since_s == now).tolist()

    def used_bytes(self, node: int, now: float) -> float:
        """What lies on the disk of *node*."""
        return float(self._used_bytes[node] + self.rate_bytes[node] * self._elapsed_s(node, now))

    def falls_to_s(self, available_bytes: NDArray | float, now: float) -> NDArray[np.float64]:
        """(nodes,) when so little is left: now where it is already, inf where it will not be."""
        over = self.available_bytes(now) - available_bytes
        with np.errstate(divide="ignore", invalid="ignore"):
            falls_s = np.where(self.rate_bytes > 0, now + over / self.rate_bytes, np.inf)
        return np.where(over <= 0, now, falls_s)

    def written_bytes(self, pod: int, now: float) -> float:
        """What *pod* has written outside volumes, which goes with it."""
        mine = [self._pods[pod]] if pod in self._pods else []
        mine += [fill for (_, _, writer), fill in self._fills.items() if writer == pod]
        return sum(self._amount(one, now) for one in mine)

    def _elapsed_s(self, node: int, now: float) -> float:
        """Seconds since the last change in which the disk of *node* took what was written."""
        passed_s, rate = now - float(self._since_s[node]), float(self.rate_bytes[node])
        left = float(self.disk_bytes[node] - self._used_bytes[node])
        return passed_s if rate * passed_s <= left else left / rate

    def _amount(self, written: Written, now: float) -> float:
        clock_s = float(self._clock_s[written.node]) + self._elapsed_s(written.node, now)
        return min(written.most_bytes, written.amount_bytes + written.rate_bytes * (clock_s - written.clock_s))

    # ---- what changes them --------------------------------------------------------------------------------------

    def add(self, node: int, amount_bytes: float, now: float, rate_bytes: float = 0.0) -> None:
        """Write (or free, if negative) an amount at once, and let the disk fill faster by a rate from now on."""
        elapsed_s = self._elapsed_s(node, now)
        used = self._used_bytes[node] + self.rate_bytes[node] * elapsed_s + amount_bytes
        self._used_bytes[node] = min(max(used, 0.0), self.disk_bytes[node])
        self._since_s[node], self._clock_s[node] = now, self._clock_s[node] + elapsed_s
        self.rate_bytes[node] += rate_bytes

    def take_inodes(self, node: int, share: float) -> None:
        """Use so much more of the inodes of *node*, or free it."""
        self.inodes_used[node] = min(max(0.0, self.inodes_used[node] + share), 1.0)

    def is_full(self, now: float) -> NDArray[np.bool_]:
        """(nodes,) True where nothing can be written: no byte is left, or no inode."""
        rounding = 1.0 + 10 * TOLERANCE_S * np.maximum(self.rate_bytes, 0.0)  # what the clock may lose
        return (self.available_bytes(now) < rounding) | (self.inodes_used >= 1.0)

    def fill(
        self, name: str, node: int, amount_bytes: float, now: float, rate_bytes: float = math.inf, *, pod: int = HOST
    ) -> None:
        """Let something called *name* write an amount, at once or at a rate, as far as there is room.

        What a *pod* writes lies outside its volumes, counts for it, and goes with it.
        """
        if math.isinf(rate_bytes):
            amount = min(amount_bytes, float(self.available_bytes(now)[node]))
            self.add(node, amount, now)
            self._fills[name, node, pod] = Written(node, amount, 0.0, 0.0)
            return
        self.add(node, 0.0, now, rate_bytes)
        self._fills[name, node, pod] = Written(node, 0.0, rate_bytes, float(self._clock_s[node]), amount_bytes)

    def empty(self, name: str, node: int, now: float, *, pod: int = HOST) -> None:
        """Free what *name* has written on *node*, unless it went with its pod, and let it write no more."""
        fill = self._fills.pop((name, node, pod), None)
        if fill is not None:
            self.add(node, -self._amount(fill, now), now, -fill.rate_bytes)

    def collect_images(self, node: int, amount_bytes: float, now: float) -> None:
        """Remove so much of the images that nothing uses."""
        self.unused_image_bytes[node] -= amount_bytes
        self.add(node, -amount_bytes, now)

    def advance(self, now: float) -> None:
        """End fills that have written everything, or that have met the end of the disk."""
        full = self.is_full(now)
        for fill in self._fills.values():
            if fill.rate_bytes and (self._ends_s(fill, now) <= now + TOLERANCE_S or full[fill.node]):
                fill.amount_bytes = self._amount(fill, now)
                self.add(fill.node, 0.0, now, -fill.rate_bytes)
                fill.rate_bytes = 0.0

    def due_s(self, now: float) -> float:
        """When the next fill has written everything."""
        return min((self._ends_s(fill, now) for fill in self._fills.values() if fill.rate_bytes), default=math.inf)

    def _ends_s(self, fill: Written, now: float) -> float:
        return now + max(0.0, fill.most_bytes - self._amount(fill, now)) / fill.rate_bytes

    # ---- pods ---------------------------------------------------------------------------------------------------

    def follow(self, state: ClusterState, now: float) -> None:
        """Take note of pods that began or ceased to write, and free what those that are over wrote outside volumes."""
        for pod in self._touched.news(state.touched):
            node = int(state.pod_node[pod])
            if node == PENDING:
                continue
            there = bool(state.pod_exists[pod]) and state.pod_phase[pod] <= PHASE_RUNNING
            if there:
                self._write(pod, node, state.templates[state.pod_template[pod]], now, bool(state.pod_running[pod]))
            elif pod in self._pods:
                written = self._pods.pop(pod)
                rate_bytes = written.rate_bytes + self._claim_rates.pop(pod)
                self.add(node, -self._amount(written, now), now, -rate_bytes)
                for name, at, writer in [key for key in self._fills if key[2] == pod]:
                    self.empty(name, at, now, pod=writer)
        self._began = True

    def _write(self, pod: int, node: int, template: PodTemplate, now: float, runs: bool) -> None:
        """Let *pod* write while it runs; one that was there at the start has written something already."""
        if pod not in self._pods:
            amount = 0.0 if self._began else self.contents.pod_bytes(template)
            self._pods[pod], self._claim_rates[pod] = Written(node, amount, 0.0, float(self._clock_s[node])), 0.0
        written = self._pods[pod]
        outside = self.contents.pod_rate_bytes(template) if runs else 0.0
        to_claims = self.contents.claims_rate_bytes(template) if runs else 0.0
        if (written.rate_bytes, self._claim_rates[pod]) == (outside, to_claims):
            return
        written.amount_bytes = self._amount(written, now)
        self.add(node, 0.0, now, outside - written.rate_bytes + to_claims - self._claim_rates[pod])
        written.rate_bytes, written.clock_s = outside, float(self._clock_s[node])
        self._claim_rates[pod] = to_claims
