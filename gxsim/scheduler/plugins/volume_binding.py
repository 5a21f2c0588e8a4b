"""VolumeBinding: bound volumes must reach the node, unbound claims must find or get a volume there."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gxsim.model.cluster import Claim
from gxsim.model.pod import PodTemplate
from gxsim.scheduler.nodes import NodeTable
from gxsim.scheduler.status import UNRESOLVABLE, Refusal, Verdict
from gxsim.scheduler.volumes import Choice, PodVolumes, VolumeFinder

# In the order the scheduler lists them; bit i of a node's code stands for reason i.
_REASONS = (
    "node(s) didn't match PersistentVolume's node affinity",
    "node(s) didn't find available persistent volumes to bind",
    "node(s) did not have enough free storage",
    "node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)",
)
_UNREACHABLE, _UNMATCHED, _FULL, _GONE = (1 << bit for bit in range(4))


@dataclass(frozen=True, slots=True)
class Binding:
    """What a template's claims would get: ``problems`` (nodes,) is a set of bits, 0 where all is well."""

    problems: NDArray[np.int8]
    choices: tuple[Choice, ...]
    selected: tuple[Claim, ...]  # claims that have been promised a volume on one node


class VolumeBinding:
    name = "VolumeBinding"

    def __init__(self, nodes: NodeTable):
        self._nodes = nodes
        self._state = nodes.state
        self._finder = VolumeFinder(nodes)

    def reject(self, template: PodTemplate) -> Refusal | None:
        """Refuse a pod with a claim that is missing, lost, going away, or not bound although it should be."""
        for name in template.claims:
            claim = self._state.storage.claims.get(f"{template.namespace}/{name}")
            problem = ""
            if claim is None:
                problem = f'persistentvolumeclaim "{name}" not found'
            elif claim.lost:
                problem = f'persistentvolumeclaim "{name}" bound to non-existent persistentvolume "{claim.volume}"'
            elif claim.deleting:
                problem = f'persistentvolumeclaim "{name}" is being deleted'
            if problem:
                return Refusal(self.name, UNRESOLVABLE, (problem,))
        if any(not c.bound and (c.volume or not self._finder.delays(c)) for c in self._claims(template)):
            return Refusal(self.name, UNRESOLVABLE, ("pod has unbound immediate PersistentVolumeClaims",))
        return None

    def refuse(self, template: PodTemplate) -> Verdict | None:
        if not template.claims:
            return None
        problems = self._plan(template).problems
        patterns, codes = np.unique(problems, return_inverse=True)
        refusals = tuple(self._refusal(int(pattern)) for pattern in patterns if pattern)
        if not refusals:
            return None
        return Verdict(codes if patterns[0] == 0 else codes + 1, refusals)

    def volumes_for(self, template: PodTemplate, node: int) -> PodVolumes:
        """What binding a pod of *template* to *node* does to its claims."""
        if not any(not claim.bound for claim in self._claims(template)):
            return PodVolumes()
        plan = self._plan(template)
        matched, provisioned = [], list(plan.selected)
        for choice in plan.choices:
            number = int(choice.chosen[node])
            if number < 0:
                provisioned.append(choice.claim)
            else:
                matched.append((choice.claim, choice.volumes[number]))
        return PodVolumes(tuple(matched), tuple(provisioned))

    def _refusal(self, problems: int) -> Refusal:
        return Refusal(self.name, UNRESOLVABLE, tuple(r for bit, r in enumerate(_REASONS) if problems >> bit & 1))

    def _claims(self, template: PodTemplate) -> list[Claim]:
        keys = dict.fromkeys(f"{template.namespace}/{name}" for name in template.claims)
        return [self._state.storage.claims[key] for key in keys]

    def _plan(self, template: PodTemplate) -> Binding:
        claims = self._claims(template)
        problems = self._bound([c for c in claims if c.bound])
        waiting = [c for c in claims if not c.bound]
        if not waiting:
            return Binding(problems, (), ())
        selected = tuple(c for c in waiting if c.selected_node)
        elsewhere = np.zeros(self._nodes.count, bool)
        for claim in selected:
            elsewhere |= np.array([name != claim.selected_node for name in self._nodes.names], bool)
        choices = tuple(self._finder.match([c for c in waiting if not c.selected_node]))
        problems |= np.where(elsewhere, _UNMATCHED, self._provisioning(selected, choices)).astype(np.int8)
        return Binding(problems, choices, selected)

    def _bound(self, claims: list[Claim]) -> NDArray[np.int8]:
        """(nodes,) the first problem with a bound claim, in the pod's order."""
        problems = np.zeros(self._nodes.count, np.int8)
        for claim in claims:
            volume = self._state.storage.volumes.get(claim.volume)
            if volume is None:
                problems[problems == 0] = _GONE
            else:
                problems[(problems == 0) & ~self._finder.reaches(volume)] = _UNREACHABLE
        return problems

    def _provisioning(self, selected: tuple[Claim, ...], choices: tuple[Choice, ...]) -> NDArray[np.int8]:
        """(nodes,) the first problem with making a volume for a claim that matches none there."""
        problems = np.zeros(self._nodes.count, np.int8)
        everywhere = np.ones(self._nodes.count, bool)
        needed = [(claim, everywhere) for claim in selected] + [(c.claim, c.chosen < 0) for c in choices]
        for claim, here in needed:
            if here.any():
                possible, room = self._finder.provisions(claim)
                undecided = here & (problems == 0)
                problems[undecided & ~possible] = _UNMATCHED
                problems[undecided & possible & ~room] = _FULL
        return problems
