"""Whether a table's topic is there, and where its partitions are read from."""

import logging
import threading

from confluent_kafka import KafkaException

from clickstream.errors import ClickstreamError
from clickstream.kafka import log as kafka_log
from clickstream.kafka import offsets
from clickstream.kafka.admin import ask_description
from clickstream.kafka.clients import Cluster
from clickstream.kafka.errors import explain, is_missing, is_transient
from clickstream.kafka.log import LogIdentity
from clickstream.tables.engine.options import RESET
from clickstream.tables.engine.state.store import Progress
from clickstream.tables.sql.model import Table

log = logging.getLogger(__name__)

LOOK_FOR_TOPIC_EVERY_S = 0.5
# Another file of the same command may be about to create it.
SAY_MISSING_AFTER_LOOKS = 6


def wait_for_topic(cluster: Cluster, table: Table, stop: threading.Event, *, bounded: bool) -> bool:
    """Whether the table's topic is there; waits for it, and says so, until `stop` is set.

    Raises ClickstreamError when it does not exist and the read is bounded.
    """
    admin = cluster.admin()
    missed = 0
    while True:
        try:
            ask_description(admin, table.topic)
            return True
        except KafkaException as problem:
            if is_missing(problem) and bounded:
                raise ClickstreamError(
                    f"Topic {table.topic}, which table {table.name} reads, does not exist at {cluster.address}. "
                    f"Create it with: clickstream topics create {table.topic}"
                ) from None
            if is_missing(problem):
                missed += 1
                if missed == SAY_MISSING_AFTER_LOOKS:
                    log.warning("Topic %s (table %s) does not exist yet; waiting for it.", table.topic, table.name)
            elif not is_transient(problem):
                raise explain(problem, f"Describing topic {table.topic}", cluster.address) from problem
        if stop.wait(LOOK_FOR_TOPIC_EVERY_S):
            return False


def first_offsets(
    cluster: Cluster, table: Table, progress: Progress | None, stop: threading.Event
) -> tuple[LogIdentity, dict[int, int]]:
    """The table's log, and from where each partition is read: the state's place, or what the table says.

    Waits while Kafka is away. Raises ClickstreamError when the log contradicts the state, Stopped when `stop` is set.
    """
    admin = cluster.admin()
    identity = kafka_log.identify(cluster, table.topic, admin, stop=stop)
    limits = offsets.limits(cluster, table.topic, admin, stop=stop)
    if progress is None:
        return identity, _chosen(cluster, table, limits, stop)
    saved = {partition: offset for partition, (offset, _highest) in progress.lanes.items()}
    before = LogIdentity(table.topic, progress.topic_id)
    kafka_log.check(cluster, before, saved, admin, remedy=RESET, stop=stop)
    # A partition that came while nobody read is read whole, as one that comes while we read.
    return identity, {partition: saved.get(partition, found.low) for partition, found in limits.items()}


def starts_at_a_time(table: Table) -> bool:
    """Whether a table without a state is read from a place that may be another one later, and not from the start."""
    return table.options.get("scan.startup.mode") in ("latest-offset", "timestamp")


def _chosen(cluster: Cluster, table: Table, limits: dict[int, offsets.Limits], stop: threading.Event) -> dict[int, int]:
    match table.options.get("scan.startup.mode"):
        case "latest-offset":
            return {partition: found.high for partition, found in limits.items()}
        case "timestamp":
            time = int(table.options["scan.startup.timestamp-millis"])
            at = offsets.at_times(cluster, table.topic, dict.fromkeys(limits, time), stop=stop)
            return {
                partition: at[partition] if at[partition] >= 0 else found.high for partition, found in limits.items()
            }
        case _:
            return {partition: found.low for partition, found in limits.items()}
