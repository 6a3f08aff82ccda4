"""`clickstream transform`: a function between two topics."""

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from clickstream.cli import complete
from clickstream.cli.options import SECONDS, App, cluster_options, metrics_options, setting
from clickstream.cli.part import run_part
from clickstream.cli.progress import progress
from clickstream.errors import ConfigError
from clickstream.parts.renewed import Renewed
from clickstream.stop import Stop
from clickstream.topics import ensure, legal_name, require

if TYPE_CHECKING:
    from clickstream.transform.model import Caller, Options

FUNCTION = re.compile(r"(?P<place>.+\.py|[^\W\d]\w*(\.[^\W\d]\w*)*):[^\W\d]\w*(\.[^\W\d]\w*)*")
ADDRESS = re.compile(r"(\[[0-9A-Fa-f:.%\w]+\]|[^\s:/\[\]]+):(?P<port>\d{1,5})")
# The name of the state topic has some more letters, and Kafka's names have 249 at most.
MAX_NAME = 200
HASH_DIGITS = 12


@click.command("transform")
@click.option("--from", "from_topic", required=True, metavar="TOPIC", shell_complete=complete.topics, help="To read.")
@click.option("--to", "to_topic", required=True, metavar="TOPIC", shell_complete=complete.topics, help="To write.")
@click.option("--function", metavar="MODULE:NAME|FILE.py:NAME", help="A function of Python, in a process of its own.")
@click.option("--grpc", "server", metavar="HOST:PORT", help="A function of any language, behind gRPC.")
@click.option("--name", metavar="NAME", help="Tells apart functions between the same topics.  [default: FROM-to-TO]")
@click.option(
    "--processes", type=click.IntRange(1, 256), default=1, show_default=True, help="With --function: how many run it."
)
@click.option(
    "--in-flight",
    type=click.IntRange(1, 10_000),
    default=64,
    show_default=True,
    help="Records of a partition that are with the function, or wait for an earlier one.",
)
@click.option(
    "--deadline",
    type=SECONDS,
    default="10s",
    show_default=True,
    help="For a call; then its process is killed.",
)
@click.option(
    "--retries",
    type=click.IntRange(0, 1_000),
    default=3,
    show_default=True,
    help="More attempts after one that found no answer.",
)
@setting("dead-letter-topic", "--dead-letter-topic")
@click.option("--exit-at-end", is_flag=True, help="Leave when the topic is read to its end.")
@click.option("--reset", "start_over", is_flag=True, help="Forget how far it came: all records are processed again.")
@click.option("--quiet", is_flag=True, help="No progress, only the summary.")
@metrics_options
@cluster_options
def command(
    app: App,
    from_topic: str,
    to_topic: str,
    function: str | None,
    server: str | None,
    name: str | None,
    processes: int,
    in_flight: int,
    deadline: float,
    retries: int,
    exit_at_end: bool,
    start_over: bool,
    quiet: bool,
) -> None:
    """Have a function turn each record of a topic into none, one or many of another topic.

    Each result is written exactly once. The function gets a record and returns what is to be written. It runs in a
    process of its own, which is killed when it hangs, or behind a gRPC server (transform.proto). Results and place are
    written in one Kafka transaction, in the order of the records. A record on which the function fails goes to the
    dead-letter topic, with the reason. When a newer process of the same --name takes over, the older one ends.

    \b
    Example: a message for people from each click of a platinum user
      clickstream transform --from vip-action --to vip-messages --function vip.py:message

    Ends with the records processed, results written and records dead-lettered; exit code 1 if it could not go on.
    """
    more = {"in_flight": in_flight, "retries": retries, "exit_at_end": exit_at_end, "start_over": start_over}
    options = options_of(app, from_topic, to_topic, name, **more)
    run_transform(app, lambda: _caller(function, server, processes, deadline), options, quiet=quiet)


def options_of(app: App, from_topic: str, to_topic: str, name: str | None, **more: Any) -> "Options":
    """What was typed, with a name if none was given; `more` as in Options. Raises ConfigError as `check` does."""
    from clickstream.transform.model import Options

    letters = app.config["dead-letter-topic"]
    name = name or default_name(from_topic, to_topic)
    check(name, {"--from": from_topic, "--to": to_topic, "--dead-letter-topic": letters})
    return Options(from_topic=from_topic, to_topic=to_topic, dead_letter_topic=letters, name=name, **more)


def run_transform(app: App, call: "Callable[[], Caller]", options: "Options", *, quiet: bool) -> None:
    """Run a transform from the command line, with the topics that it needs. `call` makes whoever calls the function."""
    from clickstream.transform.transform import Transform

    first = call()  # what was typed is wrong whether or not Kafka answers

    def make(former: Transform | None) -> Transform:
        if former is None:
            return Transform(cluster, first, options)
        return Transform(cluster, call(), replace(options, start_over=former.starts_over))

    with app.connect() as cluster:
        require(cluster, options.from_topic)
        ensure(cluster, [options.to_topic, options.dead_letter_topic])
        transform = Renewed(cluster, make)
        run_part(
            app,
            cluster,
            transform,
            Stop(),
            showing=progress(transform, "processed", quiet=quiet),
            summary=lambda: summary(transform.totals()),
        )


def default_name(from_topic: str, to_topic: str) -> str:
    """`FROM-to-TO`; where that is too long, its beginning and a hash of it, so that it still is of these two alone."""
    name = f"{from_topic}-to-{to_topic}"
    if len(name) <= MAX_NAME:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:HASH_DIGITS]
    return f"{name[: MAX_NAME - HASH_DIGITS - 1]}-{digest}"


def check(name: str, topics: dict[str, str]) -> None:
    """Raises ConfigError for names that cannot be, by option, and for two topics that are the same."""
    for option, topic in [*topics.items(), ("--name", name)]:
        try:
            legal_name(topic)
        except ValueError as problem:
            raise ConfigError(f"{option} {topic!r}: {problem}.") from None
        if option == "--name" and len(name) > MAX_NAME:
            raise ConfigError(f"--name has {len(name)} characters: {MAX_NAME} at most.")
    same = [option for option in topics if list(topics.values()).count(topics[option]) > 1]
    if same:
        raise ConfigError(f"{same[0]} and {same[1]} are both {topics[same[0]]}: choose different topics.")


def _caller(function: str | None, server: str | None, processes: int, deadline: float) -> "Caller":
    """Whoever calls the function. Raises ConfigError when what was given can be none."""
    if (function is None) == (server is None):
        raise ConfigError("Give either --function MODULE:NAME (or FILE.py:NAME), or --grpc HOST:PORT.")
    if not 0 < deadline <= 86_400:
        raise ConfigError("--deadline is between a moment and a day, as 10s or 500ms.")
    if function is not None:
        found = FUNCTION.fullmatch(function)
        if found is None:
            raise ConfigError(
                f"--function {function!r}: MODULE:NAME or FILE.py:NAME is expected, as in vip.py:message."
            )
        if found["place"].endswith(".py") and not Path(found["place"]).is_file():
            raise ConfigError(f"--function {function}: there is no file {found['place']}.")
        from clickstream.transform.processes import Processes

        return Processes(function, processes, deadline)
    address = ADDRESS.fullmatch(server or "")
    if address is None or not 0 < int(address["port"]) < 65_536:
        raise ConfigError(f"--grpc {server!r}: HOST:PORT is expected, as in localhost:50051.")
    try:
        from clickstream.transform.remote import Remote
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("clickstream"):
            raise
        raise ConfigError(f"--grpc needs {error.name}. Install it: pip install 'clickstream[grpc]'") from None
    return Remote(address[0], deadline)


def summary(totals: Mapping[str, int]) -> str:
    """The last line of the command."""
    return (
        f"{totals['processed']:,} records processed: {totals['results']:,} results written, "
        f"{totals['dead_lettered']:,} records dead-lettered."
    )
