"""Admission of pods and claims: what a namespace's LimitRanges and ResourceQuotas let in, in the API's own words."""

import math
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from gxsim.api import limit_range
from gxsim.api.quota import (
    Quota,
    add_usage,
    demands,
    exceeded,
    quota_of,
    subtract_usage,
    unstated,
)
from gxsim.api.requests import Quantities
from gxsim.controllers.informer import TOLERANCE_S, Log
from gxsim.model.cluster import Claim
from gxsim.model.pod import PodTemplate
from gxsim.state import NO_OWNER, PHASE_RUNNING, ClusterState

Wanted = Mapping[str, Quantities]  # by quota


class Refused(Exception):
    """The API server says no to a request; the message is its own."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What admission says of every pod of one template: a refusal whatever is used, or what it demands of quotas."""

    refusal: str | None
    wanted: Wanted


class Admission:
    """LimitRanges and ResourceQuotas by namespace, and what the pods and claims that exist use of the quotas."""

    def __init__(self, state: ClusterState, *, sync_phase_s: float = 0.0, sync_period_s: float = 300.0):
        self.sync_phase_s, self.sync_period_s = sync_phase_s, sync_period_s
        self.quotas: dict[str, dict[str, Quota]] = defaultdict(dict)
        for written in state.cluster.quotas:
            quota = quota_of(dict(written))
            self.quotas[written["metadata"].get("namespace") or "default"][quota.name] = quota
        self.limit_ranges: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for written in sorted(state.cluster.limit_ranges, key=lambda item: str(item["metadata"]["name"])):
            self.limit_ranges[written["metadata"].get("namespace") or "default"].append(dict(written))
        self.used: dict[str, dict[str, Quantities]] = defaultdict(dict)
        self._judgements: dict[PodTemplate, Judgement] = {}
        self._counted: dict[int, int] = {}  # pod: its template while it is charged
        self._stuck_s: dict[int, float] = {}  # charged pod that terminates: when it stops to count
        self._claims: dict[str, Claim] = {}  # charged claims by key
        self._volume_revision = -1
        self._pods = Log()

    def set_quota(self, namespace: str, name: str, hard: Mapping[str, object]) -> None:
        """Write a ResourceQuota's bounds; its scopes stay, and what is used already may be more."""
        bounds = quota_of({"metadata": {"name": name}, "spec": {"hard": dict(hard)}}).hard
        known = self.quotas[namespace].get(name)
        self.quotas[namespace][name] = Quota(name=name, hard=bounds, scopes=known.scopes if known else ())
        self._judgements.clear()
        self.used.clear()
        self._counted.clear()
        self._stuck_s.clear()
        self._claims.clear()
        self._pods, self._volume_revision = Log(), -1  # count anew

    def create_pod(
        self,
        state: ClusterState,
        name: str,
        template: PodTemplate,
        *,
        now: float,
        owner: int = NO_OWNER,
        ordinal: int = -1,
    ) -> int:
        """Create a pod and return its row; raises Refused when a quota is spent or a limit is broken."""
        judgement = self._judge(template)
        self._admit(state, template.namespace, f'pods "{name}"', judgement, now)
        return state.create(name, template, now=now, owner=owner, ordinal=ordinal)

    def create_claim(self, state: ClusterState, claim: Claim, *, now: float = 0.0) -> None:
        """Create a claim; raises Refused like ``create_pod``."""
        refusal = limit_range.refusal(dict(claim.manifest), self.limit_ranges.get(claim.namespace, ()))
        judgement = Judgement(refusal, self._claim_demands(claim))
        self._admit(state, claim.namespace, f'persistentvolumeclaims "{claim.name}"', judgement, now)
        state.storage.put_claim(claim)

    def never_admits(self, template: PodTemplate) -> bool:
        """Whether a pod of *template* is refused whatever the quotas have left."""
        return self._judge(template).refusal is not None

    def _admit(self, state: ClusterState, namespace: str, subject: str, judgement: Judgement, now: float) -> None:
        problem = judgement.refusal
        if problem is None and any(judgement.wanted.values()):
            self._follow(state, now)
            problem = exceeded(self.quotas[namespace].values(), self.used[namespace], judgement.wanted)
        if problem is not None:
            raise Refused(f"{subject} is forbidden: {problem}")

    def _judge(self, template: PodTemplate) -> Judgement:
        if template not in self._judgements:
            manifest, namespace = dict(template.manifest) or _manifest(template), template.namespace
            quotas = list(self.quotas.get(namespace, {}).values())
            refusal = limit_range.refusal(manifest, self.limit_ranges.get(namespace, ())) or unstated(quotas, manifest)
            self._judgements[template] = Judgement(refusal, demands(quotas, manifest))
        return self._judgements[template]

    def _claim_demands(self, claim: Claim) -> Wanted:
        return demands(self.quotas.get(claim.namespace, {}).values(), dict(claim.manifest))

    # ---- what is used -------------------------------------------------------------------------------------------

    def _follow(self, state: ClusterState, now: float) -> None:
        """Charge pods that are new, and no longer those that are over, gone, or stuck in their termination."""
        for pod in self._pods.news(state.touched):
            if not state.pod_exists[pod] or state.pod_phase[pod] > PHASE_RUNNING:
                self._discount(state, pod)
                continue
            if state.pod_terminating[pod]:
                self._stuck_s[pod] = self._release_s(state, pod)
            self._count(state, pod)  # also a pod that is first seen here, in its termination
        for pod in [p for p, release_s in self._stuck_s.items() if release_s <= now + TOLERANCE_S]:
            self._discount(state, pod)
        if state.storage.revision != self._volume_revision:
            self._volume_revision = state.storage.revision
            self._follow_claims(state)

    def _follow_claims(self, state: ClusterState) -> None:
        for key in [key for key in self._claims if key not in state.storage.claims]:
            claim = self._claims.pop(key)
            self._change(claim.namespace, self._claim_demands(claim), subtract_usage)
        for key, claim in state.storage.claims.items():
            if key not in self._claims:
                self._claims[key] = claim
                self._change(claim.namespace, self._claim_demands(claim), add_usage)

    def _release_s(self, state: ClusterState, pod: int) -> float:
        """When a pod that never ends stops to count: the first sync after its grace period has passed twice.

        The API's deletion timestamp lies one grace period ahead already, and QuotaV1Pod adds another.
        """
        over_s = float(state.pod_deleted_s[pod] + 2 * state.pod_grace_s[pod])
        syncs = math.ceil((over_s - self.sync_phase_s - TOLERANCE_S) / self.sync_period_s)
        return self.sync_phase_s + syncs * self.sync_period_s

    def _count(self, state: ClusterState, pod: int) -> None:
        if pod in self._counted:
            return
        index = self._counted[pod] = int(state.pod_template[pod])
        template = state.templates[index]
        self._change(template.namespace, self._judge(template).wanted, add_usage)

    def _discount(self, state: ClusterState, pod: int) -> None:
        self._stuck_s.pop(pod, None)
        index = self._counted.pop(pod, None)
        if index is not None:
            template = state.templates[index]
            self._change(template.namespace, self._judge(template).wanted, subtract_usage)

    def _change(
        self,
        namespace: str,
        wanted: Wanted,
        combine: Callable[[Wanted, Wanted], dict[str, Quantities]],
    ) -> None:
        if any(wanted.values()):
            self.used[namespace] = combine(self.used[namespace], wanted)


def _manifest(template: PodTemplate) -> dict[str, Any]:
    """A Pod object for a template that was not read from one: a single container with its amounts."""
    resources = {
        part: {name: f"{amount}m" if name == "cpu" else amount for name, amount in amounts.items()}
        for part, amounts in (("requests", template.requests), ("limits", template.limits))
    }
    return {"kind": "Pod", "spec": {"containers": [{"name": "main", "resources": resources}]}}
