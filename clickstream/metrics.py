"""Prometheus metrics of a long-running part, on 127.0.0.1 only."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, ProcessCollector, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from clickstream.errors import ClickstreamError

if TYPE_CHECKING:
    from clickstream.watch import Part

log = logging.getLogger(__name__)

LISTEN = "127.0.0.1"


class PartCollector:
    """Reads a part's totals and gauges when Prometheus asks: nothing is counted twice."""

    def __init__(self, part: Part) -> None:
        self._part = part

    def collect(self) -> Iterable[Metric]:
        for name, total in self._part.totals().items():
            metric = CounterMetricFamily(f"clickstream_{name}", f"{name} of the {self._part.kind}", labels=["part"])
            metric.add_metric([self._part.kind], total)
            yield metric
        for name, value in self._part.gauges().items():
            gauge = GaugeMetricFamily(f"clickstream_{name}", f"{name} of the {self._part.kind}", labels=["part"])
            gauge.add_metric([self._part.kind], value)
            yield gauge


@contextmanager
def serve(part: Part, port: int) -> Iterator[None]:
    """Serve /metrics on `port` of 127.0.0.1 while the block runs; port 0 serves nothing.

    Raises ClickstreamError when the port is taken.
    """
    if port == 0:
        yield
        return
    registry = CollectorRegistry()
    registry.register(PartCollector(part))
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
