"""The strict reader: declared fields, units, bounds, nearest names."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gxsim.errors import ScenarioError
from gxsim.load.documents import Document, read_one
from gxsim.load.fields import read_fields
from gxsim.model.expectation import Expectation
from gxsim.model.fields import spec


@dataclass(frozen=True, slots=True, kw_only=True)
class Station:
    service_time_s: float = spec(doc="Mean service time", gt=0)
    servers: int = spec(1, doc="Number of servers", ge=1)
    cpu_milli: int = spec(0, doc="CPU per server")
    buffer_bytes: int | None = spec(None, doc="Size of the buffer")
    discipline: str = spec("fifo", doc="Order of service", choices=("fifo", "ps"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    stations: tuple[Station, ...] = spec((), doc="Stations in order")
    labels: dict[str, str] = spec(doc="Labels", factory=dict)
    span: tuple[float, float] = spec((0.0, 1.0), doc="From and to")
    expect: tuple[Expectation, ...] = spec((), doc="What must hold")


def read(value: Any) -> Line:
    return read_fields(Line, Document(value, "line.yaml"))


def refusal(value: Any) -> str:
    with pytest.raises(ScenarioError) as caught:
        read(value)
    return str(caught.value)


def test_units_are_resolved_and_defaults_filled() -> None:
    line = read({"stations": [{"serviceTime": "250ms", "cpu": "1.5", "buffer": "2Mi"}], "span": [1, 2]})
    assert line.stations == (
        Station(service_time_s=0.25, servers=1, cpu_milli=1500, buffer_bytes=2 * 1024**2, discipline="fifo"),
    )
    assert line.span == (1.0, 2.0)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"station": []}, "line.yaml:1: station: unknown field; did you mean 'stations'?"),
        ({"stations": [{"server": 1}]}, "line.yaml:1: stations[0].server: unknown field; did you mean 'servers'?"),
        ({"stations": [{}]}, "line.yaml:1: stations[0]: the field 'serviceTime' is missing: mean service time"),
        (
            {"stations": [{"serviceTime": 20}]},
            "line.yaml:1: stations[0].serviceTime: expected a duration such as 250ms, 5m or 2h, got 20",
        ),
        ({"stations": [{"serviceTime": "0s"}]}, "line.yaml:1: stations[0].serviceTime: expected more than 0, got 0"),
        (
            {"stations": [{"serviceTime": "1s", "servers": 0}]},
            "line.yaml:1: stations[0].servers: expected at least 1, got 0",
        ),
        (
            {"stations": [{"serviceTime": "1s", "servers": True}]},
            "line.yaml:1: stations[0].servers: expected a whole number, got True",
        ),
        (
            {"stations": [{"serviceTime": "1s", "cpu": "fast"}]},
            "line.yaml:1: stations[0].cpu: expected a cpu quantity such as 500m or 2, got 'fast'",
        ),
        (
            {"stations": [{"serviceTime": "1s", "discipline": "fifi"}]},
            "line.yaml:1: stations[0].discipline: unknown value 'fifi'; did you mean 'fifo'?",
        ),
        ({"stations": {"a": 1}}, "line.yaml:1: stations: expected a list, got {'a': 1}"),
        ({"span": [1]}, "line.yaml:1: span: expected 2 values, got 1"),
        ({"labels": []}, "line.yaml:1: labels: expected a mapping, got []"),
        ([], "line.yaml:1: expected fields of Line, got []"),
        (
            {"expect": ["pendng == 0"]},
            "line.yaml:1: expect[0]: unknown measure 'pendng'; did you mean 'pending'?",
        ),
        (
            {"expect": ["quorum(etcd) == 3"]},
            "line.yaml:1: expect[0]: 'quorum' is compared with kept or lost, got '3'",
        ),
        ({"expect": ["moved(x) == 3"]}, "line.yaml:1: expect[0]: 'moved' takes no brackets"),
    ],
)
def test_bad_values_are_refused_with_a_remedy(value: Any, message: str) -> None:
    assert refusal(value) == message


def test_the_line_is_that_of_the_field(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("spec:\n  stations:\n    - serviceTime: 1s\n      servers: 0\n")
    with pytest.raises(ScenarioError, match=r"a\.yaml:4: spec\.stations\[0\]\.servers: expected at least 1"):
        read_fields(Line, read_one(path), ("spec",))


def test_an_expectation_compares_in_its_unit() -> None:
    expectation = Expectation.parse("unavailable(backend-mainnet/*) < 90s")
    assert (expectation.measure, expectation.argument, expectation.value) == ("unavailable", "backend-mainnet/*", 90.0)
    assert expectation.holds(89.9)
    assert not expectation.holds(90.0)
