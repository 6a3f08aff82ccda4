"""docs/quick-start.md, as somebody would type it: every command up to one's own Kafka, in the order shown."""

import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from clickstream.broker import EmbeddedBroker
from tests.integration.support import ROOT, environment_of_a_command
from tests.support import PATIENCE, wait_until

TEXT = (ROOT / "docs" / "quick-start.md").read_text("utf-8").partition("## Completion")[0]
BLOCKS = re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL)
GOES_ON = "# until Ctrl-C"


class Terminal:
    """A command that goes on. `output` is what it has written to standard output and to standard error."""

    def __init__(self, line: str, directory: Path, environment: dict[str, str]) -> None:
        self.line = line
        self._file = directory / "output"
        directory.mkdir()
        with self._file.open("wb") as output:
            self._process = subprocess.Popen(
                f"exec {line}", shell=True, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT
            )

    @property
    def output(self) -> str:
        return self._file.read_text("utf-8")

    def until_connected(self) -> None:
        """Kafka is there, as its first line says."""
        self._until_lines(1)

    def ctrl_c(self) -> None:
        """End it, once it has something to say itself: earlier it would be interrupted, and not stopped."""
        self._until_lines(2)
        self._process.send_signal(signal.SIGINT)
        assert self._process.wait(60 * PATIENCE) == 0, self.output

    def _until_lines(self, number: int) -> None:
        wait_until(lambda: len(self.output.splitlines()) >= number or self._process.poll() is not None, 120, self.line)
        assert self._process.poll() is None, self.output

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


def run(block: str, environment: dict[str, str]) -> None:
    done = subprocess.run(
        ["sh", "-e"],
        input=block,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=240 * PATIENCE,
        check=False,
    )
    assert done.returncode == 0, f"{block}\n{done.stdout}"


def test_every_command_of_the_quick_start_works_in_the_order_shown(tmp_path: Path, broker_java: str) -> None:
    state = tmp_path / "state"
    environment = environment_of_a_command({"CLICKSTREAM_STATE_DIR": str(state), "CLICKSTREAM_JAVA": broker_java})
    environment["PATH"] = os.environ["PATH"]
    open_terminals: list[Terminal] = []
    broker = EmbeddedBroker(state, java=broker_java, port=0)
    try:
        for number, block in enumerate(BLOCKS):
            if GOES_ON in block:
                line = block.partition(GOES_ON)[0].strip()
                assert "\n" not in line, "one command for each terminal"
                open_terminals.append(Terminal(line, tmp_path / str(number), environment))
                open_terminals[-1].until_connected()
                continue
            if "--exit-at-end" in block or "--force" in block:
                # The text says so: what goes on is stopped before.
                while open_terminals:
                    open_terminals[-1].ctrl_c()
                    open_terminals.pop()
            run(block, environment)
    finally:
        for terminal in open_terminals:
            terminal.kill()
        broker.stop(force=True)


def test_there_is_something_to_try() -> None:
    if not BLOCKS:
        pytest.fail("docs/quick-start.md shows no commands")
    assert sum(GOES_ON in block for block in BLOCKS) == 6
    missing_files = [name for name in re.findall(r"(?:docs|config)/[\w./-]+\.sql", TEXT) if not (ROOT / name).exists()]
    assert not missing_files
