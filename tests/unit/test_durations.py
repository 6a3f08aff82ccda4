from typing import Any

import pytest

from clickstream.durations import seconds


@pytest.mark.parametrize(
    ("text", "length"),
    [("500ms", 0.5), ("90s", 90), ("2m", 120), ("1.5h", 5_400), ("1d", 86_400), ("3", 3), (" .5 ", 0.5), (2.5, 2.5)],
)
def test_a_length_of_time_with_its_unit_or_in_seconds(text: Any, length: float) -> None:
    assert seconds(text) == length


@pytest.mark.parametrize("text", ["0", "-1", "", "s", "2 m", "1e3", "3x", "367d", "inf", "nan", None, True])
def test_anything_else_is_refused(text: Any) -> None:
    with pytest.raises(ValueError, match="such as 500ms, 90s, 2m or 1h"):
        seconds(text)
