"""The schema registry that commands are told of."""

import functools
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from confluent_kafka import Message

from clickstream.avro import wire
from clickstream.avro.http import CREDENTIALS, Address, RegistryAway
from clickstream.avro.kept import Kept, KeptSchemas
from clickstream.avro.registry import Registry
from clickstream.avro.shipped import shipped, subject_of
from clickstream.cli.options import App, setting
from clickstream.cli.output import say
from clickstream.errors import ClickstreamError, ConfigError
from clickstream.inspect.read import Open
from clickstream.kafka.produce import Encode
from clickstream.spelling import nearest

if TYPE_CHECKING:
    from clickstream.avro.codec import Encoder
    from clickstream.avro.viewing import Viewer


log = logging.getLogger(__name__)


def registry_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds --schema-registry and --schema-registry-ca."""
    add_ca = setting("schema-registry-ca", "--schema-registry-ca")
    return setting("schema-registry", "--schema-registry")(add_ca(command))


def registry_of(app: App) -> Registry | None:
    """The configured one, if there is one. Raises ConfigError for what can be none."""
    url = app.config["schema-registry"]
    if not url:
        return None
    return Registry(Address(url, os.environ.get(CREDENTIALS) or None, app.config["schema-registry-ca"] or None))


def needed_registry(app: App) -> Registry:
    """As registry_of; raises ConfigError when there is none."""
    found = registry_of(app)
    if found is None:
        raise ConfigError("Which schema registry? Give --schema-registry URL, or set CLICKSTREAM_SCHEMA_REGISTRY.")
    return found


def viewer_of(app: App) -> "Viewer | None":
    """What makes JSON of Avro for those who look at records; None without a registry.

    Dead letters stay as they are: they may be sent again. Raises ConfigError when the extra is not installed.
    """
    registry = registry_of(app)
    if registry is None:
        return None
    with avro_needed():
        from clickstream.avro.viewing import Viewer
    return Viewer(registry, [app.config["dead-letter-topic"]])


def opener_of(app: App) -> Open | None:
    """As viewer_of: what makes a record readable."""
    viewer = viewer_of(app)
    return None if viewer is None else viewer.open


def shown_opener(app: App) -> Open:
    """For commands that show records, dead letters among them: makes JSON of Avro; without a registry, says of records
    that look like Avro what it takes. Raises ConfigError when the extra is not installed."""
    registry = registry_of(app)
    if registry is not None:
        with avro_needed():
            from clickstream.avro.viewing import Viewer
        return Viewer(registry).open
    said = set()

    def tell(message: Message) -> None:
        topic, value = message.topic(), message.value()
        if topic not in said and value is not None and wire.is_framed(value):
            said.add(topic)
            say(
                f"Records of {topic} look like Avro of a schema registry (schema {wire.schema_id_of(value)}): "
                "--schema-registry URL shows them as JSON.",
                err=True,
            )

    return tell


@contextmanager
def avro_needed() -> Iterator[None]:
    """Around the import of what needs fastavro: raises ConfigError, with how to install it, when it is not there."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("clickstream"):
            raise
        raise ConfigError(f"Avro needs {error.name}. Install it: pip install 'clickstream[avro]'") from None


@contextmanager
def answering() -> Iterator[None]:
    """For commands that a person waits for: a registry that is away is an error."""
    try:
        yield
    except RegistryAway as away:
        raise ClickstreamError(f"The schema registry at {away}.") from None


def schema_text(given: str) -> str:
    """The schema that is shipped under this name, or that of a file. Raises ConfigError."""
    known = shipped()
    if given in known:
        return known[given].text
    path = Path(given)
    if path.suffix != ".avsc" and not path.exists():
        near = nearest(given, known)
        raise ConfigError(
            f"There is no schema {given}." + (f" Did you mean {near}?" if near else f" There are {', '.join(known)}.")
        )
    try:
        return path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"Cannot read the schema {given}: {error}.") from None


def encoder_for(registry: Registry, subject: str, schema: str | None, *, register: bool) -> "Encoder":
    """Raises RegistryAway, and ClickstreamError when the subject does not have the schema."""
    with avro_needed():
        from clickstream.avro.codec import encoder
    return encoder(registry, subject, schema, register=register)


@dataclass(frozen=True)
class Written:
    """What records are written as; `auto_register`: schemas that the registry does not have are registered."""

    form: str
    auto_register: bool


JSON = Written("json", auto_register=False)


def written_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds --format, --auto-register and the registry's options; the command gets `written`."""

    @functools.wraps(command)
    def run(*args: Any, written_form: str, auto_register: bool, **given: Any) -> Any:
        return command(*args, written=Written(written_form, auto_register), **given)

    added: Callable[..., Any] = run
    for option in (
        registry_options,
        click.option(
            "--auto-register", is_flag=True, help="With avro: register schemas that the registry does not have."
        ),
        click.option(
            "--format",
            "written_form",
            type=click.Choice(["json", "avro"]),
            default="json",
            show_default=True,
            help="What values are written as.",
        ),
    ):
        added = option(added)
    return added


def encode_for(app: App, written: Written, topics: Mapping[str, str]) -> Encode | None:
    """What turns values into Avro; None for JSON. `topics` are the names of topics, by that of the shipped one.

    Raises ConfigError without a registry, and ClickstreamError when it is away or does not have a schema.
    """
    encoders = encoders_for(app, written, topics)
    if encoders is None:
        return None
    from clickstream.avro.writing import TopicEncoders

    return TopicEncoders(encoders)


def encoders_for(
    app: App, written: Written, topics: Mapping[str, str], kept: Path | None = None
) -> "dict[str, Encoder] | None":
    """As encode_for: an encoder for each of the topics, by its own name; None for JSON.

    In the file `kept` are the ids of the last time: they stand in for a registry that is away.
    """
    if written.form == "json":
        if written.auto_register:
            raise ConfigError("--auto-register goes with --format avro.")
        return None
    registry = needed_registry(app)
    texts = {topics[one.topic]: one.text for one in shipped().values() if one.topic in topics}
    with answering():
        try:
            found = {
                topic: encoder_for(registry, subject_of(topic), text, register=written.auto_register)
                for topic, text in texts.items()
            }
        except RegistryAway as away:
            before = None if kept is None else _as_kept(registry, texts, KeptSchemas(kept))
            if before is None:
                raise
            log.warning("The schema registry at %s: what is written has the schemas of the last start.", away)
            return before
    if kept is not None:
        _keep(registry, found, KeptSchemas(kept))
    return found


def _as_kept(registry: Registry, texts: Mapping[str, str], kept: KeptSchemas) -> "dict[str, Encoder] | None":
    from clickstream.avro.codec import Encoder

    found = {}
    for topic, text in texts.items():
        schema_id = kept.id_of(registry.where, subject_of(topic), text)
        if schema_id is None:
            return None
        found[topic] = Encoder(registry, schema_id, text)
    return found


def _keep(registry: Registry, encoders: "Mapping[str, Encoder]", kept: KeptSchemas) -> None:
    try:
        kept.keep(Kept(registry.where, subject_of(topic), one.text, one.schema_id) for topic, one in encoders.items())
    except OSError as problem:
        log.warning("The ids of the schemas are not kept for a start without the registry: %s.", problem)
