"""DefaultPreemption as a plain search: try every set-up anew, remember nothing."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from gxsim.model.pod import PodTemplate
from tests.reference.scheduler_plugins import FAILED, FILTERS, World


@dataclass(frozen=True)
class Found:
    node: int
    victims: tuple[int, ...]
    violations: int


def fits(world: World, gone: set[int], pod: PodTemplate, node: int) -> bool:
    rest = replace(world, pods=[p for i, p in enumerate(world.pods) if i not in gone])
    return all(answer(rest, pod, node) is None for answer in FILTERS.values())


def candidates(world: World, pod: PodTemplate, started: Sequence[float], budgets: Sequence) -> list[Found]:
    """Every node where removing pods of lower priority would help, with the fewest removed."""
    found = []
    for node in range(len(world.nodes)):
        refusal = next((a for f in FILTERS.values() if (a := f(world, pod, node)) is not None), None)
        lower = [i for i, p in enumerate(world.pods) if p.node == node and p.template.priority < pod.priority]
        if refusal is None or refusal[0] != FAILED or not lower or not fits(world, set(lower), pod, node):
            continue
        lower.sort(key=lambda i: (-world.pods[i].template.priority, started[i]))
        left = [budget.disruptions_allowed for budget in budgets]
        violating = []
        for i in lower:
            template = world.pods[i].template
            met = [
                b
                for b, budget in enumerate(budgets)
                if budget.namespace == template.namespace and budget.selector.matches(template.labels)
            ]
            for b in met:
                left[b] -= 1
            if any(left[b] < 0 for b in met):
                violating.append(i)
        gone = set(lower)
        for i in violating + [i for i in lower if i not in violating]:
            if fits(world, gone - {i}, pod, node):
                gone.remove(i)
        found.append(Found(node, tuple(i for i in lower if i in gone), len(gone & set(violating))))
    return found


def best(world: World, found: list[Found], started: Sequence[float]) -> list[Found]:
    """The candidates left after each rule in turn."""

    def priorities(f: Found) -> list[int]:
        return [world.pods[i].template.priority for i in f.victims]

    def oldest(f: Found) -> float:
        top = max(priorities(f))
        return min(started[i] for i in f.victims if world.pods[i].template.priority == top)

    rules = (
        lambda f: f.violations,
        lambda f: max(priorities(f)),
        lambda f: sum(p + 2**31 for p in priorities(f)),
        lambda f: len(f.victims),
        lambda f: -oldest(f),
    )
    for rule in rules:
        least = min(map(rule, found))
        found = [f for f in found if rule(f) == least]
    return found
