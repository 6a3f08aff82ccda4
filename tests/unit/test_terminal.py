import json
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clickstream import terminal

OBEYED = [
    *map(chr, range(0x20)),
    *map(chr, range(0x7F, 0xA0)),
    *"\u061c\u200b\u200e\u200f\u2028\u2029",
    *"\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069",
    *"\u2060\ufeff\ufff9",
    "\ud800",
    "\udfff",
]


@pytest.mark.parametrize("character", OBEYED)
def test_a_terminal_never_gets_what_it_would_obey(character: str) -> None:
    assert terminal.has_controls(f"a{character}b")
    assert terminal.escaped(f"a{character}b") == f"a\\u{ord(character):04x}b"


@pytest.mark.parametrize("character", OBEYED)
def test_of_texts_of_several_lines_only_their_lines_and_tabs_stay(character: str) -> None:
    shown = f"a{character}b"
    assert terminal.escaped_lines(shown) == (shown if character in "\n\t" else terminal.escaped(shown))


@given(st.text())
def test_escaping_within_a_json_string_changes_nothing(content: str) -> None:
    assert json.loads(terminal.escaped(json.dumps(content, ensure_ascii=False))) == content


@pytest.mark.parametrize("plain", ["", "Blåbærgrød", "日本語", "😀", "👨‍👩‍👧", "نمی‌خواهم", "a\xa0b", "\\u001b"])
def test_other_text_stays(plain: str) -> None:
    assert terminal.escaped(plain) == plain
    assert not terminal.has_controls(plain)


@given(st.text(st.characters()))
def test_what_is_escaped_is_escaped_once(content: str) -> None:
    once = terminal.escaped(content)
    assert not terminal.has_controls(once)
    assert terminal.escaped(once) == once
    assert terminal.escaped_lines(once) == once


def test_no_line_within_a_message_looks_like_a_message() -> None:
    assert terminal.message("Error: a\nError: \x1b[31mb") == "Error: a\n  Error: \\u001b[31mb"


def test_errors_that_nobody_caught_are_escaped(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.excepthook", None)
    monkeypatch.setattr("threading.excepthook", threading.excepthook)
    terminal.guard_tracebacks()

    def fail() -> None:
        raise ValueError("\x1b[31mred")

    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
    assert capsys.readouterr().err.endswith("ValueError: \\u001b[31mred\n")
