"""Recordings of ResourceQuota: sequences of creates and deletes against real quotas."""

from typing import Any

from gxsim.validate.admission_sequences import has_limit_range, is_sequence, replay_sequence
from gxsim.validate.record import Family


def _recognises(document: Any) -> bool:
    return is_sequence(document) and not has_limit_range(document)


FAMILY = Family(name="quota", bound=1.0, recognises=_recognises, replay=replay_sequence)
