"""CronJob: a Job each time its schedule comes round (pkg/controller/cronjob)."""

import math
from dataclasses import replace

from gxsim.controllers.cron_schedule import Schedule
from gxsim.controllers.informer import TOLERANCE_S, WorkQueue
from gxsim.controllers.job import Batch
from gxsim.model.cluster import CronSchedule
from gxsim.model.control_plane import ControlPlane
from gxsim.state import ClusterState, Event, Owner

MANY_MISSED = 100  # starts; more are told, and only the last one is made up for


class CronJob:
    """Makes up for the last start that was missed, if it still may."""

    def __init__(self, control_plane: ControlPlane, *, batch: Batch):
        self.control_plane = control_plane
        self.jobs, self.starts, self.began_unix_s = batch.jobs, batch.starts, batch.began_unix_s
        self.queue = WorkQueue("CronJob", control_plane)
        self._schedules: dict[int, Schedule] = {}
        self._made: dict[int, list[int]] = {}  # CronJob: its Jobs, oldest first
        self._seen_owners = 0

    def reconcile(self, state: ClusterState, now: float) -> bool:
        for owner in range(self._seen_owners, len(state.owners)):
            if state.owners[owner].kind == "Job":
                self._made.setdefault(state.owners[owner].parent, []).append(owner)
        self._seen_owners = len(state.owners)
        return self.queue.work(state, now, self._sync)

    def due(self, state: ClusterState, now: float) -> float:
        return self.queue.due_s

    def _sync(self, state: ClusterState, owner: int, now: float) -> bool:
        held = state.owners[owner]
        jobs = self._made[owner] = [job for job in self._made.get(owner, ()) if not state.owners[job].deleted]
        if held.deleted:
            for job in jobs:
                state.disown(job)
            return bool(jobs)
        assert held.workload.cron is not None
        changed = self._forget_history(state, held.workload.cron, jobs)
        schedule = self._schedule(state, owner, held.workload.cron, now)
        if schedule is None or held.workload.cron.suspend:
            return changed
        return self._start_missed(state, owner, schedule, now) or changed

    def _schedule(self, state: ClusterState, owner: int, cron: CronSchedule, now: float) -> Schedule | None:
        """The schedule, or None in a time zone that nobody knows here."""
        if owner not in self._schedules:
            try:
                self._schedules[owner] = Schedule(cron.schedule, cron.time_zone)
            except (ValueError, KeyError):  # what zoneinfo raises for bad and for unknown names
                self._tell(state, owner, "UnknownTimeZone", f"invalid timeZone: {cron.time_zone}", now)
                return None
        return self._schedules[owner]

    # ---- starts -------------------------------------------------------------------------------------------------

    def _start_missed(self, state: ClusterState, owner: int, schedule: Schedule, now: float) -> bool:
        held = state.owners[owner]
        cron = held.workload.cron
        assert cron is not None
        unix_s = self.began_unix_s + now + TOLERANCE_S
        next_s = schedule.after(unix_s) - self.began_unix_s + self.control_plane.cron_start_delay_s
        if not math.isinf(next_s):
            self.queue.add([owner], next_s)
        known_s = self.starts.get(owner, self.began_unix_s + max(held.created_s, 0.0))
        since_s = known_s if cron.starting_deadline_s is None else max(known_s, unix_s - cron.starting_deadline_s)
        due_s = schedule.last(unix_s, since_s)
        if math.isinf(due_s):
            return False
        if _missed(schedule, since_s, unix_s) > MANY_MISSED:
            said = "too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew"
            self._tell(state, owner, "TooManyMissedTimes", said, now)
        active = [job for job in self._made[owner] if not self._is_over(job)]
        if active and cron.concurrency_policy == "Forbid":
            said = "Not starting job because prior execution is running and concurrency policy is Forbid"
            self._tell(state, owner, "JobAlreadyActive", said, now)
            return False
        if cron.concurrency_policy == "Replace":
            for job in active:
                state.disown(job)
        self.starts[owner] = due_s
        self._create(state, owner, due_s, now)
        return True

    def _create(self, state: ClusterState, owner: int, due_s: float, now: float) -> None:
        """A Job named after the minute it was due in; it shares its CronJob's template."""
        held = state.owners[owner]
        name = f"{held.name}-{int(due_s // 60)}"
        workload = replace(held.workload, kind="Job", name=name, cron=None)
        state.own(
            Owner(
                kind="Job",
                namespace=held.namespace,
                name=name,
                workload=workload,
                template=held.template,
                replicas=held.replicas,
                parent=owner,
                created_s=now,
            )
        )
        self._tell(state, owner, "SuccessfulCreate", f"Created job {name}", now)

    # ---- what is left of them -----------------------------------------------------------------------------------

    def _is_over(self, job: int) -> bool:
        return job in self.jobs and self.jobs[job].ended_s is not None

    def _forget_history(self, state: ClusterState, cron: CronSchedule, jobs: list[int]) -> bool:
        """Delete the oldest Jobs that are over, beyond the limits for those that succeeded and those that failed."""
        over = [job for job in jobs if self._is_over(job)]
        old: list[int] = []
        for complete, kept in ((True, cron.successful_history), (False, cron.failed_history)):
            ended = [job for job in over if self.jobs[job].complete == complete]
            old += ended[: max(0, len(ended) - kept)]
        for job in old:
            state.disown(job)
        return bool(old)

    def _tell(self, state: ClusterState, owner: int, reason: str, message: str, now: float) -> None:
        held = state.owners[owner]
        state.emit(Event(now, "CronJob", f"{held.namespace}/{held.name}", reason, message))


def _missed(schedule: Schedule, since_s: float, unix_s: float) -> float:
    """How many starts were missed, by the distance of the first two (mostRecentScheduleTime)."""
    first_s = schedule.after(since_s)
    second_s = schedule.after(first_s)
    return 0.0 if unix_s < second_s else (unix_s - first_s) // (second_s - first_s) + 1
