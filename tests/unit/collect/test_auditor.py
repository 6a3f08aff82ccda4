"""What the auditor takes for missing of what it reads back."""

from typing import Any, cast

import msgspec
import pytest
from confluent_kafka import Message

from clickstream.collect.audit import auditor
from clickstream.collect.audit.auditor import LOOKED_AT_MS, STREAM_MS, Auditor
from clickstream.collect.audit.sequences import HOUR_MS
from clickstream.kafka.clients import Cluster
from clickstream.kafka.statistics import LostBrokers

NOW = 1_000 * HOUR_MS
SINCE = NOW - LOOKED_AT_MS


@pytest.fixture
def audit(monkeypatch: pytest.MonkeyPatch) -> Auditor:
    """One that has begun to read, at NOW."""
    monkeypatch.setattr(auditor, "at_times", lambda _cluster, _topic, times: times)
    nobody = cast(Any, None)
    found = Auditor(Cluster("localhost:1"), lambda: nobody, "events", "loss", clock=lambda: NOW / 1000)
    found._begin({})
    return found


def event(number: int, time: int, *, cookieless: bool = True) -> Message:
    told = {"site": "s", "time": time, "stream": "v", "sequence": number, "cookieless": cookieless}
    return Message(topic="events", value=msgspec.json.encode(told))


@pytest.mark.parametrize(
    ("time", "cookieless", "missing"),
    [
        (SINCE + STREAM_MS, True, 3),
        (SINCE + STREAM_MS - 1, True, 0),  # what came before it may not have been looked at
        (NOW, False, 0),
    ],
)
def test_only_streams_whose_beginning_was_looked_at_begin_at_zero(
    time: int, cookieless: bool, missing: int, audit: Auditor
) -> None:
    audit.add([event(3, time, cookieless=cookieless)])
    assert sum(figures.missing for figures in audit._sequences.figures.values()) == missing


def test_a_sender_that_has_lost_all_brokers_is_replaced_and_all_is_told_again(audit: Auditor, mocker: Any) -> None:
    first, second = mocker.Mock(), mocker.Mock()
    first.poll.side_effect = LostBrokers("there are none")
    audit._sender, audit._make = first, lambda: second
    audit.add([event(0, NOW)])
    audit._tell(whole=True)
    audit._tell(whole=True)
    assert len(first.send.call_args_list) == 1
    assert second.send.call_args_list == first.send.call_args_list
