"""Quantities, durations and how amounts are told to people."""

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gxsim.units import (
    Quantity,
    cpu_milli,
    duration_s,
    format_quantity,
    human_bytes,
    human_cpu,
    human_duration,
    human_time,
    parse_quantity,
    read_quantity,
    whole,
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("100m", Fraction(1, 10)),
        ("1.5", Fraction(3, 2)),
        (".5", Fraction(1, 2)),
        ("5.", 5),
        ("1e3", 1000),
        ("1E3", 1000),
        ("12e-1", Fraction(6, 5)),
        ("128974848", 128_974_848),
        ("129M", 129_000_000),
        ("123Mi", 128_974_848),
        ("0.5Gi", 2**29),
        ("100u", Fraction(1, 10_000)),
        ("1E", 10**18),
        ("12E", 12 * 10**18),
        ("-3", -3),
        ("+5k", 5000),
        (" 1Gi ", 2**30),
        (2, 2),
        (0.5, Fraction(1, 2)),
    ],
)
def test_a_quantity_is_read_exactly(text: object, value: Fraction) -> None:
    assert parse_quantity(text) == value


def test_amounts_finer_than_a_billionth_round_up() -> None:
    assert parse_quantity("0.0000000001") == Fraction(1, 10**9)


def test_binary_amounts_saturate_where_the_api_servers_do() -> None:
    assert parse_quantity("16Ei") == 2**63 - 1


def test_cpu_rounds_up_to_millicores_and_bytes_to_whole_ones() -> None:
    assert cpu_milli("100u") == 1
    assert cpu_milli("1.0005") == 1001
    assert whole("0.1Mi") == 104_858


@pytest.mark.parametrize("text", ["", "1GB", "1ki", "1 Gi", "1,5", "1..5", "e3", "Gi", "0x10", None, True, [1]])
def test_what_is_no_quantity_is_refused_in_one_sentence(text: object) -> None:
    with pytest.raises(ValueError, match=r"^expected a quantity such as 500m, 2, 64Mi or 1e3, got ") as caught:
        parse_quantity(text)
    assert str(caught.value).endswith(repr(text))


@pytest.mark.parametrize(
    ("sent", "returned"),
    [
        ("1024Mi", "1Gi"),
        ("1.5Gi", "1536Mi"),
        ("0.5", "500m"),
        ("1000000k", "1G"),
        ("2000m", "2"),
        ("1000", "1k"),
        ("0.1Mi", "104857600m"),
        ("512", "512"),
        ("0", "0"),
        ("0Gi", "0"),
        ("1e3", "1e3"),
        ("-1Gi", "-1Gi"),
    ],
)
def test_a_quantity_is_written_as_the_api_server_writes_it(sent: str, returned: str) -> None:
    assert str(read_quantity(sent)) == returned


def test_a_sum_keeps_the_family_of_its_first_amount() -> None:
    assert str(read_quantity("128M") + read_quantity("256Mi")) == "396435456"
    assert str(read_quantity("256Mi") + read_quantity("256Mi")) == "512Mi"
    assert str(read_quantity("0") + read_quantity("256Mi")) == "256Mi"


NANOS = st.integers(-(2**62), 2**62).map(lambda number: Fraction(number, 10**9))


@given(NANOS, st.sampled_from(["decimal", "exponent"]))
def test_writing_and_reading_a_decimal_amount_changes_nothing(value: Fraction, family: str) -> None:
    text = format_quantity(value, family)  # type: ignore[arg-type]
    assert parse_quantity(text) == value
    assert str(read_quantity(text)) == text or family == "exponent"


@given(st.integers(0, 2**62))
def test_writing_and_reading_a_binary_amount_changes_nothing(value: int) -> None:
    text = format_quantity(value, "binary")
    assert read_quantity(text).value == value
    assert str(Quantity(read_quantity(text).value, "binary")) == text


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1h30m", 5400),
        ("250ms", 0.25),
        ("5m", 300),
        ("1.5s", 1.5),
        ("100us", 0.0001),
        ("1d", 86_400),
        ("4w", 2_419_200),
        ("0", 0),
        (0, 0),
        ("-10m", -600),
    ],
)
def test_a_duration_is_read_in_seconds(text: object, seconds: float) -> None:
    assert duration_s(text) == seconds


@pytest.mark.parametrize("text", [20, "20", "", "5x", "1 h", "m", "1h30", None, False])
def test_what_is_no_duration_is_refused_in_one_sentence(text: object) -> None:
    with pytest.raises(ValueError, match=r"^expected a duration such as 250ms, 5m or 2h, got ") as caught:
        duration_s(text)
    assert str(caught.value).endswith(repr(text))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (0.0004, "0.4ms"),
        (0.045, "45ms"),
        (0.3, "0.3s"),
        (4, "4s"),
        (42, "42s"),
        (59.6, "1m"),
        (350, "5m50s"),
        (3599.7, "1h"),
        (3720, "1h02m"),
        (7200, "2h"),
        (277_200, "3d05h"),
        (-90, "-1m30s"),
        (math.inf, "inf"),
    ],
)
def test_a_duration_is_told_in_two_parts_at_most(seconds: float, text: str) -> None:
    assert human_duration(seconds) == text


@given(st.floats(0.1, 60 * 86_400))
def test_a_told_duration_reads_back_within_its_smaller_part(seconds: float) -> None:
    slack_s = 0.051 if seconds < 9.95 else 0.501 if seconds < 3599.5 else 31 if seconds < 86_400 else 1801
    assert abs(duration_s(human_duration(seconds)) - seconds) <= slack_s


def test_a_time_is_told_as_a_clock() -> None:
    assert human_time(350) == "00:05:50"
    assert human_time(0.25) == "00:00:00.250"
    assert human_time(2 * 86_400 + 11_045) == "2d 03:04:05"
    assert human_time(-5) == "-00:00:05"


def test_bytes_and_cpu_are_told_in_kubernetes_units() -> None:
    assert [human_bytes(n) for n in (0, 900, 2**20, 1.5 * 2**30, 10**15)] == ["0B", "900B", "1Mi", "1.5Gi", "909Ti"]
    assert [human_cpu(n) for n in (0, 250, 1500, 16_000)] == ["0m", "250m", "1.5", "16"]
