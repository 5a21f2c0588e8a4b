"""Deployment: one ReplicaSet per template, and the way from the old ones to the new (pkg/controller/deployment)."""

import math
from collections.abc import Callable, Sequence

from gxsim.controllers.informer import TOLERANCE_S, Informer, WorkQueue
from gxsim.controllers.names import template_hash
from gxsim.controllers.replica_set import is_active, is_available, replica_set_of
from gxsim.model.control_plane import ControlPlane
from gxsim.state import PHASE_RUNNING, ClusterState, Event


class Deployment:
    """Rolling update within maxSurge and maxUnavailable, or Recreate."""

    def __init__(self, control_plane: ControlPlane, *, informer: Informer):
        self.control_plane, self.informer = control_plane, informer
        self.queue = WorkQueue("Deployment", control_plane)
        self._sets: dict[int, list[int]] = {}  # deployment: its ReplicaSets, oldest first
        self._seen_owners = 0
        self._wanted: dict[int, int] = {}  # deployment: its replicas when its ReplicaSets were last scaled
        self._progress: dict[int, tuple[tuple[int, ...], float]] = {}  # how far a rollout is, and since when
        self._complete: dict[int, int] = {}  # deployment: the ReplicaSet its last rollout ended with

    def reconcile(self, state: ClusterState, now: float) -> bool:
        self.informer.follow(state)
        for owner in range(self._seen_owners, len(state.owners)):
            if state.owners[owner].kind == "ReplicaSet":
                self._sets.setdefault(state.owners[owner].parent, []).append(owner)
        self._seen_owners = len(state.owners)
        return self.queue.work(state, now, self._sync)

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
        new = next((s for s in sets if template_hash(state.owners[s].template) == hashed), None)
        old = [s for s in sets if s != new]
        was, self._wanted[deployment] = self._wanted.get(deployment, held.replicas), held.replicas
        if was != held.replicas and any(state.owners[s].replicas for s in old):
            return self._scale_all(state, deployment, sets, was)
        self._watch_progress(state, deployment, new, old, now)
        changed = self._update(state, deployment, new, old, now)
        return self._forget_history(state, old) or changed

    def _update(self, state: ClusterState, deployment: int, new: int | None, old: Sequence[int], now: float) -> bool:
        """One step of the Deployment's strategy."""
        held = state.owners[deployment]
        if held.workload.update_strategy == "Recreate":
            return self._recreate(state, deployment, new, old, now)
        if new is None:
            new = state.own(replica_set_of(state, deployment, held.template, now))
            self._scale_up(state, deployment, new, old)
            return True
        return self._roll(state, deployment, new, old, now)

    def _forget_history(self, state: ClusterState, old: Sequence[int]) -> bool:
        """Remove the oldest of the ReplicaSets that are empty, but for those kept for an undo."""
        empty = [s for s in old if state.owners[s].replicas == 0 and not self.informer.pods_of(s)]
        over = empty[: max(0, len(empty) - self.control_plane.revision_history_limit)]
        for one in over:
            state.disown(one)
        return bool(over)

    # ---- progress -----------------------------------------------------------------------------------------------

    def _watch_progress(
        self, state: ClusterState, deployment: int, new: int | None, old: Sequence[int], now: float
    ) -> None:
        """Say once that a rollout has not moved for ``progressDeadlineSeconds``; nothing is rolled back."""
        held = state.owners[deployment]
        kept = sum(state.owners[s].replicas for s in old)
        updated = state.owners[new].replicas if new is not None else 0
        available = self._available(state, new, deployment, now) if new is not None else 0
        if new is not None and kept == 0 and updated == available == held.replicas:
            self._progress.pop(deployment, None)
            self._complete[deployment] = new
        if new is not None and self._complete.get(deployment) == new:
            return  # what is lost after a rollout does not make it late
        status = (held.revision, kept, updated, available)
        deadline_s = held.workload.progress_deadline_s
        known, since_s = self._progress.get(deployment, ((), now))
        if known != status:
            self._progress[deployment] = (status, now)
            self.queue.add([deployment], now + deadline_s)
        elif now >= since_s + deadline_s - TOLERANCE_S:
            self._progress[deployment] = (status, math.inf)
            message = f'ReplicaSet "{state.owners[new].name}" has timed out progressing.' if new is not None else ""
            name = f"{held.namespace}/{held.name}"
            state.emit(Event(now, "Deployment", name, "ProgressDeadlineExceeded", message))

    # ---- strategies ---------------------------------------------------------------------------------------------

    def _scale_all(self, state: ClusterState, deployment: int, sets: Sequence[int], was: int) -> bool:
        """Share a change of replicas in the middle of a rollout among the ReplicaSets, by their size (scale)."""
        held = state.owners[deployment]
        surge, _ = bounds(held.replicas, held.workload.max_surge, held.workload.max_unavailable)
        surge_before, _ = bounds(was, held.workload.max_surge, held.workload.max_unavailable)
        allowed = held.replicas + surge if held.replicas else 0
        active = [s for s in sets if state.owners[s].replicas]
        to_add = allowed - sum(state.owners[s].replicas for s in active)
        order = sorted(active, key=lambda s: (-state.owners[s].replicas, -s if to_add > 0 else s))
        sizes: dict[int, int] = {}
        for one in order:
            size = state.owners[one].replicas
            change = _rounded(size * allowed / (was + surge_before)) - size
            left = to_add - sum(sizes[s] - state.owners[s].replicas for s in sizes)
            sizes[one] = size + (min(change, left) if to_add > 0 else max(change, left))
        if order:
            left = to_add - sum(sizes[s] - state.owners[s].replicas for s in sizes)
            sizes[order[0]] = max(0, sizes[order[0]] + left)
        for one, size in sizes.items():
            if size != state.owners[one].replicas:
                state.scale(one, size)
        return True

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


def _rounded(amount: float) -> int:
    """The nearest whole number, halves away from zero."""
    return math.floor(abs(amount) + 0.5) * (1 if amount >= 0 else -1)


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
