"""The JSON that programs rely on: names, their order, and what is null or missing."""

from dataclasses import replace

import msgspec
import pytest

from clickstream.inspect import shapes
from clickstream.inspect.details import PartitionDetails, Setting, TopicDetails
from clickstream.inspect.groups import Group, Member, Progress
from clickstream.inspect.offsets import Limits
from clickstream.inspect.sizes import TopicSummary

SUMMARY = TopicSummary("clicks", 3, 10, 12, 4_096, 1_585_163_149_123)
EMPTY = TopicSummary("empty", 1, None, None, None, None)
DETAILS = TopicDetails(
    "clicks",
    "id-1",
    [PartitionDetails(0, 1, [1, 2], [1], Limits(3, 9)), PartitionDetails(1, -1, [2], [], None)],
    {"retention.ms": Setting("1000", "topic")},
)
MEMBER = Member("m-1", "client", "10.0.0.1", [("t", 0)])
GROUP = Group("g", "stable", "classic", [MEMBER], [Progress("t", 0, 4, 10, MEMBER), Progress("t", 1, None, 5, None)])
UNREADABLE = Group("g", None, None, None, [], "its commits cannot be read: no right")

LINES = [
    (
        shapes.topic(SUMMARY),
        b'{"name":"clicks","partitions":3,"records":10,"size":4096,"last_write":"2020-03-25T19:05:49.123Z"}',
    ),
    (shapes.topic(EMPTY), b'{"name":"empty","partitions":1,"records":null,"size":null,"last_write":null}'),
    (
        shapes.topic_rate(replace(SUMMARY, last_write=10**15), 2.345),
        b'{"name":"clicks","partitions":3,"records":10,"size":4096,"last_write":1000000000000000,"in_per_s":2.3}',
    ),
    (
        shapes.topic_rate(EMPTY, None),
        b'{"name":"empty","partitions":1,"records":null,"size":null,"last_write":null,"in_per_s":null}',
    ),
    (
        shapes.topic_description(DETAILS),
        b'{"name":"clicks","id":"id-1","partitions":['
        b'{"partition":0,"leader":1,"replicas":[1,2],"isr":[1],"low":3,"high":9},'
        b'{"partition":1,"leader":null,"replicas":[2],"isr":[],"low":null,"high":null}],'
        b'"config":{"retention.ms":{"value":"1000","source":"topic"}}}',
    ),
    (
        shapes.group(GROUP),
        b'{"group":"g","state":"stable","type":"classic","members":1,"lag":6,"topics":["t"]}',
    ),
    (
        shapes.group(UNREADABLE),
        b'{"group":"g","state":null,"type":null,"members":null,"lag":null,"topics":[],'
        b'"problem":"its commits cannot be read: no right"}',
    ),
    (
        shapes.group_description(GROUP),
        b'{"group":"g","state":"stable","type":"classic","members":[{"id":"m-1","client":"client","host":"10.0.0.1"}],'
        b'"lag":6,"topics":["t"],"partitions":['
        b'{"topic":"t","partition":0,"committed":4,"end":10,"lag":6,"member":"m-1"},'
        b'{"topic":"t","partition":1,"committed":null,"end":5,"lag":null,"member":null}]}',
    ),
    (
        shapes.group_description(UNREADABLE),
        b'{"group":"g","state":null,"type":null,"members":[],"lag":null,"topics":[],'
        b'"problem":"its commits cannot be read: no right","partitions":[]}',
    ),
]


@pytest.mark.parametrize(("shape", "line"), LINES)
def test_shapes_are_encoded_as_they_are(shape: msgspec.Struct, line: bytes) -> None:
    assert msgspec.json.encode(shape) == line
    assert msgspec.json.decode(line, type=type(shape)) == shape
