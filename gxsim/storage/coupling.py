"""Growth that follows the traffic: bytes per write times the writes of the request paths."""

from dataclasses import dataclass, replace

from gxsim.errors import ScenarioError
from gxsim.model.model import Model
from gxsim.model.storage import Growth
from gxsim.storage.drivers import writes_per_day


@dataclass(frozen=True, slots=True, kw_only=True)
class Coupling:
    """What the traffic makes of a growth that is given per write, beside what is stated per day (bytes, both ends)."""

    growth: Growth
    writes_per_day: float
    by_traffic_bytes: tuple[int, int]  # a day


def couplings(model: Model) -> list[Coupling]:
    """Every growth that is given per write, once per name and rate; none where no path writes."""
    writes = writes_per_day(model)
    found: dict[tuple[object, ...], Coupling] = {}
    for growth in model.growth:
        if growth.per_write_bytes is None or not writes:
            continue
        low, high = growth.per_write_bytes
        by_traffic = (round(low * writes), round(high * writes))
        one = Coupling(growth=growth, writes_per_day=writes, by_traffic_bytes=by_traffic)
        found.setdefault((growth.name, growth.per_day_bytes, growth.per_write_bytes), one)
    return list(found.values())


def coupled(model: Model, *, every: bool = False) -> Model:
    """*model* with growth that is given per write alone as growth per day, or with *every* growth given per write.

    Raises ScenarioError for growth per write alone where no path writes.
    """
    writes = writes_per_day(model)
    return replace(model, growth=tuple(_by_day(one, writes, every=every) for one in model.growth))


def _by_day(growth: Growth, writes_per_day: float, *, every: bool) -> Growth:
    if growth.per_write_bytes is None or not (every or growth.per_day_bytes == (0, 0)):
        return growth
    if not writes_per_day:
        if growth.per_day_bytes == (0, 0):
            raise ScenarioError(
                f"growth {growth.name}", "no request path writes and perWrite says nothing; give perDay"
            )
        return growth
    low, high = growth.per_write_bytes
    return replace(growth, per_day_bytes=(round(low * writes_per_day), round(high * writes_per_day)))
