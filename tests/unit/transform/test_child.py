import os
from pathlib import Path
from typing import Any

import pytest

from clickstream.transform.api import Away, Record
from clickstream.transform.child import NotLoaded, call, load
from clickstream.transform.wire import Pieces, Raised, Returned, WasAway, frame

GIVEN = Record(b"1", b"k", (), 5, "t", 0, 3)


def raising(problem: BaseException) -> Any:
    def function(_record: Record) -> None:
        raise problem

    return function


def test_what_became_of_a_record() -> None:
    assert call(lambda record: record, GIVEN) == Returned([Record(b"1", b"k", (), 5)])
    assert call(lambda _record: 1, GIVEN) == Raised(
        "the result is int: None, a Record, a dict or a list of these is expected", "result"
    )
    assert call(raising(Away("no database")), GIVEN) == WasAway("no database")


@pytest.mark.parametrize("problem", [ValueError("no user"), SystemExit("no user"), KeyboardInterrupt("no user")])
def test_whatever_it_raises_is_told_with_its_place(problem: BaseException) -> None:
    said = call(raising(problem), GIVEN)
    assert isinstance(said, Raised)
    assert said.kind == "exception"
    assert said.reason.startswith(f"{type(problem).__name__}: no user (test_child.py line ")


@pytest.mark.parametrize("problem", [Away("no user \ud83d"), ValueError("no user \ud83d")])
def test_words_that_are_no_utf_8_keep_what_they_are_of(problem: BaseException) -> None:
    said = call(raising(problem), GIVEN)
    assert isinstance(said, WasAway if isinstance(problem, Away) else Raised)
    assert "no user \\ud83d" in said.reason
    pieces = Pieces()
    pieces.add(frame(said))
    assert pieces.next() == said


def test_a_function_of_a_module_and_of_a_class_in_it() -> None:
    assert load("os.path:basename") is os.path.basename
    assert load("pathlib:Path.exists").__qualname__ == "Path.exists"


def test_a_function_of_a_file_that_imports_its_neighbour(tmp_path: Path) -> None:
    (tmp_path / "neighbour_of_it.py").write_text("def answer(record): return {'n': 1}")
    (tmp_path / "function_in_a_file.py").write_text("from neighbour_of_it import answer as f")
    assert call(load(f"{tmp_path}/function_in_a_file.py:f"), GIVEN) == Returned([Record(b'{"n":1}', b"k", (), 5)])


@pytest.mark.parametrize(
    ("text", "attribute", "words"),
    [
        ("", "f", "has no function f"),
        ("f = 1", "f", "has no function f"),
        ("async def f(record): pass", "f", "f is an async function"),
        ("import nothing_of_that_name", "f", "No module named 'nothing_of_that_name'"),
        ("raise SystemExit(3)", "f", "SystemExit: 3"),
        ("def f(:", "f", "SyntaxError"),
    ],
)
def test_what_cannot_be_loaded_is_told(tmp_path: Path, text: str, attribute: str, words: str) -> None:
    path = tmp_path / "broken.py"
    path.write_text(text)
    with pytest.raises(NotLoaded, match=words):
        load(f"{path}:{attribute}")
