"""Command lines run in this process."""

import logging
import os
import signal
import sys
import threading
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import click
import pytest

from clickstream import cli


@dataclass
class Outcome:
    code: int
    out: str
    err: str


Run = Callable[..., Outcome]


@pytest.fixture(autouse=True)
def _as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No settings of whoever runs the tests; levels, signal handlers and hooks are put back."""
    for name in [name for name in os.environ if name.startswith(("CLICKSTREAM_", "KAFKA_"))]:
        monkeypatch.delenv(name)
    # It would end this process for a signal that a test raises, whose handler is put back before it looks.
    monkeypatch.setattr(cli.signals, "_watch", lambda: None)
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    loggers = [logging.getLogger(), logging.getLogger("librdkafka")]
    levels = [logger.level for logger in loggers]
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    yield
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs `clickstream ARGUMENTS` as the program does."""

    def run(*arguments: str) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["clickstream", *arguments])
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            cli.main()
        out, err = capsys.readouterr()
        assert isinstance(end.value.code, int)
        return Outcome(end.value.code, out, err)

    return run


@pytest.fixture
def add(monkeypatch: pytest.MonkeyPatch) -> Callable[[click.Command], None]:
    """Makes a command one of clickstream's, as `clickstream probe`."""

    def add(command: click.Command) -> None:
        module = types.ModuleType("clickstream.cli.probe")
        module.command = command  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "clickstream.cli.probe", module)
        monkeypatch.setitem(cli.COMMANDS, "probe", ("probe", "A command of a test."))

    return add
