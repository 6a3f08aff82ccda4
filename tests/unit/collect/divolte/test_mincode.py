import time
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clickstream.collect.protocols.divolte.mincode import decode
from tests.support import PATIENCE
from tests.unit.collect.divolte.encoder import mincode

LEAVES = st.none() | st.booleans() | st.integers(-(2**100), 2**100) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    LEAVES | st.text(), lambda own: st.lists(own, max_size=5) | st.dictionaries(st.text(max_size=5), own, max_size=5)
)


@given(VALUES)
def test_values_come_back(value: Any) -> None:
    found = decode(mincode(value))
    assert found == value
    assert repr(found) == repr(value), "1 is not True, nor 1.0"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("sa string!", "a string"),
        ("sHello~~World~!!", "Hello~World!"),
        ("s!", ""),
        ("s~a!", "a"),
        ("t", True),
        ("f", False),
        ("n", None),
        ("d16!", 42),
        ("d-10!", -36),
        ("dZ!", 35),
        ("j1.5!", 1.5),
        ("j1e+21!", 1e21),
        ("j1e-7!", 1e-7),
        ("j7!", 7),
        ("()", {}),
        ("o", {}),
        ("a.", []),
        ("aa.d1!.", [[], 1]),
        (
            "(ssku!A-42!jprice!19.99!dcount!3!tnew!nnone!)",
            {"sku": "A-42", "price": 19.99, "count": 3, "new": True, "none": None},
        ),
        ("(alist!d1!.sa!b!)", {"list": [1], "a": "b"}),
        ("((a!(b!sc!x!))oempty!)", {"a": {"b": {"c": "x"}}, "empty": {}}),
        ("(sa!1!sa!2!)", {"a": "2"}),
    ],
)
def test_examples(text: str, value: Any) -> None:
    assert decode(text) == value


@pytest.mark.parametrize(
    "text",
    [
        *("", "x", "undefined", "s", "sabc", "s~!", "sabc~", "d", "d!", "d1", "d1_0!", "d 1!", "d" + "1" * 61 + "!"),
        *("j!", "jNaN!", "jInfinity!", "j1e999!", "j.5!", "j1.!", "j0x1!", "j1_0!", "j" + "1" * 41 + "!"),
        *("(", "(sa", "(sa!", "(sa!b!", "a", "at", ")", ".", "(.)", "a)", "(a!)", "tt", "t ", "s!s!", "(tx)"),
        "a" * 100_000,
        "(a!" * 50_000,
    ],
)
def test_what_is_no_mincode(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode(text)


@given(st.text("sdjtfn(a.)o!~01ü", max_size=60))
def test_any_text_is_a_value_or_a_value_error(text: str) -> None:
    with suppress(ValueError):
        decode(text)


@pytest.mark.parametrize("text", ["s" + "~" * 99_999, "s" + "a" * 99_999, "a" + "t" * 99_999, "(" + "sa!" * 33_333])
def test_it_takes_no_longer_than_its_text_is_long(text: str) -> None:
    begun = time.process_time()
    with pytest.raises(ValueError, match=r"."):
        decode(text)
    assert time.process_time() - begun < 0.5 * PATIENCE
