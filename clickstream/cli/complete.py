"""Shell completion of names that only Kafka or a file of SQL knows: quick, silent, and without starting anything."""

import time
from collections.abc import Iterable
from pathlib import Path

import click
from click.shell_completion import CompletionItem
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from clickstream.broker import EmbeddedBroker
from clickstream.cli.options import CONFIG_KEY, state_dir_of
from clickstream.errors import ClickstreamError
from clickstream.kafka import given
from clickstream.kafka.clients import Cluster

ANSWER_WITHIN_S = 2.0


def topics(context: click.Context, _parameter: click.Parameter, typed: str) -> list[CompletionItem]:
    """Topics that begin with what was typed; Kafka's own ones only when that begins with `__`."""
    admin = _admin(context)
    if admin is None:
        return []
    names = admin.list_topics(timeout=ANSWER_WITHIN_S).topics
    return _items((name for name in names if typed.startswith("_") or not name.startswith("__")), typed)


def groups(context: click.Context, _parameter: click.Parameter, typed: str) -> list[CompletionItem]:
    """Consumer groups that begin with what was typed."""
    admin = _admin(context)
    if admin is None:
        return []
    found = admin.list_consumer_groups(request_timeout=ANSWER_WITHIN_S).result()
    return _items((group.group_id for group in found.valid), typed)


def tables(context: click.Context, _parameter: click.Parameter, typed: str) -> list[CompletionItem]:
    """Tables of the FILE that was typed before."""
    from clickstream.tables.sql.check import check_file

    file = context.params.get("file")
    if not isinstance(file, Path) or not file.is_file():
        return []
    return _items(check_file(file).program.tables, typed)


def steerable(context: click.Context, _parameter: click.Parameter, typed: str) -> list[CompletionItem]:
    """Ids of running parts that heed commands."""
    from clickstream.parts.status import Reports, living

    properties = _properties(context)
    if properties is None or _admin(context) is None:
        return []
    topic = context.meta[CONFIG_KEY]["status-topic"]
    try:
        reports = Reports(Cluster(properties["bootstrap.servers"], common=properties), topic)
        found = [one.id for one in living(reports.look(), time.time()) if one.control]
    except (ClickstreamError, KafkaException):
        return []
    return _items(found, typed)


def _items(names: Iterable[str], typed: str) -> list[CompletionItem]:
    return [CompletionItem(name) for name in sorted(names) if name.startswith(typed)]


def _admin(context: click.Context) -> AdminClient | None:
    """A client of the cluster that the command would use; None when that is the embedded Kafka, and it does not run."""
    properties = _properties(context)
    if properties is None:
        return None
    try:
        admin = AdminClient({**properties, "log_level": 0})
        admin.list_topics(timeout=ANSWER_WITHIN_S)
    except KafkaException:
        return None  # nothing is said in the middle of a line that is being typed
    return admin


def _properties(context: click.Context) -> dict[str, str] | None:
    """Of the client that the command would have, bootstrap.servers among them; None: there is no Kafka to ask."""
    try:
        config = context.meta.get(CONFIG_KEY)
        if config is None:
            return None  # it cannot be read
        properties = given.texts(config.clients["kafka"])
        properties |= context.params.get("given") or {}
        if context.params.get("bootstrap"):
            properties["bootstrap.servers"] = context.params["bootstrap"]
        if "bootstrap.servers" not in properties:
            address = EmbeddedBroker(state_dir_of(config)).status().address
            if not address:
                return None
            properties["bootstrap.servers"] = address
    except (ClickstreamError, OSError):
        return None
    return properties
