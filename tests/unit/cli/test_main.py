import logging
import socket
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import click
import pytest

from clickstream import __version__, cli
from clickstream.cli import COMMANDS
from clickstream.cli.options import app_options
from clickstream.cli.output import reader_left
from clickstream.errors import ClickstreamError, ConfigError
from tests.support import PATIENCE
from tests.unit.cli.conftest import Run

Add = Callable[[click.Command], None]


def ending_with(problem: BaseException | None = None) -> click.Command:
    """A command that ends so."""

    @click.command()
    @app_options
    def command(app: object) -> None:
        click.echo("out")
        if problem is not None:
            raise problem

    return command


# --- exit codes


def test_what_works_ends_with_0(run: Run, add: Add) -> None:
    add(ending_with())
    outcome = run("probe")
    assert (outcome.code, outcome.out, outcome.err) == (0, "out\n", "")


def test_a_failure_is_one_line_and_1(run: Run, add: Add) -> None:
    add(ending_with(ClickstreamError("The disk is full. Make room.")))
    outcome = run("probe")
    assert (outcome.code, outcome.err) == (1, "Error: The disk is full. Make room.\n")


def test_a_failure_of_the_configuration_is_one_line_and_2(run: Run, add: Add) -> None:
    add(ending_with(ConfigError("Unknown setting x.")))
    outcome = run("probe")
    assert (outcome.code, outcome.err) == (2, "Error: Unknown setting x.\n")


def test_with_verbose_a_failure_shows_where_it_came_from(run: Run, add: Add, caplog: pytest.LogCaptureFixture) -> None:
    add(ending_with(ClickstreamError("The disk is full.")))
    outcome = run("probe", "--verbose")
    assert (outcome.code, outcome.err) == (1, "Error: The disk is full.\n")
    assert [record.levelno for record in caplog.records if record.exc_info] == [logging.DEBUG]


@pytest.mark.parametrize("interruption", [KeyboardInterrupt(), click.Abort()])
def test_an_interruption_ends_with_130_and_no_traceback(run: Run, add: Add, interruption: BaseException) -> None:
    add(ending_with(interruption))
    outcome = run("probe")
    assert outcome.code == 130
    assert outcome.err.strip() == "Interrupted."


@pytest.mark.parametrize("end", [click.exceptions.Exit(3), SystemExit(3)])
def test_a_command_can_choose_its_code(run: Run, add: Add, end: BaseException) -> None:
    add(ending_with(end))
    assert run("probe").code == 3


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nonsense"], "No such command 'nonsense'"),
        (["--nonsense"], "No such option"),
        (["run-producer", "--nonsense"], "No such option"),
        (["run-producer", "extra"], "unexpected extra argument"),
        (["run-producer", "--rate", "fast"], "'--rate': 'fast': a number above 0, or max, is expected."),
        (["run-producer", "--threads", "0"], "'--threads': '0': a whole number from 1 to 64 is expected."),
        (["run-producer", "--count", "-1"], "'--count'"),
        (["run-producer", "--event", "theft=1"], "'theft' is no event; choose from productview, "),
        (["run-producer", "--event", "purchase"], "write NAME=WEIGHT"),
        (["run-producer", "--event", "purchase=nan"], "write NAME=WEIGHT"),
        (["run-producer", "--event", "purchase=0"], "at least one --event needs a weight above 0"),
        (["run-counter", "--from-topic", "a b"], "a topic name has 1 to 249 letters"),
        (["run-counter", "--field", ""], "a field's name"),
        (["run-counter", "--emit", "sometimes"], "'--emit'"),
    ],
)
def test_wrong_usage_ends_with_2_and_says_how(run: Run, arguments: list[str], words: str) -> None:
    outcome = run(*arguments)
    assert outcome.code == 2
    assert outcome.out == ""
    assert words in " ".join(outcome.err.split())


def test_wrong_settings_end_with_2_before_anything_starts(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLICKSTREAM_RUN_PRODUCER_RAET", "5")
    outcome = run("run-producer")
    assert outcome.code == 2
    assert outcome.err == (
        "Error: Unknown environment variable CLICKSTREAM_RUN_PRODUCER_RAET. "
        "Did you mean CLICKSTREAM_RUN_PRODUCER_RATE?\n"
    )


# --- help


def test_help_lists_every_command(run: Run) -> None:
    outcome = run("--help")
    assert outcome.code == 0
    for name, (_module, about) in COMMANDS.items():
        assert name in outcome.out
        assert about.split()[0] in outcome.out


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(run: Run, name: str) -> None:
    outcome = run(name, "--help")
    assert outcome.code == 0
    assert outcome.out.startswith(f"Usage: clickstream {name}")


def test_the_version(run: Run) -> None:
    outcome = run("--version")
    assert (outcome.code, outcome.out) == (0, f"clickstream, version {__version__}\n")


# --- as a process of its own

HELP_ONLY = """
import sys
sys.argv = ["clickstream", "--help"]
from clickstream.cli import main
try:
    main()
finally:
    print(sorted(name for name in sys.modules if name.startswith(("clickstream.", "confluent_kafka", "faker"))))
"""

ENDLESS = """
import sys, types
import click
from clickstream import cli

@click.command()
def command():
    while True:
        click.echo("line")

sys.modules["clickstream.cli.probe"] = types.SimpleNamespace(command=command)
cli.COMMANDS["probe"] = ("probe", "")
sys.argv = ["clickstream", "probe"]
cli.main()
"""


def python(program: str) -> "subprocess.Popen[str]":
    pipes: Any = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, "-c", program], **pipes)


def test_commands_are_imported_only_when_they_are_used() -> None:
    out, _ = python(HELP_ONLY).communicate(timeout=30 * PATIENCE)
    assert (
        out.splitlines()[-1]
        == "['clickstream.cli', 'clickstream.cli.logs', 'clickstream.cli.signals', 'clickstream.cli.streams', "
        "'clickstream.errors', 'clickstream.leaving', 'clickstream.openfiles', 'clickstream.terminal']"
    )


def test_a_reader_that_leaves_is_no_trouble() -> None:
    with python(ENDLESS) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "line\n"
        process.stdout.close()
        assert process.wait(30 * PATIENCE) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""


FAILING = """
import sys, types
from contextlib import nullcontext
import click
from clickstream import cli
from clickstream.cli import part
from clickstream.errors import ClickstreamError
from clickstream.stop import Stop

def fail(stop):
    raise ClickstreamError("no.")

@click.command()
def command():
    part.watched = lambda *arguments, **options: nullcontext()
    app = types.SimpleNamespace(config={"status-topic": "status"}, metrics=None)
    failing = types.SimpleNamespace(run=fail, failure=None)
    part.run_part(app, None, failing, Stop(), showing=nullcontext(), summary=lambda: "Did nothing.")

sys.modules["clickstream.cli.probe"] = types.SimpleNamespace(command=command)
cli.COMMANDS["probe"] = ("probe", "")
sys.argv = ["clickstream", "probe"]
cli.process()
"""


def test_a_part_that_fails_has_failed_though_nobody_reads_its_errors(unread: int) -> None:
    done = subprocess.run([sys.executable, "-c", FAILING], stdout=subprocess.PIPE, stderr=unread, timeout=60 * PATIENCE)
    assert done.returncode == 1


def test_a_connection_that_breaks_is_no_reader_that_leaves() -> None:
    with python(FAILING.replace('ClickstreamError("no.")', "BrokenPipeError()")) as process:
        _out, err = process.communicate(timeout=60 * PATIENCE)
    assert process.returncode == 1
    assert err.startswith("Did nothing.\nError: ")


def test_a_reader_may_leave_a_socket_too(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, ours.makefile("w") as output:
        monkeypatch.setattr(sys, "stdout", output)
        assert not reader_left()
        theirs.close()
        assert reader_left()


def test_an_error_that_is_its_own_cause_ends_the_command_too(run: Run, add: Add) -> None:
    """As when a reason is looked for, and the error itself remains the reason."""

    @click.command("probe")
    def probe() -> None:
        problem = ClickstreamError("no.")
        raise problem from problem

    add(probe)
    assert run("probe").code == 1


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        (["-b", "k:9", "topics", "list", "--all"], ["topics", "list", "-b", "k:9", "--all"]),
        (["topics", "-bk:9", "list"], ["topics", "list", "-bk:9"]),
        (["--bootstrap-server=k:9", "-v", "status"], ["status", "--bootstrap-server=k:9", "-v"]),
        (["-X", "a=b", "--config", "f", "demo", "-b", "k:9"], ["demo", "-X", "a=b", "--config", "f", "-b", "k:9"]),
        (["--help"], ["--help"]),
        (["topics", "--help"], ["topics", "--help"]),
        (["-b", "k:9"], ["-b", "k:9"]),
        (["-b", "k:9", "nothing"], ["nothing", "-b", "k:9"]),
    ],
)
def test_options_of_all_commands_may_stand_before_the_command(given: list[str], meant: list[str]) -> None:
    group = cli.clickstream
    assert cli._options_behind_the_command(group, click.Context(group), given) == meant
