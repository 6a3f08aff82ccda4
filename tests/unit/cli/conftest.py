"""Command lines run in this process."""

import logging
import os
import signal
import sys
import threading
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import pytest

from clickstream import cli, config
from clickstream.cli.options import App, cluster_options, metrics_options, setting
from clickstream.kafka.clients import Cluster
from clickstream.kafka.given import texts


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


@pytest.fixture
def unread() -> Iterator[int]:
    """A pipe that nobody reads any more."""
    reader, writer = os.pipe()
    os.close(reader)
    yield writer
    os.close(writer)


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The settings file that is shipped with the package, empty."""
    path = tmp_path / "shipped" / "clickstream.toml"
    path.parent.mkdir()
    path.write_text("")
    monkeypatch.setattr(config, "config_dir", lambda: path.parent)
    return path


class Probe:
    """`clickstream probe`, with the options that commands share: what it was given."""

    def __init__(self, run: Run, add: Callable[[click.Command], None]) -> None:
        self._run = run
        self.app: App
        self.address: str | None = None
        self.clusters: list[Cluster] = []

        @click.command()
        @setting("run-producer.rate", "--rate")
        @metrics_options
        @cluster_options
        def command(app: App) -> None:
            self.app = app

        add(command)

    def fails(self, *arguments: str) -> Outcome:
        return self._run("probe", *arguments)

    def __call__(self, *arguments: str) -> "Probe":
        outcome = self._run("probe", *arguments)
        assert (outcome.code, outcome.err) == (0, "")
        return self

    @property
    def rate(self) -> float:
        """The setting of which this command has an option."""
        return float(self.app.config["run-producer.rate"])

    @property
    def rate_from(self) -> str:
        """Where it was given."""
        return self.app.config.values["run-producer.rate"].source

    def properties(self) -> dict[str, str]:
        """Those for all clients."""
        return texts(self.app.config.clients["kafka"])

    def cluster(self, *arguments: str) -> Cluster:
        with self(*arguments).app.connect() as cluster:
            return cluster


@pytest.fixture
def probe(run: Run, add: Callable[[click.Command], None], shipped: Path) -> Probe:
    return Probe(run, add)


@pytest.fixture
def java(tmp_path: Path) -> Callable[[str], str]:
    """Writes a client.properties file as providers hand them out."""

    def write(text: str) -> str:
        path = tmp_path / "client.properties"
        path.write_text(text)
        return str(path)

    return write


def every_command() -> dict[str, click.Command]:
    """By their path, joined by dashes."""
    found: dict[str, click.Command] = {}

    def walk(group: click.Group, before: str) -> None:
        context = click.Context(group)
        for name in group.list_commands(context):
            one = group.get_command(context, name)
            assert one is not None
            if isinstance(one, click.Group):
                walk(one, f"{before}{name}-")
            else:
                found[f"{before}{name}"] = one

    walk(cli.clickstream, "")
    return found
