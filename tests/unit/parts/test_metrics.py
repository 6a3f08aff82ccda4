"""What Prometheus is told of parts and of their clients, and where."""

import json
import re
import socket
import threading
import urllib.request

import pytest
from prometheus_client.parser import text_string_to_metric_families

from clickstream.errors import ClickstreamError
from clickstream.kafka.statistics import Statistics
from clickstream.parts.endpoint import Endpoint
from clickstream.parts.metrics import serve
from tests.support import PATIENCE, free_port
from tests.unit.parts.doubles import Named, Working


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def statistics() -> Statistics:
    found = Statistics()
    broker = {"nodeid": 1, "rtt": {"p50": 1_500, "p99": 9_000}, "txerrs": 1, "rxerrs": 2, "req_timeouts": 3}
    found.take(
        json.dumps({"name": "c#1", "type": "consumer", "rxmsgs": 5, "rxmsg_bytes": 500, "brokers": {"b": broker}})
    )
    return found


def scraped(port: int) -> dict[str, float]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10 * PATIENCE) as answer:
        text = answer.read().decode()
    return {
        sample.name + "".join(f"[{value}]" for value in sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_metrics_are_what_the_part_says_at_that_moment(port: int, part: Working, statistics: Statistics) -> None:
    with serve([part], statistics, Endpoint(port=port)):
        assert scraped(port)["clickstream_counted_total[][counter]"] == 0
        part.counted, part.lag = 41, 3.0
        found = scraped(port)
    assert found["clickstream_counted_total[][counter]"] == 41
    assert found["clickstream_dead_letters_total[][counter]"] == 2
    assert found["clickstream_lag[][counter]"] == 3.0
    assert "process_resident_memory_bytes" in found


def test_a_metric_comes_once_for_all_parts(port: int, statistics: Statistics) -> None:
    with serve([Named("a"), Named("b"), Working()], statistics, Endpoint(port=port)):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60 * PATIENCE) as answer:
            text = answer.read().decode()
        found = scraped(port)
    assert text.count("# TYPE clickstream_counted_total ") == 1
    assert len(re.findall("^clickstream_counted_total", text, re.MULTILINE)) == 3
    assert found["clickstream_last_success_timestamp_seconds[a][counter]"] == 60.0
    assert "clickstream_last_success_timestamp_seconds[][counter]" not in found  # it had none
    assert found["clickstream_changed_values_total[name][b][counter][NUL]"] == 3
    lags = {name: lag for name, lag in found.items() if name.startswith("clickstream_partition_lag[")}
    assert lags == {f"clickstream_partition_lag[{one}][counter][0][visits][clicks]": 4 for one in "ab"}


def test_metrics_are_served_where_they_should_be(port: int, part: Working, statistics: Statistics) -> None:
    with serve([part], statistics, Endpoint("127.0.0.2", port)):
        with urllib.request.urlopen(f"http://127.0.0.2:{port}/metrics", timeout=60 * PATIENCE) as answer:
            assert b"clickstream_counted_total" in answer.read()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), timeout=60 * PATIENCE)


def test_a_host_that_is_not_here_is_an_error(part: Working, statistics: Statistics) -> None:
    with (
        pytest.raises(ClickstreamError, match=r"Cannot serve metrics on 192\.0\.2\.1:9999: .*--metrics-host"),
        serve([part], statistics, Endpoint("192.0.2.1", 9_999)),
    ):
        raise AssertionError("it must not run")


def test_metrics_hold_what_matters_of_the_clients_statistics(port: int, part: Working, statistics: Statistics) -> None:
    with serve([part], statistics, Endpoint(port=port)):
        found = scraped(port)
    assert found["clickstream_client_received_messages_total[c#1]"] == 5
    assert found["clickstream_client_received_message_bytes_total[c#1]"] == 500
    assert found["clickstream_client_errors_total[c#1]"] == 6
    assert found["clickstream_client_round_trip_p50_seconds[c#1]"] == 0.0015
    assert found["clickstream_client_round_trip_p99_seconds[c#1]"] == 0.009


def test_a_port_that_is_taken_is_an_error_that_says_what_to_do(part: Working, statistics: Statistics) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with (
            pytest.raises(ClickstreamError, match=rf"metrics on 127\.0\.0\.1:{port}: .* in use\. .*--metrics-port"),
            serve([part], statistics, Endpoint(port=port)),
        ):
            raise AssertionError("it must not run")


def test_port_0_serves_nothing(part: Working, statistics: Statistics) -> None:
    before = set(threading.enumerate())
    with serve([part], statistics, Endpoint()):
        assert set(threading.enumerate()) <= before
    assert not part.asked.acquire(blocking=False)


def test_the_port_is_free_again_afterwards(port: int, part: Working, statistics: Statistics) -> None:
    for _ in range(2):
        with serve([part], statistics, Endpoint(port=port)):
            assert scraped(port)
