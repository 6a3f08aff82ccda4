"""Prometheus metrics of the long-running parts of a process: one endpoint for all."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from clickstream.errors import ClickstreamError
from clickstream.kafka.statistics import Report, Statistics, Window
from clickstream.parts.endpoint import Endpoint
from clickstream.parts.part import Part

log = logging.getLogger(__name__)

PART_LABELS = ("part", "name")
LAST_SUCCESS = "last_success_timestamp_seconds"
PARTITION_LAG = "partition_lag"

Labels = tuple[str, ...]
Family = type[CounterMetricFamily | GaugeMetricFamily]


class PartsCollector:
    """Reads the totals and gauges of all parts when Prometheus asks: nothing is counted twice.

    A metric comes once, with a sample for each part that has it.
    """

    def __init__(self, parts: Sequence[Part], statistics: Statistics) -> None:
        self._parts = parts
        self._statistics = statistics

    def collect(self) -> Iterable[Metric]:
        """All metrics as they are now, as Prometheus's client asks for them."""
        labelled: list[tuple[Labels, Part]] = [((part.kind, part.name or ""), part) for part in self._parts]
        yield from _of_each(CounterMetricFamily, PART_LABELS, [(labels, part.totals()) for labels, part in labelled])
        yield from _of_each(GaugeMetricFamily, PART_LABELS, [(labels, part.gauges()) for labels, part in labelled])
        yield _metric(
            CounterMetricFamily, "changed_values", "values that were not written as they came",
            (*PART_LABELS, "column", "rule"),
            {(*labels, *one): count for labels, part in labelled for one, count in part.changed_values().items()},
        )  # fmt: skip
        yield _metric(
            GaugeMetricFamily, PARTITION_LAG, "records of a partition that the stored results of a table lack",
            (*PART_LABELS, "table", "topic", "partition"),
            {
                (*labels, one.table or "", one.topic, str(one.partition)): one.lag
                for labels, part in labelled for one in part.positions() if one.lag is not None
            },
        )  # fmt: skip
        successes: dict[Labels, float] = {
            labels: at for labels, part in labelled if (at := part.last_success()) is not None
        }
        about = "when records were last acknowledged or results stored"
        yield _metric(GaugeMetricFamily, LAST_SUCCESS, about, PART_LABELS, successes)
        sites: list[tuple[Labels, Mapping[str, float]]] = [
            ((site,), values) for part in self._parts for site, values in part.by_site().items()
        ]
        yield from _of_each(GaugeMetricFamily, ("site",), sites)
        yield from self._of_clients(self._statistics.latest())

    def _of_clients(self, reports: list[Report]) -> Iterable[Metric]:
        for name, about, read in CLIENT_COUNTERS:
            values: dict[Labels, float] = {(report.name,): read(report) for report in reports}
            yield _metric(CounterMetricFamily, f"client_{name}", about, ("client",), values)
        for name, about, gauge in CLIENT_GAUGES:
            values = {(report.name,): gauge(report) for report in reports}
            yield _metric(GaugeMetricFamily, f"client_{name}", about, ("client",), values)


def _of_each(family: Family, labels: Labels, said: Sequence[tuple[Labels, Mapping[str, float]]]) -> Iterable[Metric]:
    """A metric for each name that was said, with a sample for each part, or site, that said it."""
    for name in dict.fromkeys(name for _, values in said for name in values):
        samples = {one: values[name] for one, values in said if name in values}
        yield _metric(family, name, name.replace("_", " "), labels, samples)


def _metric(family: Family, name: str, about: str, labels: Labels, samples: Mapping[Labels, float]) -> Metric:
    metric = family(f"clickstream_{name}", about, labels=labels)
    for values, number in samples.items():
        metric.add_metric(values, number)
    return metric


CLIENT_COUNTERS: tuple[tuple[str, str, Callable[[Report], float]], ...] = (
    ("sent_messages", "messages sent", lambda report: report.txmsgs),
    ("sent_message_bytes", "bytes of messages sent", lambda report: report.txmsg_bytes),
    ("received_messages", "messages received", lambda report: report.rxmsgs),
    ("received_message_bytes", "bytes of messages received", lambda report: report.rxmsg_bytes),
    ("errors", "requests that failed or timed out", Report.errors),
    ("disconnects", "connections lost", Report.disconnects),
)
CLIENT_GAUGES: tuple[tuple[str, str, Callable[[Report], float]], ...] = (
    ("round_trip_p50_seconds", "slowest broker's median round trip", lambda report: report.round_trip_s(_p50)),
    ("round_trip_p99_seconds", "slowest broker's 99th percentile", lambda report: report.round_trip_s(_p99)),
)


def _p50(window: Window) -> int:
    return window.p50


def _p99(window: Window) -> int:
    return window.p99


def _registry(parts: Sequence[Part], statistics: Statistics) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(PartsCollector(parts, statistics))
    ProcessCollector(registry=registry)
    return registry


class Exposition:
    """Metrics of all parts, for a part that has an HTTP server of its own."""

    content_type = CONTENT_TYPE_PLAIN_0_0_4

    def __init__(self, parts: Sequence[Part], statistics: Statistics) -> None:
        self._registry = _registry(parts, statistics)

    def text(self) -> bytes:
        """As they are now."""
        return generate_latest(self._registry)


@contextmanager
def serve(parts: Sequence[Part], statistics: Statistics, endpoint: Endpoint) -> Iterator[None]:
    """Serve /metrics of all parts while the block runs; port 0 serves nothing.

    Raises ClickstreamError when the port is taken, or the host is none of this machine's.
    """
    if endpoint.port == 0:
        yield
        return
    try:
        server, thread = start_http_server(endpoint.port, addr=endpoint.host, registry=_registry(parts, statistics))
    except OSError as error:
        raise ClickstreamError(
            f"Cannot serve metrics on {endpoint.host}:{endpoint.port}: {error.strerror}. "
            "Choose another --metrics-port or --metrics-host."
        ) from None
    log.info("Metrics at http://%s:%d/metrics", endpoint.host, endpoint.port)
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
