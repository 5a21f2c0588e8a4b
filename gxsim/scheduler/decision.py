"""What the scheduler answers: a node, or the reasons against each one; scores; a preemption."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gxsim.scheduler.status import UNRESOLVABLE, UNSCHEDULABLE, Refusal
from gxsim.state import PENDING


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The first refusal of each node: ``codes`` (nodes,) 0 where the pod fits, else k for ``refusals[k - 1]``.

    ``pod`` is a refusal of the pod as a whole, which no node was looked at for. Nodes that do not exist have −1.
    """

    codes: NDArray[np.int64]
    refusals: tuple[Refusal, ...]
    pod: Refusal | None = None

    @property
    def node_count(self) -> int:
        return int(np.count_nonzero(self.codes >= 0))

    @property
    def plugins(self) -> frozenset[str]:
        """The plugins that turned the pod away somewhere; what could change their minds is worth another attempt."""
        if self.pod is not None:
            return frozenset({self.pod.plugin})
        found = {self.refusals[code - 1].plugin for code in np.unique(self.codes).tolist() if code > 0}
        return frozenset(plugin or "NodeAffinity" for plugin in found)  # it is the one that prunes nodes by name

    def resolvable(self) -> NDArray[np.bool_]:
        """(nodes,) True where removing pods could help."""
        if self.pod is not None:
            return np.zeros(len(self.codes), bool)
        helps = np.array([False, *(r.code == UNSCHEDULABLE for r in self.refusals), False])
        return helps[self.codes]

    def refusal(self, node: int) -> Refusal | None:
        """Why *node* was refused; None where the pod fits."""
        if self.pod is not None:
            return self.pod
        code = int(self.codes[node])
        return self.refusals[code - 1] if code > 0 else None

    def refused_also(self, refused: Mapping[int, Refusal]) -> "Diagnosis":
        """The diagnosis with more nodes refused."""
        codes, refusals = self.codes.copy(), list(self.refusals)
        for node, refusal in refused.items():
            refusals.append(refusal)
            codes[node] = len(refusals)
        return Diagnosis(codes, tuple(refusals), self.pod)

    def sentence(self) -> str:
        """``0/4 nodes are available: 1 Insufficient cpu, 3 Too many pods.`` as kube-scheduler writes it."""
        if self.node_count == 0:
            return "no nodes available to schedule pods"
        if self.pod is not None:
            return f"0/{self.node_count} nodes are available: {', '.join(self.pod.reasons)}."
        counts = np.bincount(self.codes[self.codes > 0], minlength=len(self.refusals) + 1)
        return unavailable(self.node_count, zip(self.refusals, counts[1:].tolist(), strict=False))


def unavailable(node_count: int, refused: Iterable[tuple[Refusal, int]]) -> str:
    """The sentence of kube-scheduler's FitError: reasons with their counts, sorted as text."""
    reasons: Counter[str] = Counter()
    for refusal, count in refused:
        for reason in refusal.reasons:
            reasons[reason] += count
    histogram = sorted(f"{count} {reason}" for reason, count in reasons.items() if count)
    return (
        f"0/{node_count} nodes are available: {', '.join(histogram)}."
        if histogram
        else f"0/{node_count} nodes are available:"
    )


@dataclass(frozen=True, slots=True)
class Candidate:
    """A node where preemption would help, with its victims, most important first."""

    node: int
    victims: tuple[int, ...]
    violations: int  # victims whose disruption budget is spent


@dataclass(frozen=True, slots=True)
class Nomination:
    """Where a pod could go once the victims are gone. ``tied`` nodes are as good as the one taken.

    ``node`` is PENDING, and ``message`` says why, when preemption does not help.
    """

    node: int
    victims: tuple[int, ...] = ()
    candidates: tuple[Candidate, ...] = ()
    tied: tuple[int, ...] = ()
    message: str = ""


@dataclass(slots=True)
class Decision:
    """The outcome of one scheduling attempt. ``node`` is PENDING when no node is feasible.

    ``diagnosis`` and ``nomination`` are there when nothing was feasible; a gated pod was not tried at all.
    """

    pod: int
    node: int
    feasible: int  # how many nodes fit
    node_names: Sequence[str] = field(repr=False)
    diagnosis: Diagnosis | None = None
    nomination: Nomination | None = None
    gated: bool = False

    @property
    def scheduled(self) -> bool:
        return self.node != PENDING

    @property
    def plugins(self) -> frozenset[str]:
        """The plugins that turned the pod away; empty when it was scheduled."""
        return self.diagnosis.plugins if self.diagnosis is not None else frozenset()

    @property
    def rejections(self) -> Mapping[str, Refusal]:
        """Node name → first refusal; empty when the pod was scheduled."""
        return dict(self._rejected())

    def message(self) -> str:
        """The scheduler's own sentence; empty when the pod was scheduled."""
        if self.diagnosis is None:
            return ""
        if self.gated and self.diagnosis.pod is not None:
            return self.diagnosis.pod.reasons[0]
        preemption = self.nomination.message if self.nomination is not None else ""
        return f"{self.diagnosis.sentence()} {preemption}".rstrip()

    def _rejected(self) -> Iterator[tuple[str, Refusal]]:
        if self.diagnosis is not None:
            for node, name in enumerate(self.node_names):
                refusal = self.diagnosis.refusal(node)
                if refusal is not None and self.diagnosis.codes[node] >= 0:
                    yield name, refusal


@dataclass(frozen=True, slots=True)
class Explanation:
    """One attempt in full: the first refusal of each node, and the weighted scores of the feasible ones.

    ``scores`` maps a plugin to (nodes,) weighted scores; plugins that skipped the pod are absent. ``total`` (nodes,) is
    their sum and −1 where the pod does not fit. ``best`` are the nodes with the highest total, in name order.
    """

    pod: int
    diagnosis: Diagnosis
    feasible: NDArray[np.bool_]
    scores: Mapping[str, NDArray[np.int64]]
    total: NDArray[np.int64]
    best: tuple[int, ...]


NOT_HELPFUL = Refusal("DefaultPreemption", UNRESOLVABLE, ("Preemption is not helpful for scheduling",))
NO_VICTIMS = Refusal("DefaultPreemption", UNRESOLVABLE, ("No preemption victims found for incoming pod",))
