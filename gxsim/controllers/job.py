"""Job: pods that end by themselves, until enough of them have succeeded (pkg/controller/job)."""

import math

from gxsim.controllers.admission import Admission, Refused
from gxsim.controllers.deletion import delete_pod
from gxsim.controllers.informer import TOLERANCE_S, Informer, WorkQueue
from gxsim.controllers.replica_set import is_active, next_pod_name
from gxsim.model.control_plane import ControlPlane
from gxsim.state import PHASE_FAILED, PHASE_SUCCEEDED, ClusterState, Event


class Job:
    """At most ``parallelism`` pods at once; a failed one is replaced after a pause, ``backoffLimit`` times."""

    def __init__(self, control_plane: ControlPlane, *, informer: Informer, admission: Admission):
        self.control_plane, self.informer, self.admission = control_plane, informer, admission
        self.queue = WorkQueue("Job", control_plane)
        self._failures: dict[int, int] = {}
        self._next_s: dict[int, float] = {}  # job: when its next pod may be made
        self._over: set[int] = set()

    def reconcile(self, state: ClusterState, now: float) -> bool:
        self.informer.follow(state)
        changed = False
        for owner in self.queue.take(state, now):
            if owner not in self._over:
                changed |= self._sync(state, owner, now)
        return changed

    def due(self, state: ClusterState, now: float) -> float:
        return self.queue.due_s

    def _sync(self, state: ClusterState, owner: int, now: float) -> bool:
        held = state.owners[owner]
        pods = self.informer.pods_of(owner)
        active = [pod for pod in pods if is_active(state, pod)]
        succeeded = sum(state.pod_phase[pod] == PHASE_SUCCEEDED for pod in pods)
        failed = sum(state.pod_phase[pod] == PHASE_FAILED for pod in pods)
        if held.deleted:
            return self._stop(state, active, now)
        if succeeded >= held.workload.completions:
            return self._finish(state, owner, "Completed", "Job completed", active, now)
        if failed > held.workload.backoff_limit:
            message = "Job has reached the specified backoff limit"
            return self._finish(state, owner, "BackoffLimitExceeded", message, active, now)
        if failed > self._failures.get(owner, 0):
            self._failures[owner] = failed
            pause_s = self.control_plane.job_backoff_s * 2.0 ** (failed - 1)
            self._next_s[owner] = now + min(self.control_plane.job_backoff_cap_s, pause_s)
        wanted = min(held.workload.parallelism, held.workload.completions - succeeded) - len(active)
        if wanted > 0 and now < self._next_s.get(owner, -math.inf) - TOLERANCE_S:
            self.queue.add([owner], self._next_s[owner])
            return False
        return sum(self._create(state, owner, now) for _ in range(wanted)) > 0

    def _create(self, state: ClusterState, owner: int, now: float) -> bool:
        held = state.owners[owner]
        try:
            self.admission.create_pod(state, next_pod_name(state, owner), held.template, now=now, owner=owner)
        except Refused as refusal:
            name = f"{held.namespace}/{held.name}"
            state.emit(Event(now, "Job", name, "FailedCreate", f"Error creating: {refusal}"))
            self.queue.retry(owner, now)
            return False
        self.queue.forget(owner)
        return True

    def _finish(
        self, state: ClusterState, owner: int, reason: str, message: str, active: list[int], now: float
    ) -> bool:
        """The Job is over; pods that still run are deleted."""
        self._over.add(owner)
        name = f"{state.owners[owner].namespace}/{state.owners[owner].name}"
        state.emit(Event(now, "Job", name, reason, message))
        return self._stop(state, active, now)

    def _stop(self, state: ClusterState, active: list[int], now: float) -> bool:
        for pod in active:
            delete_pod(state, pod, now)
        return bool(active)
