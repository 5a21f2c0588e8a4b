"""How PostgreSQL and Redis lose and recover data: rules from their manuals, rates from recordings.

Recorded with PostgreSQL 15.20 and Redis 7.0.15 on a shared two-core machine. Rules are exact; durations depend on how
busy the host is, by a factor of up to fifty, and are therefore ranges.
"""

import numpy as np
from numpy.typing import NDArray

Range = tuple[float, float]

REDO_RATE_BYTES = (10e6, 650e6)  # WAL per second that recovery replays: a crowded and a quiet host
START_S = (0.1, 10.0)  # of recovery beside redo: the end of the old processes, start, connection
CHECKPOINT_RATE_BYTES = (15e6, 2500e6)  # WAL per second of the checkpoint at the end of recovery
REPLAY_S = (  # of both for one byte of WAL
    1 / REDO_RATE_BYTES[1] + 1 / CHECKPOINT_RATE_BYTES[1],
    1 / REDO_RATE_BYTES[0] + 1 / CHECKPOINT_RATE_BYTES[0],
)
DUMP_RATE_BYTES = 54e6  # rows per CPU second that pg_dump compresses at its default level
RESTORE_RATE_BYTES = (10e6, 100e6)  # of database per second, pg_restore with one job, indexes built anew
DUMP_RATIO = (0.22, 0.34)  # size of a compressed dump over that of the database: mixed rows, and rows full of hashes
REDIS_CRON_S = 0.1  # Redis looks for snapshots that are due ten times a second


def recovery_s(wal_bytes: float) -> Range:
    """Shortest and longest time until PostgreSQL answers after a crash, by the WAL since its last checkpoint.

    Start, redo and a checkpoint at the end follow each other; redo and checkpoint grow with the WAL.
    """
    return (START_S[0] + wal_bytes * REPLAY_S[0], START_S[1] + wal_bytes * REPLAY_S[1])


def asynchronous_loss_s(wal_writer_delay_s: float) -> float:
    """The most that a crash loses with synchronous_commit off: three times wal_writer_delay (PostgreSQL's manual)."""
    return 3.0 * wal_writer_delay_s


def save_rule_loss_s(after_s: float, snapshot_s: float = 0.0) -> float:
    """The most that a killed Redis loses under ``save <after> <changes>`` while changes keep coming.

    A save is due *after_s* from the last one that succeeded, begins at the next look and counts when it is finished.
    """
    return after_s + REDIS_CRON_S + 2.0 * snapshot_s


def unsynced_s(starts_s: NDArray, durations_s: NDArray) -> NDArray:
    """What a lost host would lose at worst between two fsyncs: from the start of one to the end of the next.

    Writes that come while an fsync runs are covered by the next one only.
    """
    return starts_s[1:] + durations_s[1:] - starts_s[:-1]


def dump_cpu_s(row_bytes: NDArray | float) -> NDArray | float:
    """CPU seconds that pg_dump takes for so many bytes of rows."""
    return np.asarray(row_bytes) / DUMP_RATE_BYTES
