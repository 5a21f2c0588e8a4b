"""Job: pods that end by themselves, until enough of them have succeeded (pkg/controller/job)."""

import math
from dataclasses import dataclass, field

from gxsim.controllers.admission import Admission, Refused
from gxsim.controllers.deletion import delete_pod
from gxsim.controllers.informer import TOLERANCE_S, Informer, WorkQueue
from gxsim.controllers.replica_set import is_active, next_pod_name
from gxsim.model.control_plane import ControlPlane
from gxsim.state import PHASE_FAILED, PHASE_RUNNING, PHASE_SUCCEEDED, ClusterState, Event

ONLY_FAILED = "Failed"  # the podReplacementPolicy that waits for the end of a pod that is being deleted


@dataclass(slots=True)
class JobStatus:
    """What the API holds of a Job: it outlives the controller's process and the pods."""

    started_s: float | None = None
    pods: dict[int, None] = field(default_factory=dict)  # made, and not counted yet
    succeeded: int = 0
    failed: int = 0
    failures: int = 0  # since the last success
    last_failure_s: float = -math.inf
    ended_s: float | None = None
    complete: bool = False


@dataclass(slots=True)
class Batch:
    """Status of all Jobs, and when each CronJob last started one, in seconds since 1970.

    The clock's zero is *began_unix_s* after 1970.
    """

    began_unix_s: float = 0.0
    jobs: dict[int, JobStatus] = field(default_factory=dict)
    starts: dict[int, float] = field(default_factory=dict)


class Job:
    """At most ``parallelism`` pods at once; a failed one is replaced after a pause, ``backoffLimit`` times."""

    def __init__(self, control_plane: ControlPlane, *, informer: Informer, admission: Admission, batch: Batch):
        self.control_plane, self.informer, self.admission = control_plane, informer, admission
        self.statuses = batch.jobs
        self.queue = WorkQueue("Job", control_plane)

    def reconcile(self, state: ClusterState, now: float) -> bool:
        self.informer.follow(state)
        return self.queue.work(state, now, self._sync)

    def due(self, state: ClusterState, now: float) -> float:
        return self.queue.due_s

    def _sync(self, state: ClusterState, owner: int, now: float) -> bool:
        held = state.owners[owner]
        status = self.statuses.setdefault(owner, JobStatus(ended_s=now if held.workload.finished else None))
        if held.deleted:
            return self._delete(state, self.informer.pods_of(owner), now)
        self._count(state, owner, status, now)
        if status.ended_s is not None:
            return self._expire(state, owner, status.ended_s, now)
        active = [pod for pod in self.informer.pods_of(owner) if is_active(state, pod)]
        if held.workload.suspend:
            status.started_s = None
            return self._delete(state, active, now)
        if status.started_s is None:
            status.started_s = now
        reason, message = self._ending(state, owner, status, active, now)
        if reason:
            return self._end(state, owner, status, reason, message, active, now)
        return self._manage(state, owner, status, active, now)

    # ---- what has become of its pods ----------------------------------------------------------------------------

    def _count(self, state: ClusterState, owner: int, status: JobStatus, now: float) -> None:
        """Count each pod once: one that is deleted before its end has failed, when it is gone at the latest."""
        at_once = state.owners[owner].workload.pod_replacement_policy != ONLY_FAILED
        status.pods |= dict.fromkeys(p for p in self.informer.pods_of(owner) if state.pod_phase[p] <= PHASE_RUNNING)
        for pod in list(status.pods):
            phase, deleted = state.pod_phase[pod], bool(state.pod_terminating[pod])
            if phase == PHASE_SUCCEEDED and not deleted:
                status.succeeded += 1
                status.failures = 0
            elif phase == PHASE_FAILED or not state.pod_exists[pod] or (deleted and at_once):
                status.failed += 1
                status.failures += 1
                status.last_failure_s = now
            else:
                continue
            del status.pods[pod]

    def _ending(
        self, state: ClusterState, owner: int, status: JobStatus, active: list[int], now: float
    ) -> tuple[str, str]:
        """Reason and message of the Job's end; empty while it goes on."""
        workload = state.owners[owner].workload
        restarts = sum(int(state.pod_restarts[p]) for p in active) if workload.template.restart_policy != "Never" else 0
        if status.failed > workload.backoff_limit or restarts >= max(1, workload.backoff_limit):
            return "BackoffLimitExceeded", "Job has reached the specified backoff limit"
        if workload.active_deadline_s is not None and status.started_s is not None:
            deadline_s = status.started_s + workload.active_deadline_s
            if now >= deadline_s - TOLERANCE_S:
                return "DeadlineExceeded", "Job was active longer than specified deadline"
            self.queue.add([owner], deadline_s)
        wanted = 1 if workload.completions is None else workload.completions
        if status.succeeded >= wanted and (workload.completions is not None or not active):
            return "Completed", "Job completed"
        return "", ""

    def _end(
        self,
        state: ClusterState,
        owner: int,
        status: JobStatus,
        reason: str,
        message: str,
        active: list[int],
        now: float,
    ) -> bool:
        """The Job is over; pods that still run are deleted."""
        status.ended_s, status.complete = now, reason == "Completed"
        name = f"{state.owners[owner].namespace}/{state.owners[owner].name}"
        state.emit(Event(now, "Job", name, reason, message))
        self._delete(state, active, now)
        self._expire(state, owner, now, now)
        return True

    def _expire(self, state: ClusterState, owner: int, ended_s: float, now: float) -> bool:
        """Delete a Job when ``ttlSecondsAfterFinished`` have passed (pkg/controller/ttlafterfinished)."""
        ttl_s = state.owners[owner].workload.ttl_s
        if ttl_s is None:
            return False
        if now < ended_s + ttl_s - TOLERANCE_S:
            self.queue.add([owner], ended_s + ttl_s)
            return False
        state.disown(owner)
        return True

    # ---- its pods -----------------------------------------------------------------------------------------------

    def _manage(self, state: ClusterState, owner: int, status: JobStatus, active: list[int], now: float) -> bool:
        """As many active pods as wanted; after a failure the next ones come when its pause is over."""
        workload = state.owners[owner].workload
        if workload.completions is None:
            wanted = len(active) if status.succeeded else workload.parallelism
        else:
            wanted = min(workload.parallelism, workload.completions - status.succeeded)
        if len(active) > wanted:
            return self._delete(state, active[wanted:], now)
        ending = len(status.pods) - len(active) if workload.pod_replacement_policy == ONLY_FAILED else 0
        missing = wanted - len(active) - ending
        next_s = status.last_failure_s + self._pause_s(status.failures)
        if missing > 0 and now < next_s - TOLERANCE_S:
            self.queue.add([owner], next_s)
            return False
        return sum(self._create(state, owner, now) for _ in range(missing)) > 0

    def _pause_s(self, failures: int) -> float:
        """Doubles with each failure in a row; counts from the last one."""
        if failures == 0:
            return 0.0
        return min(
            self.control_plane.job_backoff_cap_s, self.control_plane.job_backoff_s * 2.0 ** min(failures - 1, 60)
        )

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

    def _delete(self, state: ClusterState, pods: list[int], now: float) -> bool:
        left = [pod for pod in pods if not state.pod_terminating[pod]]
        for pod in left:
            delete_pod(state, pod, now)
        return bool(left)
