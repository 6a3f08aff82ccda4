"""`clickstream sink parquet`; wiring only."""

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from clickstream.cli.options import SECONDS, App, cluster_options
from clickstream.cli.output import say
from clickstream.cli.sink.options import Running, input_options, name_option, running_options
from clickstream.cli.sink.running import run_sink, show_problems
from clickstream.errors import ConfigError
from clickstream.stop import Stop

if TYPE_CHECKING:
    from clickstream.sinks.model import Input
    from clickstream.sinks.parquet.check import TableCheck
    from clickstream.sinks.parquet.store import Store

BATCH_BYTES = 64 * 2**20


def _needs_parquet(command: Callable[..., Any]) -> Callable[..., Any]:
    """Before the inputs are read, which would miss the same libraries for their own sake."""

    @functools.wraps(command)
    def checked(*args: Any, **others: Any) -> Any:
        with parquet_needed():
            import clickstream.sinks.parquet.target  # noqa: F401
        return command(*args, **others)

    return checked


_to = click.option("--to", required=True, metavar="DIR|s3://BUCKET/PREFIX", help="Where the archive is, or is made.")


@click.command("parquet")
@_needs_parquet
@input_options
@_to
@click.option(
    "--every", type=SECONDS, default="60s", show_default=True, help="Records wait no longer than this for others."
)
@click.option(
    "--batch-rows", type=click.IntRange(1), default=200_000, show_default=True, help="Written at once, at most."
)
@running_options
def command(
    app: App,
    found: "list[Input]",
    to: str,
    every: float,
    batch_rows: int,
    running: Running,
) -> None:
    """An archive of records in Parquet files, by date and hour, each record in it once.

    A result of FILE.sql, or a TOPIC with --columns, has its columns beside the record itself; a TOPIC alone has the
    record. DIR/archive.sql shows the tables to DuckDB; `clickstream replay --from-archive` puts them back on a topic.

    \b
    Example:
      clickstream sink parquet clickstream --to archive
      duckdb -init archive/archive.sql -c 'SELECT count(*) FROM clickstream'
    """
    with parquet_needed():
        from clickstream.sinks.parquet.columns import typed
        from clickstream.sinks.parquet.target import ParquetTarget
        from clickstream.sinks.sink import Options
    found = _archived(found)
    for one in found:
        typed(one)
    stop = Stop()
    store = store_at(to, stop)
    run_sink(
        app,
        lambda _cluster: ParquetTarget(store),
        found,
        Options(
            running.name,
            running.early,
            running.exit_at_end,
            batch_rows=batch_rows,
            batch_bytes=BATCH_BYTES,
            interval_s=every,
        ),
        running,
        stop,
    )


@click.command("parquet")
@_needs_parquet
@input_options
@_to
@name_option
@cluster_options
def plan(app: App, found: "list[Input]", to: str, name: str) -> None:
    """What `sink parquet` would make with the same arguments; nothing is changed.

    Prints the columns of each table, how much is to be read, and what stands in the way: then the exit code is 1.
    """
    with parquet_needed():
        from clickstream.sinks.parquet.plan import plan as look_ahead
    store = store_at(to)
    store.connect()
    with app.connect() as cluster:
        plans = [look_ahead(store, cluster, one, name) for one in _archived(found)]
    say(f"-- {store.where}")
    for one in plans:
        how = f"which has {one.rows:,} records in {one.files:,} files, last by {one.owner}" if one.owner else "made new"
        say(f"-- topic {one.source.topic} -> {one.folder}/data/date=YYYY-MM-DD/hour=HH/*.parquet, {how}; {one.backlog}")
        for column, kind in one.columns:
            say(f"{column} {kind}{', not in the files before' if column in one.added else ''}")
    show_problems([problem for one in plans for problem in one.problems])


@click.command("parquet")
@_needs_parquet
@input_options
@_to
@click.option("--early", is_flag=True, help="As the sink has it.")
@click.option(
    "--repair", is_flag=True, help="Write what differs again from the topic; a sink that runs is fenced then."
)
@cluster_options
def check(
    app: App,
    found: "list[Input]",
    to: str,
    early: bool,
    repair: bool,
) -> None:
    """Compare the tables of `sink parquet` with their topics, record by record, up to where the sink is.

    Records that differ are named by partition and offset; the exit code is 1 if any does, and was not repaired. What
    Kafka holds no more can be neither compared nor repaired. Without --repair, the sink may run meanwhile.
    """
    with parquet_needed():
        from clickstream.sinks.parquet.check import check as compare
    store = store_at(to)
    store.connect()
    with app.connect() as cluster:
        results = [compare(store, cluster, one, early=early, repair=repair) for one in _archived(found)]
    for one in results:
        _show_check(one)
    if any(one.differs > one.repaired or one.lost for one in results):
        raise click.exceptions.Exit(1)


def _archived(found: "list[Input]") -> "list[Input]":
    """A topic of which nothing is known is archived as its records are. Raises ConfigError if they were to be read."""
    for one in found:
        if one.table is None and one.avro is not None:
            raise ConfigError(
                f"The records of {one.topic} are archived byte by byte, whatever they are: leave out --format avro, or "
                "give --columns."
            )
    with parquet_needed():
        from clickstream.sinks.inputs import whole
    return [whole(one.topic) if one.table is None else one for one in found]


def _show_check(one: "TableCheck") -> None:
    topic = one.source.topic
    if one.differs:
        say(
            f"{one.source.name}: {one.differs:,} of {one.compared:,} records are not as in topic {topic}: "
            f"{one.missing:,} missing, {one.changed:,} changed."
        )
    else:
        say(f"{one.source.name}: {one.compared:,} records, as in topic {topic}.")
    for place, what in one.examples:
        say(f"  {what}: {place}")
    if one.differs > len(one.examples):
        say(f"  and {one.differs - len(one.examples):,} more")
    if one.older or one.later:
        say(
            f"  Not compared: {one.older:,} records that the topic does not hold any more, up to {one.later:,} that "
            "the sink has not written yet."
        )
    if one.repaired:
        say(f"  {one.repaired:,} records written again.")
    if one.lost:
        say(f"  {one.lost:,} records of files that are gone are lost: the topic does not hold them any more.")


def store_at(place: str, stop: Stop | None = None) -> "Store":
    """A folder, or with `s3://` a place in an object store. Raises ConfigError when a library for it is missing.

    `stop` ends requests to an object store when there is no more time for draining.
    """
    with parquet_needed():
        if "://" not in place:
            from clickstream.sinks.parquet.folder import FolderStore

            return FolderStore(Path(place))
        if not place.startswith("s3://"):
            raise ConfigError(f"{place} is no folder and does not begin with s3://.")
        from clickstream.sinks.parquet.objects import ObjectStore

        return ObjectStore(place, stop)


@contextmanager
def parquet_needed() -> Iterator[None]:
    """Around imports: raises ConfigError when the extra `parquet` or `s3` is not installed."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("clickstream"):
            raise
        extra = "s3" if error.name in ("boto3", "botocore") else "parquet"
        raise ConfigError(f"An archive needs {error.name}. Install it: pip install 'clickstream[{extra}]'") from None
