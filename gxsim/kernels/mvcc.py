"""Fabric's multi-version check: a transaction is void if what it read has changed since it was endorsed."""

import numpy as np
from numpy.typing import NDArray


def unconflicted(key: NDArray, endorsed_s: NDArray, committed_s: NDArray, written_s: NDArray) -> NDArray[np.bool_]:
    """(transactions,) True where valid; in ledger order, each reads and writes one *key*.

    *written_s* is (keys,), when each key was last written by a valid transaction; it is updated in place. Void
    transactions write nothing, so only the last valid one before counts: those of the same block included.
    """
    order = np.argsort(key, kind="stable")
    keys, read_s, commit_s = key[order], endorsed_s[order], committed_s[order]
    first = np.ones(len(order), bool)
    first[1:] = keys[1:] != keys[:-1]
    before_s = np.where(first, written_s[keys], np.roll(commit_s, 1))
    valid = before_s <= read_s  # of the others only a run of void ones before can make one valid
    anchor_s = np.where(valid, commit_s, 0.0)  # when the last valid one at or before each was committed
    for i in np.flatnonzero(~valid):
        last_s = written_s[keys[i]] if first[i] else anchor_s[i - 1]
        valid[i] = last_s <= read_s[i]
        anchor_s[i] = commit_s[i] if valid[i] else last_s
    last = np.append(first[1:], True)[: len(order)]
    written_s[keys[last]] = anchor_s[last]
    result = np.empty(len(order), bool)
    result[order] = valid
    return result
