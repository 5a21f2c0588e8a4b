"""What every family of recordings says about itself: how to know one, how to replay it, how well it must agree."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One comparison of gxsim with a recorded fact; *detail* says what differed."""

    name: str
    agreed: bool
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """One kind of recording.

    ``recognises`` looks at a parsed document (file names do not count), ``replay`` yields its checks, ``bound`` is the
    least share of checks that must agree. ``beside`` is another way to replay the same recordings, reported apart.
    """

    name: str
    bound: float
    recognises: Callable[[Any], bool]
    replay: Callable[[Any], list[Check]]
    beside: "Family | None" = None
