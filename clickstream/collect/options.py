"""What a collector is told: all of it can be encoded as JSON, for the processes of its workers."""

import msgspec

from clickstream.collect.intake import IntakeOptions
from clickstream.kafka.clients import Cluster


class Kafka(msgspec.Struct, frozen=True):
    """Where it is, and how to talk to it: as Cluster has it."""

    address: str
    common: dict[str, str] = {}
    for_producers: dict[str, str] = {}

    @staticmethod
    def of(cluster: Cluster) -> "Kafka":
        """The same for another process."""
        return Kafka(cluster.address, dict(cluster.common), dict(cluster.for_producers))

    @property
    def cluster(self) -> Cluster:
        """As commands have it."""
        return Cluster(self.address, common=self.common, for_producers=self.for_producers)


class Spooling(msgspec.Struct, frozen=True, kw_only=True):
    """`size`: bytes of all `workers` together; `free`: bytes that stay free on its disk."""

    dir: str
    size: int
    workers: int = 1
    free: int = 128 * 2**20
    fsync: bool = False


class HttpOptions(msgspec.Struct, frozen=True, kw_only=True):
    """`rate`: requests per second of one address, 0: any number. Times are seconds.

    `idle_s` is for a request's headers to come, and for a kept-alive connection to be used again: granian has one
    time-out for both.
    """

    max_body: int = 256 * 1024
    max_headers: int = 64 * 1024
    body_s: float = 10.0
    idle_s: float = 15.0
    rate: float = 100.0
    origins: tuple[str, ...] = ()
    divolte_js: str | None = None
    at_once: int = 4_096  # requests of a worker; what is more is answered with 503


class WorkerOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker's process is told at its start. `socket` is the number of the inherited socket that listens."""

    kafka: Kafka
    intake: IntakeOptions
    dead_letter_topic: str
    spool: Spooling
    http: HttpOptions = HttpOptions()
    wait: bool = True  # for Kafka's acknowledgement
    kafka_is_away: bool = False  # the worker is told when it is there
    explain: bool = False
    drain_delay_s: float = 0.0
    verbose: bool = False
    socket: int = -1


encode = msgspec.json.encode


def decode(line: bytes) -> WorkerOptions:
    """Raises msgspec.MsgspecError."""
    return msgspec.json.decode(line, type=WorkerOptions)
