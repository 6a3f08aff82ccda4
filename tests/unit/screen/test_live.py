"""Views and log lines on one terminal, as a person sees them."""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.terminal import Terminal, terminal

# A view's line that is there once, whatever its width.
MARKS = {
    "tables": "SOURCE",
    "bar": "acknowledged 1,234,567",
    "reading": "of 1,000,000",
    "download": "of 123 MB",
    "demo": "Ctrl-C drains",
    "topics": "TOPIC",
}
ON_ERROR = ["tables", "bar", "reading", "download"]
TRANSIENT = ["reading", "download"]
LONG = "Kafka at 127.0.0.1:9092 does not answer (" + "connection refused, " * 8 + "x); waiting for it."


class Shown:
    """A view on a terminal, and what it is told."""

    def __init__(self, mark: str, on: Terminal) -> None:
        self.on = on
        self.mark = mark

    def tell(self, what: str, *, seen: str | None = None) -> list[str]:
        """The screen once `seen`, or what was told, is there, and the view."""
        assert self.on.process.stdin is not None
        self.on.process.stdin.write(f"{what}\n".encode())
        self.on.process.stdin.flush()
        text = (seen or what.partition(" ")[2]).replace(" ", "")
        self.on.wait_for(lambda _lines: text in "".join(self.on.all_lines()).replace(" ", ""))
        return self.on.wait_for(self.is_below)

    def is_below(self, lines: list[str]) -> bool:
        """Whether the view is there, once."""
        return sum(self.mark in line for line in lines) == 1

    def end(self) -> list[str]:
        assert self.on.process.stdin is not None
        self.on.process.stdin.close()
        assert self.on.end() == 0
        return self.on.all_lines()


@contextmanager
def shown(name: str, **options: Any) -> Iterator[Shown]:
    with terminal([sys.executable, "-m", "tests.unit.screen.child", name], stdin=subprocess.PIPE, **options) as found:
        view = Shown(MARKS[name], found)
        found.wait_for(view.is_below)
        yield view


def place(lines: list[str], text: str) -> int:
    """Where the only line with that text is."""
    [found] = [number for number, line in enumerate(lines) if text in line]
    return found


@pytest.mark.parametrize("columns", [60, 120])
@pytest.mark.parametrize("name", MARKS)
def test_what_is_said_stands_above_the_view_and_stays(name: str, columns: int) -> None:
    with shown(name, columns=columns) as view:
        view.tell("warn Topic a does not exist yet.")
        view.tell("echo said by click")
        view.tell(f"warn {LONG}")
        view.tell("print printed")
        lines = view.tell("warn first line|second line", seen="second line")
        assert place(lines, "a does not exist yet.") < place(lines, "said by click") < place(lines, "waiting for it.")
        assert place(lines, "waiting for it.") < place(lines, "printed") < place(lines, "second line")
        assert place(lines, "second line") < place(lines, view.mark)
        more = [f"echo line {number:02} of many" for number in range(40)]  # more than the screen has lines
        view.tell("\n".join(more), seen="line 39 of many")
        lines = view.end()
    assert [line for line in lines if "of many" in line] == [f"line {number:02} of many" for number in range(40)]
    assert sum("does not exist yet" in line for line in lines) == 1
    assert sum(view.mark in line for line in lines) == (name not in TRANSIENT)
    assert lines[-1] == "The end."
    assert "" not in lines[: place(lines, "line 39")]  # no gaps where something was


@pytest.mark.parametrize("name", ON_ERROR)
def test_standard_output_into_a_pipe(name: str) -> None:
    with shown(name, stdout=subprocess.PIPE) as view:
        view.tell("warn Away.")
        assert view.on.process.stdin is not None
        view.on.process.stdin.write(b"print printed\n")
        view.tell("warn Back.")
        lines = view.end()
        assert view.on.process.stdout is not None
        assert view.on.process.stdout.read() == b"printed\n"
    assert place(lines, "Away.") < place(lines, "Back.") < place(lines, "The end.")


@pytest.mark.parametrize("name", ["demo", "topics"])
def test_standard_error_into_a_file(name: str, tmp_path: Path) -> None:
    with open(tmp_path / "errors", "wb") as errors, shown(name, stderr=errors) as view:
        view.tell("print printed")
        view.tell("warn Away.", seen="printed")
        lines = view.end()
    assert place(lines, "printed") < place(lines, view.mark)
    assert not any("Away." in line for line in lines)
    said = (tmp_path / "errors").read_text("utf-8")
    assert re.fullmatch(r"\S+ WARNING Away\.\nThe end\.\n", said)


@pytest.mark.parametrize("reflowing", [True, False], ids=["breaks", "cuts"])
@pytest.mark.parametrize("name", MARKS)
def test_another_size_leaves_no_ghosts(name: str, reflowing: bool) -> None:
    with shown(name, columns=120, rows=30, reflowing=reflowing) as view:
        view.tell("warn Topic a does not exist yet.")
        for columns, rows in ((60, 30), (100, 30), (45, 12), (44, 20), (200, 50), (80, 24)):
            view.on.resize(columns, rows)
            lines = view.tell(f"echo now {columns} columns and {rows} rows")
            assert place(lines, view.mark) <= rows
            if rows >= 20:
                assert place(lines, f"now {columns} columns") < place(lines, view.mark)
                assert place(lines, "does not exist yet") < place(lines, view.mark)
        view.end()


@pytest.mark.parametrize("name", MARKS)
def test_the_echo_of_control_c_leaves_no_ghost(name: str) -> None:
    with shown(name) as view:
        view.on.press("\x16\x03")  # quoted: echoed, but no signal
        for number in range(3):
            lines = view.tell(f"echo line {number}")
        assert not any("^C" in line for line in lines)
        view.end()


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("download", r"downloading kafka 4\.2\.0: 123 MB, once"),
        ("demo", r"[\d:]+ demo running: produced 0 \(0/s\), counted 0 \(0/s\), lag 0, purchase 1,234"),
    ],
)
def test_a_terminal_that_cannot_move_gets_plain_lines(name: str, line: str) -> None:
    with terminal(
        [sys.executable, "-m", "tests.unit.screen.child", name], stdin=subprocess.PIPE, kind="dumb", columns=120
    ) as on:
        on.wait_for(lambda lines: any(re.fullmatch(line, one) for one in lines))
        assert on.process.stdin is not None
        on.process.stdin.close()
        assert on.end() == 0
        assert b"\x1b" not in on.raw
