"""JSON text as Jackson writes it."""

import math

import pytest

from clickstream.tables.engine.decoding.jackson import double_text

# As Java 21 prints them.
DOUBLES = [
    (0.0, "0.0"),
    (-0.0, "-0.0"),
    (1.0, "1.0"),
    (100.0, "100.0"),
    (0.1, "0.1"),
    (0.001, "0.001"),
    (0.0009, "9.0E-4"),
    (9999999.5, "9999999.5"),
    (1e7, "1.0E7"),
    (-1e7, "-1.0E7"),
    (123456789.125, "1.23456789125E8"),
    (1e16, "1.0E16"),
    (12345678901234567.0, "1.2345678901234568E16"),
    (1e-5, "1.0E-5"),
    (-5.5509512847766725e-08, "-5.5509512847766725E-8"),
    (1e23, "1.0E23"),
    (1.7976931348623157e308, "1.7976931348623157E308"),
    (math.nan, '"NaN"'),
    (math.inf, '"Infinity"'),
    (-math.inf, '"-Infinity"'),
]


@pytest.mark.parametrize(("value", "text"), DOUBLES)
def test_doubles_are_written_as_java_writes_them(value: float, text: str) -> None:
    assert double_text(value) == text
