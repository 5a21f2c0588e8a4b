"""Amounts and times as Kubernetes writes them, read exactly and written back.

A quantity is a number with a suffix from one of three families: decimal (``100m 2 3k 4G``), binary (``64Mi``)
or an exponent (``1e3``). Values are exact fractions; nothing passes through a float. Every reader raises
``ValueError`` with a sentence saying what it expected.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import Literal

Family = Literal["decimal", "binary", "exponent"]

_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
_DECIMAL_SUFFIX = {power: suffix for suffix, power in _DECIMAL.items()}
_BINARY_SUFFIX = {power: suffix for suffix, power in _BINARY.items()}
_QUANTITY = re.compile(r"([+-]?)(\d+\.?\d*|\.\d+)(?:(Ki|Mi|Gi|Ti|Pi|Ei)|[eE]([+-]?\d{1,3})|([numkMGTPE]?))", re.ASCII)
_NANO = 10**9
# resource.Quantity saturates binary amounts here.
_MOST = 2**63 - 1

_DURATION_UNITS_S = {
    "ns": Fraction(1, 10**9),
    "us": Fraction(1, 10**6),
    "µs": Fraction(1, 10**6),
    "μs": Fraction(1, 10**6),
    "ms": Fraction(1, 1000),
    "s": Fraction(1),
    "m": Fraction(60),
    "h": Fraction(3600),
    "d": Fraction(86_400),
    "w": Fraction(604_800),
}
_DURATION_PART = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h|d|w)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Quantity:
    """An exact amount and the suffix family it is written in."""

    value: Fraction
    family: Family = "decimal"

    def __add__(self, other: "Quantity") -> "Quantity":
        """Return the sum; like the API server's, it keeps the left family unless the left amount is zero."""
        return Quantity(self.value + other.value, self.family if self.value else other.family)

    def __sub__(self, other: "Quantity") -> "Quantity":
        return Quantity(self.value - other.value, self.family if self.value else other.family)

    def __str__(self) -> str:
        return format_quantity(self.value, self.family)


def read_quantity(text: object) -> Quantity:
    """Return the quantity a manifest writes as a string or a plain number.

    Amounts finer than 1n are rounded up to it, binary amounts stop at 2^63 − 1: both as in the API server.
    """
    if isinstance(text, bool) or not isinstance(text, str | int | float):
        raise ValueError(f"expected a quantity such as 500m, 2, 64Mi or 1e3, got {text!r}")
    # Through Decimal, because repr(1e22) would otherwise read as an exponent the file never had.
    return _read_quantity(format(Decimal(repr(text)), "f") if isinstance(text, float) else str(text).strip())


@lru_cache(maxsize=4096)
def _read_quantity(text: str) -> Quantity:
    match = _QUANTITY.fullmatch(text)
    if match is None:
        raise ValueError(f"expected a quantity such as 500m, 2, 64Mi or 1e3, got {text!r}")
    sign, digits, binary, exponent, decimal = match.groups()
    value = Fraction(digits)
    family: Family = "decimal"
    if binary:
        value *= 2 ** _BINARY[binary]
        family = "binary"
    elif exponent:
        value *= Fraction(10) ** int(exponent)
        family = "exponent"
    else:
        value *= Fraction(10) ** _DECIMAL[decimal]
    if value.denominator > 1:
        value = Fraction(math.ceil(value * _NANO), _NANO)
    if family == "binary":
        value = min(value, Fraction(_MOST))
        family = "decimal" if 0 < value < 1 else "binary"
    return Quantity(-value if sign == "-" else value, family)


def parse_quantity(text: object) -> Fraction:
    """Return the exact amount of a quantity."""
    return read_quantity(text).value


def cpu_milli(text: object) -> int:
    """Return a cpu quantity in millicores, rounded up."""
    return math.ceil(read_quantity(text).value * 1000)


def whole(text: object) -> int:
    """Return a quantity in whole units (bytes, pods, devices), rounded up."""
    return math.ceil(read_quantity(text).value)


def format_quantity(value: Fraction | int, family: Family = "decimal") -> str:
    """Return the canonical spelling: no fraction digits, the largest suffix that loses nothing."""
    value = Fraction(value)
    if value == 0:
        return "0"
    if family == "binary" and value.denominator == 1 and abs(value) >= 1024:
        number, power = _strip_factors(int(value), 1024, most=6)
        return f"{number}{_BINARY_SUFFIX[10 * power] if power else ''}"
    number, power = _strip_factors(round(value * _NANO), 1000, most=9)
    exponent = 3 * power - 9
    if family == "exponent":
        return f"{number}e{exponent}" if exponent else str(number)
    return f"{number}{_DECIMAL_SUFFIX[exponent]}"


def _strip_factors(number: int, base: int, *, most: int) -> tuple[int, int]:
    """Return the number without its factors of *base*, at most *most* of them, and how many they were."""
    power = 0
    while power < most and number % base == 0:
        number //= base
        power += 1
    return number, power


def duration_s(text: object) -> float:
    """Return a duration in seconds: Go's ``1h30m`` and ``250ms``, and ``1d`` and ``4w`` as in Prometheus.

    ``0`` needs no unit. A leading minus sign is read, as clock skews have one.
    """
    if text in ("0", 0) and not isinstance(text, bool):
        return 0.0
    unsigned = text.removeprefix("-") if isinstance(text, str) else ""
    parts = list(_DURATION_PART.finditer(unsigned))
    if not parts or "".join(part.group() for part in parts) != unsigned:
        raise ValueError(f"expected a duration such as 250ms, 5m or 2h, got {text!r}")
    total = sum(Fraction(part.group(1)) * _DURATION_UNITS_S[part.group(2)] for part in parts)
    return float(-total if unsigned != text else total)


def human_bytes(amount: float) -> str:
    """Return bytes for people: ``900B``, ``64Mi``, ``1.5Gi``; three significant digits."""
    scaled = float(amount)
    suffix = "B"
    for larger in _BINARY:
        if abs(scaled) < 1023.5:
            break
        scaled /= 1024
        suffix = larger
    return f"{_three_digits(scaled)}{suffix}"


def human_cpu(milli: float) -> str:
    """Return millicores for people: ``250m``, ``1.5``, ``16``."""
    return f"{milli:.0f}m" if abs(milli) < 1000 else f"{milli / 1000:.2f}".rstrip("0").rstrip(".")


def human_duration(seconds: float) -> str:
    """Return a duration for people: ``45ms``, ``0.3s``, ``42s``, ``5m50s``, ``1h02m``, ``3d04h``, ``inf``."""
    if seconds < 0:
        return f"-{human_duration(-seconds)}"
    if math.isinf(seconds) or math.isnan(seconds):
        return str(seconds)
    if seconds < 0.0995:
        return f"{_three_digits(seconds * 1000)}ms" if seconds else "0s"
    if seconds < 9.95:
        return f"{seconds:.1f}s".replace(".0s", "s")
    whole_s, minutes, hours = (math.floor(seconds / size_s + 0.5) for size_s in (1, 60, 3600))
    if whole_s < 60:
        return f"{whole_s}s"
    if whole_s < 3600:
        return _two_parts(whole_s, 60, "m", "s")
    return _two_parts(minutes, 60, "h", "m") if minutes < 1440 else _two_parts(hours, 24, "d", "h")


def _two_parts(amount: int, size: int, larger: str, smaller: str) -> str:
    big, small = divmod(amount, size)
    return f"{big}{larger}{small:02d}{smaller}" if small else f"{big}{larger}"


def human_time(seconds: float) -> str:
    """Return a point on the simulated clock: ``00:05:50``, ``2d 03:04:05.250``."""
    milliseconds = round(seconds * 1000)
    if milliseconds < 0:
        return f"-{human_time(-seconds)}"
    whole_s, rest_ms = divmod(milliseconds, 1000)
    minutes, second = divmod(whole_s, 60)
    hours, minute = divmod(minutes, 60)
    day, hour = divmod(hours, 24)
    clock = f"{hour:02d}:{minute:02d}:{second:02d}" + (f".{rest_ms:03d}" if rest_ms else "")
    return f"{day}d {clock}" if day else clock


def _three_digits(number: float) -> str:
    """Return a number with three significant digits, never as a power of ten."""
    return f"{number:.0f}" if abs(number) >= 999.5 else f"{number:.3g}"


def counted(count: int, noun: str) -> str:
    """``1 pod``, ``3 pods``, ``no pod``."""
    return f"{count or 'no'} {noun}{'s' if count > 1 else ''}"


def listed(names: Sequence[str], most: int = 4) -> str:
    """``a``, ``a and b``, ``a, b and 5 more``."""
    if len(names) > most:
        names = [*names[: most - 1], f"{len(names) - most + 1} more"]
    if len(names) < 2:
        return names[0] if names else "none"
    return f"{', '.join(names[:-1])} and {names[-1]}"
