"""Admission of pods: what a namespace's ResourceQuotas let in, and the refusal in the API server's words."""

import math
from collections import defaultdict
from collections.abc import Mapping

from gxsim.controllers.informer import TOLERANCE_S, Log
from gxsim.model.cluster import Claim
from gxsim.model.pod import PodTemplate
from gxsim.state import NO_OWNER, PHASE_RUNNING, ClusterState
from gxsim.units import cpu_milli, format_quantity, whole

Amounts = dict[str, int]


class Refused(Exception):
    """The API server says no to a request; the message is its own."""


class Admission:
    """ResourceQuotas by namespace, and what the pods that exist use of them."""

    def __init__(self, state: ClusterState, *, sync_phase_s: float = 0.0, sync_period_s: float = 300.0):
        self.sync_phase_s, self.sync_period_s = sync_phase_s, sync_period_s
        self.quotas: dict[str, dict[str, Amounts]] = defaultdict(dict)
        for quota in state.cluster.quotas:
            metadata = quota["metadata"]
            hard = (quota.get("spec") or {}).get("hard") or {}
            self.set_quota(metadata.get("namespace") or "default", metadata["name"], hard)
        self.used: dict[str, Amounts] = defaultdict(lambda: defaultdict(int))
        self._charges: dict[int, Amounts] = {}
        self._counted: dict[int, int] = {}  # pod: its template while it is charged
        self._stuck_s: dict[int, float] = {}  # charged pod that terminates: when it stops to count
        self._pods = Log()

    def set_quota(self, namespace: str, name: str, hard: Mapping[str, object]) -> None:
        """Write a ResourceQuota; what is used already may be more."""
        self.quotas[namespace][name] = {resource: _amount(resource, amount) for resource, amount in hard.items()}

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
        """Create a pod and return its row; raises Refused when a quota is spent."""
        self._follow(state, now)
        wanted = self._charge(state.template(template), template)
        self._check(f'pods "{name}"', template.namespace, wanted, self.used[template.namespace])
        return state.create(name, template, now=now, owner=owner, ordinal=ordinal)

    def create_claim(self, state: ClusterState, claim: Claim) -> None:
        """Create a claim; raises Refused when a quota is spent."""
        what, used = f'persistentvolumeclaims "{claim.name}"', _claims_used(state, claim.namespace)
        self._check(what, claim.namespace, _claim_charge(claim), used)
        state.put_claim(claim)

    def _check(self, what: str, namespace: str, wanted: Amounts, used: Amounts) -> None:
        for quota, hard in sorted(self.quotas.get(namespace, {}).items()):
            over = sorted(r for r in hard if r in wanted and used[r] + wanted[r] > hard[r])
            if over:
                columns = ({r: wanted[r] for r in over}, {r: used[r] for r in over}, {r: hard[r] for r in over})
                asked, before, limited = (",".join(f"{r}={_spelt(r, part[r])}" for r in over) for part in columns)
                problem = f"exceeded quota: {quota}, requested: {asked}, used: {before}, limited: {limited}"
                raise Refused(f"{what} is forbidden: {problem}")

    def _follow(self, state: ClusterState, now: float) -> None:
        """Charge pods that are new, and no longer those that are over, gone, or stuck in their termination."""
        for pod in self._pods.news(state.touched):
            self._stuck_s.pop(pod, None)
            if not (state.pod_exists[pod] and state.pod_phase[pod] <= PHASE_RUNNING):
                self._count(state, pod, -1)
            elif not state.pod_terminating[pod]:
                self._count(state, pod, 1)
            elif (release_s := self._release_s(state, pod)) > now + TOLERANCE_S:
                self._count(state, pod, 1)  # also a pod that is first seen here, in its termination
                self._stuck_s[pod] = release_s
            else:
                self._count(state, pod, -1)
        for pod in [p for p, release_s in self._stuck_s.items() if release_s <= now + TOLERANCE_S]:
            del self._stuck_s[pod]
            self._count(state, pod, -1)

    def _release_s(self, state: ClusterState, pod: int) -> float:
        """When a pod that never ends stops to count: the first sync after its grace period has passed twice.

        The API's deletion timestamp lies one grace period ahead already, and QuotaV1Pod adds another.
        """
        over_s = float(state.pod_deleted_s[pod] + 2 * state.pod_grace_s[pod])
        syncs = math.ceil((over_s - self.sync_phase_s - TOLERANCE_S) / self.sync_period_s)
        return self.sync_phase_s + syncs * self.sync_period_s

    def _count(self, state: ClusterState, pod: int, sign: int) -> None:
        if (sign < 0) != (pod in self._counted):
            return
        index = int(state.pod_template[pod])
        template = state.templates[index]
        for resource, amount in self._charge(index, template).items():
            self.used[template.namespace][resource] += sign * amount
        if sign > 0:
            self._counted[pod] = index
        else:
            del self._counted[pod]

    def _charge(self, index: int, template: PodTemplate) -> Amounts:
        if index not in self._charges:
            self._charges[index] = _charge(template)
        return self._charges[index]


def _charge(template: PodTemplate) -> Amounts:
    """What a quota counts for one pod, under every name it goes by."""
    charge = {"pods": 1, "count/pods": 1}
    for name, amount in template.requests.items():
        charge[f"requests.{name}"] = amount
        if name in ("cpu", "memory", "ephemeral-storage"):
            charge[name] = amount
    for name, amount in template.limits.items():
        charge[f"limits.{name}"] = amount
    return charge


def _claim_charge(claim: Claim) -> Amounts:
    """What a quota counts for one claim, in all and in its storage class."""
    charge = {"persistentvolumeclaims": 1, "count/persistentvolumeclaims": 1, "requests.storage": claim.size_bytes}
    if claim.storage_class:
        in_class = f"{claim.storage_class}.storageclass.storage.k8s.io"
        charge |= {f"{in_class}/persistentvolumeclaims": 1, f"{in_class}/requests.storage": claim.size_bytes}
    return charge


def _claims_used(state: ClusterState, namespace: str) -> Amounts:
    """What the claims of *namespace* use; computed when asked, as claims are created rarely."""
    total: Amounts = defaultdict(int)
    for claim in state.claims.values():
        if claim.namespace == namespace:
            for resource, amount in _claim_charge(claim).items():
                total[resource] += amount
    return total


def _amount(resource: str, written: object) -> int:
    return cpu_milli(written) if resource.endswith("cpu") else whole(written)


def _spelt(resource: str, amount: int) -> str:
    if resource.endswith("cpu"):
        return f"{amount}m" if amount % 1000 else str(amount // 1000)
    return format_quantity(amount, "binary" if resource.endswith(("memory", "storage")) else "decimal")
