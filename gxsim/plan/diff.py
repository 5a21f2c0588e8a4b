"""What differs between two placements: pods moved, newly Pending, and the headroom of nodes."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from gxsim.observe.headroom import node_loss_headroom
from gxsim.observe.table import Table
from gxsim.plan.place import Placed

NOWHERE = "Pending"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """``moves``: pods that lie elsewhere, come or go; ``nodes``: requests of each node; ``survival``: with one less."""

    moves: Table
    nodes: Table
    survival: Table

    @property
    def newly_pending(self) -> int:
        """Pods that wait in the new placement and did not in the old one."""
        rows = self.moves.rows()
        return sum(row["pods"] for row in rows if row["new"] == NOWHERE)

    @property
    def same(self) -> bool:
        """Whether every pod lies where it lay."""
        return len(self.moves) == 0


def diff(old: Placed, new: Placed) -> Difference:
    """Compare two placements. Pods of a StatefulSet and bare pods are told apart by name, others by number only."""
    return Difference(moves=_moves(old, new), nodes=_nodes(old, new), survival=_survival(old, new))


def _moves(old: Placed, new: Placed) -> Table:
    before, after = _places(old), _places(new)
    rows = []
    for key in sorted({*before, *after}):
        was, now = before.get(key, Counter()), after.get(key, Counter())
        for (source, target), pods in sorted(Counter(_paired(was, now)).items()):
            rows.append((*key, source, target, pods))
    about = "Pods that lie elsewhere, and pods that are new or gone (no node on the other side)"
    return Table.of("moves", about, ("workload", "kind", "pod", "old", "new", "pods"), rows)


def _places(placed: Placed) -> dict[tuple[str, str, str], Counter]:
    """Nodes by workload, kind and pod; pods that are interchangeable share the empty name."""
    places: dict[tuple[str, str, str], Counter] = defaultdict(Counter)
    for row in placed.pods().rows():
        name = row["pod"] if row["kind"] in ("StatefulSet", "Pod") else ""
        places[row["workload"], row["kind"], name][row["node"] or NOWHERE] += 1
    return places


def _paired(was: Counter, now: Counter) -> Iterator[tuple[str, str]]:
    """(old, new) node of each pod that did not stay; an empty name where there is no pod on that side."""
    left, come = sorted((was - now).elements()), sorted((now - was).elements())
    longest = max(len(left), len(come))
    left += [""] * (longest - len(left))
    come += [""] * (longest - len(come))
    yield from zip(left, come, strict=True)


def _nodes(old: Placed, new: Placed) -> Table:
    before = {row["node"]: row for row in old.nodes().rows()}
    after = {row["node"]: row for row in new.nodes().rows()}
    names = ("pods", "requests_cpu_milli", "allocatable_cpu_milli", "requests_memory_bytes", "allocatable_memory_bytes")
    rows = []
    for node in dict.fromkeys((*before, *after)):
        sides = [[side[node][name] for name in names] if node in side else [None] * 5 for side in (before, after)]
        rows.append((node, *sides[0], *sides[1]))
    columns = ("node", *(f"old_{name}" for name in names), *(f"new_{name}" for name in names))
    return Table.of("nodes", "Pods and requests of each node in both placements", columns, rows)


def _survival(old: Placed, new: Placed) -> Table:
    """Pods that would be Pending if a node were lost, in both placements."""
    pending = []
    for side in (old, new):
        columns = node_loss_headroom(side.state).columns
        pending.append(dict(zip(columns["node_lost"], columns["pending"], strict=True)))
    rows = [(node, *(side.get(node) for side in pending)) for node in dict.fromkeys((*pending[0], *pending[1]))]
    about = "Pods that no other node could take if this one were lost"
    return Table.of("survival", about, ("node_lost", "old_pending", "new_pending"), rows)
