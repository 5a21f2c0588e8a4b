"""What a scenario expects of its run, as one comparison: ``unavailable(backend-mainnet/*) < 90s``."""

import operator
import re
from dataclasses import dataclass
from difflib import get_close_matches

from gxsim.units import duration_s

COMPARISONS = {
    "==": operator.eq,
    "!=": operator.ne,
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}
# name: (whether it takes a name or pattern in brackets, unit of its value, meaning)
MEASURES: dict[str, tuple[bool, str, str]] = {
    "quorum": (True, "word", "kept, or lost, if the consensus group was without a majority at any time"),
    "quorum_lost": (True, "duration", "how long the consensus group was without a majority"),
    "tolerates_members": (True, "count", "fewest further members the group could lose at any time"),
    "tolerates_nodes": (True, "count", "fewest further nodes the group could lose at any time"),
    "write_gap": (True, "duration", "longest stretch in which the consensus group committed no write"),
    "commit": (True, "duration", "slowest commit of the consensus group while writes could be made"),
    "elections": (True, "count", "how often the consensus group came by a new leader, or the old one by a new term"),
    "unavailable": (True, "duration", "longest total time that a matching Service had no answering endpoint"),
    "degraded": (True, "duration", "longest total time that a matching Service had fewer endpoints than wanted"),
    "undetected": (True, "duration", "longest total time that dead endpoints of a matching Service got traffic"),
    "fewest": (True, "count", "fewest answering endpoints of a matching Service at any time"),
    "p99": (
        True,
        "duration",
        "within which 99 % of the answers to a path came (all: to every path), or to path/users, in the worst phase",
    ),
    "detected": (True, "duration", "time from a matching node's loss until it was no longer believed Ready"),
    "without": (True, "duration", "longest time that a matching workload (namespace/name) missed a pod"),
    "moved": (False, "count", "pods that came back on another node"),
    "in_place": (False, "count", "pods that came back on their own node"),
    "stuck": (False, "count", "pods whose place nobody had taken at the end"),
    "pending": (False, "count", "pods that no node could take at the end"),
    "missing": (False, "count", "pods that admission refused and that were still missing at the end"),
    "full": (True, "duration", "longest total time that nothing could be written on a matching node's disk"),
    "answered": (True, "percent", "smallest share of the requests of a matching path that was answered"),
    "attempts": (
        True,
        "count",
        "times that matching users sent a request on average, those again too, in the worst phase",
    ),
    "stood_still": (True, "duration", "longest total time in which a matching channel committed nothing"),
    "outbox": (True, "count", "most commands of a matching channel that no orderer had acknowledged at any time"),
    "projector_lag": (
        True,
        "duration",
        "furthest that a matching channel's projection was behind its blocks",
    ),
    "commit_p99": (
        True,
        "duration",
        "99th percentile from submission to commit in a matching channel",
    ),
    "applied_twice": (True, "count", "commands of a matching channel that took effect twice"),
    "volumes_lost": (False, "count", "volumes whose data is gone"),
    "volumes_unreachable": (False, "count", "volumes that were out of reach at any time"),
    "requests": (True, "percent", "largest share of a node's cpu, memory or disk that was requested"),
}
WORDS = ("kept", "lost")
_GRAMMAR = re.compile(r"^\s*(\w+)\s*(?:\(([^()]*)\))?\s*(==|!=|<=|>=|<|>)\s*(\S+)\s*$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """*measure* of what matches *argument* (shell patterns), compared with *value* in the measure's unit."""

    text: str
    measure: str
    argument: str
    comparison: str
    value: float | str

    @classmethod
    def parse(cls, text: str) -> "Expectation":
        """Read the notation; ValueError says what is wrong and what to write instead."""
        found = _GRAMMAR.match(text)
        if not found:
            raise ValueError(f"expected a comparison such as 'pending == 0' or 'quorum(etcd) == kept', got {text!r}")
        measure, argument, comparison, value = found.groups()
        if measure not in MEASURES:
            near = get_close_matches(measure, MEASURES, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"expected one of {', '.join(MEASURES)}"
            raise ValueError(f"unknown measure {measure!r}; {hint}")
        takes_argument, unit, _ = MEASURES[measure]
        if takes_argument != bool(argument and argument.strip()):
            raise ValueError(f"{measure!r} {'needs a name in brackets' if takes_argument else 'takes no brackets'}")
        return cls(
            text=text.strip(),
            measure=measure,
            argument=(argument or "").strip(),
            comparison=comparison,
            value=_value(unit, value, measure),
        )

    def holds(self, observed: float | str) -> bool:
        return bool(COMPARISONS[self.comparison](observed, self.value))


def _value(unit: str, text: str, measure: str) -> float | str:
    if unit == "word":
        if text not in WORDS:
            raise ValueError(f"{measure!r} is compared with {' or '.join(WORDS)}, got {text!r}")
        return text
    try:
        if unit == "duration":
            return duration_s(text)
        return float(text.removesuffix("%") if unit == "percent" else text)
    except ValueError:
        example = {"duration": "a duration such as 90s", "percent": "a share such as 60%", "count": "a number"}[unit]
        raise ValueError(f"{measure!r} is compared with {example}, got {text!r}") from None
