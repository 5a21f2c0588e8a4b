"""What every chapter of an incident reads: names, who stands behind which Service, bursts of equal things."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from gxsim.kernels.intervals import bursts
from gxsim.observe.happenings import Happening, happenings
from gxsim.state import NO_OWNER, PENDING, ClusterState, workload_of
from gxsim.timeline import Timeline
from gxsim.traffic.endpoints import selected
from gxsim.units import counted, listed

GAP_S = 5.0  # equal things less than that apart are one entry: a period of the node monitor
SEEN_S = 1.0  # what takes longer than that to be noticed is worth a line
TRUTH, CONTROL_PLANE, SERVICE, PEOPLE = "truth", "control plane", "service", "people"
MOST_NAMES = 3
Object = tuple[str, str, str, str]  # kind, name, node, detail


@dataclass(frozen=True, slots=True)
class Entry:
    """One line: from *time* to *until*, *what* sort of fact, *event* the happening's name, *object* whom it befell."""

    time_s: float
    what: str
    event: str
    object: str
    sentence: str
    until_s: float = 0.0
    count: int = 1
    objects: tuple[Object, ...] = ()
    services: tuple[str, ...] = ()


class Scene:
    """The state at the end and the Timeline, with what is asked of them again and again."""

    def __init__(self, state: ClusterState, timeline: Timeline):
        self.state, self.timeline = state, timeline
        self.happened = happenings(timeline)
        found = [(f"{s.namespace}/{s.name}", selected(state, s)) for s in state.cluster.services]
        found = [(name, member) for name, member in found if member.any()]
        self.service_names = [name for name, _ in found]
        shape = (len(found), len(state.pod_names))
        self.members = np.array([member for _, member in found], bool).reshape(shape)  # (services, pods)

    @cached_property
    def pod_rows(self) -> dict[tuple[str, str], list[int]]:
        """Rows of pods by kind and ``namespace/name``, of themselves and of each of their owners."""
        state = self.state
        rows: dict[tuple[str, str], list[int]] = defaultdict(list)
        for pod in range(len(state.pod_names)):
            rows["Pod", state.pod_key(pod)].append(pod)
            owner = int(state.pod_owner[pod])
            while owner != NO_OWNER:
                held = state.owners[owner]
                rows[held.kind, f"{held.namespace}/{held.name}"].append(pod)
                owner = held.parent
        return rows

    def services_of(self, pods: NDArray) -> tuple[str, ...]:
        """The Services that any of *pods* stands behind."""
        return tuple(self.service_names[i] for i in np.flatnonzero(self.members[:, pods].any(axis=1)))

    def node_name(self, node: int) -> str:
        return self.state.nodes[node].name if node != PENDING else ""

    def node_names(self, nodes: Iterable[int]) -> list[str]:
        """Distinct names, in the order of the input."""
        return [self.state.nodes[node].name for node in dict.fromkeys(int(node) for node in nodes) if node != PENDING]

    def objects(self, happening: Happening, detail: str = "") -> tuple[Object, ...]:
        """The pods of a happening, each with the node it is on."""
        pairs = zip(happening.pods.tolist(), happening.nodes.tolist(), strict=True)
        return tuple(("Pod", self.state.pod_key(pod), self.node_name(node), detail) for pod, node in pairs)

    def whom(self, pods: NDArray, noun: str = "pod") -> str:
        """``pod shop/web-1``, ``3 pods of shop/web``, ``19 pods``."""
        distinct = np.unique(pods)
        if len(distinct) == 1:
            return f"{noun} {self.state.pod_key(int(distinct[0]))}"
        workloads = list(dict.fromkeys(workload_of(self.state, int(pod)) for pod in distinct))
        of = f" of {listed(workloads)}" if len(workloads) < MOST_NAMES else ""
        return f"{counted(len(distinct), noun)}{of}"

    def behind(self, services: tuple[str, ...]) -> str:
        """``Service shop/web``, ``24 Services``."""
        return f"Service {services[0]}" if len(services) == 1 else counted(len(services), "Service")


def gathered(happening: Happening, keys: NDArray | None = None) -> Iterator[Happening]:
    """The bursts of a happening, apart for each of *keys* (one per pod of it) where they are given."""
    for key in [None] if keys is None else np.unique(keys).tolist():
        mine = happening if keys is None else happening[keys == key]
        for first, past in zip(*bursts(mine.times_s, GAP_S), strict=True):
            yield mine[slice(first, past)]


def span(happening: Happening) -> tuple[float, float]:
    """When a burst begins and ends."""
    return float(happening.times_s[0]), float(happening.times_s[-1])
