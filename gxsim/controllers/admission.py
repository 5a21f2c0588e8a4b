"""Admission of pods: what a namespace's ResourceQuotas let in, and the refusal in the API server's words."""

from collections import defaultdict
from collections.abc import Mapping

from gxsim.controllers.informer import Log
from gxsim.model.pod import PodTemplate
from gxsim.state import NO_OWNER, PHASE_RUNNING, ClusterState
from gxsim.units import cpu_milli, format_quantity, whole

Amounts = dict[str, int]


class Refused(Exception):
    """The API server says no to a request; the message is its own."""


class Admission:
    """ResourceQuotas by namespace, and what the pods that exist use of them."""

    def __init__(self, state: ClusterState):
        self.quotas: dict[str, dict[str, Amounts]] = defaultdict(dict)
        for quota in state.cluster.quotas:
            metadata = quota["metadata"]
            hard = (quota.get("spec") or {}).get("hard") or {}
            self.set_quota(metadata.get("namespace") or "default", metadata["name"], hard)
        self.used: dict[str, Amounts] = defaultdict(lambda: defaultdict(int))
        self._charges: dict[int, Amounts] = {}
        self._counted: dict[int, int] = {}  # pod: its template while it is charged
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
        self._follow(state)
        wanted = self._charge(state.template(template), template)
        for quota, hard in sorted(self.quotas.get(template.namespace, {}).items()):
            used = self.used[template.namespace]
            over = sorted(r for r in hard if r in wanted and used[r] + wanted[r] > hard[r])
            if over:
                columns = ({r: wanted[r] for r in over}, {r: used[r] for r in over}, {r: hard[r] for r in over})
                asked, before, limited = (",".join(f"{r}={_spelt(r, part[r])}" for r in over) for part in columns)
                problem = f"exceeded quota: {quota}, requested: {asked}, used: {before}, limited: {limited}"
                raise Refused(f'pods "{name}" is forbidden: {problem}')
        return state.create(name, template, now=now, owner=owner, ordinal=ordinal)

    def _follow(self, state: ClusterState) -> None:
        """Charge pods that are new, and no longer those that are over or gone."""
        for pod in self._pods.news(state.touched):
            counts = bool(state.pod_exists[pod] and state.pod_phase[pod] <= PHASE_RUNNING)
            if counts == (pod in self._counted):
                continue
            index = int(state.pod_template[pod])
            template = state.templates[index]
            sign = 1 if counts else -1
            for resource, amount in self._charge(index, template).items():
                self.used[template.namespace][resource] += sign * amount
            if counts:
                self._counted[pod] = index
            else:
                del self._counted[pod]

    def _charge(self, index: int, template: PodTemplate) -> Amounts:
        if index not in self._charges:
            self._charges[index] = dict(template.quota_charge) or _charge(template)
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


def _amount(resource: str, written: object) -> int:
    return cpu_milli(written) if resource.endswith("cpu") else whole(written)


def _spelt(resource: str, amount: int) -> str:
    if resource.endswith("cpu"):
        return f"{amount}m" if amount % 1000 else str(amount // 1000)
    return format_quantity(amount, "binary" if resource.endswith(("memory", "storage")) else "decimal")
