"""Recordings of LimitRange: sequences of creates in a namespace that holds at least one."""

from typing import Any

from gxsim.validate.admission_sequences import has_limit_range, is_sequence, replay_sequence
from gxsim.validate.record import Family


def _recognises(document: Any) -> bool:
    return is_sequence(document) and has_limit_range(document)


FAMILY = Family(name="limit_range", bound=1.0, recognises=_recognises, replay=replay_sequence)
