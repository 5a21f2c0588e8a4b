"""Recordings of PostgreSQL and Redis: crash recovery, what a kill loses, dumps and restores."""

import re
from itertools import pairwise
from typing import Any

import numpy as np

from gxsim.storage import databases
from gxsim.storage.protection import age_of_last_copy
from gxsim.validate.record import Check, Family

MB = 1e6
LONGEST_SNAPSHOT_S = 1.0  # a few megabytes of the recorded data; the recordings do not give it
SCHEDULE_S = 0.25  # by which a BGSAVE may start late: the recording client and Redis's own tenth of a second
EVERY_SECOND_S = 2.0  # what appendfsync everysec may leave unsynced (Redis's documentation)
CPU_TOLERANCE = 0.10  # between runs of one compressor on a shared machine


def _recognises(document: Any) -> bool:
    if not isinstance(document, dict):
        return False
    runs = document.get("runs")
    known = isinstance(runs, list) and runs and isinstance(runs[0], dict)
    return ("redis" in document and "kill_runs" in document) or ("postgresql" in document and bool(known))


def _replay(document: Any) -> list[Check]:
    if "redis" in document:
        return _redis(document)
    first = document["runs"][0]
    if "synchronous_commit" in first:
        return [check for number, run in enumerate(document["runs"]) for check in _commit_loss(number, run)]
    if "wal_since_checkpoint_mb" in first:
        return _recovery(document["runs"])
    return [check for run in document["runs"] for check in _dump(run)]


# ---- PostgreSQL -----------------------------------------------------------------------------------------------------


def _commit_loss(number: int, run: dict[str, Any]) -> list[Check]:
    delay_s = float(run["wal_writer_delay"].removesuffix("ms")) / 1000
    most = databases.asynchronous_loss_s(delay_s) if run["synchronous_commit"] == "off" else 0.0
    name = f"run {number}, synchronous_commit {run['synchronous_commit']}, {run['wal_writer_delay']}"
    return [
        _at_most(f"{name}: loss", run["loss_window_s"], most),
        _equal(f"{name}: what was lost was acknowledged", run["lost"], max(0, run["acked"] - run["recovered"])),
    ]


def _recovery(runs: list[dict[str, Any]]) -> list[Check]:
    checks = []
    for number, run in enumerate(runs):
        wal = run["wal_since_checkpoint_mb"] * MB
        name = f"run {number}, {run['series']}, {run['killed']}, {wal / MB:.0f} MB"
        parts_s = run["redo_s"] + run["end_checkpoint_s"]
        checks += [
            _within(f"{name}: to accept", run["to_accept_s"], databases.recovery_s(wal)),
            _within(f"{name}: redo rate", wal / run["redo_s"], databases.REDO_RATE_BYTES),
            _within(f"{name}: beside redo and checkpoint", run["to_accept_s"] - parts_s, (0.0, databases.START_S[1])),
        ]
    quiet = sorted((r["wal_since_checkpoint_mb"], r["redo_s"]) for r in runs if r["series"] == "quiet")
    rising = all(a[1] < b[1] for a, b in pairwise(quiet))
    return [*checks, Check(name="more WAL takes longer on a quiet host", agreed=rising, detail=str(quiet))]


def _dump(run: dict[str, Any]) -> list[Check]:
    name, database = f"{run['gb']} GB", run["db_bytes"]
    expected = float(databases.dump_cpu_s(run["dump_Fc_Z0_bytes"]))
    tolerated = ((1 - CPU_TOLERANCE) * expected, (1 + CPU_TOLERANCE) * expected)
    return [
        _within(f"{name}: CPU of pg_dump", run["dump_Fc_default_cpu_s"], tolerated),
        _within(f"{name}: dump over database", run["dump_Fc_default_bytes"] / database, databases.DUMP_RATIO),
        _within(f"{name}: restore rate", database / run["restore_j1_s"], databases.RESTORE_RATE_BYTES),
    ]


# ---- Redis ----------------------------------------------------------------------------------------------------------


def _redis(document: dict[str, Any]) -> list[Check]:
    checks = [check for number, run in enumerate(document["kill_runs"]) for check in _kill(number, run)]
    for number, traced in enumerate(document.get("aof_everysec_fsync_times", [])):
        starts, durations = np.array(traced["fsyncs"]).T
        exposed = float(databases.unsynced_s(starts, durations).max())
        close = abs(exposed - traced["worst_exposure_s"]) < 1e-3  # the trace is written with a tenth of a millisecond
        checks.append(Check(name=f"trace {number}: longest unsynced stretch", agreed=close, detail=f"{exposed:.4f} s"))
        checks.append(_at_most(f"trace {number}: appendfsync everysec", exposed, EVERY_SECOND_S))
    return checks


def _kill(number: int, run: dict[str, Any]) -> list[Check]:
    lost_s, mode = run["loss_window_s"], run["mode"]
    name = f"run {number}, {mode}"
    if mode.startswith("aof"):
        return [_equal(f"{name}: writes lost", run["lost"], 0)]
    if run["bgsave_every_s"]:
        every_s = float(run["bgsave_every_s"])
        ages = age_of_last_copy(np.array([run["ran_s"]] * 2), every_s, np.array([0.0, LONGEST_SNAPSHOT_S]))
        near = bool((np.abs(ages - lost_s) <= SCHEDULE_S).any())
        detail = f"lost {lost_s:.2f} s, the last copy is {ages[0]:.2f} s old, or {ages[1]:.2f} s if it was not finished"
        return [Check(name=f"{name} every {every_s:g} s: loss", agreed=near, detail=detail)]
    rule = re.search(r"_(\d+)s_\d+$", mode)
    after_s = float(rule[1]) if rule else 0.0
    return [_at_most(f"{name}: loss", lost_s, databases.save_rule_loss_s(after_s, LONGEST_SNAPSHOT_S))]


def _at_most(name: str, found: float, most: float) -> Check:
    return Check(name=name, agreed=found <= most, detail=f"{found:.4g} with {most:.4g} at most")


def _within(name: str, found: float, ends: tuple[float, float]) -> Check:
    return Check(
        name=name, agreed=ends[0] <= found <= ends[1], detail=f"{found:.4g} against {ends[0]:.4g}–{ends[1]:.4g}"
    )


def _equal(name: str, found: float, expected: float) -> Check:
    return Check(name=name, agreed=found == expected, detail=f"{found:g} instead of {expected:g}")


FAMILY = Family(name="databases", bound=0.95, recognises=_recognises, replay=_replay)
