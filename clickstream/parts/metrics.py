"""Prometheus metrics of a long-running part, on 127.0.0.1 only."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, ProcessCollector, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from clickstream.errors import ClickstreamError
from clickstream.kafka.statistics import Report, Statistics, Window
from clickstream.parts.part import Part

log = logging.getLogger(__name__)

LISTEN = "127.0.0.1"


class PartCollector:
    """Reads a part's totals and gauges when Prometheus asks: nothing is counted twice."""

    def __init__(self, part: Part, statistics: Statistics) -> None:
        self._part = part
        self._statistics = statistics

    def collect(self) -> Iterable[Metric]:
        kind = self._part.kind
        for name, total in self._part.totals().items():
            yield _metric(CounterMetricFamily, name, f"{name} of the {kind}", "part", {kind: total})
        for name, value in self._part.gauges().items():
            yield _metric(GaugeMetricFamily, name, f"{name} of the {kind}", "part", {kind: value})
        yield from self._of_clients(self._statistics.latest())

    def _of_clients(self, reports: list[Report]) -> Iterable[Metric]:
        for name, about, read in CLIENT_COUNTERS:
            values = {report.name: read(report) for report in reports}
            yield _metric(CounterMetricFamily, f"client_{name}", about, "client", values)
        for name, about, gauge in CLIENT_GAUGES:
            values = {report.name: gauge(report) for report in reports}
            yield _metric(GaugeMetricFamily, f"client_{name}", about, "client", values)


def _metric(
    family: type[CounterMetricFamily | GaugeMetricFamily],
    name: str,
    about: str,
    label: str,
    values: Mapping[str, float],
) -> Metric:
    metric = family(f"clickstream_{name}", about, labels=[label])
    for of, value in values.items():
        metric.add_metric([of], value)
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


@contextmanager
def serve(part: Part, statistics: Statistics, port: int) -> Iterator[None]:
    """Serve /metrics on `port` of 127.0.0.1 while the block runs; port 0 serves nothing.

    Raises ClickstreamError when the port is taken.
    """
    if port == 0:
        yield
        return
    registry = CollectorRegistry()
    registry.register(PartCollector(part, statistics))
    ProcessCollector(registry=registry)
    try:
        server, thread = start_http_server(port, addr=LISTEN, registry=registry)
    except OSError as error:
        raise ClickstreamError(
            f"Cannot serve metrics on {LISTEN}:{port}: {error.strerror}. Choose another --metrics-port."
        ) from None
    log.info("Metrics at http://%s:%d/metrics", LISTEN, port)
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
