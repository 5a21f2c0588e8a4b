"""How long a leader waits for a majority."""

import numpy as np
from numpy.typing import NDArray


def commit_latency(delays_s: NDArray, up: NDArray, *, persist_s: NDArray | float, leader_writes_first: bool) -> NDArray:
    """(..., leaders) from a proposal at each leader to its commit; inf without a majority or for a leader that is down.

    *delays_s* is (voters, voters), one way; *up* is (..., voters); *persist_s* is one write, of all or of each voter.
    Each member writes to disk before it answers; the leader does so before it sends, or at the same time.
    """
    voters = up.shape[-1]
    writes_s = np.broadcast_to(persist_s, voters)
    own = np.eye(voters, dtype=bool)
    first_s = writes_s[:, None] if leader_writes_first else np.zeros((voters, 1))  # before a leader sends
    answers_s = np.where(own, writes_s - first_s, delays_s + delays_s.T + writes_s) + first_s  # (leader, follower)
    reached_s = np.where(up[..., None, :], answers_s, np.inf)
    majority_s = np.sort(reached_s, axis=-1)[..., voters // 2]
    return np.where(up, majority_s, np.inf)
