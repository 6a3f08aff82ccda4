"""A table of an archive back onto a topic."""

import threading

from clickstream.kafka.produce import Sender
from clickstream.parts.part import Part
from clickstream.sinks.parquet.reading import ArchivedTable

POLL_EVERY = 1_000  # records


class PutBack(Part):
    """Sends each record of a table once: key, value, headers and timestamp as they were, each partition in its order.

    A record goes to the partition that it was in. When the topic has fewer, it goes where its key belongs.
    """

    kind = "put-back"

    def __init__(self, table: ArchivedTable, sender: Sender, topic: str, partitions: int) -> None:
        """`partitions`: how many the topic has."""
        self.sender = sender
        self.topics = [topic]
        self.keeps_partitions = table.partitions <= partitions
        self.without_time = 0
        self._table = table
        self._topic = topic

    def run(self, stop: threading.Event) -> None:
        """Send until the end or until `stop` is set, then wait for the broker's confirmations.

        Raises ClickstreamError for a damaged archive.
        """
        try:
            for count, record in enumerate(self._table.records()):
                if count % POLL_EVERY == 0:
                    self.sender.poll()
                    if stop.is_set():
                        return
                # To the client 0 is now: a record of the first millisecond of 1970 cannot be sent as it was.
                self.without_time += record.timestamp in (0, -1)
                self.sender.send(
                    self._topic,
                    record.value,
                    record.key,
                    partition=record.partition if self.keeps_partitions else -1,
                    headers=list(record.headers) if record.headers is not None else None,
                    timestamp=0 if record.timestamp == -1 else record.timestamp,
                )
        finally:
            self.sender.close()

    def totals(self) -> dict[str, int]:
        """Records so far, for rates and metrics."""
        return {
            "sent": self.sender.sent,
            "acknowledged": self.sender.acknowledged,
            "failed": self.sender.failed,
        }

    def gauges(self) -> dict[str, float]:
        """Records that are not confirmed yet."""
        return {"queued": self.sender.queued}

    def last_success(self) -> float | None:
        return self.sender.last_success
