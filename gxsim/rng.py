"""Named random streams: adding a consumer never shifts another one."""

import hashlib

import numpy as np

from gxsim.errors import InvariantError


class Streams:
    """Random generators of one run, by name.

    The name is hashed into the ``spawn_key`` of a numpy ``SeedSequence``, so a stream depends on seed, replication and
    its own name only. Variants of a scenario therefore meet the same draws (common random numbers).
    """

    def __init__(self, seed: int, replication: int = 0):
        self.seed = seed
        self.replication = replication
        self._taken: set[str] = set()

    def take(self, name: str) -> np.random.Generator:
        """The generator called *name*; each name is taken once per run."""
        if name in self._taken:
            raise InvariantError(f"random stream {name!r} is taken twice")
        self._taken.add(name)
        digest = hashlib.sha256(name.encode()).digest()
        key = tuple(int.from_bytes(digest[i : i + 4], "big") for i in range(0, 16, 4))
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(self.replication, *key)))
