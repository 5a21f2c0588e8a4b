"""Recordings of ResourceQuota: sequences of creates and deletes against real quotas."""

from typing import Any

from gxsim.validate.admission_sequences import is_sequence, replay_sequence
from gxsim.validate.record import Family


def _recognises(document: Any) -> bool:
    return is_sequence(document) and not _has_limit_range(document)


def _has_limit_range(document: Any) -> bool:
    return any(item.get("kind") == "LimitRange" for item in document["setup"])


FAMILY = Family(name="quota", bound=1.0, recognises=_recognises, replay=replay_sequence)
