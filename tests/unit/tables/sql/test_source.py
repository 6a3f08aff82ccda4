"""Substitution, places, and problems shown at their place."""

from pathlib import Path

import pytest

from clickstream.tables.sql.source import read, substitute
from tests.hostile import HOSTILE, SHOWN

SETTINGS = {"BOOTSTRAP_SERVERS": "kafka:9092", "QUOTE": "it's"}


def test_fills_in_settings_inside_strings() -> None:
    source, problems = substitute("SET 'a' = '${BOOTSTRAP_SERVERS}/${BOOTSTRAP_SERVERS}';", SETTINGS)

    assert source.text == "SET 'a' = 'kafka:9092/kafka:9092';"
    assert not problems


def test_a_quote_in_a_value_stays_in_its_string() -> None:
    source, _problems = substitute("SET 'a' = '${QUOTE}';", SETTINGS)

    assert source.text == "SET 'a' = 'it''s';"


def test_a_byte_order_mark_is_no_part_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "tables.sql"
    file.write_text("SET 'a' = 'b';", "utf-8-sig")

    assert read(file, SETTINGS)[0].text == "SET 'a' = 'b';"


def test_comments_are_left_alone() -> None:
    text = "-- ${ANYTHING}\n/* ${ELSE} */ SET 'a' = 'b';"

    assert substitute(text, SETTINGS)[0].text == text


@pytest.mark.parametrize(
    ("text", "place", "length", "message", "hint"),
    [
        ("SET 'a'\n  = '${BOTSTRAP_SERVERS}'", (2, 6), 19, "Unknown setting BOTSTRAP_SERVERS.", "BOOTSTRAP_SERVERS?"),
        ("SELECT ${QUOTE}", (1, 8), 8, "${QUOTE} outside of a string.", "'${QUOTE}'"),
    ],
)
def test_what_cannot_be_filled_in_is_a_problem(
    text: str, place: tuple[int, int], length: int, message: str, hint: str
) -> None:
    source, (problem,) = substitute(text, SETTINGS)

    assert (problem.line, problem.column) == place
    assert (problem.length, problem.message) == (length, message)
    assert hint in problem.hint
    assert source.text == text


def test_places_are_those_of_the_file_as_written() -> None:
    source, _problems = substitute("a\n'${BOOTSTRAP_SERVERS}' b '${QUOTE}' c", SETTINGS)

    assert source.place(source.text.index(" b ") + 1) == (2, 24)
    assert source.place(source.text.index(" c") + 1) == (2, 37)
    # All of a value is where its ${NAME} is.
    assert source.place(source.text.index("9092")) == (2, 2)


def test_a_problem_is_shown_with_its_line_and_a_caret() -> None:
    source, _problems = substitute("one\n\ttwo wrong\n", {}, "file.sql")
    start = source.text.index("wrong")

    assert source.render(source.problem("Unknown wrong.", start, start + 5, "Write right.")) == (
        "file.sql:2:6: Unknown wrong.\n    2 | \ttwo wrong\n      | \t    ^^^^^\n        Write right."
    )


def test_a_line_that_a_terminal_would_obey_is_shown_with_its_marks_in_place() -> None:
    source, _problems = substitute(f"'{HOSTILE}'\t'{HOSTILE}' wrong", {}, "file.sql")
    where = (source.text.index("wrong"), source.text.rindex(HOSTILE))

    for start, marked in zip(where, ("wrong", SHOWN), strict=True):
        length = 5 if marked == "wrong" else len(HOSTILE)
        _, line, marks = source.render(source.problem("Wrong.", start, start + length)).split("\n")
        assert line == f"    1 | '{SHOWN}'\t'{SHOWN}' wrong"
        assert line[marks.index("^") : marks.rindex("^") + 1] == marked


def test_marks_end_with_their_line() -> None:
    source, _problems = substitute("SELECT a\nFROM b", {})

    assert source.problem("All of it.", 0, len(source.text)).length == len("SELECT a")
