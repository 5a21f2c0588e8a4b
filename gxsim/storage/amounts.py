"""Amounts as disks are sold and rates are written: decimal units, and ranges with one unit."""

_UNITS = (("PB", 1e15), ("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3), ("B", 1.0))


def decimal(amount: float) -> str:
    """Bytes in decimal units: ``1.31 TB``, ``63.7 GB``, ``150 MB``, ``0 B``."""
    amount = round(amount)
    unit, size = _unit(abs(amount))
    return f"{_digits(amount / size)} {unit}"


def span(low: float, high: float) -> str:
    """A range of bytes with one unit: ``63.7–109 GB``; one amount where the ends are equal."""
    low, high = round(low), round(high)
    if low == high:
        return decimal(low)
    unit, size = _unit(max(abs(low), abs(high)))
    return f"{_digits(low / size)}–{_digits(high / size)} {unit}"


def _unit(amount: float) -> tuple[str, float]:
    return next((one for one in _UNITS if amount >= 0.9995 * one[1]), _UNITS[-1])


def _digits(number: float) -> str:
    return f"{number:.0f}" if abs(number) >= 99.95 else f"{number:.3g}"
