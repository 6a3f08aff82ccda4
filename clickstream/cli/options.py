"""Options that commands share, and the App that they add up to."""

import functools
import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from types import FrameType
from typing import TYPE_CHECKING, Any, TypeVar

import click
import platformdirs

from clickstream import config as configuration
from clickstream import openfiles
from clickstream.broker import EmbeddedBroker
from clickstream.cli.output import stuck
from clickstream.config import Config
from clickstream.durations import seconds
from clickstream.errors import ConfigError
from clickstream.kafka import given, properties
from clickstream.kafka.clients import Cluster
from clickstream.parts.endpoint import Endpoint
from clickstream.stop import Stop

if TYPE_CHECKING:
    from clickstream.broker.nodes import EmbeddedCluster
    from clickstream.broker.serverconfig import Node

Command = TypeVar("Command", bound=Callable[..., Any])
log = logging.getLogger(__name__)

CONFIG_KEY = "clickstream.config"
"""In a click context's `meta`: the Config of this start, once --config is read."""

# How long Kafka may take to confirm what was sent. Who presses Ctrl-C sees that something is awaited, and can press
# it again; service managers kill soon. With what comes after, commands end within 30 s and 15 s.
DRAIN_BY_SIGNAL_S: Mapping[int, float] = {signal.SIGINT: 20.0, signal.SIGTERM: 8.0, signal.SIGHUP: 8.0}
# For commands that only look.
NOTHING_TO_DRAIN: Mapping[int, float] = dict.fromkeys(DRAIN_BY_SIGNAL_S, 1.0)
STUCK_EVERY_S = 1.0


@dataclass
class App:
    """What every command needs: settings, and the way to Kafka."""

    config: Config

    @functools.cached_property
    def state_dir(self) -> Path:
        """The state directory; found when it is needed: a cluster of one's own needs none, nor a home directory."""
        return state_dir_of(self.config).absolute()

    def embedded_broker(self, **options: Any) -> EmbeddedBroker:
        """The embedded Kafka as the settings want it; `options` are others of EmbeddedBroker."""
        return EmbeddedBroker(
            self.state_dir,
            java=self.config["java"],
            port=self.config["broker.port"],
            heap=self.config["broker.heap"],
            linger=self.config["broker.linger"],
            disk=configuration.size_in_bytes(self.config["broker.disk"]),
            **options,
        )

    def embedded_cluster(self) -> "EmbeddedCluster":
        """Several nodes as the settings want them, at any free ports."""
        from clickstream.broker.nodes import EmbeddedCluster

        def make(state_dir: Path, node: "Node | None") -> EmbeddedBroker:
            return EmbeddedBroker(
                state_dir,
                java=self.config["java"],
                port=0,
                heap=self.config["broker.heap"],
                disk=configuration.size_in_bytes(self.config["broker.disk"]),
                node=node,
            )

        return EmbeddedCluster(self.state_dir, make)

    @property
    def metrics(self) -> Endpoint:
        """Where metrics are served."""
        return Endpoint(self.config["metrics-host"], self.config["metrics-port"])

    @property
    def address(self) -> str | None:
        """Of the configured Kafka; None: the embedded one is used."""
        return given.texts(self.config.clients["kafka"]).get("bootstrap.servers")

    @contextmanager
    def connect(self, *, reachable: bool = True) -> Iterator[Cluster]:
        """The configured cluster, found reachable unless that is left to the caller; without bootstrap.servers the
        embedded Kafka, kept running."""
        openfiles.require(openfiles.FOR_A_COMMAND, "clickstream")
        found = self.config.clients
        given.check(found)
        common, address = given.texts(found["kafka"]), self.address
        sections: dict[str, Any] = {
            "common": common,
            "for_producers": given.texts(found["producer"]),
            "for_consumers": given.texts(found["consumer"]),
            "sources": given.sources(found),
        }
        if address is not None:
            cluster = Cluster(address, **sections)
            if reachable:
                cluster.check()
            yield cluster
            return
        broker = self.embedded_broker()
        with broker.acquire() as lease:
            yield Cluster(lease.address, embedded=True, data_dir=broker.status().data_dir, **sections)


class Cast(click.ParamType[Any]):
    """An option's type, for a function that returns the value or raises ValueError."""

    def __init__(self, cast: Callable[[Any], Any], name: str) -> None:
        self.cast = cast
        self.name = name

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return self.cast(value)
        except ValueError as error:
            self.fail(f"{value!r}: {error}.", param, ctx)


SECONDS = Cast(seconds, "TIME")


def setting(name: str, option: str, **more: Any) -> Callable[[Command], Command]:
    """An option for one setting: its help, type and default are those of the settings table.

    What is typed goes into `app.config`, over all other places, and is read there: the command gets no parameter.
    """
    entry = configuration.SETTINGS[name]

    def put(context: click.Context, _parameter: click.Parameter, typed: Any) -> None:
        if typed is not None:
            context.meta[CONFIG_KEY].set(name, typed, option)

    def add(command: Command) -> Command:
        shown = "max" if entry.default == float("inf") else entry.default
        return click.option(
            option,
            name.replace("-", "_").replace(".", "__"),
            type=Cast(entry.cast, entry.metavar),
            metavar=entry.metavar,
            help=f"{entry.help}  [default: {shown}]" if shown != "" else entry.help,
            callback=put,
            expose_value=False,
            **more,
        )(command)

    return add


def metrics_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds --metrics-host and --metrics-port."""
    return _apply((setting("metrics-host", "--metrics-host"), setting("metrics-port", "--metrics-port")), command)


allow_control_option = click.option(
    "--allow-control",
    is_flag=True,
    help="Do what is asked for on the control topic: see `clickstream control`.",
)


def _load(context: click.Context, _parameter: click.Parameter, path: Path | None) -> None:
    # Eager: what is typed is put on top of what is read here, and other options take their defaults from it.
    loaded = configuration.load(path, os.environ)
    context.meta[CONFIG_KEY] = loaded
    context.default_map = _options_set(context, loaded)


def _options_set(context: click.Context, loaded: Config) -> dict[str, Any]:
    """What the environment or a file says of this command's options, by the name that click gives them.

    Raises ConfigError for a value that the option does not take, naming the place.
    """
    command = context.command_path.split(maxsplit=1)[-1].replace(" ", "-")
    found: dict[str, Any] = {}
    for option in context.command.params:
        name = f"{command}.{max(option.opts, key=len).removeprefix('--')}"
        if option.name is None or name not in loaded.options:
            continue
        set_ = loaded.options[name]
        # As from its variable, click takes the texts of an option that is repeated apart at blanks.
        apart = option.multiple and isinstance(set_.value, str)
        found[option.name] = option.type.split_envvar_value(set_.value) if apart else set_.value
        try:
            option.process_value(context, found[option.name])
        except click.BadParameter as error:
            raise ConfigError(f"Setting {name} in {set_.source} is {loaded.shown(name)!r}: {error.message}") from None
    return found


def _verbose(_context: click.Context, _parameter: click.Parameter, verbose: bool) -> bool:
    if verbose:
        logging.getLogger().setLevel(logging.DEBUG)
        logging.getLogger("librdkafka").setLevel(logging.DEBUG)
    return verbose


def _parse_property(_context: click.Context, _parameter: click.Parameter, texts: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for text in texts:
        name, separator, value = text.partition("=")
        if not separator:
            raise click.BadParameter(properties.without_value(text))
        found[name.strip()] = value
    return found


_APP_OPTIONS = (
    click.option(
        "--config",
        "config_file",
        type=click.Path(dir_okay=False, path_type=Path),
        is_eager=True,
        envvar="CLICKSTREAM_CONFIG",
        callback=_load,
        expose_value=False,
        help="Settings file (TOML) that adds to config/clickstream.toml.",
    ),
    setting("state-dir", "--state-dir"),
    click.option(
        "-v",
        "--verbose",
        is_flag=True,
        envvar="CLICKSTREAM_VERBOSE",
        callback=_verbose,
        expose_value=False,
        help="Tracebacks, and the client's log.",
    ),
)
_CLUSTER_OPTIONS = (
    click.option(
        "-b",
        "--bootstrap-server",
        "bootstrap",
        metavar="HOST:PORT",
        help="Kafka's address; without one, the embedded Kafka.",
    ),
    click.option(
        "-X",
        "given",
        multiple=True,
        metavar="KEY=VALUE",
        callback=_parse_property,
        help="A librdkafka property.",
    ),
    click.option(
        "--kafka-config",
        envvar="CLICKSTREAM_KAFKA_CONFIG",
        type=click.Path(dir_okay=False, path_type=Path),
        help="A client.properties file, as Java clients and cloud providers use it.",
    ),
)


def app_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds --config, --state-dir and --verbose; the command gets an App as its first argument."""

    @functools.wraps(command)
    def run(**rest: Any) -> Any:
        return command(current_app(), **rest)

    return _apply(_APP_OPTIONS, run)


def cluster_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """As app_options, and the options that say where Kafka is."""

    @functools.wraps(command)
    def run(
        bootstrap: str | None,
        given: dict[str, str],
        kafka_config: Path | None,
        **rest: Any,
    ) -> Any:
        app = current_app()
        if kafka_config:
            _read_java_file(app.config, kafka_config)
        app.config.give(given, "-X")
        if bootstrap is not None:
            app.config.give({"bootstrap.servers": bootstrap}, "-b")
        return command(app, **rest)

    return _apply((*_CLUSTER_OPTIONS, *_APP_OPTIONS), run)


def _apply(options: tuple[Callable[..., Any], ...], command: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(options):
        command = option(command)
    return command


def current_app() -> App:
    """That of the command that runs; what is typed of Kafka is not in it yet."""
    config: Config = click.get_current_context().meta[CONFIG_KEY]
    return App(config)


def state_dir_of(config: Config) -> Path:
    """The state directory of the settings; unless one is set, that of the user.

    Raises ConfigError when it is in a home directory that cannot be determined.
    """
    if found := directory_of(config, "state-dir"):
        return found
    try:
        return platformdirs.user_data_path("clickstream")
    except RuntimeError:
        raise ConfigError("There is no home directory to keep anything in: set state-dir (--state-dir).") from None


def directory_of(config: Config, name: str) -> Path | None:
    """The directory that a setting names; None: it is not set. Raises ConfigError for a ~ that stands for nothing."""
    given: str = config[name]
    try:
        return Path(given).expanduser() if given else None
    except RuntimeError:
        source = config.values[name].source
        raise ConfigError(f"Setting {name} in {source} is {given!r}: there is no such home directory.") from None


def _read_java_file(loaded: Config, path: Path) -> None:
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"Cannot read --kafka-config {path}: {error}.") from None
    read = properties.from_java(text, str(path))
    for note in read.notes:
        log.info("%s", note)
    for name, value in read.found.items():
        loaded.give({name: value}, f"{path} line {read.lines[name]}")


def stop_event(stop: Stop | None = None, drain_by_signal: Mapping[int, float] = DRAIN_BY_SIGNAL_S) -> Stop:
    """`stop`, or a new one, set by the first Ctrl-C, SIGTERM or SIGHUP; a second Ctrl-C ends the process at once.

    Call it when there is something to drain, and not before: until then a signal ends the process. A SIGHUP that was
    ignored when the process started (nohup) stays so. Who waits for ever to write what nobody reads never sees that it
    is set: the process then ends with exit code 1 when the seconds that draining may take are over.
    """
    stop = Stop() if stop is None else stop
    signals: SimpleQueue[int] = SimpleQueue()
    threading.Thread(target=_stop_by, args=(stop, signals, drain_by_signal), name="stopping", daemon=True).start()
    asked = False

    def handle(number: int, _frame: FrameType | None) -> None:
        # Python runs it amid whatever the main thread does: setting the stop here would wait for ever for the lock of a
        # `stop.wait` that it interrupts. A SimpleQueue may be put to at any time.
        nonlocal asked
        if number == signal.SIGINT and (asked or stop.is_set()):
            os._exit(130)
        asked = True
        signals.put(number)

    for number in DRAIN_BY_SIGNAL_S:
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, handle)
    return stop


def _stop_by(stop: Stop, signals: "SimpleQueue[int]", drain_by_signal: Mapping[int, float]) -> None:
    while True:
        drain_s = drain_by_signal[signals.get()]
        stop.set_for(drain_s)
        threading.Thread(target=_end_when_stuck, args=(drain_s,), daemon=True).start()


def _end_when_stuck(after_s: float) -> None:
    time.sleep(after_s)
    while not stuck():
        time.sleep(STUCK_EVERY_S)
    os._exit(1)


@contextmanager
def stop_after(seconds: float | None, stop: threading.Event) -> Iterator[None]:
    """Set `stop` after that many seconds; None: never."""
    if seconds is None or not seconds < threading.TIMEOUT_MAX:
        yield
        return
    timer = threading.Timer(seconds, stop.set)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
