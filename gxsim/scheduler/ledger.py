"""The pods on nodes and the journal of bindings from then on, and counts that follow it.

What plugins count depends on a pod's labels, affinity terms, ports and volumes only. Templates that agree in these
share a *signature*, so that thousands of templates that differ in size are counted as one.
"""

from array import array
from collections.abc import Callable, Hashable, Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gxsim.model.pod import PodAffinity, PodTemplate
from gxsim.model.selectors import LabelSelector
from gxsim.state import PENDING, PHASE_RUNNING, ClusterState

_INDIFFERENT = PodAffinity()


class Addend(NamedTuple):
    """Adds *weight* to ``counts[codes[node]]`` for each pod on a node; code −1 is the spare last slot."""

    counts: NDArray[np.int64]  # (domains + 1,)
    codes: NDArray[np.intp]  # (nodes,)
    weight: int


class Ledger:
    """The journal as columns: which signature came to (+1) or left (−1) which node; it begins with what is there.

    ``present`` follows the pod's stay on the node, ``staying`` ends already when its deletion begins.
    """

    def __init__(self, state: ClusterState):
        self._state = state
        self._leaving: set[int] = set()
        self._numbers: dict[Hashable, int] = {}
        self._of_template: list[int] = []
        self.signatures: list[PodTemplate] = []  # one template of each signature
        self.numbers: list[int] = []  # of all signatures, in order
        self.choosy: list[int] = []  # of those with terms about other pods
        self._selected: dict[tuple[str, LabelSelector], list[int]] = {}
        self.signature = array("q")
        self.node = array("q")
        self.present = array("b")
        self.staying = array("b")
        self._read = len(state.journal)
        for pod in np.flatnonzero((state.pod_node != PENDING) & state.pod_exists & (state.pod_phase <= PHASE_RUNNING)):
            if state.pod_terminating[pod]:
                self._leaving.add(int(pod))
            self._enter(int(pod), int(state.pod_node[pod]), 1, int(not state.pod_terminating[pod]))

    def __len__(self) -> int:
        return len(self.node)

    def signature_of(self, template: int) -> int:
        """The signature's number of a template of the state."""
        known = self._of_template
        for unseen in self._state.templates[len(known) : template + 1]:
            number = self._numbers.setdefault(_signature(unseen), len(self.signatures))
            if number == len(self.signatures):
                self.signatures.append(unseen)
                self.numbers.append(number)
                for (namespace, selector), numbers in self._selected.items():
                    if unseen.namespace == namespace and selector.matches(unseen.labels):
                        numbers.append(number)
                if unseen.pod_affinity != _INDIFFERENT or unseen.pod_anti_affinity != _INDIFFERENT:
                    self.choosy.append(number)
            known.append(number)
        return known[template]

    def selected(self, namespace: str, selector: LabelSelector) -> list[int]:
        """Numbers of the signatures in *namespace* that *selector* matches; the list grows with the ledger's."""
        if (namespace, selector) not in self._selected:
            self._selected[namespace, selector] = [
                number
                for number, template in enumerate(self.signatures)
                if template.namespace == namespace and selector.matches(template.labels)
            ]
        return self._selected[namespace, selector]

    def catch_up(self) -> None:
        """Read what the journal gained."""
        journal = self._state.journal
        if self._read == len(journal):
            return
        for pod, node, sign in journal[self._read :]:
            staying = sign
            if sign == 0:
                self._leaving.add(pod)
                staying = -1
            elif pod in self._leaving:
                self._leaving.discard(pod)
                staying = 0
            self._enter(pod, node, sign, staying)
        self._read = len(journal)

    def _enter(self, pod: int, node: int, present: int, staying: int) -> None:
        self.signature.append(self.signature_of(int(self._state.pod_template[pod])))
        self.node.append(node)
        self.present.append(present)
        self.staying.append(staying)


class Tally:
    """Counts that follow the ledger. *effects* says what one pod of a signature adds, and is asked once for each.

    Only signatures in *among*, a list of the ledger's that grows with it, add anything. ``staying`` leaves out pods
    that are being deleted.
    """

    def __init__(
        self,
        ledger: Ledger,
        effects: Callable[[PodTemplate], Iterable[Addend]],
        *,
        among: list[int] | None = None,
        staying: bool = False,
    ):
        self._ledger = ledger
        self._ask = effects
        self._among = ledger.numbers if among is None else among
        self._asked = 0
        self._staying = staying
        self._effects: dict[int, tuple[Addend, ...]] = {}  # signatures that add nothing are left out
        self._seen = 0

    @property
    def inert(self) -> bool:
        """Whether no signature seen so far adds anything."""
        return not self._effects

    def catch_up(self) -> None:
        """Count what the ledger gained."""
        ledger, seen, end = self._ledger, self._seen, len(self._ledger)
        if self._asked < len(self._among):
            self._learn()
        if seen == end:
            return
        self._seen = end
        effects = self._effects
        if not effects:
            return
        signs = ledger.staying if self._staying else ledger.present
        if end - seen > 64:
            self._count_many(seen, signs)
            return
        for signature, node, sign in zip(ledger.signature[seen:], ledger.node[seen:], signs[seen:], strict=True):
            for counts, codes, weight in effects.get(signature, ()):
                counts[codes[node]] += weight * sign

    def suppose(self, signature: int, node: int, sign: int) -> None:
        """Count a pod as there (+1) or gone (−1) that is not; take it back with the opposite sign."""
        self.catch_up()
        for counts, codes, weight in self._effects.get(signature, ()):
            counts[codes[node]] += weight * sign

    def _learn(self) -> None:
        for number in self._among[self._asked :]:
            effects = tuple(self._ask(self._ledger.signatures[number]))
            if effects:
                self._effects[number] = effects
        self._asked = len(self._among)

    def _count_many(self, seen: int, signs: array) -> None:
        """The same for a long stretch: one pass per signature that counts."""
        signature = np.array(self._ledger.signature[seen:])
        node, sign = np.array(self._ledger.node[seen:]), np.array(signs[seen:])
        order = np.argsort(signature, kind="stable")
        counting = list(self._effects)
        firsts, ends = (np.searchsorted(signature, counting, side, order).tolist() for side in ("left", "right"))
        for number, first, end in zip(counting, firsts, ends, strict=True):
            rows = order[first:end]
            for counts, codes, weight in self._effects[number]:
                np.add.at(counts, codes[node[rows]], weight * sign[rows].astype(np.int64))


def _signature(template: PodTemplate) -> Hashable:
    """What plugins count a pod by; templates with volumes stand alone, as volume sources are rarely equal."""
    return (
        template.namespace,
        frozenset(template.labels.items()),
        template.pod_affinity,
        template.pod_anti_affinity,
        template.host_ports,
        template if template.claims or template.volumes else None,
    )
