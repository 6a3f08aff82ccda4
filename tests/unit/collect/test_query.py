from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clickstream.collect.protocols.model import Unacceptable
from clickstream.collect.protocols.query import MAX_PARAMETERS, parameters


@given(st.text("ab=&%+;\x00\x01\x02\t\n\r\x7f\xa0012369ACDFcdfé \ud800", max_size=60))
def test_it_reads_as_the_standard_library_does(query: str) -> None:
    read = query.encode("utf-8", "replace").decode()
    assert parameters(query) == [
        (name, value) for name, value in parse_qsl(read, keep_blank_values=True) if name or value
    ]


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("a=1&b=%C3%BC+%2B&c", [("a", "1"), ("b", "ü +"), ("c", "")]),
        ("a=%3D%26=%41", [("a", "=&=A")]),
        ("a=%01%02&b=%C3", [("a", "\x01\x02"), ("b", "�")]),
        ("a=%C3&b=%BC", [("a", "�"), ("b", "�")]),
        ("a=%zz&b=%", [("a", "%zz"), ("b", "%")]),
        ("a=%0A%41&b=%\n%41", [("a", "\nA"), ("b", "%\nA")]),
        ("", []),
    ],
)
def test_examples(query: str, told: list[tuple[str, str]]) -> None:
    assert parameters(query) == told


def test_too_many_are_not_read() -> None:
    assert len(parameters("&".join(["a=1"] * MAX_PARAMETERS))) == MAX_PARAMETERS
    with pytest.raises(Unacceptable):
        parameters("&".join(["a=1"] * (MAX_PARAMETERS + 1)))
