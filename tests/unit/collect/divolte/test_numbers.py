import pytest
from hypothesis import given
from hypothesis import strategies as st

from clickstream.collect.protocols.divolte import numbers
from tests.unit.collect.divolte import encoder


@given(st.integers(-(2**63), 2**63 - 1))
def test_numbers_come_back(number: int) -> None:
    text = encoder.base36(number)
    assert numbers.base36(text) == numbers.base36(text.upper()) == number
    assert numbers.in_base36(number) == text


@pytest.mark.parametrize("text", [None, "", "-", "+", " 1", "1 ", "1_0", "1.5", "ü", "٣", "1" * 14, "1y2p0ij32e8e8"])
def test_what_is_no_number(text: str | None) -> None:
    assert numbers.base36(text) is None


@pytest.mark.parametrize(
    ("text", "usual"),
    [
        (encoder.PARTY, encoder.PARTY),
        ("0:IS8TIWK4:Ab~_!", "0:is8tiwk4:Ab~_!"),
        ("0:+01:x", "0:1:x"),
        ("0:-1:x", "0:-1:x"),
        ("0:0:x", "0:0:x"),
        ("0:1:", "0:1:"),
    ],
)
def test_identifiers(text: str, usual: str) -> None:
    assert numbers.identifier(text) == usual


@pytest.mark.parametrize(
    "text", [None, "", "0", "0:1", "1:1:x", "0::x", "0:ü:x", "0:1:x:y", "0:1y2p0ij32e8e8:x", ":1:x"]
)
def test_what_is_no_identifier(text: str | None) -> None:
    assert numbers.identifier(text) is None
