"""Commands on a terminal of their own."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests import terminal
from tests.integration.support import environment_of_a_command


@dataclass(frozen=True)
class Screen:
    """How a command ended: its exit code, all that the terminal got, colours included, and what a person sees then."""

    code: int
    shown: str
    lines: list[str]


def on_terminal(*arguments: str, columns: int = 80, rows: int = 40, errors: bool = True, **environment: str) -> Screen:
    """The command on a terminal, to its end; with `errors`, its standard error goes there, too."""
    with running_on_terminal(*arguments, columns=columns, rows=rows, errors=errors, environment=environment) as found:
        code = found.end()
        return Screen(code, found.raw.decode(), found.all_lines())


@contextmanager
def running_on_terminal(
    *arguments: str, columns: int = 80, rows: int = 24, errors: bool = True, environment: dict[str, str] | None = None
) -> Iterator[terminal.Terminal]:
    """The command on a terminal, while the block runs."""
    ours = environment_of_a_command(environment or {})
    command = [sys.executable, "-m", "clickstream", *arguments]
    with terminal.terminal(
        command,
        columns=columns,
        rows=rows,
        stderr=None if errors else subprocess.DEVNULL,
        environment={name: text for name, text in ours.items() if name not in terminal.NOT_OURS},
    ) as found:
        yield found
