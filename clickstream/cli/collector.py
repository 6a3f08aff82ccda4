"""The collector as commands start it: by itself, and beside the demo."""

import logging
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

import click
import msgspec

from clickstream.cli.options import App, directory_of
from clickstream.cli.registry import Written, encoders_for, needed_registry, opener_of
from clickstream.config import size_in_bytes
from clickstream.errors import ConfigError
from clickstream.kafka.clients import Cluster, Unreachable
from clickstream.kafka.produce import Sender
from clickstream.topics import ensure

if TYPE_CHECKING:
    from clickstream.avro.codec import Encoder
    from clickstream.collect.collector import Collector
    from clickstream.collect.intake import IntakeOptions
    from clickstream.collect.options import WorkerOptions

log = logging.getLogger(__name__)

# What was not told is told at the next start: it is read back.
LOSS_TOLD_WITHIN_S = 2.0


@dataclass(frozen=True)
class Flags:
    """The options that are no settings."""

    no_clicks: bool = False
    spool_fsync: bool = False
    full_addresses: bool = False
    trusted: tuple[str, ...] = ()
    forwarded: Literal["x-forwarded-for", "forwarded"] = "x-forwarded-for"
    origins: tuple[str, ...] = ()
    divolte_js: Path | None = None
    divolte_json: str = "/json-source"
    drain_delay: float | None = None
    explain: bool = False


@contextmanager
def collector(
    app: App,
    cluster: Cluster,
    listening: socket.socket,
    flags: Flags = Flags(),
    encoders: "Mapping[str, Encoder] | None" = None,
    *,
    on_ready: Callable[["Collector"], None],
) -> Iterator["Collector"]:
    """The part, on a socket of `listen`, with its topics; what it has to tell is told when the block ends. `encoders`:
    of the topics that are Avro, see `encoders_of`.

    While Kafka is away, the topics are not looked for: the part does that once it answers, and spools until then.
    Raises ConfigError for options that cannot be, ClickstreamError when a topic is missing and cannot be created.
    """
    from clickstream.collect.arrival import Arrival
    from clickstream.collect.audit.auditor import Auditor
    from clickstream.collect.collector import Collector, topics_of

    config = app.config
    encoders = encoders or {}
    opened = opener_of(app)
    options = _options(app, cluster, flags, encoders)
    topics = [*topics_of(options), config["collect.loss-topic"]]
    away = not _answers(cluster)
    if not away:
        ensure(cluster, topics)
    auditor = Auditor(
        cluster,
        lambda: Sender(cluster.producer()),
        config["collect.topic"],
        config["collect.loss-topic"],
        opened=opened,
    )
    part: Collector = Collector(
        cluster,
        options,
        listening,
        config["collect.workers"],
        auditor=auditor,
        schemas=_guard(app, encoders),
        arrival=Arrival(cluster.address, lambda stop: ensure(cluster, topics, stop)) if away else None,
        on_ready=lambda: on_ready(part),
    )
    try:
        yield part
    finally:
        auditor.close(LOSS_TOLD_WITHIN_S)


def _answers(cluster: Cluster) -> bool:
    """Whether Kafka does; if not, that is said. Raises ClickstreamError for what does not pass, as a wrong password."""
    if cluster.embedded:
        return True
    try:
        cluster.check()
    except Unreachable as problem:
        about = {"about": f"Kafka at {cluster.address} does not answer"}
        log.warning("%s Events go to the spool until Kafka answers.", problem, extra=about)
        return False
    return True


def needed() -> None:
    """Raises ConfigError, with how to install it, when the collector's extra is not there."""
    try:
        import clickstream.collect.worker  # noqa: F401
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("clickstream"):
            raise
        raise ConfigError(f"The collector needs {error.name}. Install it: pip install 'clickstream[collect]'") from None


def encoders_of(app: App, written: Written, *, clicks: bool) -> "dict[str, Encoder]":
    """Of the topics whose events are Avro. Raises ConfigError, and ClickstreamError without their schemas."""
    topics = {"web-events": app.config["collect.topic"]}
    if clicks:
        topics["clickstream"] = app.config["collect.clicks-topic"]
    return encoders_for(app, written, topics, kept=app.state_dir / "collect" / "schemas.json") or {}


def spool_of(app: App) -> Path:
    """Where events wait that Kafka does not take: the directory of the settings; unless one is set, the state's."""
    return (directory_of(app.config, "collect.spool-dir") or app.state_dir / "collect" / "spool").absolute()


def _guard(app: App, encoders: "Mapping[str, Encoder]") -> Callable[[threading.Event], None] | None:
    if not encoders:
        return None
    from clickstream.avro.guard import keep_sure

    return partial(keep_sure, needed_registry(app), encoders.values())


def _options(app: App, cluster: Cluster, flags: Flags, encoders: "Mapping[str, Encoder]") -> "WorkerOptions":
    """What the workers are told. Raises ConfigError for what cannot be, before one is started."""
    from clickstream.collect.options import HttpOptions, Kafka, Spooling, WorkerOptions

    config = app.config
    for origin in flags.origins:
        _check_origin(origin)
    folder = app.state_dir / "collect"
    return WorkerOptions(
        kafka=Kafka.of(cluster),
        intake=_intake(app, folder, flags, encoders),
        dead_letter_topic=config["dead-letter-topic"],
        spool=Spooling(
            dir=str(spool_of(app)),
            size=size_in_bytes(config["collect.spool-size"]),
            workers=config["collect.workers"],
            fsync=flags.spool_fsync,
        ),
        http=HttpOptions(
            max_body=config["collect.max-body"],
            rate=config["collect.rate-limit"],
            origins=flags.origins,
            divolte_js=None if flags.divolte_js is None else str(flags.divolte_js.absolute()),
        ),
        wait=config["collect.ack"] == "kafka",
        explain=flags.explain,
        drain_delay_s=flags.drain_delay or 0.0,
        verbose=logging.getLogger().isEnabledFor(logging.DEBUG),
    )


def _intake(app: App, folder: Path, flags: Flags, encoders: "Mapping[str, Encoder]") -> "IntakeOptions":
    """How requests are taken; made once here, so that what cannot be is said before anything starts."""
    from clickstream.collect.intake import Intake, IntakeOptions, Paths, Schema

    config = app.config
    if not flags.divolte_json.startswith("/"):
        raise ConfigError(f"--divolte-json {flags.divolte_json!r} is no path: /json-source is one.")
    options = IntakeOptions(
        events_topic=config["collect.topic"],
        clicks_topic=None if flags.no_clicks else config["collect.clicks-topic"],
        address="full" if flags.full_addresses else "truncated",
        trusted=flags.trusted,
        forwarded=flags.forwarded,
        geo_db=config["collect.geo-db"] or None,
        schemas={topic: Schema(one.schema_id, one.text) for topic, one in encoders.items()},
        paths=Paths(divolte_json=flags.divolte_json),
    )
    Intake(options).close()
    return msgspec.structs.replace(options, state_dir=str(folder))


def _check_origin(origin: str) -> None:
    """Raises ConfigError for what no browser sends as Origin."""
    parts = urlsplit(origin)
    if parts.scheme not in ("http", "https") or not parts.netloc or origin != f"{parts.scheme}://{parts.netloc}":
        raise ConfigError(f"--allow-origin {origin!r} is no origin: https://shop.example is one, without a path.")


def say_address(part: "Collector") -> None:
    """Tell people where it is."""
    click.echo(f"Collector: {part.address}/ (the tag: /tag.js, events: POST /e)", err=True)
