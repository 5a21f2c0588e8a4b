"""What all pods of one template and owner ask of the nodes, worked out once."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from gxsim.model.pod import PodTemplate
from gxsim.scheduler.status import Refusal, Rows, Verdict


class PodFilter(Protocol):
    """A plugin that looks at the pods on nodes; ``prepare`` returns None when it has nothing to say about a template.

    ``counts`` says that the prepared part follows the ledger.
    """

    name: str
    counts: bool

    def prepare(self, demand: "Demand") -> object | None: ...

    def refuse(self, demand: "Demand", rows: Rows, situation: "Situation") -> Verdict | None: ...


class Counts(Protocol):
    """A prepared part that follows the ledger; ``inert`` as long as no pod changes it."""

    @property
    def inert(self) -> bool: ...

    def catch_up(self) -> None: ...

    def suppose(self, signature: int, node: int, sign: int) -> None: ...


class Situation(NamedTuple):
    """The pods a filter has to reckon with: those of the state, less *gone*, plus *nominated* ones.

    ``requested`` (nodes, resources) already says so; it is the state's own column unless something is supposed.
    """

    requested: NDArray[np.int64]
    gone: frozenset[int] = frozenset()
    nominated: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Constraints:
    """Answers that depend on nothing but a template's rules and the nodes' properties, under the plugins' names."""

    key: Hashable
    verdicts: Mapping[str, Verdict]
    mask: NDArray[np.bool_]  # (nodes,) True where all of them pass and the node exists
    names: frozenset[str] | None  # the only nodes looked at
    rejection: Refusal | None  # of the whole pod
    taints: NDArray[np.int64]  # (nodes,) raw score of TaintToleration
    affinity: NDArray[np.int64] | None  # (nodes,) raw score of NodeAffinity, None when skipped
    even_taints: bool  # the nodes where all pass have the same raw score: it cannot tell them apart
    even_affinity: bool
    images: NDArray[np.int64]  # (nodes,) score of ImageLocality


@dataclass(slots=True, kw_only=True)
class Demand:
    """One template and owner as the plugins see it; ``prepared`` holds each pod-dependent plugin's own part."""

    template: PodTemplate
    owner: int
    signature: int
    constraints: Constraints
    requests: NDArray[np.int64]  # (resources,)
    wanted: tuple[int, ...]  # resources with a request above 0
    unknown: tuple[str, ...]  # requested, but no node offers them
    scored_requests: NDArray[np.int64]  # (2,) cpu and memory as LeastAllocated counts them
    verdicts: Mapping[str, Verdict]  # of the constraints and of the plugins that look at claims
    mask: NDArray[np.bool_]  # (nodes,) True where all of these pass
    rejection: Refusal | None
    prepared: dict[str, Any] = field(default_factory=dict)
    filters: tuple["PodFilter", ...] = ()  # those with a prepared part, but the one for resources
    counts: tuple["Counts", ...] = ()  # prepared parts that follow the ledger
