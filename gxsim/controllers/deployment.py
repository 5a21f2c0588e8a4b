"""Deployment: one ReplicaSet per template, and the way from the old ones to the new (pkg/controller/deployment)."""

import math
from collections.abc import Callable, Sequence

from gxsim.controllers.informer import Informer, WorkQueue
from gxsim.controllers.names import template_hash
from gxsim.controllers.replica_set import HASH_LABEL, is_active, is_available, replica_set_of
from gxsim.model.control_plane import ControlPlane
from gxsim.state import PHASE_RUNNING, ClusterState


class Deployment:
    """Rolling update within maxSurge and maxUnavailable, or Recreate."""

    def __init__(self, control_plane: ControlPlane, *, informer: Informer):
        self.informer = informer
        self.queue = WorkQueue("Deployment", control_plane)
        self._sets: dict[int, list[int]] = {}  # deployment: its ReplicaSets, oldest first
        self._seen_owners = 0

    def reconcile(self, state: ClusterState, now: float) -> bool:
        self.informer.follow(state)
        for owner in range(self._seen_owners, len(state.owners)):
            if state.owners[owner].kind == "ReplicaSet":
                self._sets.setdefault(state.owners[owner].parent, []).append(owner)
        self._seen_owners = len(state.owners)
        changed = False
        for deployment in self.queue.take(state, now):
            changed |= self._sync(state, deployment, now)
        return changed

    def due(self, state: ClusterState, now: float) -> float:
        return self.queue.due_s

    def _sync(self, state: ClusterState, deployment: int, now: float) -> bool:
        held = state.owners[deployment]
        sets = [s for s in self._sets.get(deployment, ()) if not state.owners[s].deleted]
        if held.deleted:
            for one in sets:
                state.disown(one)
            return bool(sets)
        hashed = template_hash(held.template)
        new = next((s for s in sets if state.owners[s].template.labels.get(HASH_LABEL) == hashed), None)
        old = [s for s in sets if s != new]
        if held.workload.update_strategy == "Recreate":
            return self._recreate(state, deployment, new, old, now)
        if new is None:
            new = state.own(replica_set_of(state, deployment, held.template, now))
            self._scale_up(state, deployment, new, old)
            return True
        return self._roll(state, deployment, new, old, now)

    def _recreate(self, state: ClusterState, deployment: int, new: int | None, old: Sequence[int], now: float) -> bool:
        """All old pods go before the first new one is made."""
        running = [s for s in old if state.owners[s].replicas > 0]
        for one in running:
            state.scale(one, 0)
        if running:
            return True
        if any(state.pod_phase[pod] <= PHASE_RUNNING for s in old for pod in self.informer.pods_of(s)):
            return False
        if new is None:
            new = state.own(replica_set_of(state, deployment, state.owners[deployment].template, now))
        if state.owners[new].replicas != state.owners[deployment].replicas:
            state.scale(new, state.owners[deployment].replicas)
            return True
        return False

    def _roll(self, state: ClusterState, deployment: int, new: int, old: Sequence[int], now: float) -> bool:
        """Up with the new as far as the surge allows; down with the old as far as availability allows."""
        if not any(state.owners[s].replicas for s in old):
            return self._follow_replicas(state, deployment, new)
        if self._scale_up(state, deployment, new, old):
            return True
        return self._scale_down(state, deployment, new, old, now)

    def _follow_replicas(self, state: ClusterState, deployment: int, new: int) -> bool:
        if state.owners[new].replicas == state.owners[deployment].replicas:
            return False
        state.scale(new, state.owners[deployment].replicas)
        return True

    def _scale_up(self, state: ClusterState, deployment: int, new: int, old: Sequence[int]) -> bool:
        held = state.owners[deployment]
        surge, _ = bounds(held.replicas, held.workload.max_surge, held.workload.max_unavailable)
        total = sum(state.owners[s].replicas for s in (new, *old))
        current = state.owners[new].replicas
        wanted = held.replicas if current > held.replicas else current
        if total < held.replicas + surge:
            wanted = min(held.replicas, max(wanted, current + held.replicas + surge - total))
        if wanted == current:
            return False
        state.scale(new, wanted)
        return True

    def _scale_down(self, state: ClusterState, deployment: int, new: int, old: Sequence[int], now: float) -> bool:
        """Unhealthy old pods first, then as many as stay above the least available (reconcileOldReplicaSets)."""
        held = state.owners[deployment]
        _, unavailable = bounds(held.replicas, held.workload.max_surge, held.workload.max_unavailable)
        least = held.replicas - unavailable
        available = {s: self._available(state, s, deployment, now) for s in (new, *old)}
        total = sum(state.owners[s].replicas for s in (new, *old))
        new_unavailable = state.owners[new].replicas - available[new]
        room = total - least - new_unavailable
        if room <= 0:
            return False
        changed = False
        for one in old:
            count = state.owners[one].replicas
            unhealthy = min(room, max(0, count - available[one]))
            if unhealthy:
                state.scale(one, count - unhealthy)
                room -= unhealthy
                changed = True
        spare = sum(available.values()) - least
        for one in old:
            count = state.owners[one].replicas
            fewer = min(spare, count)
            if fewer > 0:
                state.scale(one, count - fewer)
                spare -= fewer
                changed = True
        return changed

    def _available(self, state: ClusterState, replica_set: int, deployment: int, now: float) -> int:
        min_ready_s = state.owners[deployment].workload.min_ready_s
        count = 0
        for pod in self.informer.pods_of(replica_set):
            if not is_active(state, pod) or not state.pod_ready[pod]:
                continue
            if is_available(state, pod, now, min_ready_s):
                count += 1
            else:
                self.queue.add([deployment], float(state.pod_ready_since_s[pod]) + min_ready_s)
        return count


def bounds(replicas: int, max_surge: int | str, max_unavailable: int | str) -> tuple[int, int]:
    """maxSurge rounded up and maxUnavailable rounded down; both 0 makes one unavailable (ResolveFenceposts)."""
    surge = resolve(max_surge, replicas, math.ceil)
    unavailable = resolve(max_unavailable, replicas, math.floor)
    return (surge, 1) if surge == unavailable == 0 else (surge, min(unavailable, replicas))


def resolve(written: int | str, total: int, rounding: Callable[[float], int]) -> int:
    """A count, or a percentage of *total* rounded with *rounding*."""
    if isinstance(written, str) and written.endswith("%"):
        return rounding(total * int(written[:-1]) / 100)
    return int(written)
